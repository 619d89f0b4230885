"""Measures how the light is judged: `python -m tests.bench.colour_light --labels labels.json --data FOLDER`.

Labels are a JSON list of `{"id", "neutral"}`: the id is a path below the folder without `.jpg`, and neutral says
whether the photo's own white or grey looked neutral to a person. Neutral photos are lit again by black bodies.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.cards import DEFAULT_MODEL, load_card
from models.engines.choice import open_segmenter
from models.train.illuminant import black_body
from pipeline.color.difference import delta_e_2000
from pipeline.color.spaces import linear_to_srgb, srgb_to_lab_d65, srgb_to_linear
from pipeline.image.decode import decode_image
from pipeline.options import PhotoOptions
from pipeline.palette.extraction import extract
from pipeline.palette.illuminant import estimate_light
from pipeline.palette.lighting import correct
from pipeline.types import LabelMap, RgbImage
from tests.bench.tables import write_section

LAMPS_K = (5500, 5200, 4800, 4500, 4200, 3800, 3200, 2700)
STEP_K = 100
# The steps of 100 K are measured on every ninth photo, because each needs 39 answers.
EVERY = 9


def relit(pixels: RgbImage, kelvin: float) -> RgbImage:
    """A photo under a black body in place of daylight, at equal luminance, exposed so that little is clipped."""
    gains = black_body(kelvin) / black_body(6504)
    linear = srgb_to_linear(pixels / 255) * gains / (gains @ np.array([0.2126, 0.7152, 0.0722]))
    linear = linear / max(1.0, float(np.quantile(linear.max(axis=-1), 0.995)))
    return np.rint(255 * linear_to_srgb(np.clip(linear, 0, 1))).astype(np.uint8)


def photos(labels: Path, data: Path) -> Iterator[tuple[bool, RgbImage, LabelMap]]:
    """Each labelled photo once: whether its light is neutral, its pixels, and the default network's labels."""
    segmenter = open_segmenter(load_card(DEFAULT_MODEL), device="cpu")
    neutral = {row["id"]: row["neutral"] for row in json.loads(labels.read_text()) if row["neutral"] is not None}
    for name, is_neutral in neutral.items():
        photo = decode_image((data / f"{name}.jpg").read_bytes(), network_px=segmenter.input_px)
        yield is_neutral, photo.pixels, segmenter.segment_photo(photo).labels


def warned(pixels: RgbImage, labels: LabelMap) -> bool:
    """Whether the answer has COLOUR_CAST."""
    return any(one.code == "COLOUR_CAST" for one in extract(pixels, labels, None, PhotoOptions()).warnings)


def left_over(before: RgbImage, lit: RgbImage, labels: LabelMap) -> float:
    """The share of the lamp's mean error, ΔE00 over the garments, that `white_balance: apply` leaves."""
    mask = labels[::4, ::4] > 2
    if not mask.any():
        mask[:] = True
    true = srgb_to_lab_d65(before[::4, ::4][mask] / 255)
    light = estimate_light(lit, labels)
    applied = correct(lit, light) if light.confidence >= 0.5 else lit
    errors = [float(delta_e_2000(true, srgb_to_lab_d65(one[::4, ::4][mask] / 255)).mean()) for one in (applied, lit)]
    return errors[0] / errors[1]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, required=True, help="a JSON list of labelled photos")
    parser.add_argument("--data", type=Path, required=True, help="the folder that the ids are below")
    given = parser.parse_args()
    false: list[bool] = []
    told: defaultdict[int, list[bool]] = defaultdict(list)
    warnings: defaultdict[int, list[bool]] = defaultdict(list)
    left: defaultdict[int, list[float]] = defaultdict(list)
    steps: list[float] = []
    for number, (neutral, pixels, labels) in enumerate(photos(given.labels, given.data)):
        if not neutral:
            continue
        false.append(warned(pixels, labels))
        for kelvin in LAMPS_K:
            lit = relit(pixels, kelvin)
            told[kelvin].append(estimate_light(lit, labels).cast == "warm")
            warnings[kelvin].append(warned(lit, labels))
            left[kelvin].append(left_over(pixels, lit, labels))
        if number % EVERY == 0:
            walk = [_warm(relit(pixels, kelvin), labels) for kelvin in range(2700, 6501, STEP_K)]
            steps += np.abs(np.diff(walk)).tolist()
    lines = [f"neutral photos: {len(false)}, warned falsely {100 * np.mean(false):.1f} %"]
    for kelvin in LAMPS_K:
        told_share, warned_share = 100 * np.mean(told[kelvin]), 100 * np.mean(warnings[kelvin])
        lines.append(
            f"{kelvin} K: warm {told_share:.0f} %, COLOUR_CAST {warned_share:.0f} %, "
            f"error left by apply {np.median(left[kelvin]):.2f} (p90 {np.quantile(left[kelvin], 0.9):.2f})"
        )
    lines.append(f"confidence over {STEP_K} K: changes by at most {max(steps):.2f}")
    text = "\n".join(f"- {line}" for line in lines)
    print(text)
    write_section("bench-light", text)


def _warm(pixels: RgbImage, labels: LabelMap) -> float:
    """The confidence that the light is warm; that of neutral light counts as its complement."""
    light = estimate_light(pixels, labels)
    return light.confidence if light.cast != "none" else 1 - light.confidence


if __name__ == "__main__":
    main()
