"""Tests the erasure of a tenant's and of an upload's data, on a real cache server and a real object store."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from serve.erase import Erased, erase_object, erase_tenant, main
from serve.local import stores
from serve.settings import Environment
from serve.stores.redis import RedisStore
from serve.uploads.object_store import ObjectStore
from serve.walk.question import Question
from tests.s3_server import S3Server
from tests.serve.application import photo_bytes
from tests.serve.fakes import Walk, descriptions, photo

pytestmark = pytest.mark.server
OTHER = b"another photo"


@dataclass(frozen=True, slots=True)
class Kept:
    """A service's stored data: two photos of each of two tenants in the cache, and one photo of each as an object."""

    environment: Environment
    store: ObjectStore
    cache: RedisStore
    uploads: dict[str, str]

    async def values(self) -> int:
        """The number of cached values."""
        return int(await self.cache._redis.dbsize())

    async def objects(self) -> list[str]:
        """The keys in the bucket."""
        return [key async for key in self.store.keys("")]


@pytest_asyncio.fixture
async def kept(s3: S3Server, tmp_path: Path) -> AsyncIterator[Kept]:
    """Stored data of two tenants, written as the walk and clients write it."""
    server = stores.start_cache(tmp_path)
    s3.make_bucket(bucket := f"b{secrets.token_hex(8)}")
    environment = Environment(redis_url=SecretStr(server.url), s3=s3.started.config(bucket))
    store, cache = ObjectStore(environment.s3, timeout_s=20), RedisStore.of_cache(server.url)
    uploads = {}
    walk = Walk()
    walk.advisor = walk.replica(cache)
    for description in descriptions():
        walk.advisor.learn(description)
    for tenant in ("shop", "shop-2"):
        for image in (photo_bytes(), OTHER):
            question = photo(image)
            await walk.advisor.advise(Question(question.mode, question.options, tenant, image=image))
        uploads[tenant] = f"uploads/{tenant}/{secrets.token_hex(16)}"
        await store.put(uploads[tenant], photo_bytes(), "image/png")
    await walk.advisor.close()
    yield Kept(environment, store, cache, uploads)
    await store.close()
    await cache.close()
    server.process.kill()
    server.process.wait()


async def test_nothing_of_a_tenant_is_left_when_it_is_erased(kept: Kept) -> None:
    """All cached values and objects of the tenant go; another tenant whose name begins alike keeps its own."""
    before = await kept.values()
    erased = await erase_tenant("shop", kept.environment)
    assert erased == Erased(objects=1, cached=before // 2)
    assert await kept.values() == before // 2 > 0
    assert await kept.objects() == [kept.uploads["shop-2"]]
    assert await erase_tenant("shop", kept.environment) == Erased(0, 0)


async def test_nothing_of_a_photo_is_left_when_its_upload_is_erased(kept: Kept) -> None:
    """The object and every cached value of its bytes go; the tenant's other photos stay."""
    before = await kept.values()
    erased = await erase_object(kept.uploads["shop"], kept.environment)
    # The three values are the advice, the segmentation and the extraction.
    assert erased == Erased(objects=1, cached=3)
    assert await kept.values() == before - 3
    assert await kept.objects() == [kept.uploads["shop-2"]]
    assert await erase_object(kept.uploads["shop"], kept.environment) == Erased(0, 0)


def test_the_command_reports_what_it_erased(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The command says when no store is configured, refuses a bad name, and reports a store that fails."""
    for name in ("REDIS_URL", "S3_BUCKET"):
        monkeypatch.delenv(name, raising=False)
    assert main(["tenant", "shop"]) == 0
    assert "no cache is configured" in capsys.readouterr().out
    for wrong in (
        ["tenant", "*"],
        ["tenant", "shop/"],
        ["object", "photo.jpg"],
        ["object", f"uploads/shop/{'0' * 32}"],
    ):
        assert main(wrong) == 2
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    assert main(["tenant", "shop"]) == 1
    assert "run the command again" in capsys.readouterr().err
