"""Other tools for palette extraction, all on the same pixels. `make bench-colour` installs them."""

from collections.abc import Callable

import numpy as np
from colorthief import ColorThief
from materialyoucolor.quantize import QuantizeCelebi
from numpy.typing import NDArray
from PIL import Image
from sklearn.cluster import KMeans

from pipeline.color.spaces import srgb_to_lab_d65
from pipeline.types import Floats
from tests.bench.colour_metrics import Palette

# The pixels of a garment, (n, 3).
Pixels = NDArray[np.uint8]
Peer = Callable[[Pixels, int], Palette]
KMEANS_SAMPLE_PX = 10_000


def color_thief(pixels: Pixels, count: int) -> Palette:
    """ColorThief at its default quality. It gives no shares, so pixels are counted to the nearest colour."""
    # Its constructor would only open a file.
    thief = ColorThief.__new__(ColorThief)
    thief.image = Image.fromarray(pixels[None])
    # It cannot give one colour: get_color() takes the first of five.
    found = thief.get_palette(color_count=max(2, count))[: max(1, count)]
    return _counted(pixels, np.array(found, float))


def median_cut(pixels: Pixels, count: int) -> Palette:
    """Pillow's median cut."""
    image = Image.fromarray(pixels[None]).quantize(count, method=Image.Quantize.MEDIANCUT)
    counts = np.bincount(np.asarray(image).ravel(), minlength=count)
    rgb = np.array(image.getpalette()).reshape(-1, 3)[: len(counts)][counts[: len(counts)] > 0]
    return Palette(rgb.astype(float), counts[counts > 0] / counts.sum())


def kmeans_lab(pixels: Pixels, count: int) -> Palette:
    """scikit-learn's k-means in Lab on ten thousand pixels. Each centre is the mean colour of its pixels."""
    sample = pixels[:: max(1, len(pixels) // KMEANS_SAMPLE_PX)]
    lab = srgb_to_lab_d65(sample / 255)
    labels = KMeans(count, n_init=1, random_state=0).fit_predict(lab)
    mass = np.bincount(labels, minlength=count)
    sums = np.stack([np.bincount(labels, sample[:, k], minlength=count) for k in range(3)], axis=1)
    return Palette(sums[mass > 0] / mass[mass > 0, None], mass[mass > 0] / mass.sum())


def celebi(pixels: Pixels, count: int) -> Palette:
    """Material Color Utilities' quantizer (Wu's cut, then weighted k-means in Lab), the C++ port."""
    found = QuantizeCelebi(pixels.tolist(), count)
    argb = np.array(list(found))
    rgb = np.stack([argb >> 16 & 255, argb >> 8 & 255, argb & 255], axis=1).astype(float)
    mass = np.array(list(found.values()), float)
    return Palette(rgb, mass / mass.sum())


PEERS: dict[str, Peer] = {
    "ColorThief": color_thief,
    "Pillow median cut": median_cut,
    "k-means in Lab (scikit-learn)": kmeans_lab,
    "Celebi (materialyoucolor)": celebi,
}


def _counted(pixels: Pixels, rgb: Floats) -> Palette:
    distance = ((pixels[::7, None].astype(float) - rgb) ** 2).sum(axis=-1)
    share = np.bincount(distance.argmin(axis=1), minlength=len(rgb)) + 1e-9
    return Palette(rgb, share / share.sum())
