"""Paints garments with a known palette, for the palette benchmark and the tests of laws.

A garment is drawn as a map of dyes, lit (folds, exposure, a cast), seen by a soft lens over a background, and stored
with a sensor's noise as JPEG. The truth is each dye as it was lit: under a cast the cast colour, before noise and JPEG.
"""

import io
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from pipeline.color.difference import delta_e_2000
from pipeline.color.gamut import fit_srgb
from pipeline.color.spaces import linear_to_srgb, srgb_to_lab_d65, srgb_to_linear
from pipeline.types import Floats, Mask, RgbImage

SIDE_PX = 512
# Dyes are drawn twice as fine, so that their edges are soft.
DRAWN_PX = 2 * SIDE_PX
# Taste: with nearer dyes, the number of colours would be a matter of opinion.
APART_DE00 = 12.0
ACCENT_APART_DE00 = 20.0
LEAST_SHARE = 0.01
# Stripes of 8 to 60 px become 1.6 to 12 px wide.
FINE = 0.2
Range = tuple[float, float]
# The dye of each pixel, (DRAWN_PX, DRAWN_PX).
DyeMap = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The parameters of one kind of garment. Values are drawn uniformly from the ranges.

    scale: of the pattern, as a share of the usual one. knit, folds: the standard deviations of log light over stitches
    and over the cloth. exposure: in linear light. cast: the strength of a colour of light. noise: sRGB standard
    deviation, 0..255. quality: of the JPEG.
    """

    layout: str = "plain"
    colors: tuple[int, int] = (1, 1)
    cloth: str = "any"
    scale: float = 1.0
    knit: Range = (0.0, 0.0)
    folds: Range = (0.05, 0.25)
    exposure: Range = (1.0, 1.0)
    cast: Range = (0.0, 0.0)
    noise: Range = (0.0, 3.0)
    quality: Range = (60, 95)


RECIPES: dict[str, Recipe] = {
    "solid": Recipe(),
    "shaded folds": Recipe(folds=(0.3, 0.6)),
    "stripes": Recipe("stripes", (2, 4)),
    "checks": Recipe("checks", (2, 4)),
    "print": Recipe("print", (1, 8)),
    "accent": Recipe("accent", (2, 3)),
    "white": Recipe("accent", (1, 3), cloth="white", exposure=(0.8, 1.15)),
    "black": Recipe("accent", (1, 3), cloth="black"),
    "low light": Recipe("stripes", (1, 3), exposure=(0.04, 0.15), noise=(2.0, 6.0)),
    "cast": Recipe("print", (1, 4), cast=(0.15, 0.4)),
    "JPEG 40-55": Recipe("print", (1, 5), quality=(40, 55)),
    "noise": Recipe("stripes", (1, 4), noise=(6.0, 14.0)),
    "fine stripes": Recipe("stripes", (2, 3), scale=FINE),
    "fine checks": Recipe("checks", (2, 3), scale=FINE),
    "fine print": Recipe("print", (2, 4), scale=FINE),
    "coarse knit": Recipe(knit=(0.2, 0.5)),
}


@dataclass(frozen=True, slots=True)
class Painted:
    """One garment. pixels: (512, 512, 3); mask: (512, 512); rgb: (k, 3) 0..255 and share: (k,), the true palette."""

    kind: str
    pixels: RgbImage
    mask: Mask
    rgb: Floats
    share: Floats = field(repr=False)


def paint(kind: str, seed: int) -> Painted:
    """One garment of a kind; the same seed gives the same pixels."""
    random = np.random.default_rng([seed, list(RECIPES).index(kind)])
    while True:
        painted = _painted(kind, random)
        if painted is not None:
            return painted


def _painted(kind: str, random: np.random.Generator) -> Painted | None:
    """Makes one attempt. Gives None when a dye is too small or too near another."""
    recipe = RECIPES[kind]
    count = int(random.integers(recipe.colors[0], recipe.colors[1] + 1))
    light = random.uniform(*recipe.exposure) * _cast(random, random.uniform(*recipe.cast))
    dyes = _dyes(random, count, recipe, light)
    if dyes is None:
        return None
    shape = shape_of(random)
    mask = np.asarray(shape)[::2, ::2] > 0
    drawn = _LAYOUTS[recipe.layout](random, count, mask, recipe.scale)
    shade = shade_of(random, random.uniform(*recipe.folds))
    if recipe.knit[1]:
        shade = shade * _stitches(random, random.uniform(*recipe.knit))
    placed = drawn[::2, ::2][mask]
    share = np.bincount(placed, minlength=count) / len(placed)
    if share.min() < LEAST_SHARE or (share.max() > share[0] and recipe.layout == "accent"):
        return None
    lit = dyes * light
    middle = np.array([np.median(shade[mask][placed == k]) for k in range(count)])
    truth = linear_to_srgb(np.clip(lit * middle[:, None], 0, 1)) * 255
    pixels = photographed(random, lit[drawn], shade, shape, recipe)
    return Painted(kind, pixels, mask, truth, share)


# --- dyes and light -------------------------------------------------------------------------------------------
def _dyes(random: np.random.Generator, count: int, recipe: Recipe, light: Floats) -> Floats | None:
    """Linear sRGB of `count` dyes that stay apart under the light, (count, 3), or None when none were found."""
    found: list[Floats] = []
    for _ in range(60):
        cloth = recipe.cloth if not found else "any"
        dye = srgb_to_linear(fit_srgb(_oklch(random, cloth)))
        apart = ACCENT_APART_DE00 if recipe.layout == "accent" else APART_DE00
        if all(_difference(dye * light, other * light) >= apart for other in found):
            found.append(dye)
        if len(found) == count:
            return np.stack(found)
    return None


def _oklch(random: np.random.Generator, cloth: str) -> Floats:
    """Draws a dye, with greys and dull colours as frequent as in clothes."""
    if cloth == "white":
        return np.array([random.uniform(0.93, 0.99), random.uniform(0, 0.03), random.uniform(50, 120)])
    if cloth == "black":
        return np.array([random.uniform(0.1, 0.45), random.uniform(0, 0.02), random.uniform(0, 360)])
    chroma = random.uniform(0, 0.02) if random.random() < 0.25 else random.uniform(0.02, 0.2)
    return np.array([random.uniform(0.15, 0.95), chroma, random.uniform(0, 360)])


def _difference(first: Floats, second: Floats) -> float:
    lab = srgb_to_lab_d65(linear_to_srgb(np.clip(np.stack([first, second]), 0, 1)))
    return float(delta_e_2000(lab[0], lab[1]))


# The tints are warm, cool, green and magenta.
_TINTS = np.array([[1, 0, -1], [-1, 0, 1], [-0.5, 0.7, -0.5], [0.5, -0.7, 0.5]])


def _cast(random: np.random.Generator, strength: float) -> Floats:
    """Linear gains of a tinted light of equal luminance, (3,)."""
    gains = np.exp(strength * _TINTS[random.integers(len(_TINTS))])
    return np.asarray(gains / (gains @ np.array([0.2126, 0.7152, 0.0722])))


def shade_of(random: np.random.Generator, depth: float) -> Floats:
    """The light on the cloth, (512, 512), with a median near 1: broad folds and the weave."""
    folds = _smooth(random, 3) + 0.7 * _smooth(random, 7) + 0.4 * _smooth(random, 13)
    folds = (folds - np.median(folds)) / folds.std()
    return np.asarray(np.exp(depth * folds + random.normal(0, 0.02, folds.shape)))


def _smooth(random: np.random.Generator, cells: int) -> Floats:
    """A smooth random field with about `cells` bumps a side, (512, 512)."""
    coarse = Image.fromarray(random.normal(0, 1, (cells + 2, cells + 2)).astype(np.float32))
    return np.asarray(coarse.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC), dtype=float)


def _stitches(random: np.random.Generator, depth: float) -> Floats:
    """The light on rows of stitches of 3 to 8 px, (512, 512), with a median near 1."""
    width, height = random.uniform(3, 8, 2)
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    relief = np.cos(2 * np.pi * x / width) + np.cos(2 * np.pi * (y + 0.5 * np.abs(x % width - width / 2)) / height)
    return np.asarray(np.exp(depth * relief))


# --- layouts: which dye where, (1024, 1024) -------------------------------------------------------------------
def _plain(random: np.random.Generator, count: int, mask: Mask, scale: float) -> DyeMap:
    return np.zeros((DRAWN_PX, DRAWN_PX), np.uint8)


def _stripes(random: np.random.Generator, count: int, mask: Mask, scale: float) -> DyeMap:
    """Bands of 8 to 60 px at any angle."""
    return _bands(random, count, random.uniform(0, np.pi), scale)


def _bands(random: np.random.Generator, count: int, angle: float, scale: float) -> DyeMap:
    widths = 2 * scale * random.uniform(8, 60, count)
    y, x = np.mgrid[:DRAWN_PX, :DRAWN_PX]
    along = (x * np.cos(angle) + y * np.sin(angle) + random.uniform(0, 500)) % widths.sum()
    return np.asarray(np.searchsorted(np.cumsum(widths)[:-1], along), np.uint8)


def _checks(random: np.random.Generator, count: int, mask: Mask, scale: float) -> DyeMap:
    """Crossed bands: the second set lies over the first, in a dye of its own or the same."""
    angle = random.uniform(0, np.pi)
    under = _bands(random, max(2, count - 1), angle, scale)
    over = _bands(random, 2, angle + np.pi / 2, scale)
    return np.where(over == 1, count - 1, np.minimum(under, count - 1)).astype(np.uint8)


def _motifs(random: np.random.Generator, count: int, mask: Mask, scale: float) -> DyeMap:
    """Scattered ellipses of every dye but the first, 8 to 45 px in size."""
    image = Image.new("L", (DRAWN_PX, DRAWN_PX), 0)
    draw = ImageDraw.Draw(image)
    for dye in range(1, count):
        left_px = random.uniform(0.03, 0.7 / (count - 1)) * DRAWN_PX**2
        while left_px > 0:
            width, height = 2 * scale * random.uniform(8, 45, 2)
            x, y = random.uniform(0, DRAWN_PX, 2)
            draw.ellipse((x, y, x + width, y + height), fill=dye)
            left_px -= 0.785 * width * height
    return np.asarray(image)


def _accent(random: np.random.Generator, count: int, mask: Mask, scale: float) -> DyeMap:
    """One or two dyes in bands, and the last one as a badge of 1 to 3 % of the garment."""
    drawn = _bands(random, 2, random.uniform(0, np.pi), scale) if count == 3 else _plain(random, count, mask, scale)
    if count == 1:
        return drawn
    image = Image.fromarray(drawn)
    rows, columns = np.nonzero(mask)
    area_px = random.uniform(0.011, 0.03) * 4 * len(rows)
    width = np.sqrt(area_px) * random.uniform(0.6, 1.6)
    x, y = 2 * columns.mean() + random.uniform(-60, 60), 2 * rows.mean() + random.uniform(-60, 60)
    box = (x - width / 2, y - area_px / width / 2, x + width / 2, y + area_px / width / 2)
    ImageDraw.Draw(image).rectangle(box, fill=count - 1)
    return np.asarray(image)


_LAYOUTS = {"plain": _plain, "stripes": _stripes, "checks": _checks, "print": _motifs, "accent": _accent}


# --- the photo ------------------------------------------------------------------------------------------------
def shape_of(random: np.random.Generator) -> Image.Image:
    """The rough outline of a shirt, a dress or trousers, 0 or 255, (1024, 1024)."""
    image = Image.new("L", (DRAWN_PX, DRAWN_PX), 0)
    draw = ImageDraw.Draw(image)
    shirt = [(340, 90), (680, 90), (960, 330), (850, 440), (740, 350), (740, 960), (280, 960), (280, 350), (170, 440),
             (60, 330)]  # fmt: skip
    dress = [(380, 60), (640, 60), (690, 400), (880, 980), (140, 980), (330, 400)]
    trousers = [(290, 60), (730, 60), (800, 980), (560, 980), (510, 400), (460, 980), (220, 980)]
    shape = (shirt, dress, trousers)[random.integers(3)]
    draw.polygon([(x + random.uniform(-20, 20), y + random.uniform(-20, 20)) for x, y in shape], fill=255)
    return image


def photographed(
    random: np.random.Generator, cloth: Floats, shade: Floats, shape: Image.Image, recipe: Recipe
) -> RgbImage:
    """Linear cloth (1024, 1024, 3) as a photo: edges, background, lens, noise, JPEG."""
    fine = _halved(cloth) * shade[..., None]
    alpha = _halved(np.asarray(shape)[..., None] / 255)
    wall = srgb_to_linear(fit_srgb(np.array([random.uniform(0.3, 1), random.uniform(0, 0.06), random.uniform(0, 360)])))
    ground = wall * (1 + 0.15 * _smooth(random, 2))[..., None] * random.uniform(*recipe.exposure)
    seen = linear_to_srgb(np.clip(alpha * fine + (1 - alpha) * ground, 0, 1))
    seen = gaussian_filter(seen, (0.7, 0.7, 0)) + random.normal(0, random.uniform(*recipe.noise) / 255, seen.shape)
    buffer = io.BytesIO()
    photo = Image.fromarray(np.rint(np.clip(seen, 0, 1) * 255).astype(np.uint8))
    photo.save(buffer, "JPEG", quality=int(random.uniform(*recipe.quality)))
    return np.asarray(Image.open(buffer).convert("RGB"))


def _halved(values: Floats) -> Floats:
    return (values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]) / 4
