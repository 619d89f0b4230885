"""Makes ICC profiles of colours that a file declares otherwise: PNG's gAMA and cHRM, cICP, Exif's Adobe RGB."""

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from PIL import Image

# (x, y) of white, red, green and blue.
Primaries: TypeAlias = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]

# Standard: D50, the white of ICC profiles, and Bradford's matrix (ICC.1:2010, annex E).
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D65, _DCI, _C = (0.3127, 0.3290), (0.314, 0.351), (0.310, 0.316)
SRGB: Primaries = (_D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
ADOBE_RGB: Primaries = (_D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
# Standard: Adobe RGB (1998), 4.3.4.2.
ADOBE_GAMMA = 2.19921875
# Standard: ITU-T H.273, table 2.
PRIMARIES: dict[int, Primaries] = {
    1: SRGB,
    4: (_C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: (_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: (_D65, (0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    7: (_D65, (0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    8: (_C, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: (_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: (_DCI, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: (_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: (_D65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
# Standard: IEC 61966-2-1, as a parametric curve of type 3.
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
# Standard: ITU-R BT.2408: the luminance of white in HDR, cd/m², and HLG's display at its nominal peak.
_HDR_WHITE, _HLG_PEAK = 203.0, 1000.0
_TABLE = 4096
# Standard: Exif 2.32: the colour space tag, "uncalibrated", the interoperability index, and Adobe RGB's.
_EXIF_IFD, _INTEROP_IFD, _COLOR_SPACE, _UNCALIBRATED, _INDEX, _ADOBE_INDEX = 0x8769, 0xA005, 0xA001, 0xFFFF, 1, "R03"
# Some cameras write this value for Adobe RGB.
_ADOBE_VALUE = 2
# Standard: PNG's gamma of sRGB (W3C PNG, third edition, 11.3.2.5).
_SRGB_GAMMA = 0.45455
# Taste: closer chromaticities and gammas are the same.
_NEAR, _GAMMA_NEAR = 0.002, 0.002
# Taste: gammas beyond are no display's or camera's.
_GAMMAS = (0.1, 10.0)


def declared_profile(image: Image.Image, cicp: tuple[int, int] | None) -> bytes | None:
    """An ICC profile of the colours that an opened image declares; None for sRGB and for an image that declares none.

    cicp: the file's code points, which come before its ICC profile in a PNG only. An ICC profile comes before the rest.
    """
    png, embedded = image.format == "PNG", image.info.get("icc_profile")
    grey = image.mode in ("1", "L", "LA") or image.mode.startswith("I")
    if cicp is not None and (png or not embedded):
        return _of_codes(cicp, grey)
    if embedded:
        return bytes(embedded)
    if png and "srgb" in image.info:
        return None
    if png and ("gamma" in image.info or "chromaticity" in image.info):
        return _of_png(image.info, grey)
    return _matrix(ADOBE_RGB, (ADOBE_GAMMA,), grey) if _is_adobe_rgb(image) else None


def _of_codes(cicp: tuple[int, int], grey: bool) -> bytes | None:
    """The profile of H.273's codes; None for sRGB, and for codes that say nothing."""
    primaries, transfer = PRIMARIES.get(cicp[0], SRGB), cicp[1]
    gamma = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}.get(transfer)
    if transfer in _HDR:
        return _matrix(primaries, transfer, grey)
    if gamma is None and primaries == SRGB:
        return None
    # BT.709's curve and its kin are a camera's: viewers show them as sRGB.
    return _matrix(primaries, _SRGB_CURVE if gamma is None else (gamma,), grey)


def _of_png(info: dict[str | tuple[int, int], object], grey: bool) -> bytes | None:
    """The profile of a PNG's gAMA and cHRM chunks; None when they mean sRGB or nothing."""
    given, gamma = info.get("chromaticity"), info.get("gamma", _SRGB_GAMMA)
    primaries = SRGB
    if isinstance(given, tuple) and len(given) == 8:
        pairs = [(float(given[k]), float(given[k + 1])) for k in range(0, 8, 2)]
        declared = (pairs[0], pairs[1], pairs[2], pairs[3])
        if np.abs(np.subtract(declared, SRGB)).max() > _NEAR and _is_possible(declared):
            primaries = declared
    curve: tuple[float, ...] = _SRGB_CURVE
    if isinstance(gamma, float) and abs(gamma - _SRGB_GAMMA) > _GAMMA_NEAR and _GAMMAS[0] < gamma < _GAMMAS[1]:
        curve = (1 / gamma,)
    return None if primaries == SRGB and curve == _SRGB_CURVE else _matrix(primaries, curve, grey)


def _is_possible(primaries: Primaries) -> bool:
    """Whether chromaticities span a triangle with the white inside, so that colours can be converted."""
    if min(y for _, y in primaries) < 0.001:
        return False
    try:
        weights = _weights(primaries)
    except np.linalg.LinAlgError:
        return False
    return bool(np.isfinite(weights).all() and weights.min() > 0 and weights.max() < 10)


def _is_adobe_rgb(image: Image.Image) -> bool:
    """Whether Exif data says Adobe RGB (DCF 2.0's option file)."""
    try:
        exif = image.getexif()
        space = exif.get_ifd(_EXIF_IFD).get(_COLOR_SPACE)
        index = exif.get_ifd(_INTEROP_IFD).get(_INDEX)
    except Exception:
        # A photo with broken Exif data is decoded as one without.
        return False
    return space == _ADOBE_VALUE or (space == _UNCALIBRATED and str(index).strip("\0 ") == _ADOBE_INDEX)


# --- transfer functions of HDR: signal, 0..1, to light, where 1 is white --------------------------------------
def _pq(signal: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084."""
    m1, m2, c1, c2, c3 = 1305 / 8192, 2523 / 32, 107 / 128, 2413 / 128, 2392 / 128
    root = signal ** (1 / m2)
    return np.asarray(10_000 / _HDR_WHITE * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1))


def _hlg(signal: np.ndarray) -> np.ndarray:
    """ARIB STD-B67 with the system gamma of BT.2100 on a display of 1,000 cd/m²."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return np.asarray(_HLG_PEAK / _HDR_WHITE * scene**1.2)


_HDR: dict[int, Callable[[np.ndarray], np.ndarray]] = {16: _pq, 18: _hlg}


# --- ICC (ICC.1:2010) ----------------------------------------------------------------------------------------
# The photos of one camera share one profile.
@lru_cache(maxsize=16)
def _matrix(primaries: Primaries, curve: tuple[float, ...] | int, grey: bool) -> bytes:
    """A display profile. curve: a gamma, the values of a parametric curve of type 3, or the code of an HDR transfer."""
    tone = _curve(curve)
    fixed: list[tuple[bytes, bytes]] = [(b"desc", _text("declared")), (b"cprt", _text("none")), (b"wtpt", _xyz(_D50))]
    if grey:
        return _profile(b"GRAY", [*fixed, (b"kTRC", tone)])
    columns = zip((b"rXYZ", b"gXYZ", b"bXYZ"), _to_d50(primaries).T, strict=True)
    colorants = [(name, _xyz(column)) for name, column in columns]
    return _profile(b"RGB ", [*fixed, *colorants, *((name, tone) for name in (b"rTRC", b"gTRC", b"bTRC"))])


def _to_d50(primaries: Primaries) -> np.ndarray:
    """The matrix from linear RGB to XYZ under D50, (3, 3)."""
    white = _xyz_of(primaries[0])
    cones = (_BRADFORD @ np.array(_D50)) / (_BRADFORD @ white)
    adapted = np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD
    return np.asarray(adapted @ (np.stack([_xyz_of(one) for one in primaries[1:]], axis=1) * _weights(primaries)))


def _weights(primaries: Primaries) -> np.ndarray:
    """How much of each primary makes the white, (3,)."""
    return np.linalg.solve(np.stack([_xyz_of(one) for one in primaries[1:]], axis=1), _xyz_of(primaries[0]))


def _xyz_of(xy: tuple[float, float]) -> np.ndarray:
    x, y = xy
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _curve(curve: tuple[float, ...] | int) -> bytes:
    if isinstance(curve, int):
        light = np.clip(_HDR[curve](np.linspace(0, 1, _TABLE)), 0, 1)
        return struct.pack(">4s4xI", b"curv", _TABLE) + bytes(np.rint(light * 65535).astype(">u2").tobytes())
    kind = 0 if len(curve) == 1 else 3
    return struct.pack(">4s4xHH", b"para", kind, 0) + b"".join(_fixed(value) for value in curve)


def _profile(space: bytes, tags: Sequence[tuple[bytes, bytes]]) -> bytes:
    at = 128 + 4 + 12 * len(tags)
    table, body = b"", b""
    for name, data in tags:
        padded = data + b"\0" * (-len(data) % 4)
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += padded
    header = struct.pack(">I4sI4s4s4s12x4s", at + len(body), b"\0" * 4, 0x04300000, b"mntr", space, b"XYZ ", b"acsp")
    header += b"\0" * 28 + b"".join(_fixed(value) for value in _D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _xyz(xyz: Sequence[float] | np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(float(value)) for value in xyz)


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(data), 28) + data


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))
