"""Colour spaces, differences, gamut, contrast and colour-blind vision on numpy arrays (..., 3); numpy and coloraide.

sRGB is 0..1 unless said otherwise; Lab is CIE Lab of D65; hues are degrees 0..360.
"""

import re
from typing import Literal

import numpy as np
from coloraide.css.color_names import name2val_map as CSS_NAMES
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import InvalidOptions
from pipeline.types import Floats

CvdKind = Literal["protan", "deutan", "tritan"]
WHITE_D65 = np.array([0.95045592705, 1.0, 1.08905775076])  # from xy (0.3127, 0.3290)
ACHROMATIC_C = 2e-4  # OKLCH chroma below which a hue is noise
CSS_COLORS = tuple(sorted(set(CSS_NAMES) - {"transparent"}))  # the names that parse_css_color knows
HEX = re.compile(r"#?([0-9a-fA-F]{6}|[0-9a-fA-F]{3})")

# CSS Color 4's matrices.
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

_COS = {angle_deg: float(np.cos(np.radians(angle_deg))) for angle_deg in (6, 30, 63)}
_SIN = {angle_deg: float(np.sin(np.radians(angle_deg))) for angle_deg in (6, 30, 63)}

# Machado, Oliveira & Fernandes 2009, table of severity 1.0, on linear sRGB.
_MACHADO = {
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
# Brettel, Viénot & Mollon 1997: two half-planes of linear sRGB and what parts them (Smith & Pokorny 1975 cones).
# One matrix fits tritan sight badly, which is why Machado's table is not used for it.
_BRETTEL_TRITAN = np.array(
    [
        [[0.9367839, 0.1897879, -0.1265719], [0.0615339, 0.8152622, 0.1232039], [-0.3756080, 1.1276541, 0.2479539]],
        [[1.0127733, 0.1354841, -0.1482575], [-0.0124335, 0.8681210, 0.1443124], [0.0758948, 0.8049996, 0.1191056]],
    ]
)
_BRETTEL_NORMAL = np.array([0.0390146077, -0.0278807580, -0.0111338497])


# --- notation -------------------------------------------------------------------------------------------------
def hex_to_rgb(text: str) -> tuple[int, int, int]:
    """`#rrggbb` as 0..255."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def rgb_to_hex(rgb: ArrayLike) -> str:
    """0..255 (rounded, clipped) as `#rrggbb`."""
    red, green, blue = np.clip(np.rint(np.asarray(rgb, float)), 0, 255).astype(int).tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"


def parse_css_color(text: str) -> str:
    """CSS hex (3 or 6 digits, `#` optional) or a CSS colour name as `#rrggbb`. Raises InvalidOptions."""
    plain = text.strip().lower()
    found = HEX.fullmatch(plain)
    if found:
        digits = found[1] if len(found[1]) == 6 else "".join(2 * digit for digit in found[1])
        return f"#{digits}"
    if plain in CSS_COLORS:
        return rgb_to_hex(CSS_NAMES[plain][:3])
    raise InvalidOptions(f"'{text[:32]}' is not a colour; allowed are CSS hex such as #1f2a44 and CSS colour names.")


# --- conversions ----------------------------------------------------------------------------------------------
def srgb_to_linear(rgb: Floats) -> Floats:
    """sRGB to linear light; negative values mirror (CSS Color 4)."""
    size = np.abs(rgb)
    return np.where(size <= 0.04045, rgb / 12.92, np.sign(rgb) * ((size + 0.055) / 1.055) ** 2.4)


_LINEAR_OF_BYTE = srgb_to_linear(np.arange(256) / 255)


def linear_to_srgb(linear: Floats) -> Floats:
    """Linear light to sRGB; negative values mirror."""
    size = np.abs(linear)
    return np.where(size <= 0.0031308, linear * 12.92, np.sign(linear) * (1.055 * size ** (1 / 2.4) - 0.055))


def srgb_to_xyz(rgb: Floats) -> Floats:
    """sRGB to CIE XYZ, D65, Y of white = 1."""
    return _times(srgb_to_linear(rgb), _RGB_TO_XYZ)


def xyz_to_oklab(xyz: Floats) -> Floats:
    """XYZ (D65) to OKLab (Ottosson 2020)."""
    return _times(np.cbrt(_times(xyz, _XYZ_TO_LMS)), _LMS_TO_OKLAB)


def srgb_to_oklab(rgb: Floats) -> Floats:
    """sRGB to OKLab: L 0..1, a, b."""
    return _times(np.cbrt(_times(srgb_to_linear(rgb), _RGB_TO_LMS)), _LMS_TO_OKLAB)


def bytes_to_oklab(rgb: NDArray[np.uint8]) -> Floats:
    """sRGB in bytes, 0..255, to OKLab: what `srgb_to_oklab(rgb / 255)` gives, by a table instead of a power a pixel."""
    return _times(np.cbrt(_times(_LINEAR_OF_BYTE[rgb], _RGB_TO_LMS)), _LMS_TO_OKLAB)


def oklab_to_srgb(oklab: Floats) -> Floats:
    """OKLab to sRGB, not clipped: values outside 0..1 are out of gamut."""
    return linear_to_srgb(_times(_times(oklab, _OKLAB_TO_LMS) ** 3, _LMS_TO_RGB))


def oklab_to_oklch(oklab: Floats) -> Floats:
    """OKLab to L, C, h; h = 0 where the chroma is noise."""
    chroma = np.hypot(oklab[..., 1], oklab[..., 2])
    hue = np.degrees(np.arctan2(oklab[..., 2], oklab[..., 1])) % 360
    return np.stack([oklab[..., 0], chroma, np.where(chroma < ACHROMATIC_C, 0.0, hue)], axis=-1)


def oklch_to_oklab(oklch: Floats) -> Floats:
    """L, C, h to OKLab."""
    hue = np.radians(oklch[..., 2])
    return np.stack([oklch[..., 0], oklch[..., 1] * np.cos(hue), oklch[..., 1] * np.sin(hue)], axis=-1)


def srgb_to_lab_d65(rgb: Floats) -> Floats:
    """sRGB to CIE Lab of D65."""
    return xyz_to_lab_d65(srgb_to_xyz(rgb))


def xyz_to_lab_d65(xyz: Floats) -> Floats:
    """XYZ to CIE Lab (CIE 15:2004), white D65."""
    ratio = xyz / WHITE_D65
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _times(values: Floats, matrix: Floats) -> Floats:
    """Each (..., 3) coordinate times a 3x3 matrix."""
    return np.asarray(values @ matrix.T)


# --- differences ----------------------------------------------------------------------------------------------
def delta_e_ok(first: Floats, second: Floats) -> Floats:
    """Euclidean distance in OKLab."""
    return np.asarray(np.linalg.norm(first - second, axis=-1))


def delta_e_2000(first: Floats, second: Floats) -> Floats:
    """CIEDE2000 of two Lab arrays, broadcast (Sharma, Wu & Dalal 2005, equations 2 to 22).

    Hues are kept as unit vectors: their difference is eq. 11's chord, their sum eq. 14's mean, and eq. 15's cosines
    follow from multiple angles, which takes a third of the time that the angles take.
    """
    l1, a1, b1 = first[..., 0], first[..., 1], first[..., 2]
    l2, a2, b2 = second[..., 0], second[..., 1], second[..., 2]
    g = 0.5 * (1 - _chroma_weight((_length(a1, b1) + _length(a2, b2)) / 2))  # 2 to 4
    p1, p2 = (1 + g) * a1, (1 + g) * a2  # 5
    c1, c2 = _length(p1, b1), _length(p2, b2)  # 6
    over1, over2 = 1 / np.maximum(c1, 1e-12), 1 / np.maximum(c2, 1e-12)
    x1, y1, x2, y2 = p1 * over1, b1 * over1, p2 * over2, b2 * over2  # 7
    dl, dc = l2 - l1, c2 - c1  # 8, 9
    dh = np.sqrt(c1 * c2) * np.copysign(_length(x2 - x1, y2 - y1), x1 * y2 - x2 * y1)  # 10, 11
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2  # 12, 13
    x, y = x1 + x2, y1 + y2
    opposite = (np.abs(x) + np.abs(y) < 1e-9) & (c1 * c2 > 0)  # 14: their mean lies in [90°, 270°)
    across, along = y2 - y1, x1 - x2
    side = np.where((across > 1e-9) | ((across > -1e-9) & (along < 0)), -1.0, 1.0)
    x, y = np.where(opposite, side * across, x), np.where(opposite, side * along, y)
    length = np.maximum(_length(x, y), 1e-12)
    cos1, sin1 = x / length, y / length
    cos2, sin2 = cos1 * cos1 - sin1 * sin1, 2 * sin1 * cos1
    cos3, sin3 = cos1 * cos2 - sin1 * sin2, sin1 * cos2 + cos1 * sin2
    cos4, sin4 = cos2 * cos2 - sin2 * sin2, 2 * sin2 * cos2
    t = 1 - 0.17 * (_COS[30] * cos1 + _SIN[30] * sin1) + 0.24 * cos2
    t = t + 0.32 * (_COS[6] * cos3 - _SIN[6] * sin3) - 0.20 * (_COS[63] * cos4 + _SIN[63] * sin4)  # 15
    mean_h = np.degrees(np.arctan2(sin1, cos1))
    mean_h = np.where(mean_h < 0, mean_h + 360, mean_h)
    theta = np.radians(30) * np.exp(-(((mean_h - 275) / 25) ** 2))  # 16
    middle = (mean_l - 50) ** 2
    sl = 1 + 0.015 * middle / np.sqrt(20 + middle)  # 18
    sc, sh = 1 + 0.045 * mean_c, 1 + 0.015 * mean_c * t  # 19, 20
    rt = -np.sin(2 * theta) * 2 * _chroma_weight(mean_c)  # 17, 21
    lightness, chroma, hue = dl / sl, dc / sc, dh / sh
    return np.asarray(np.sqrt(np.maximum(0.0, lightness**2 + chroma**2 + hue**2 + rt * chroma * hue)))  # 22


def _length(x: Floats, y: Floats) -> Floats:
    """√(x² + y²): the plain root takes a fifth of the time of a hypotenuse that is safe from overflow."""
    return np.asarray(np.sqrt(x * x + y * y))


def _chroma_weight(chroma: Floats) -> Floats:
    """√(C⁷ / (C⁷ + 25⁷)), by products: a power of 7 costs ten times as much."""
    square = chroma * chroma
    seventh = square * square * square * chroma
    return np.asarray(np.sqrt(seventh / (seventh + 25.0**7)))


# --- gamut ----------------------------------------------------------------------------------------------------
def in_gamut(rgb: Floats, *, slack: float = 1e-6) -> NDArray[np.bool_]:
    """Whether sRGB colours are displayable, (...,)."""
    return np.asarray(np.all((rgb >= -slack) & (rgb <= 1 + slack), axis=-1))


def fit_srgb(oklch: Floats) -> Floats:
    """Displayable sRGB of OKLCH colours, by chroma reduction with local clipping (CSS Color 4, section 13.2.4)."""
    just_noticeable, close = 0.02, 1e-4
    lightness = np.clip(oklch[..., 0], 0, 1)
    low, high = np.zeros_like(lightness), np.array(oklch[..., 1], dtype=float)
    current = np.stack([lightness, high, oklch[..., 2]], axis=-1)
    plain = oklab_to_srgb(oklch_to_oklab(current))
    result = np.clip(plain, 0, 1)
    done = in_gamut(plain) | (_clip_error(current, result) < just_noticeable)
    low_in_gamut = np.ones_like(done)
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
        go_up = (low_in_gamut & inside) | (~inside & near)
        low_in_gamut = np.where(~inside & near & ~settled, False, low_in_gamut)
        low = np.where(~done & go_up & ~settled, middle, low)
        high = np.where(~done & ~go_up, middle, high)
        done = done | settled
    return result


def _clip_error(oklch: Floats, clipped: Floats) -> Floats:
    return delta_e_ok(oklch_to_oklab(oklch), srgb_to_oklab(clipped))


# --- seeing ---------------------------------------------------------------------------------------------------
def contrast_ratio(first: Floats, second: Floats) -> Floats:
    """WCAG 2.2 contrast ratio of sRGB colours, 1..21."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    one, two = srgb_to_linear(first) @ weights, srgb_to_linear(second) @ weights
    return np.asarray((np.maximum(one, two) + 0.05) / (np.minimum(one, two) + 0.05))


def text_color(rgb: Floats) -> tuple[str, float]:
    """Black or white, whichever reads better on one sRGB colour, and its contrast ratio."""
    return text_colors(rgb[None])[0]


def text_colors(rgb: Floats) -> list[tuple[str, float]]:
    """`text_color` of each of n colours, (n, 3)."""
    on_black, on_white = contrast_ratio(rgb, np.zeros(3)).tolist(), contrast_ratio(rgb, np.ones(3)).tolist()
    inks = zip(on_black, on_white, strict=True)
    return [("#000000", black) if black >= white else ("#ffffff", white) for black, white in inks]


def warmth(lab: Floats) -> Floats:
    """Warm above 0, cool below (Ou, Luo, Woodcock & Wright 2004): −0.5 + 0.02·C*^1.07·cos(h − 50°)."""
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1]))
    return np.asarray(-0.5 + 0.02 * chroma**1.07 * np.cos(np.radians(hue - 50)))


def simulate_cvd(rgb: Floats, kind: CvdKind) -> Floats:
    """sRGB as a dichromat sees it, 0..1.

    Protan, deutan: Machado, Oliveira & Fernandes 2009, severity 1; tritan: Brettel, Viénot & Mollon 1997.
    """
    linear = srgb_to_linear(rgb)
    if kind == "tritan":
        first, second = (_times(linear, plane) for plane in _BRETTEL_TRITAN)
        seen = np.where((linear @ _BRETTEL_NORMAL > 0)[..., None], second, first)
    else:
        seen = _times(linear, _MACHADO[kind])
    return linear_to_srgb(np.clip(seen, 0, 1))
