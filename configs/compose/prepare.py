"""Makes what the containers of compose.yaml share: two keys, the pepper and the bucket."""

import asyncio
import shutil
import sys
from pathlib import Path

from pipeline.errors import ColorMatchError
from serve.keys.records import ensure_development_key, new_key, read_keys, write_keys, write_private
from serve.settings import S3Environment
from serve.uploads.object_store import ObjectStore

# The account of the service in the image, and Prometheus' own.
SERVICE_UID, PROMETHEUS_UID = 1000, 65534
# Taste: the object store takes some seconds to start.
TRIES, PAUSE_S = 60, 1.0


def make_keys(folder: Path) -> None:
    """Makes both keys once; a later start keeps them."""
    ensure_development_key(folder)
    metrics_key = folder / "metrics_key"
    if not metrics_key.is_file():
        pepper = (folder / "secret").read_text().strip().encode()
        key, record = new_key(tenant="prometheus", scopes=("metrics",), pepper=pepper)
        write_keys(folder / "keys.json", [*read_keys(folder / "keys.json"), record])
        write_private(metrics_key, key)


async def make_bucket() -> None:
    """Makes the bucket, whose uploads expire after a day. Raises the store's error when it does not start."""
    store = ObjectStore(S3Environment(), timeout_s=5.0)
    try:
        for left in reversed(range(TRIES)):
            try:
                await store.make_bucket(expire_days=1)
                return
            except ColorMatchError:
                if not left:
                    raise
                await asyncio.sleep(PAUSE_S)
    finally:
        await store.close()


def main(folder: Path) -> None:
    """Prepares the shared folder, and gives each file to the account that reads it."""
    make_keys(folder)
    for path in folder.iterdir():
        shutil.chown(path, PROMETHEUS_UID if path.name == "metrics_key" else SERVICE_UID)
    asyncio.run(make_bucket())
    sys.stdout.write("The keys and the bucket are ready.\n")


if __name__ == "__main__":
    main(Path("/keys"))
