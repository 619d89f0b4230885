"""Converts between colour spaces, on arrays (..., 3).

sRGB is 0..1 unless a docstring says otherwise. Lab is CIE Lab of D65. Hues are degrees, 0..360.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.types import Floats

# Standard: the white of sRGB (IEC 61966-2-1), xy (0.3127, 0.3290), as XYZ.
WHITE_D65 = np.array([0.95045592705, 1.0, 1.08905775076])
# Taste: below this OKLCH chroma a hue is rounding noise.
ACHROMATIC_C = 2e-4

# Standard: the matrices of CSS Color 4.
_RGB_TO_XYZ = np.array(
    [
        [506752 / 1228815, 87881 / 245763, 12673 / 70218],
        [87098 / 409605, 175762 / 245763, 12673 / 175545],
        [7918 / 409605, 87881 / 737289, 1001167 / 1053270],
    ]
)
_XYZ_TO_RGB = np.linalg.inv(_RGB_TO_XYZ)
_XYZ_TO_LMS = np.array(
    [
        [0.8190224379967030, 0.3619062600528904, -0.1288737815209879],
        [0.0329836539323885, 0.9292868615863434, 0.0361446663506424],
        [0.0481771893596242, 0.2642395317527308, 0.6335478284694309],
    ]
)
_LMS_TO_OKLAB = np.array(
    [
        [0.2104542683093140, 0.7936177747023054, -0.0040720430116193],
        [1.9779985324311684, -2.4285922420485799, 0.4505937096174110],
        [0.0259040424655478, 0.7827717124575296, -0.8086757549230774],
    ]
)
_RGB_TO_LMS = _XYZ_TO_LMS @ _RGB_TO_XYZ
_LMS_TO_RGB = np.linalg.inv(_RGB_TO_LMS)
_OKLAB_TO_LMS = np.linalg.inv(_LMS_TO_OKLAB)


def srgb_to_linear(rgb: Floats) -> Floats:
    """sRGB to linear light. Negative values are mirrored (CSS Color 4)."""
    size = np.abs(rgb)
    return np.where(size <= 0.04045, rgb / 12.92, np.copysign(((size + 0.055) / 1.055) ** 2.4, rgb))


_LINEAR_OF_BYTE = srgb_to_linear(np.arange(256) / 255)


def linear_to_srgb(linear: Floats) -> Floats:
    """Linear light to sRGB. Negative values are mirrored (CSS Color 4)."""
    size = np.abs(linear)
    return np.where(size <= 0.0031308, linear * 12.92, np.copysign(1.055 * size ** (1 / 2.4) - 0.055, linear))


def srgb_to_xyz(rgb: Floats) -> Floats:
    """sRGB to CIE XYZ, D65, Y of white = 1."""
    return times_matrix(srgb_to_linear(rgb), _RGB_TO_XYZ)


def xyz_to_oklab(xyz: Floats) -> Floats:
    """XYZ (D65) to OKLab (Ottosson 2020).

    Tests check this form, and with it the matrices of `srgb_to_oklab`, against Ottosson's published pairs.
    """
    return times_matrix(np.cbrt(times_matrix(xyz, _XYZ_TO_LMS)), _LMS_TO_OKLAB)


def srgb_to_oklab(rgb: Floats) -> Floats:
    """sRGB to OKLab: L 0..1, a, b."""
    return linear_to_oklab(srgb_to_linear(rgb))


def linear_to_oklab(linear: Floats) -> Floats:
    """Linear light of sRGB's primaries to OKLab."""
    return times_matrix(np.cbrt(times_matrix(linear, _RGB_TO_LMS)), _LMS_TO_OKLAB)


def bytes_to_linear(rgb: NDArray[np.uint8]) -> Floats:
    """sRGB bytes, 0..255, to linear light, by a table."""
    return np.asarray(_LINEAR_OF_BYTE[rgb])


def bytes_to_oklab(rgb: NDArray[np.uint8]) -> Floats:
    """sRGB bytes, 0..255, to OKLab: equal to `srgb_to_oklab(rgb / 255)`, but faster, by a table of linear light."""
    return linear_to_oklab(bytes_to_linear(rgb))


def oklab_to_srgb(oklab: Floats) -> Floats:
    """OKLab to sRGB, unclipped: colours with a value outside 0..1 are out of gamut."""
    return linear_to_srgb(times_matrix(times_matrix(oklab, _OKLAB_TO_LMS) ** 3, _LMS_TO_RGB))


def oklab_to_oklch(oklab: Floats) -> Floats:
    """OKLab to L, C, h. The hue of a grey is 0."""
    chroma = np.hypot(oklab[..., 1], oklab[..., 2])
    hue = np.degrees(np.arctan2(oklab[..., 2], oklab[..., 1])) % 360
    return np.stack([oklab[..., 0], chroma, np.where(chroma < ACHROMATIC_C, 0.0, hue)], axis=-1)


def oklch_to_oklab(oklch: Floats) -> Floats:
    """L, C, h to OKLab."""
    hue = np.radians(oklch[..., 2])
    return np.stack([oklch[..., 0], oklch[..., 1] * np.cos(hue), oklch[..., 1] * np.sin(hue)], axis=-1)


def srgb_to_lab_d65(rgb: Floats) -> Floats:
    """sRGB to CIE Lab of D65."""
    return linear_to_lab_d65(srgb_to_linear(rgb))


def linear_to_lab_d65(linear: Floats) -> Floats:
    """Linear light of sRGB's primaries to CIE Lab of D65."""
    return xyz_to_lab_d65(times_matrix(linear, _RGB_TO_XYZ))


def xyz_to_lab_d65(xyz: Floats) -> Floats:
    """XYZ to CIE Lab (CIE 15:2004), white D65."""
    ratio = xyz / WHITE_D65
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    lab: Floats = np.empty_like(f)
    lab[..., 0] = 116 * f[..., 1] - 16
    lab[..., 1] = 500 * (f[..., 0] - f[..., 1])
    lab[..., 2] = 200 * (f[..., 1] - f[..., 2])
    return lab


def times_matrix(values: Floats, matrix: Floats) -> Floats:
    """Each coordinate (..., 3) times a 3x3 matrix."""
    return np.asarray(values @ matrix.T)
