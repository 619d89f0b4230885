"""Brings a replica's network from a bucket or a volume when the replica starts, and verifies it before it is used."""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from models.cards import DEFAULT_MODEL, ModelCard, ModelError, decoded_card, load_card, require_licence
from pipeline.errors import NotFound, NotReady, TooLarge
from serve.settings import S3Environment, SegmentationSettings

BUCKET = "s3://"
# Taste: a card has a few kilobytes; a file without a size on its card may have this much.
MOST_CARD_BYTES = 1 << 20
MOST_FILE_BYTES = 4 << 30
# Taste: the time for one file, and the tries while the store does not answer. Serve starts a failed replica again.
TIMEOUT_S = 300.0
TRIES = 3
PAUSE_S = 2.0

# The engine that runs a card on this replica's device.
ChooseEngine = Callable[[ModelCard], str]


@contextmanager
def network_of(
    settings: SegmentationSettings,
    s3: S3Environment,
    choose: ChooseEngine,
    *,
    ca_file: Path | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[ModelCard]:
    """The card of a replica's network. Its file for the chosen engine is here and verified while the block lasts.

    s3: endpoint and credentials; the address names the bucket. Raises ModelError with the address, what was expected
    and found, and the way out. Without `card` in the settings it is a card of this installation.
    """
    allowed = settings.allow_non_commercial
    if settings.card is None or settings.card_sha256 is None:
        yield load_card(settings.model or DEFAULT_MODEL, allow_non_commercial=allowed)
        return
    read = _Source(s3, ca_file, pause).read
    data = read(settings.card, MOST_CARD_BYTES)
    expected = settings.card_sha256.lower()
    way_out = "set SEGMENTATION_CARD_SHA256 to the hash of the card that you mean"
    _compare(settings.card, data, expected, "SEGMENTATION_CARD_SHA256", way_out)
    card = decoded_card(data, settings.card)
    require_licence(card, allow_non_commercial=allowed)
    with tempfile.TemporaryDirectory(prefix="stylesync-network-") as folder:
        yield _with_file(card, settings.card, choose(card), read, Path(folder))


def _with_file(
    card: ModelCard, card_address: str, engine: str, read: Callable[[str, int], bytes], folder: Path
) -> ModelCard:
    """The card with the verified file of an engine in a folder: its ONNX file for OpenVINO, else its tensors."""
    onnx = card.onnx if engine == "openvino" else None
    name, sha256, size = (
        (card.weights, card.sha256, card.bytes) if onnx is None else (onnx.file, onnx.sha256, onnx.bytes)
    )
    if PurePosixPath(name).name != name or not sha256:
        raise ModelError(
            f"The card {card_address} names the file {name!r} with the sha256 {sha256!r}; it must name a file beside "
            "it, without a folder, and its sha256. Mend the card and SEGMENTATION_CARD_SHA256."
        )
    address = f"{card_address.rpartition('/')[0]}/{name}"
    data = read(address, size or MOST_FILE_BYTES)
    _compare(
        address, data, sha256, f"the card {card_address}", "publish a card with the hash of the file that you mean"
    )
    (folder / name).write_bytes(data)
    here = str(folder / name)
    return replace(card, weights=here) if onnx is None else replace(card, onnx=replace(onnx, file=here))


def _compare(address: str, data: bytes, expected: str, who: str, way_out: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise ModelError(
            f"{address} has the sha256 {found}, but {who} says {expected}: it is not used. Restore the file, or "
            f"{way_out}."
        )


class _Source:
    """Reads whole files from buckets and volumes."""

    def __init__(self, s3: S3Environment, ca_file: Path | None, pause: Callable[[float], None]) -> None:
        self._s3 = s3
        self._ca_file = ca_file
        self._pause = pause

    def read(self, address: str, most_bytes: int) -> bytes:
        """The bytes at an address. Raises ModelError beyond most_bytes, and when they cannot be read."""
        return self._object(address, most_bytes) if address.startswith(BUCKET) else _file(Path(address), most_bytes)

    def _object(self, address: str, most_bytes: int) -> bytes:
        bucket, _, key = address.removeprefix(BUCKET).partition("/")
        config = self._s3.model_copy(update={"bucket": bucket})
        for again in (*range(1, TRIES), None):
            try:
                # A thread of its own, because Serve makes a replica inside a running event loop.
                with ThreadPoolExecutor(1) as thread:
                    return thread.submit(asyncio.run, _download(config, key, most_bytes, self._ca_file)).result()
            except NotFound:
                why = "there is no such object, or these credentials may not read it"
                raise ModelError(
                    f"{address} cannot be read from {config.url}: {why}. Upload it, mend SEGMENTATION_CARD, or give "
                    "the nodes of this deployment S3 credentials or a role."
                ) from None
            except TooLarge:
                raise _too_large(address, most_bytes) from None
            except ValueError as error:
                raise ModelError(f"{address} cannot be read: {error}") from None
            except NotReady:
                if again is not None:
                    self._pause(again * PAUSE_S)
        raise ModelError(
            f"{address} cannot be read: {config.url} did not answer {TRIES} times. Look at S3_ENDPOINT_URL, S3_REGION "
            "and the network of this node; Serve tries again."
        )


async def _download(config: S3Environment, key: str, most_bytes: int, ca_file: Path | None) -> bytes:
    # It loads a client of S3, which a network of this installation never needs.
    from serve.uploads.object_store import ObjectStore

    store = ObjectStore(config, timeout_s=TIMEOUT_S, ca_file=ca_file)
    try:
        return await store.read(key, await store.facts(key), max_bytes=most_bytes)
    finally:
        await store.close()


def _file(path: Path, most_bytes: int) -> bytes:
    try:
        if path.stat().st_size > most_bytes:
            raise _too_large(str(path), most_bytes)
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read: {error.strerror}. Mount the volume on the nodes of this deployment, or mend "
            "SEGMENTATION_CARD."
        ) from None


def _too_large(address: str, most_bytes: int) -> ModelError:
    return ModelError(
        f"{address} has more than the {most_bytes} bytes that its card names: it is not used. Mend the card."
    )
