"""A shard's rows to answers: read, decode, segment, advise, save; the core's composition, models, and the stores."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from models.registry import load_card
from pipeline import analysis
from pipeline.backfill.decoder import Decoder
from pipeline.backfill.errors import BackfillError, BadRequest, Unexplained, UriInvalid
from pipeline.backfill.plan import Parameters, Resources, Versions, needs_network
from pipeline.backfill.stores.uris import Stores
from pipeline.backfill.tables.checkpoints import Answered, Done, Outcome, save_outcomes
from pipeline.backfill.tables.manifest import Shard, read_rows
from pipeline.backfill.trials import Trials
from pipeline.contract import advice_to_json
from pipeline.errors import ColorMatchError
from pipeline.types import DecodedImage, Options, Segmentation

if TYPE_CHECKING:
    from models.segmenter import SegmentationInput, Segmenter

MAX_OBJECT_BYTES = 50 * 1024 * 1024  # as the service allows for an object
T = TypeVar("T")
Taken: TypeAlias = DecodedImage | ColorMatchError  # a photo, or why there is none
Segmented: TypeAlias = Segmentation | ColorMatchError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """What every process of a run knows."""

    output: str
    endpoint_url: str | None
    parameters: Parameters
    versions: Versions
    resources: Resources


class Reader:
    """Rows to decoded photos; downloads and decoding run ahead of whoever takes them."""

    def __init__(self, job: Job) -> None:
        self._stores = Stores(job.endpoint_url)
        self._network_px = load_card(job.parameters.model).input_px if needs_network(job.parameters.options) else None
        self._fetches = job.resources.fetches
        self._fetchers = ThreadPoolExecutor(job.resources.fetches)
        self._decoder_thread = ThreadPoolExecutor(1)  # lives as long as the reader, as the decoder's child needs
        self._decoder = Decoder(cpu_s=job.resources.decode_cpu_s)

    def photos(self, uris: Sequence[str | None]) -> Iterator[Taken]:
        """A photo, or its error, for each URI, in their order. Raises StorageFailed when the store is down."""
        fetched = _ahead(self._fetchers, self._fetches, self._fetch, uris)
        return _ahead(self._decoder_thread, 2, self._decode, fetched)

    def close(self) -> None:
        """Ends the decoder's child."""
        for pool in (self._fetchers, self._decoder_thread):
            pool.shutdown(cancel_futures=True)
        self._decoder.close()

    def _fetch(self, uri: str | None) -> bytes | ColorMatchError:
        return _guarded(lambda: self._read(uri), uri)

    def _read(self, uri: str | None) -> bytes:
        if uri is None:
            raise UriInvalid("The row has no URI.")
        try:
            store, key = self._stores.file(uri)
        except BadRequest as error:
            raise UriInvalid("The URI is neither a path nor an s3:// or file:// URI.") from error
        return store.read(key, max_bytes=MAX_OBJECT_BYTES)

    def _decode(self, data: bytes | ColorMatchError) -> Taken:
        if isinstance(data, ColorMatchError):
            return data
        return _guarded(lambda: self._decoder.decode(data, self._network_px), "a photo")


class Network:
    """The network of one process, where the options want one; segmenter: None where they do not."""

    def __init__(self, options: Options, segmenter: "Segmenter | None") -> None:
        self._options = options
        self._segmenter = segmenter

    @classmethod
    def of(cls, job: Job) -> "Network":
        """A job's. Raises BadRequest when its weights are not those that the run began with."""
        options = job.parameters.options
        return cls(options, _segmenter(job) if needs_network(options) else None)

    def segment(self, photos: Sequence[Taken]) -> list[Segmented]:
        """A label map, or why there is none, for each photo."""
        if self._segmenter is None:
            return [photo if isinstance(photo, ColorMatchError) else self._given(photo) for photo in photos]
        segment, inputs = self._segmenter.segment, [_input(one) for one in photos if isinstance(one, DecodedImage)]
        found = iter(_isolated(segment, inputs))
        return [photo if isinstance(photo, ColorMatchError) else next(found) for photo in photos]

    def _given(self, photo: DecodedImage) -> Segmented:
        return analysis.given_segmentation(photo, self._options) or Unexplained("No network has seen the photo.")


Segment: TypeAlias = "Callable[[Sequence[SegmentationInput]], list[Segmentation | ColorMatchError]]"


def _isolated(segment: Segment, inputs: "list[SegmentationInput]") -> list[Segmented]:
    """The batch's label maps. When it fails, its photos go one by one, so that the one to blame fails alone."""
    from models.segmenter import device_is_lost

    try:
        return segment(inputs)
    except Exception as error:
        if device_is_lost(error):
            raise
        if len(inputs) > 1:
            return [found for one in inputs for found in _isolated(segment, [one])]
        return [_unexplained("a photo's segmentation")]


def _segmenter(job: Job) -> "Segmenter":
    from models.segmenter import Segmenter  # here, because a run without the network needs no torch

    parameters, resources = job.parameters, job.resources
    segmenter = Segmenter(
        load_card(parameters.model),
        device=parameters.device,
        dtype=parameters.dtype,
        threads=max(1, int(resources.cpus)),
        photos_per_forward=resources.photos_per_forward if parameters.device == "cuda" else None,
    )
    if segmenter.version != job.versions.segmenter:
        raise BadRequest(f"The network here is {segmenter.version}; the run began with {job.versions.segmenter}.")
    segmenter.warm_up()
    return segmenter


def _input(photo: DecodedImage) -> "SegmentationInput":
    from models.segmenter import SegmentationInput

    height_px, width_px = photo.pixels.shape[:2]
    return SegmentationInput(photo.pixels if photo.network is None else photo.network, width_px, height_px)


class Worker:
    """One process's whole work: a shard in, a checkpoint out."""

    def __init__(self, job: Job) -> None:
        self._parameters = job.parameters
        self._output = Stores(job.endpoint_url).folder(job.output)
        self._reader = Reader(job)
        self._network = Network.of(job)
        self._trials, self._beside = Trials(self._output, "work"), ThreadPoolExecutor(1)

    def close(self) -> None:
        """Ends the decoder's child."""
        self._reader.close()
        self._beside.shutdown()

    def work(self, shard: Shard) -> Done:
        """Does a shard and saves it. Raises StorageFailed when a store is down or full."""
        noted = self._beside.submit(self._trials.begin, shard)  # while the first photos are read
        rows = read_rows(self._output, shard)
        outcomes: list[Outcome] = []
        for number, photo in enumerate(self._reader.photos(rows["uri"].to_pylist())):
            outcomes.append(noted.result().row(number, partial(self._outcome, photo)))
        noted.result().over()
        return save_outcomes(self._output, shard, rows, outcomes)

    def _outcome(self, photo: Taken) -> Outcome:
        (segmented,) = self._network.segment([photo])
        return advise(photo, segmented, self._parameters)


def advise(photo: Taken, segmented: Segmented, parameters: Parameters) -> Outcome:
    """The answer of one photo, or why there is none."""
    if isinstance(photo, ColorMatchError):
        return photo
    if isinstance(segmented, ColorMatchError):
        return segmented
    return _guarded(lambda: _answered(photo, segmented, parameters), "a photo")


def _answered(photo: DecodedImage, segmented: Segmentation, parameters: Parameters) -> Answered:
    advice = analysis.advise(photo, segmented, parameters.options)
    return Answered(advice_to_json(advice).decode(), advice.versions, analysis.look_vector(advice.garments))


def segmenter_version(parameters: Parameters) -> str:
    """The version that a run's segmenter will give itself, without loading it. Raises ModelError."""
    card = load_card(parameters.model)
    return f"{card.id}:{card.sha256[:12]}:{parameters.dtype}:{parameters.device}"


def _guarded(work: Callable[[], T], what: str | None) -> T | ColorMatchError:
    """The result, or the photo's own error; what ends the whole run is raised."""
    try:
        return work()
    except ColorMatchError as error:
        return error
    except BackfillError:
        raise
    except Exception:
        return _unexplained(what)


def _unexplained(what: str | None) -> Unexplained:
    _log.exception("Unexpected, with %s", what)
    return Unexplained("An unexpected error; the job's log has it.")


def _ahead(pool: ThreadPoolExecutor, most: int, work: Callable[[Any], T], items: Iterable[Any]) -> Iterator[T]:
    """The results in order, with at most `most` of them under way or waiting."""
    waiting: deque[Future[T]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
