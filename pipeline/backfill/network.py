"""Runs the segmentation network in one process of a run."""

from collections.abc import Sequence

from models.cards import load_card
from models.engines.choice import Choice, choose, open_segmenter
from models.segmenter import SegmentationInput, Segmenter
from pipeline import analysis
from pipeline.backfill.errors import BadRequest, Unexplained, unexplained
from pipeline.backfill.plan import Job, Parameters, PhotoOrError, SegmentationOrError, needs_network
from pipeline.errors import ColorMatchError
from pipeline.options import Options
from pipeline.types import DecodedImage


class Network:
    """Label maps for photos. segmenter: None when the options need no network."""

    def __init__(self, options: Options, segmenter: Segmenter | None) -> None:
        self._options = options
        self._segmenter = segmenter

    @classmethod
    def of(cls, job: Job) -> "Network":
        """The network of a job. Raises BadRequest when its version is not that with which the run began."""
        options = job.parameters.options
        return cls(options, _segmenter(job) if needs_network(options) else None)

    def segment(self, photos: Sequence[PhotoOrError]) -> list[SegmentationOrError]:
        """For each photo its label map, or the error that explains why it has none."""
        if self._segmenter is None:
            return [photo if isinstance(photo, ColorMatchError) else self._given(photo) for photo in photos]
        inputs = [_input(one) for one in photos if isinstance(one, DecodedImage)]
        found = iter(_isolated(self._segmenter, inputs))
        return [photo if isinstance(photo, ColorMatchError) else next(found) for photo in photos]

    def _given(self, photo: DecodedImage) -> SegmentationOrError:
        return analysis.given_segmentation(photo, self._options) or Unexplained(
            "The options need no network, but give no label map either."
        )


def _isolated(segmenter: Segmenter, inputs: list[SegmentationInput]) -> list[SegmentationOrError]:
    """The label maps of a batch. When the batch fails, its photos go one by one, so that only the bad one fails."""
    try:
        return [*segmenter.segment(inputs)]
    except Exception as error:
        if segmenter.lost(error):
            raise
        if len(inputs) > 1:
            return [found for one in inputs for found in _isolated(segmenter, [one])]
        return [unexplained("a photo's segmentation")]


def _segmenter(job: Job) -> Segmenter:
    parameters, resources = job.parameters, job.resources
    segmenter = open_segmenter(
        load_card(parameters.model),
        device=parameters.device,
        engine=parameters.engine,
        dtype=parameters.dtype,
        threads=max(1, int(resources.cpus)),
        photos_per_forward=resources.photos_per_forward if parameters.device == "cuda" else None,
    )
    if segmenter.version != job.versions.segmenter:
        raise BadRequest(f"The network is {segmenter.version}, but the run began with {job.versions.segmenter}.")
    segmenter.warm_up()
    return segmenter


def _input(photo: DecodedImage) -> SegmentationInput:
    height_px, width_px = photo.pixels.shape[:2]
    return SegmentationInput(photo.pixels if photo.network is None else photo.network, width_px, height_px)


def segmenter_choice(parameters: Parameters) -> Choice:
    """The engine, dtype and version of a run's segmenter, without loading it. Raises ModelError."""
    return choose(
        load_card(parameters.model), device=parameters.device, engine=parameters.engine, dtype=parameters.dtype
    )


def network_input_px(parameters: Parameters) -> tuple[int, int] | None:
    """The network's input size, (width, height) in px; None for a run without a network. Raises ModelError."""
    return load_card(parameters.model).input_px if needs_network(parameters.options) else None
