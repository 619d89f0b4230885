"""Erases the stored data of a tenant or of one uploaded object: `stylesync erase tenant|object NAME`.

It removes the objects of the bucket and every cached answer and phase result at once. Copies in the memory of replicas
expire within 5 minutes (docs/privacy.md). Revoke the tenant's keys first, or it may store new data meanwhile.
"""

import argparse
import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from pipeline.errors import ColorMatchError, NotFound
from serve.settings import MIB, Environment
from serve.stores.owners import owner_of, photo_of
from serve.stores.redis import tls_options
from serve.stores.timeouts import ERASE_TIMEOUT_S
from serve.uploads.object_store import ObjectStore
from serve.uploads.uploads import prefix_of, tenant_of

PROG = "python -m serve.erase"
EXAMPLES = """examples, with the service's own REDIS_URL and S3_BUCKET in the environment:
  stylesync erase tenant shop
  stylesync erase object uploads/shop/0f8fad5bd9cb469fa16570867728950e

exit codes: 0 erased, 1 a store failed (give the command again), 2 refused"""
# Taste: keys per SCAN, so that no single command blocks Redis for long.
SCAN_COUNT = 1000
# Taste: larger than any upload that the service accepts.
MAX_READ_BYTES = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Erased:
    """How much was erased; None where no such store is configured."""

    objects: int | None
    cached: int | None

    def __str__(self) -> str:
        objects = "no object store is configured (S3_BUCKET)" if self.objects is None else f"{self.objects} objects"
        cached = "no cache is configured (REDIS_URL)" if self.cached is None else f"{self.cached} cached values"
        return f"Erased: {objects}; {cached}."


def main(arguments: list[str] | None = None, *, prog: str = PROG) -> int:
    """Runs the command. Exit status: 0; 1 when a store failed and the command must be run again; 2 when refused."""
    options = parser(prog).parse_args(arguments)
    erase = erase_tenant if options.what == "tenant" else erase_object
    try:
        erased = asyncio.run(erase(options.name, Environment()))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (RedisError, ColorMatchError, OSError) as error:
        sys.stderr.write(f"A store failed and not everything is erased; run the command again. {error}\n")
        return 1
    sys.stdout.write(f"{erased}\n")
    return 0


async def erase_tenant(tenant: str, environment: Environment) -> Erased:
    """Erases a tenant's uploads and everything that was computed for it."""
    if tenant_of(f"{prefix_of(tenant)}{'0' * 32}") is None:
        raise ValueError(f"{tenant!r} is not a tenant, which has 1 to 63 of a-z, 0-9 and -.")
    objects = None
    async with _objects(environment) as store:
        if store is not None:
            keys = [key async for key in store.keys(prefix_of(tenant))]
            for key in keys:
                await store.remove(key)
            objects = len(keys)
    return Erased(objects, await _forget(f"*:{owner_of(tenant)}*", environment))


async def erase_object(object_key: str, environment: Environment) -> Erased:
    """Erases one upload and everything that was computed from its bytes.

    The object goes last, so that the command can be run again when a store fails.
    """
    tenant = tenant_of(object_key)
    if tenant is None:
        raise ValueError(f"{object_key!r} is not the key of an upload.")
    async with _objects(environment) as store:
        if store is None:
            raise ValueError("No object store is configured (S3_BUCKET).")
        try:
            facts = await store.facts(object_key)
            content = hashlib.sha256(await store.read(object_key, facts, max_bytes=MAX_READ_BYTES)).digest()
        except NotFound:
            return Erased(0, 0)
        cached = await _forget(f"*:{owner_of(tenant)}{photo_of(content)}*", environment)
        await store.remove(object_key)
    return Erased(1, cached)


async def _forget(pattern: str, environment: Environment) -> int | None:
    """Removes the cached values under a key pattern; returns how many there were."""
    url = environment.redis_url
    if url is None:
        return None
    trust = tls_options(url.get_secret_value(), environment.ca_file)
    client: Any = Redis.from_url(url.get_secret_value(), socket_timeout=ERASE_TIMEOUT_S, **trust)
    count = 0
    async with client:
        async for key in client.scan_iter(match=pattern, count=SCAN_COUNT):
            count += await client.unlink(key)
    return count


@asynccontextmanager
async def _objects(environment: Environment) -> AsyncIterator[ObjectStore | None]:
    store = None
    if environment.s3.bucket:
        store = ObjectStore(environment.s3, timeout_s=ERASE_TIMEOUT_S, ca_file=environment.ca_file)
    try:
        yield store
    finally:
        if store is not None:
            await store.close()


def parser(prog: str = PROG) -> argparse.ArgumentParser:
    """The command's parser."""
    made = argparse.ArgumentParser(
        prog=prog,
        description="Erase the stored data of a tenant, or one upload and what was computed from it.\n"
        "Revoke the keys of the tenant first, or it may store new data meanwhile.\n"
        "Copies in replicas' memory expire within 5 minutes.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(dest="what", required=True)
    tenant = commands.add_parser("tenant", help="erase everything of a tenant but its keys")
    tenant.add_argument("name", metavar="TENANT")
    one = commands.add_parser("object", help="erase one upload and everything computed from it")
    one.add_argument("name", metavar="OBJECT_KEY")
    return made


if __name__ == "__main__":
    sys.exit(main())
