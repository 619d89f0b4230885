"""Describes a run: the parameters that shape its rows, the resources it may use, and its identity."""

from dataclasses import dataclass, field, replace
from math import floor
from typing import Any, Literal, TypeAlias

import msgspec

from pipeline.backfill.errors import BadRequest
from pipeline.errors import ColorMatchError
from pipeline.options import Options
from pipeline.types import DecodedImage, Segmentation
from pipeline.versions import API_VERSION, EXTRACTION_VERSION, HARMONY_VERSION, VECTOR_VERSION

# The version of the output's layout. A change of its folders or columns raises it.
FORMAT = 1
Device = Literal["cpu", "cuda"]
Engine = Literal["torch", "openvino"]
Dtype = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Everything that shapes a run's rows. Two runs may share an output only when all of it is equal.

    input: a folder, an s3:// prefix, a .parquet or .csv file, or a folder of .parquet files. match: globs; a name must
    match one of them. hosts: patterns of the hosts that https:// addresses may name. sample: the share of the images, 0
    to 1, chosen by id. limit: the most images. engine, dtype: of the network; None: by models.engines.choice.
    """

    input: str
    id_column: str = "id"
    uri_column: str = "uri"
    match: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    sample: float = 1.0
    limit: int | None = None
    options: Options = field(default_factory=Options)
    model: str
    device: Device = "cpu"
    engine: Engine | None = None
    dtype: Dtype | None = None
    rows_per_part: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """The resources that a run may use. None of them changes a row. The defaults are taste.

    workers: processes with a network each; 0 means as many as fit into what is free. cpus, gpus: Ray's logical
    resources per worker. cpus_open: whether cpus may be lowered to what is free. helpers: with a GPU, the most CPU
    processes that read, and the most that advise; 0 means half of what fits for each. photos_per_forward: the size of a
    GPU batch. fetches: concurrent downloads per process. nice: the niceness of all processes. checkpoint_rows: photos
    per checkpoint; None means by the size of the input. decode_cpu_s: the CPU time that decoding one photo may take.
    """

    workers: int = 0
    cpus: float = 1.0
    cpus_open: bool = False
    gpus: float = 0.0
    helpers: int = 0
    photos_per_forward: int = 16
    fetches: int = 8
    nice: int = 0
    checkpoint_rows: int | None = None
    decode_cpu_s: float = 4.0

    def fitted(self, *, cpus: float, gpus: float, free_cpus: float | None = None) -> "Resources":
        """These resources with every open choice made for a cluster. Raises BadRequest if the cluster is too small.

        free_cpus: those that nobody holds now; None: all. Of less than a worker needs, an open worker takes all.
        """
        if self.gpus > gpus or self.cpus > cpus:
            wanted = f"{self.cpus:g} CPUs" + (f" and {self.gpus:g} GPUs" if self.gpus else "")
            raise BadRequest(f"A worker needs {wanted}; the whole Ray cluster has {cpus:g} CPUs and {gpus:g} GPUs.")
        if self.gpus:
            helpers = self.helpers or max(1, int(cpus / self.cpus) // 2)
            return replace(self, workers=self.workers or int(gpus / self.gpus), helpers=helpers)
        free = cpus if free_cpus is None else min(cpus, free_cpus)
        some = floor(100 * free / max(1, self.workers)) / 100
        if self.cpus_open and 0 < some < self.cpus:
            return replace(self, cpus=some, workers=self.workers or 1)
        # Where nothing is free now, workers wait until others end.
        return replace(self, workers=self.workers or int(free / self.cpus) or int(cpus / self.cpus))


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of everything that shapes an answer, and of the vectors."""

    api: str
    segmenter: str | None
    palette: str
    harmony: str
    vector: str


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of the run that an output belongs to. `_run.json` holds it."""

    parameters: Parameters
    versions: Versions
    format: int = FORMAT

    def to_json(self) -> bytes:
        """Canonical JSON: equal identities give equal bytes."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=1) + b"\n"

    def differences(self, other: bytes) -> tuple[str, ...]:
        """One line for each field with another value in another run's `_run.json`."""
        ours = _flat(msgspec.to_builtins(self))
        theirs = _flat(msgspec.json.decode(other, type=dict[str, Any]))
        names = sorted(ours.keys() | theirs.keys())
        return tuple(
            f"{name}: {_shown(theirs.get(name))} there, {_shown(ours.get(name))} here"
            for name in names
            if ours.get(name) != theirs.get(name)
        )


def versions_of(segmenter: str | None) -> Versions:
    """The versions of this code with this segmenter; None for a run without a network."""
    return Versions(API_VERSION, segmenter, EXTRACTION_VERSION, HARMONY_VERSION, VECTOR_VERSION)


def needs_network(options: Options) -> bool:
    """Whether the photos go through the network."""
    return options.segment == "auto"


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = list(value) if isinstance(value, tuple) else value
    return found


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else f"{text[:77]}…"


# A photo or its label map, or the error that explains why there is none.
PhotoOrError: TypeAlias = DecodedImage | ColorMatchError
SegmentationOrError: TypeAlias = Segmentation | ColorMatchError


@dataclass(frozen=True, slots=True)
class Job:
    """The description of a run that each of its processes gets."""

    output: str
    endpoint_url: str | None
    parameters: Parameters
    versions: Versions
    resources: Resources
