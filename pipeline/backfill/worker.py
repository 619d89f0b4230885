"""Turns a shard's rows into answers: reads, decodes, segments, advises and saves."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from pipeline import analysis
from pipeline.backfill.decoder import Decoder
from pipeline.backfill.errors import BadRequest, T, UriInvalid, guarded
from pipeline.backfill.network import Network, network_input_px
from pipeline.backfill.plan import Job, Parameters, PhotoOrError, SegmentationOrError
from pipeline.backfill.stores.uris import Stores
from pipeline.backfill.tables.checkpoints import Answered, Outcome, SavedShard, save_outcomes
from pipeline.backfill.tables.manifest import Shard, read_rows
from pipeline.backfill.trials import Trials
from pipeline.contract import advice_to_json
from pipeline.errors import ColorMatchError
from pipeline.limits import MAX_OBJECT_BYTES
from pipeline.types import DecodedImage, Segmentation


class Reader:
    """Reads and decodes photos. Downloads and decoding run ahead of the photos that are taken."""

    def __init__(self, job: Job) -> None:
        self._stores = Stores(job.endpoint_url, job.parameters.hosts)
        self._network_px = network_input_px(job.parameters)
        self._fetches = job.resources.fetches
        self._fetchers = ThreadPoolExecutor(job.resources.fetches)
        # The decoder's child ends with the thread that starts it, so this thread lives as long as the reader.
        self._decoder_thread = ThreadPoolExecutor(1)
        self._decoder = Decoder(cpu_s=job.resources.decode_cpu_s)

    def photos(self, uris: Sequence[str | None]) -> Iterator[PhotoOrError]:
        """For each URI, in order, its photo or its error. Raises StorageFailed when the store is down."""
        fetched = _ahead(self._fetchers, self._fetches, self._fetch, uris)
        return _ahead(self._decoder_thread, 2, self._decode, fetched)

    def close(self) -> None:
        """Ends the decoder's child and the threads."""
        for pool in (self._fetchers, self._decoder_thread):
            pool.shutdown(cancel_futures=True)
        self._decoder.close()

    def _fetch(self, uri: str | None) -> bytes | ColorMatchError:
        return guarded(lambda: self._read(uri), uri)

    def _read(self, uri: str | None) -> bytes:
        if uri is None:
            raise UriInvalid("The row has no URI.")
        try:
            store, key = self._stores.file(uri)
        except BadRequest as error:
            raise UriInvalid(str(error)) from error
        return store.read(key, max_bytes=MAX_OBJECT_BYTES)

    def _decode(self, data: bytes | ColorMatchError) -> PhotoOrError:
        if isinstance(data, ColorMatchError):
            return data
        return guarded(lambda: self._decoder.decode(data, self._network_px), "a photo")


class Worker:
    """Does all the work of one process: turns shards into checkpoints."""

    def __init__(self, job: Job) -> None:
        self._parameters = job.parameters
        self._output = Stores(job.endpoint_url).folder(job.output)
        self._reader = Reader(job)
        self._network = Network.of(job)
        self._trials, self._beside = Trials(self._output, "work"), ThreadPoolExecutor(1)

    def close(self) -> None:
        """Ends the decoder's child and the threads."""
        self._reader.close()
        self._beside.shutdown()

    def work(self, shard: Shard) -> SavedShard:
        """Does a shard and saves it. Raises StorageFailed when a store is down or full."""
        # The note is written while the first photos are read.
        noted = self._beside.submit(self._trials.begin, shard)
        rows = read_rows(self._output, shard)
        outcomes: list[Outcome] = []
        for number, photo in enumerate(self._reader.photos(rows["uri"].to_pylist())):
            outcomes.append(noted.result().row(number, partial(self._outcome, photo)))
        noted.result().finish()
        return save_outcomes(self._output, shard, rows, outcomes)

    def _outcome(self, photo: PhotoOrError) -> Outcome:
        (segmented,) = self._network.segment([photo])
        return advise(photo, segmented, self._parameters)


def advise(photo: PhotoOrError, segmented: SegmentationOrError, parameters: Parameters) -> Outcome:
    """The answer for one photo, or its error."""
    if isinstance(photo, ColorMatchError):
        return photo
    if isinstance(segmented, ColorMatchError):
        return segmented
    return guarded(lambda: _answered(photo, segmented, parameters), "a photo")


def _answered(photo: DecodedImage, segmented: Segmentation, parameters: Parameters) -> Answered:
    advice = analysis.advise(photo, segmented, parameters.options)
    return Answered(
        advice_to_json(advice, parameters.options.lang).decode(), advice.versions, analysis.look_vector(advice.garments)
    )


def _ahead(pool: ThreadPoolExecutor, most: int, work: Callable[[Any], T], items: Iterable[Any]) -> Iterator[T]:
    """The results in order. At most `most` of them are under way or wait to be taken."""
    waiting: deque[Future[T]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
