"""How many Redis connection pools an ingress replica has, and how large they are."""

import gc
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis.asyncio import BlockingConnectionPool

from serve.assembly import assemble
from serve.keys.peppers import Peppers
from serve.settings import Environment, Settings
from serve.stores import timeouts
from tests.serve.application import NOWHERE
from tests.serve.fakes import PHASES, SECRET, Walk, translate


def _pools() -> set[int]:
    gc.collect()
    return {id(found) for found in gc.get_objects() if type(found) is BlockingConnectionPool}


@pytest.mark.parametrize(
    ("cache_url", "state_url", "pools"),
    [
        (None, None, 0),
        ("redis://127.0.0.1:1", None, 2),
        (None, "redis://127.0.0.1:2", 1),
        ("redis://127.0.0.1:1", "redis://127.0.0.1:2", 3),
    ],
)
async def test_a_replica_has_three_pools_at_most_when_assembled(
    cache_url: str | None, state_url: str | None, pools: int, tmp_path: Path
) -> None:
    """The cache has a pool for reads and one for writes; keys, limits and idempotency keys share the state store's."""
    (tmp_path / "keys.json").write_text('{"keys": []}')
    environment = Environment(
        redis_url=SecretStr(cache_url) if cache_url else None,
        state_redis_url=SecretStr(state_url) if state_url else None,
        stylesync_keys_file=tmp_path / "keys.json",
        s3=NOWHERE,
    )
    before, walk = _pools(), Walk()
    handles = {name: walk.handle(name, _silent) for name in PHASES}
    service = assemble(Settings(), environment, Peppers(SECRET), handles=handles, translate=translate)
    assert len(_pools() - before) == pools
    assert service.uploads is not None


async def _silent() -> bytes:
    raise AssertionError


def test_no_user_waits_for_another_when_they_share_a_pool() -> None:
    """The state store's pool is as large as the concurrency limits of its users together."""
    store = timeouts.READ_CONNECTIONS + timeouts.CLAIM_CONNECTIONS + timeouts.WRITE_CONNECTIONS
    assert store + timeouts.KEYS_CONNECTIONS + timeouts.LIMITS_CONNECTIONS <= timeouts.STATE_CONNECTIONS
