"""What a backfill is asked to do: what shapes its answers, what it may use, and its identity; msgspec, no IO."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import msgspec

from pipeline.backfill.errors import BadRequest
from pipeline.errors import ColorMatchError
from pipeline.options import Options
from pipeline.types import DecodedImage, Segmentation
from pipeline.versions import API_VERSION, EXTRACTION_VERSION, HARMONY_VERSION, VECTOR_VERSION

FORMAT = 1  # of the output; another layout of folders or columns is another number
Device = Literal["cpu", "cuda"]
Dtype = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What shapes a run's rows: two runs may share an output only when all of this is equal.

    input: a folder, an s3:// prefix, or a .parquet or .csv file. match: globs that names must fit, any of them.
    sample: the share of the images, 0 to 1, chosen by id. limit: the first so many of them.
    """

    input: str
    id_column: str = "id"
    uri_column: str = "uri"
    match: tuple[str, ...] = ()
    sample: float = 1.0
    limit: int | None = None
    options: Options = field(default_factory=Options)
    model: str
    device: Device = "cpu"
    dtype: Dtype = "fp32"
    rows_per_part: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a run may use; none of it changes a row.

    workers: processes with a network each; 0: as many as the cluster has room for. cpus, gpus: Ray's logical resources
    of one. helpers: with a GPU, the most CPU processes that read, and that advise, beside the network; 0: likewise.
    photos_per_forward: of one GPU batch. fetches: downloads at a time in a process. checkpoint_rows: photos that are
    saved together; None: by the size of the input. decode_cpu_s: the CPU time that one photo's decoding may take.
    """

    workers: int = 0
    cpus: float = 1.0
    gpus: float = 0.0
    helpers: int = 0
    photos_per_forward: int = 16
    fetches: int = 8
    nice: int = 0
    checkpoint_rows: int | None = None
    decode_cpu_s: float = 4.0

    def fitted(self, *, cpus: float, gpus: float) -> "Resources":
        """With what was left open chosen for a cluster of so many. Raises BadRequest when it can never be had."""
        if self.gpus > gpus or self.cpus > cpus:
            wanted = f"{self.cpus:g} CPUs" + (f" and {self.gpus:g} GPUs" if self.gpus else "")
            raise BadRequest(f"A worker wants {wanted}; the whole Ray cluster has {cpus:g} CPUs and {gpus:g} GPUs.")
        if self.gpus:
            helpers = self.helpers or max(1, int(cpus / self.cpus) // 2)
            return replace(self, workers=self.workers or int(gpus / self.gpus), helpers=helpers)
        return replace(self, workers=self.workers or int(cpus / self.cpus))


@dataclass(frozen=True, slots=True)
class Versions:
    """Everything that shapes an answer, as the answers name it, and the vectors' version."""

    api: str
    segmenter: str | None
    palette: str
    harmony: str
    vector: str


@dataclass(frozen=True, slots=True)
class Identity:
    """What `_run.json` says of the run that an output belongs to."""

    parameters: Parameters
    versions: Versions
    format: int = FORMAT

    def to_json(self) -> bytes:
        """Canonical: equal identities give equal bytes."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=1) + b"\n"

    def differences(self, other: bytes) -> tuple[str, ...]:
        """One line for each field that another run's `_run.json` gives another value."""
        ours = _flat(msgspec.to_builtins(self))
        theirs = _flat(msgspec.json.decode(other, type=dict[str, Any]))
        names = sorted(ours.keys() | theirs.keys())
        return tuple(
            f"{name}: {_shown(theirs.get(name))} there, {_shown(ours.get(name))} here"
            for name in names
            if ours.get(name) != theirs.get(name)
        )


def versions_of(segmenter: str | None) -> Versions:
    """The versions of the code at hand with this segmenter; None: a run that needs no network."""
    return Versions(API_VERSION, segmenter, EXTRACTION_VERSION, HARMONY_VERSION, VECTOR_VERSION)


def needs_network(options: Options) -> bool:
    """Whether the photos go through the network at all."""
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


Taken: TypeAlias = DecodedImage | ColorMatchError  # a photo, or why there is none
Segmented: TypeAlias = Segmentation | ColorMatchError


@dataclass(frozen=True, slots=True)
class Job:
    """What every process of a run knows."""

    output: str
    endpoint_url: str | None
    parameters: Parameters
    versions: Versions
    resources: Resources
