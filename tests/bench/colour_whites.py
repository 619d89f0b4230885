"""Measures whether white cloth is called white and grey cloth grey: `python -m tests.bench.colour_whites`.

    python -m tests.bench.colour_whites [--labels labels.json --data FOLDER [--fit]]

Painted garments need no data: white, cream, grey and black cloth in known light, with folds and a shaded side. Labelled
photos are a JSON list of `{"id", "garment", "cloth"}`; the ids are paths below the folder without `.jpg`, the garment
is a kind or "any", and the cloth is what a person called it. `--fit` fits `WEIGHTS` of whites.py to both anew.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from unittest.mock import patch

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from models.cards import DEFAULT_MODEL, load_card
from models.engines.choice import open_segmenter
from pipeline.color.gamut import fit_srgb
from pipeline.color.spaces import srgb_to_linear
from pipeline.image.decode import decode_image
from pipeline.options import PhotoOptions
from pipeline.palette import palette, whites
from pipeline.palette.extraction import extract
from pipeline.palette.histogram import Bins
from pipeline.types import CLASSES, Floats, LabelMap, Mask, RgbImage
from tests.bench.colour_garments import Recipe, photographed, shade_of, shape_of
from tests.bench.tables import write_section

CLOTHS = ("white", "cream", "grey", "black")
PER_CLOTH = 60
SEED = 18
# Taste: the inverse strength of the fit's regularisation, the number of parts of its cross-validation, the weight of a
# painted garment beside a photographed one, and of a grey one beside a white one: grey cloth must not become white.
FIT_C, FIT_FOLDS, PAINTED_WEIGHT, GREY_WEIGHT = 3.0, 10, 0.35, 1.6
# The ranges of OKLCH lightness, chroma and hue of each cloth.
_DYES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "white": ((0.94, 0.99), (0.0, 0.012), (0, 360)),
    "cream": ((0.91, 0.96), (0.02, 0.04), (80, 100)),
    "grey": ((0.45, 0.78), (0.0, 0.012), (0, 360)),
    "black": ((0.12, 0.3), (0.0, 0.012), (0, 360)),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One garment: its photo, its labels and the cloth that it is of."""

    name: str
    cloth: str
    pixels: RgbImage
    labels: LabelMap
    garment: str


def painted(cloth: str, seed: int) -> Case:
    """One garment in known light: exposure 0.75 to 1.1, folds, and a side in shade down to 40 % of the light."""
    random = np.random.default_rng([SEED, CLOTHS.index(cloth), seed])
    lightness, chroma, hue = (random.uniform(*limits) for limits in _DYES[cloth])
    dye = srgb_to_linear(fit_srgb(np.array([lightness, chroma, hue])))
    shape = shape_of(random)
    shade = shade_of(random, random.uniform(0.08, 0.35)) * _side(random) * random.uniform(0.75, 1.1)
    recipe = Recipe(exposure=(0.75, 1.1))
    pixels = photographed(random, np.broadcast_to(dye, (*np.asarray(shape).shape, 3)), shade, shape, recipe)
    mask = np.asarray(shape)[::2, ::2] > 0
    return Case(f"{cloth} {seed}", cloth, pixels, np.where(mask, CLASSES.index("top"), 0).astype(np.uint8), "top")


def _side(random: np.random.Generator) -> Floats:
    """The light across the garment, (512, 512): 1 on one side, 0.4 to 0.9 on the other, with a soft edge."""
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    angle, place, width = random.uniform(0, 2 * np.pi), random.uniform(-0.4, 0.4), random.uniform(0.05, 0.4)
    lit = 1 / (1 + np.exp(-(x * np.cos(angle) + y * np.sin(angle) - place) / width))
    return np.asarray(lit + (1 - lit) * random.uniform(0.4, 0.9))


def labelled(labels: Path, data: Path) -> Iterator[Case]:
    """The labelled photos, segmented by the default network."""
    segmenter = open_segmenter(load_card(DEFAULT_MODEL), device="cpu")
    for row in json.loads(labels.read_text()):
        photo = decode_image((data / f"{row['id']}.jpg").read_bytes(), network_px=segmenter.input_px)
        found = segmenter.segment_photo(photo)
        yield Case(row["id"], row["cloth"], photo.pixels, found.labels, row["garment"])


def called(case: Case) -> str | None:
    """The basic name of the main colour of the garment, or None when it was not found."""
    found = extract(case.pixels, case.labels, None, PhotoOptions()).garments
    kinds = [one for one in found if one.colors and case.garment in ("any", one.category)]
    return max(kinds, key=lambda one: one.area or 0).colors[0].names.basic.name if kinds else None


def evidence_of(case: Case) -> tuple[float, ...] | None:
    """The evidence for white of the garment's main colour; None for coloured cloth and where it was not found."""
    seen: list[tuple[float, ...] | None] = []

    def recorded(bins: Bins, member: Mask, exposure: whites.Exposure) -> Floats | None:
        lit = whites.lit_part(bins, member)
        seen.append(None if lit is None else whites.evidence(lit.median, lit.from_luminance, exposure))
        return None

    with patch.object(palette, "white_in_full_light", recorded):
        found = extract(case.pixels, case.labels, None, PhotoOptions()).garments
    kinds = [k for k, one in enumerate(found) if one.colors and case.garment in ("any", one.category)]
    return seen[max(kinds, key=lambda k: found[k].area or 0)] if kinds and len(seen) == len(found) else None


def fit(cases: Iterator[Case]) -> list[str]:
    """The lines that tell the weights of a new fit, and how well it separates photos that it has not seen."""
    kept = []
    for case in cases:
        evidence = evidence_of(case) if case.cloth != "black" else None
        if evidence is not None:
            kept.append((evidence, case.cloth, "/" in case.name))
    x, cloths = np.array([evidence for evidence, *_ in kept]), np.array([cloth for _, cloth, _ in kept])
    photo, white = np.array([photo for *_, photo in kept]), np.isin(cloths, ("white", "cream"))
    weight = np.where(photo, 1.0, PAINTED_WEIGHT) * np.where(white, 1.0, GREY_WEIGHT)
    model = LogisticRegression(C=FIT_C)
    named = np.zeros(len(kept), bool)
    for seen, unseen in StratifiedKFold(FIT_FOLDS, shuffle=True, random_state=SEED).split(x, white):
        model.fit(x[seen], white[seen], sample_weight=weight[seen])
        named[unseen] = model.predict_proba(x[unseen])[:, 1] >= whites.LEAST_CHANCE
    model.fit(x, white, sample_weight=weight)
    weights = ", ".join(f"{value:.2f}" for value in (*model.intercept_, *model.coef_[0]))
    lines = [f"{len(kept)} garments; WEIGHTS = ({weights}), in use: {whites.WEIGHTS}"]
    for part, of_part in (("painted", ~photo), ("photographed", photo)):
        grey, taken = (
            float(np.mean(named[of_part & (cloths == cloth)] == right))
            for cloth, right in (("white", False), ("grey", True))
        )
        lines.append(f"{part}, not seen by the fit: white judged grey {grey:.1%}, grey judged white {taken:.1%}")
    return lines


def table(cases: Iterator[Case]) -> list[str]:
    """The lines of a table: what each cloth was called, and the two shares that matter."""
    counts: dict[str, Counter[str]] = {}
    for case in cases:
        counts.setdefault(case.cloth, Counter())[called(case) or "not found"] += 1
    lines = [
        f"{cloth}: {', '.join(f'{n} {name}' for name, n in found.most_common())}" for cloth, found in counts.items()
    ]
    for cloth, wrong in (("white", "grey"), ("grey", "white")):
        found = counts.get(cloth, Counter())
        total = sum(found.values()) - found["not found"]
        lines.append(f"{cloth} called {wrong}: {found[wrong]} of {total} ({100 * found[wrong] / max(1, total):.1f} %)")
    return lines


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, help="a JSON list of labelled garments")
    parser.add_argument("--data", type=Path, help="the folder that the ids are below")
    parser.add_argument("--fit", action="store_true", help="fit the weights anew and print them; write nothing")
    given = parser.parse_args()
    if given.fit and given.labels and given.data:
        made = (painted(cloth, k) for cloth in CLOTHS for k in range(PER_CLOTH))
        print("\n".join(fit(chain(made, labelled(given.labels, given.data)))))
        return
    parts = {"painted": table(painted(cloth, k) for cloth in CLOTHS for k in range(PER_CLOTH))}
    if given.labels and given.data:
        parts["photographed"] = table(labelled(given.labels, given.data))
    text = "\n".join(f"- {part}: {line}" for part, lines in parts.items() for line in lines)
    print(text)
    if "photographed" in parts:
        write_section("bench-whites", text)


if __name__ == "__main__":
    main()
