"""Keys in the state store on a real Valkey server: replicas share and revoke them, and stay safe without it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
import redis

from pipeline.errors import NotReady, Unauthenticated
from serve.keys.__main__ import main
from serve.keys.keyring import FRESH_S, KEEP_S, RECORDS, KeyRing, KeyStore
from serve.keys.quota import Allowance
from serve.keys.records import KeyFile, new_key, write_keys
from serve.local import stores as local_stores
from serve.stores.redis import state_pool

pytestmark = pytest.mark.server
PEPPER = b"pepper"
UNKNOWN = "ssk_000000000000_secret"


@dataclass(slots=True)
class Clock:
    """A clock that tests set."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(frozen=True, slots=True)
class Replicas:
    """Two replicas' key rings on one server and one clock, and an operator's own connection."""

    rings: tuple[KeyRing, KeyRing]
    operator: KeyStore
    clock: Clock

    async def key(self, **changes: object) -> str:
        """A fresh key in the store."""
        key, record = new_key(tenant="shop", scopes=("advice",), pepper=PEPPER)
        await self.operator.add(replace(record, **changes))  # type: ignore[arg-type]
        return key


@pytest.fixture
def server(tmp_path: Path) -> Iterator[local_stores.Store]:
    """A state server of its own."""
    started = local_stores.start_state(tmp_path, tmp_path / "data")
    yield started
    started.process.kill()
    started.process.wait()


@pytest_asyncio.fixture
async def replicas(server: local_stores.Store) -> AsyncIterator[Replicas]:
    """Two replicas and an operator; a busy machine keeps them waiting."""
    clock = Clock()
    stores = [KeyStore(state_pool(server.url, timeout_s=10), PEPPER, timeout_s=10, clock=clock) for _ in range(3)]
    yield Replicas((KeyRing(PEPPER, store=stores[0]), KeyRing(PEPPER, store=stores[1])), stores[2], clock)
    for store in stores:
        await store.close()


def kill(server: local_stores.Store) -> None:
    """Kills the server."""
    server.process.kill()
    server.process.wait()


async def test_a_key_opens_every_replica_when_it_is_created(replicas: Replicas) -> None:
    """Both replicas know an operator's new key and its limits, at the latest at their next refresh."""
    for ring in replicas.rings:
        with pytest.raises(Unauthenticated, match="not valid"):
            await ring.authenticate(UNKNOWN)
    key = await replicas.key(per_minute=60, concurrent=4)
    replicas.clock.now_s += FRESH_S
    for ring in replicas.rings:
        principal = await ring.authenticate(key)
        assert (principal.tenant, principal.allowance) == ("shop", Allowance(60, 4))


async def test_a_revoked_key_is_shut_out_by_all_replicas_when_seconds_have_passed(replicas: Replicas) -> None:
    """Both replicas accept the key at first and refuse it after their next refresh; other keys stay valid."""
    gone, stays = await replicas.key(), await replicas.key()
    for ring in replicas.rings:
        await ring.authenticate(gone)
    assert await replicas.operator.remove(gone.split("_")[1])
    assert not await replicas.operator.remove(gone.split("_")[1])
    replicas.clock.now_s += FRESH_S
    for ring in replicas.rings:
        with pytest.raises(Unauthenticated, match="not valid"):
            await ring.authenticate(gone)
        assert (await ring.authenticate(stays)).tenant == "shop"
    assert FRESH_S <= 2.0


async def test_an_expired_key_is_refused_when_its_time_has_come(replicas: Replicas) -> None:
    """A key in the store expires like one in the file."""
    with pytest.raises(Unauthenticated, match="expired"):
        await replicas.rings[0].authenticate(await replicas.key(expires_s=time.time() - 1))


async def test_the_store_is_asked_once_when_many_requests_come(replicas: Replicas, server: local_stores.Store) -> None:
    """A hundred requests with known and unknown keys cost one read of the store."""
    key = await replicas.key()
    with redis.Redis.from_url(server.url) as watcher:
        before = int(watcher.info("commandstats")["cmdstat_hset"]["calls"])
        tries = [replicas.rings[0].authenticate(one) for one in [key, UNKNOWN] * 50]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        stats = watcher.info("commandstats")
        assert sum(isinstance(outcome, Unauthenticated) for outcome in outcomes) == 50
        assert stats["cmdstat_hgetall"]["calls"] == stats["cmdstat_get"]["calls"] == 1
        assert before == 1


# --- without the server ---------------------------------------------------------------------------------------
async def test_known_keys_stay_valid_for_a_while_when_the_server_is_gone(
    replicas: Replicas, server: local_stores.Store
) -> None:
    """The last snapshot's keys stay valid for a while; other keys get NotReady, and in the end all do."""
    ring, key = replicas.rings[0], await replicas.key()
    await ring.authenticate(key)
    kill(server)
    replicas.clock.now_s += KEEP_S - 1
    assert (await ring.authenticate(key)).tenant == "shop"
    with pytest.raises(Unauthenticated, match="not valid"):
        await ring.authenticate(key[:-1])
    with pytest.raises(NotReady):
        await ring.authenticate(UNKNOWN)
    with pytest.raises(Unauthenticated, match="Send the API key"):
        await ring.authenticate(None)
    replicas.clock.now_s += 1
    with pytest.raises(NotReady):
        await ring.authenticate(key)


async def test_nobody_is_let_in_when_the_server_was_never_there() -> None:
    """A replica that starts without the store accepts no key, and answers quickly."""
    ring = KeyRing(PEPPER, store=KeyStore(state_pool("redis://127.0.0.1:1"), PEPPER))
    since_s = time.perf_counter()
    for _ in range(20):
        with pytest.raises(NotReady):
            await ring.authenticate(UNKNOWN)
    assert time.perf_counter() - since_s < 1.0
    await ring.close()


async def test_the_files_keys_open_when_the_server_is_gone(tmp_path: Path) -> None:
    """Keys of the file need no store, so an operator has access whatever happens to it."""
    key, record = new_key(tenant="operator", scopes=("metrics",), pepper=PEPPER)
    write_keys(tmp_path / "keys.json", [record])
    file = KeyFile(tmp_path / "keys.json")
    ring = KeyRing(PEPPER, file=file, store=KeyStore(state_pool("redis://127.0.0.1:1"), PEPPER))
    assert (await ring.authenticate(key)).tenant == "operator"
    await ring.close()


# --- who can write to the store -------------------------------------------------------------------------------
@pytest.mark.parametrize("change", ["tenant", "bits", "another key's record", "junk"])
async def test_a_record_counts_for_nothing_when_it_was_not_sealed_with_the_pepper(
    replicas: Replicas, server: local_stores.Store, change: str
) -> None:
    """Others who can write to the store can remove keys, but neither make one nor change its tenant or scopes."""
    key, other = await replicas.key(), await replicas.key()
    key_id = key.split("_")[1]
    with redis.Redis.from_url(server.url) as intruder:
        sealed = intruder.hget(RECORDS, key_id)
        assert isinstance(sealed, bytes)
        assert key.split("_", 2)[2].encode() not in sealed
        forged = {
            "tenant": sealed.replace(b"shop", b"bank"),
            "bits": sealed[:-2] + bytes([sealed[-2] ^ 1]) + sealed[-1:],
            "another key's record": intruder.hget(RECORDS, other.split("_")[1]),
            "junk": b"\x80\x04.",
        }[change]
        assert isinstance(forged, bytes)
        intruder.hset(RECORDS, key_id, forged)
        intruder.hset(RECORDS, b"\xff\xfe", b"junk")
    with pytest.raises(Unauthenticated):
        await replicas.rings[0].authenticate(key)
    assert (await replicas.rings[0].authenticate(other)).tenant == "shop"


# --- the command ----------------------------------------------------------------------------------------------
def test_the_command_works_on_the_store_when_its_url_is_set(
    server: local_stores.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """create, list and revoke use the store that the replicas read, and no file."""
    monkeypatch.setenv("STATE_REDIS_URL", server.url)
    (tmp_path / "secret").write_text("pepper\n")
    secret = ["--secret", str(tmp_path / "secret")]

    def tenant_of(key: str) -> str:
        async def ask() -> str:
            ring = KeyRing(PEPPER, store=KeyStore(state_pool(server.url, timeout_s=10), PEPPER, timeout_s=10))
            try:
                return (await ring.authenticate(key)).tenant
            finally:
                await ring.close()

        return asyncio.run(ask())

    assert main([*secret, "create", "--tenant", "shop", "--scopes", "advice", "uploads", "--days", "9"]) == 0
    key = capsys.readouterr().out.strip()
    assert tenant_of(key) == "shop"
    assert main([*secret, "list"]) == 0
    assert key.split("_")[1] in (shown := capsys.readouterr().out)
    assert key.split("_", 2)[2] not in shown
    assert main([*secret, "revoke", key.split("_")[1]]) == 0
    assert main([*secret, "revoke", key.split("_")[1]]) == 2
    with pytest.raises(Unauthenticated):
        tenant_of(key)
    kill(server)
    assert main([*secret, "list"]) == 2
    assert "cannot be asked" in capsys.readouterr().err
