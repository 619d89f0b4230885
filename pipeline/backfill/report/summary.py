"""Summarises a run by counting over its published tables."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.backfill.plan import Identity, Parameters, Versions
from pipeline.backfill.stores.store import Store
from pipeline.backfill.tables.manifest import Manifest, part_name
from pipeline.backfill.tables.parquet import from_parquet
from pipeline.color.hex import rgb_to_hex
from pipeline.color.spaces import oklab_to_srgb, oklch_to_oklab
from pipeline.types import Floats

# Taste: the bins of OKLCH hue, and the number of most frequent colour names.
HUE_BINS = 24
TOP_NAMES = 24
GARMENT_COLUMNS = ["id", "garment_id", "category", "pattern", "garment_area", "share", "neutral"]
COLOR_COLUMNS = ["oklch_l", "oklch_c", "oklch_h", "name_basic", "name_fashion"]


@dataclass(frozen=True, slots=True)
class Pace:
    """The rows that the last process of a run did, and its time from Ray's start to the last photo."""

    rows: int = 0
    seconds: float = 0.0

    @property
    def images_per_s(self) -> float:
        return round(self.rows / self.seconds, 2) if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class NamedShare:
    """A colour name. share: of the whole catalogue, 0 to 1; each photo has the same weight. hex: the mean colour."""

    name: str
    share: float
    hex: str


@dataclass(frozen=True, slots=True)
class PartCount:
    """The number of answers and of dead letters in one part."""

    name: str
    answers: int
    dead_letters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The contents of `summary.json`.

    rows: answers and dead_letters together. hues: shares of the colours that are not neutral, by OKLCH hue, in bins of
    15 degrees from 0.
    """

    rows: int
    answers: int
    dead_letters: int
    failures: dict[str, int]
    skipped: int
    garments: int
    without_garment: int
    categories: dict[str, int]
    patterns: dict[str, int]
    schemes: dict[str, int]
    neutral_share: float
    colors_basic: tuple[NamedShare, ...]
    colors_fashion: tuple[NamedShare, ...]
    hues: tuple[float, ...]
    last_run: dict[str, float]
    parts: tuple[PartCount, ...]
    parameters: Parameters
    versions: Versions


def summarise(output: Store, manifest: Manifest, identity: Identity, pace: Pace) -> Summary:
    """The summary of the published tables, of which one part at a time is in memory."""
    tally = _Tally()
    for part in range(len(manifest.parts)):
        tally.add(output, part_name(part))
    answers, dead = sum(part.answers for part in tally.parts), sum(part.dead_letters for part in tally.parts)
    return Summary(
        rows=answers + dead,
        answers=answers,
        dead_letters=dead,
        failures=_most_common(tally.failures),
        skipped=manifest.skipped,
        garments=sum(tally.categories.values()),
        without_garment=answers - tally.photos,
        categories=_most_common(tally.categories),
        patterns=_most_common(tally.patterns),
        schemes=_most_common(tally.schemes),
        neutral_share=round(tally.neutral / tally.photos, 4) if tally.photos else 0.0,
        colors_basic=_shares(tally.basic, tally.photos),
        colors_fashion=_shares(tally.fashion, tally.photos),
        hues=tuple(round(float(share), 4) for share in tally.hues / max(tally.hues.sum(), 1e-9)),
        last_run={"rows": pace.rows, "seconds": round(pace.seconds, 1), "images_per_s": pace.images_per_s},
        parts=tuple(tally.parts),
        parameters=identity.parameters,
        versions=identity.versions,
    )


@dataclass(slots=True)
class _Tally:
    """Running sums over the parts.

    basic, fashion: for each name the sums of weight and of weight × OKLab. photos: those with a garment.
    """

    failures: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    patterns: Counter[str] = field(default_factory=Counter)
    schemes: Counter[str] = field(default_factory=Counter)
    basic: dict[str, Floats] = field(default_factory=dict)
    fashion: dict[str, Floats] = field(default_factory=dict)
    hues: Floats = field(default_factory=lambda: np.zeros(HUE_BINS))
    neutral: float = 0.0
    photos: int = 0
    parts: list[PartCount] = field(default_factory=list)

    def add(self, output: Store, name: str) -> None:
        dead = from_parquet(output.read(f"dead_letters/{name}"), ["code"])
        answers = from_parquet(output.read(f"answers/{name}"), ["id"])
        self.parts.append(PartCount(name, answers.num_rows, dead.num_rows))
        self.failures.update(dead["code"].to_pylist())
        schemes = from_parquet(output.read(f"suggestions/{name}"), ["rank", "scheme"])
        self.schemes.update(schemes.filter(pc.equal(schemes["rank"], 1))["scheme"].to_pylist())
        self._add_colors(from_parquet(output.read(f"colors/{name}"), GARMENT_COLUMNS + COLOR_COLUMNS))

    def _add_colors(self, colors: pa.Table) -> None:
        if not colors.num_rows:
            return
        garments = colors.select(["id", "garment_id", "category", "pattern"]).group_by(
            ["id", "garment_id", "category", "pattern"]
        )
        garments = garments.aggregate([])
        self.categories.update(garments["category"].to_pylist())
        self.patterns.update(pattern for pattern in garments["pattern"].to_pylist() if pattern)
        weight = _weights(colors)
        self.photos += round(weight.sum())
        lightness, chroma, hue = (colors[name].to_numpy() for name in ("oklch_l", "oklch_c", "oklch_h"))
        neutral = colors["neutral"].to_numpy(zero_copy_only=False)
        self.neutral += float(weight[neutral].sum())
        bins = (hue[~neutral] / (360 / HUE_BINS)).astype(int) % HUE_BINS
        self.hues += np.bincount(bins, weight[~neutral], HUE_BINS)
        oklab = oklch_to_oklab(np.column_stack((lightness, chroma, hue)))
        terms = np.column_stack((weight, weight[:, None] * oklab))
        _sum_by_name(self.basic, colors["name_basic"], terms)
        _sum_by_name(self.fashion, colors["name_fashion"], terms)


def _weights(colors: pa.Table) -> Floats:
    """Each colour's share of the area of its photo's garments. The shares of one photo sum to 1."""
    area = colors["garment_area"].fill_null(1.0).to_numpy()
    covered = area * colors["share"].to_numpy()
    _, photo = np.unique(colors["id"].to_numpy(zero_copy_only=False), return_inverse=True)
    return np.asarray(covered / np.bincount(photo, covered)[photo])


def _sum_by_name(sums: dict[str, Floats], names: pa.ChunkedArray, terms: Floats) -> None:
    distinct, which = np.unique(names.to_numpy().astype(str), return_inverse=True)
    for k, name in enumerate(distinct.tolist()):
        sums[name] = sums.get(name, np.zeros(4)) + terms[which == k].sum(axis=0)


def _shares(sums: dict[str, Floats], photos: int) -> tuple[NamedShare, ...]:
    ranked = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))[:TOP_NAMES]
    return tuple(NamedShare(name, round(float(term[0] / photos), 4), _hex(term[1:] / term[0])) for name, term in ranked)


def _hex(oklab: Floats) -> str:
    return rgb_to_hex(np.clip(oklab_to_srgb(oklab), 0, 1) * 255)


def _most_common(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
