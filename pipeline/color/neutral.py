"""Which colours are neutral: they go with any other colour."""

import numpy as np
from numpy.typing import NDArray

from pipeline.types import Floats

# Taste: the OKLCH hues and chromas of earth colours (camel, khaki, chocolate) and of muted blues (navy, denim).
EARTH_HUES_DEG = (35, 115)
EARTH_CHROMA = 0.105
BLUE_HUES_DEG = (225, 285)
BLUE_CHROMA = 0.09
# Taste: a muted blue from this OKLCH lightness on is sky blue, which is no neutral.
NAVY_LIGHTNESS = 0.75
# Taste: darker colours look black, and less colourful ones grey, OKLCH.
BLACK_LIGHTNESS = 0.25
GREY_CHROMA = 0.03


def is_neutral(oklch: Floats) -> NDArray[np.bool_]:
    """Whether colours (..., 3) go with anything, (...): near-grey, near-black, earth, navy and denim."""
    lightness, chroma = oklch[..., 0], oklch[..., 1]
    navy = is_muted_blue(oklch) & (lightness < NAVY_LIGHTNESS)
    return np.asarray((chroma < GREY_CHROMA) | (lightness < BLACK_LIGHTNESS) | is_earth(oklch) | navy)


def is_earth(oklch: Floats) -> NDArray[np.bool_]:
    """Whether colours (..., 3) are earth colours such as camel and chocolate, (...)."""
    return _is_muted(oklch, EARTH_HUES_DEG, EARTH_CHROMA)


def is_muted_blue(oklch: Floats) -> NDArray[np.bool_]:
    """Whether colours (..., 3) are muted blues of any lightness, from navy to sky blue, (...)."""
    return _is_muted(oklch, BLUE_HUES_DEG, BLUE_CHROMA)


def _is_muted(oklch: Floats, hues_deg: tuple[float, float], below_chroma: float) -> NDArray[np.bool_]:
    chroma, hue = oklch[..., 1], oklch[..., 2]
    return np.asarray((hue >= hues_deg[0]) & (hue <= hues_deg[1]) & (chroma < below_chroma))
