"""Makes photos that no cache has seen: one picture in many tints, so that its garments have other colours each time."""

from pathlib import Path

import numpy as np
from PIL import Image

from serve.local.plan import REPOSITORY

SAMPLE = REPOSITORY / "docs" / "samples" / "grace_hopper.jpg"
# Taste: by how much a tint moves each channel at most, 0 to 255.
MOST_SHIFT = 12
QUALITY = 88


def tinted(folder: Path, size_px: tuple[int, int], count: int) -> Path:
    """Writes `count` tints of the sample, (width, height) px, into the folder and gives it. No two tints are equal.

    Enlarging the sample changes no system's work but the decoding.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shifts = np.random.default_rng(20).choice((2 * MOST_SHIFT + 1) ** 3, count, replace=False)
    with Image.open(SAMPLE) as image:
        large = image.convert("RGB").resize(size_px, Image.Resampling.LANCZOS)
    for number, shift in enumerate(shifts.tolist()):
        of_channels = np.unravel_index(shift, (2 * MOST_SHIFT + 1,) * 3)
        table = [np.clip(np.arange(256) + int(one) - MOST_SHIFT, 0, 255) for one in of_channels]
        large.point(np.concatenate(table).tolist()).save(folder / f"{number:05d}.jpg", quality=QUALITY)
    return folder
