"""Fits OKLCH colours into the sRGB gamut."""

import numpy as np
from numpy.typing import NDArray

from pipeline.color.difference import delta_e_ok
from pipeline.color.spaces import oklab_to_srgb, oklch_to_oklab, srgb_to_oklab
from pipeline.types import Floats


def in_gamut(rgb: Floats, *, slack: float = 1e-6) -> NDArray[np.bool_]:
    """Whether sRGB colours (..., 3) are displayable, (...,)."""
    return np.asarray(np.all((rgb >= -slack) & (rgb <= 1 + slack), axis=-1))


def fit_srgb(oklch: Floats) -> Floats:
    """Displayable sRGB of OKLCH colours (..., 3), by reducing chroma with local clipping (CSS Color 4, 13.2.4)."""
    # Standard: the just noticeable difference and the tolerance of CSS Color 4.
    just_noticeable, close = 0.02, 1e-4
    lightness = np.clip(oklch[..., 0], 0, 1)
    low, high = np.zeros_like(lightness), np.array(oklch[..., 1], dtype=float)
    current = np.stack([lightness, high, oklch[..., 2]], axis=-1)
    plain = oklab_to_srgb(oklch_to_oklab(current))
    result = np.clip(plain, 0, 1)
    done = in_gamut(plain) | (_clip_error(current, result) < just_noticeable)
    for _ in range(40):
        if np.all(done | (high - low <= close)):
            break
        middle = (low + high) / 2
        current = np.stack([lightness, middle, oklch[..., 2]], axis=-1)
        plain = oklab_to_srgb(oklch_to_oklab(current))
        inside = in_gamut(plain)
        clipped = np.clip(plain, 0, 1)
        error = _clip_error(current, clipped)
        near = error < just_noticeable
        settled = ~inside & near & (just_noticeable - error < close)
        result = np.where(done[..., None], result, clipped)
        # The standard remembers whether `low` is in the gamut. That only saves it a look at colours whose error is 0.
        low = np.where(~done & near & ~settled, middle, low)
        high = np.where(~done & ~near, middle, high)
        done = done | settled
    return result


def _clip_error(oklch: Floats, clipped: Floats) -> Floats:
    return delta_e_ok(oklch_to_oklab(oklch), srgb_to_oklab(clipped))
