"""Trains the filters of pipeline.palette.illuminant on photos in daylight: `python -m models.train.illuminant`.

    python -m models.train.illuminant --annotated ccp/train --products clothing_small/train

Photos on the web are nearly neutral, since cameras balance them. The training moves each one's histogram by lights
drawn from the prior and asks for the light back; painted scenes teach flat colours. Needs neither GPU nor masks: the
default network labels the product photos.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from models.cards import DEFAULT_MODEL, load_card
from models.engines.torch import TorchSegmenter
from models.labelled import labelled_photos, product_paths
from pipeline.color.gamut import fit_srgb
from pipeline.image.decode import decode_image
from pipeline.palette.illuminant import BIN_SIZE, BINS, CHANNELS, FILTERS_FILE, histograms
from pipeline.types import Floats, LabelMap, RgbImage

CONSOLE = Console(highlight=False)
SEED, STEPS, BATCH = 0, 420, 320
PRODUCTS, SCENES, SCENE_WEIGHT = 900, 600, 0.4
RATES = ((300, 0.05), (STEPS, 0.02))
SMOOTHNESS, DECAY = 2e-4, 2e-5
# The label is soft: cameras balance photos only to about one bin. (du, dv, weight)
LABEL = ((0, 0, .36), (1, 0, .12), (-1, 0, .12), (0, 1, .12), (0, -1, .12), (1, -1, .08), (-1, 1, .08))  # fmt: skip
# Taste: the prior of lights as (lowest K, highest K, weight, standard deviation) beside neutral and any other light.
LOCUS = ((2500, 5700, 0.28, 0.05), (7500, 12000, 0.06, 0.05))
NEUTRAL, ANY, FLOOR = (0.60, 0.045), (0.12, 0.15), 1e-7


# --- lights ---------------------------------------------------------------------------------------------------
def black_body(kelvin: float) -> Floats:
    """The linear sRGB of a black body, (3,), by Krystek's (1985) approximation of the Planckian locus."""
    t = kelvin
    u = (0.860117757 + 1.54118254e-4 * t + 1.28641212e-7 * t * t) / (1 + 8.42420235e-4 * t + 7.08145163e-7 * t * t)
    v = (0.317398726 + 4.22806245e-5 * t + 4.20481691e-8 * t * t) / (1 - 2.89741816e-5 * t + 1.61456053e-7 * t * t)
    x, y = 3 * u / (2 * u - 8 * v + 4), 2 * v / (2 * u - 8 * v + 4)
    to_rgb = np.array([[3.2404542, -1.5371385, -0.4985314], [-0.969266, 1.8760108, 0.041556],
                       [0.0556434, -0.2040259, 1.0572252]])  # fmt: skip
    return np.asarray(to_rgb @ np.array([x / y, 1.0, (1 - x - y) / y]))


def offset_of(kelvin: float) -> Floats:
    """The offset in log chroma of a black body from one of 6504 K, (2,)."""
    ratio = np.log(black_body(kelvin) / black_body(6504))
    return np.array([ratio[1] - ratio[0], ratio[1] - ratio[2]])


def prior() -> Floats:
    """The probability of each light, (BINS, BINS)."""
    axis = ((np.arange(BINS) + BINS // 2) % BINS - BINS // 2) * BIN_SIZE
    u, v = np.meshgrid(axis, axis, indexing="ij")
    chance = np.full((BINS, BINS), FLOOR)

    def add(centre: Floats, sigma: float, weight: float) -> None:
        bump = np.exp(-((u - centre[0]) ** 2 + (v - centre[1]) ** 2) / (2 * sigma**2))
        np.add(chance, weight * bump / bump.sum(), out=chance)

    for low, high, weight, sigma in LOCUS:
        mireds = np.linspace(1e6 / high, 1e6 / low, 60)
        for mired in mireds:
            add(offset_of(1e6 / mired), sigma, weight / len(mireds))
    for weight, sigma in (NEUTRAL, ANY):
        add(np.zeros(2), sigma, weight)
    return np.asarray(chance / chance.sum())


# --- photos ---------------------------------------------------------------------------------------------------
def photos(
    annotated: Path, products: Path, kept_out: set[bytes], *, most_products: int = PRODUCTS
) -> Iterator[tuple[RgbImage, LabelMap]]:
    """Street photos with their own labels, and product photos with those of the default network.

    kept_out: files that are left out, for validation.
    """
    for data, labels in labelled_photos(annotated):
        if data in kept_out:
            continue
        image = decode_image(data).pixels
        rows = np.arange(image.shape[0]) * labels.shape[0] // image.shape[0]
        columns = np.arange(image.shape[1]) * labels.shape[1] // image.shape[1]
        yield image, labels[rows[:, None], columns]
    segmenter = TorchSegmenter(load_card(DEFAULT_MODEL), device="cpu")
    paths = product_paths(products)
    for k in np.random.default_rng(SEED).permutation(len(paths))[:most_products]:
        data = paths[k].read_bytes()
        if data in kept_out:
            continue
        photo = decode_image(data, network_px=segmenter.input_px)
        yield photo.pixels, segmenter.segment_photo(photo).labels


def scene(random: np.random.Generator) -> tuple[RgbImage, LabelMap]:
    """A painted scene of flat regions with one garment, (256, 256), on a grey, wooden or coloured ground."""
    image, labels = np.zeros((256, 256, 3), np.uint8), np.zeros((256, 256), np.uint8)

    def color(grey_share: float, wood_share: float) -> Floats:
        kind, lightness, hue = random.random(), random.uniform(0.25, 0.97), random.uniform(0, 360)
        chroma = random.uniform(0.03, 0.2)
        if kind < grey_share:
            chroma = random.uniform(0, 0.012)
        elif kind < grey_share + wood_share:
            lightness, chroma, hue = random.uniform(0.4, 0.9), random.uniform(0.03, 0.11), random.uniform(50, 90)
        return np.rint(255 * fit_srgb(np.array([lightness, chroma, hue])))

    image[:] = color(0.45, 0.3)
    for garment in (False,) * int(random.integers(0, 3)) + (True,):
        top, left, height, width = random.integers((20, 20, 30, 30), (180, 180, 140, 140))
        image[top : top + height, left : left + width] = color(0.5, 0.1)
        if garment:
            labels[top : top + height, left : left + width] = 3
    return image, labels


# --- training -------------------------------------------------------------------------------------------------
def train(found: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """The filters, (5, BINS, BINS), and the log prior. found: histograms, (n, 5, BINS, BINS); weights: (n,)."""
    torch.manual_seed(SEED)
    log_prior = np.log(prior())
    lights, bias = torch.tensor(prior()).float().flatten(), torch.tensor(log_prior).float()
    spectra, weight = torch.fft.rfft2(torch.tensor(found).float()), torch.tensor(weights).float()
    filters = torch.zeros(len(CHANNELS), BINS, BINS, requires_grad=True)
    optimizer = torch.optim.Adam([filters], lr=RATES[0][1])
    axis, batch = torch.arange(BINS), torch.arange(BATCH)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = next(rate for last, rate in RATES if step < last)
        index = torch.randint(len(spectra), (BATCH,))
        light = torch.multinomial(lights, BATCH, replacement=True)
        u, v = light // BINS, light % BINS
        score = torch.fft.irfft2((spectra[index] * torch.fft.rfft2(filters).conj()).sum(1), s=(BINS, BINS))
        rows, columns = (axis[None] - u[:, None]) % BINS, (axis[None] - v[:, None]) % BINS
        moved = score[batch[:, None, None], rows[:, :, None], columns[:, None, :]]
        chance = torch.log_softmax((moved + bias).flatten(1), 1).view(-1, BINS, BINS)
        loss = sum(
            (-share * chance[batch, (u + a) % BINS, (v + b) % BINS] for a, b, share in LABEL), torch.zeros(BATCH)
        )
        total = (loss * weight[index]).mean() + SMOOTHNESS * _roughness(filters) + DECAY * (filters**2).sum()
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % 60 == 0:
            CONSOLE.print(f"step {step}: {float(loss.detach().mean()):.3f} nats")
    return filters.detach().numpy(), log_prior


def _roughness(filters: Tensor) -> Tensor:
    return ((filters - filters.roll(1, 1)) ** 2).sum() + ((filters - filters.roll(1, 2)) ** 2).sum()


def main() -> None:
    """Trains and writes the filters."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotated", type=Path, required=True, help="street photos with labels")
    parser.add_argument("--products", type=Path, required=True, help="product photos by folder")
    parser.add_argument("--keep-out", type=Path, nargs="*", default=[], help="photos that are kept for validation")
    parser.add_argument("--out", type=Path, default=FILTERS_FILE, help="the file to write")
    given = parser.parse_args()
    torch.set_num_threads(1)
    random = np.random.default_rng(SEED)
    kept_out = {path.read_bytes() for path in given.keep_out}
    found = [histograms(*photo) for photo in photos(given.annotated, given.products, kept_out)]
    weights = [1.0] * len(found) + [SCENE_WEIGHT] * SCENES
    found += [histograms(*scene(random)) for _ in range(SCENES)]
    filters, log_prior = train(np.array(found), np.array(weights))
    np.savez_compressed(given.out, filters=filters.astype(np.float16), log_prior=log_prior.astype(np.float32))
    CONSOLE.print(f"{given.out}: {given.out.stat().st_size} bytes from {len(found)} photos and scenes")


if __name__ == "__main__":
    main()
