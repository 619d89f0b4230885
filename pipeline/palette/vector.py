"""Measures the error between two palettes, and embeds palettes so that distances rank them as the error does.

The embedding is a small DeepSets network (Zaheer et al. 2017), which models/train/palette_encoder.py trains on palette
errors. The order of the colours does not matter, nor whether a colour is given in two parts.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from pipeline.color.difference import delta_e_2000
from pipeline.parts import PaletteVector, Swatch
from pipeline.types import Floats
from pipeline.versions import VECTOR_VERSION

# Taste: the length of a palette vector.
DIMENSIONS = 64
# Taste: the sharpness of the soft maximum over a palette's colours. The encoder was trained with this value.
SHARPNESS = 4.0
ENCODER_FILE = Path(__file__).parent / "palette_encoder.npz"


def palette_error(first: Sequence[Swatch], second: Sequence[Swatch]) -> float:
    """The mean ΔE00 to the nearest colour, weighted by share, both ways (after Pan & Westland 2018)."""
    first_lab, second_lab = np.array([s.lab for s in first]), np.array([s.lab for s in second])
    distance = delta_e_2000(first_lab[:, None], second_lab[None])
    forth = np.average(distance.min(axis=1), weights=[s.share for s in first])
    back = np.average(distance.min(axis=0), weights=[s.share for s in second])
    return float((forth + back) / 2)


def palette_vector(swatches: Sequence[Swatch], *, weights: Sequence[float] | None = None) -> PaletteVector:
    """The vector of a palette of at least one colour. The distance of two vectors is about their palette error, ΔE00.

    weights: replace the swatches' shares, on any positive scale.
    """
    lab = np.array([swatch.lab for swatch in swatches])
    mass = np.array([swatch.share for swatch in swatches] if weights is None else weights)
    layers, share = _encoder(), mass / mass.sum()
    colors = _silu(_linear(lab / 50 - (1.0, 0.0, 0.0), layers, "color_in"))
    colors = _linear(_silu(_linear(colors, layers, "color_mid")), layers, "color_out")
    peak = colors.max(axis=0)
    top = peak + np.log(share @ np.exp(SHARPNESS * (colors - peak)) + 1e-9) / SHARPNESS
    pooled = np.concatenate((share @ colors, top))
    values = _linear(_silu(_linear(pooled, layers, "palette_in")), layers, "palette_out")
    return PaletteVector(VECTOR_VERSION, tuple(round(float(value), 3) + 0.0 for value in values))


def _linear(values: Floats, layers: dict[str, Floats], name: str) -> Floats:
    return np.asarray(values @ layers[f"{name}_weight"].T + layers[f"{name}_bias"])


def _silu(values: Floats) -> Floats:
    return np.asarray(values / (1 + np.exp(-values)))


@cache
def _encoder() -> dict[str, Floats]:
    with np.load(ENCODER_FILE, allow_pickle=False) as file:
        return {name: file[name].astype(np.float64) for name in file.files}
