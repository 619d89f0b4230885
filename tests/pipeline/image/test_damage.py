"""Tests that damaged files of every format give one of our errors or a picture, in bounded time."""

import io
import random
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import BadInput, ImageTruncated
from pipeline.image.decode import decode_image, decode_mask
from pipeline.types import DecodedImage
from tests.pipeline.pictures import quarters, samples

# CPU time. Every file takes a few milliseconds.
BOUND_S = 2.0
ROUNDS = 60
RGB = Image.fromarray(quarters())
NAMES = tuple(samples())


def _flipped(data: bytes, dice: random.Random) -> bytes:
    """Flips one to eight bits, half of the time at the start of the file, where its structure is."""
    damaged = bytearray(data)
    reach = len(data) if dice.random() < 0.5 else min(len(data), 200)
    for _ in range(dice.randint(1, 8)):
        damaged[dice.randrange(3, reach)] ^= 1 << dice.randrange(8)
    return bytes(damaged)


def _cut(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data))]


def _spliced(data: bytes, dice: random.Random) -> bytes:
    """Omits, doubles or replaces by noise a run of bytes."""
    at, length = dice.randrange(12, len(data)), dice.randint(1, 64)
    filling = dice.choice([b"", data[at : at + length] * 2, dice.randbytes(length)])
    return data[:at] + filling + data[at + length :]


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (_flipped, _cut, _spliced)


@pytest.mark.parametrize("damage", DAMAGES, ids=["flipped", "cut", "spliced"])
@pytest.mark.parametrize("name", NAMES)
def test_damaged_file_is_refused_or_decoded_when_bytes_are_wrong(
    name: str, damage: Callable[[bytes, random.Random], bytes]
) -> None:
    """Each of sixty damaged files of each kind is refused with one of our errors, or gives a valid picture."""
    dice = random.Random(f"{name}")
    for _ in range(ROUNDS):
        data = damage(samples()[name], dice)
        since_s = time.process_time()
        try:
            found = decode_image(data, network_px=(32, 32))
        except BadInput:
            pass
        else:
            assert found.pixels.dtype == np.uint8
            assert max(found.pixels.shape[:2]) <= 512
            assert found.network is not None
            assert found.network.shape == (32, 32, 3)
        assert time.process_time() - since_s < BOUND_S


@pytest.mark.parametrize("name", NAMES)
def test_file_is_refused_when_it_is_cut_anywhere(name: str) -> None:
    """A file that is cut at any of fifty places up to nine tenths of its length is refused."""
    data = samples()[name]
    for tenths in np.linspace(0.02, 0.9, 50):
        with pytest.raises(BadInput):
            decode_image(data[: int(len(data) * tenths)])


@pytest.mark.parametrize("name", ["JPEG", "progressive JPEG", "WebP", "PNG"])
def test_file_is_called_truncated_when_its_pixels_end_early(name: str) -> None:
    """A file that lacks its last third is called truncated, not damaged."""
    data = samples()[name]
    with pytest.raises(ImageTruncated, match=r"ends before|declares"):
        decode_image(data[: len(data) * 2 // 3])


def test_mask_is_refused_or_read_when_bytes_are_wrong() -> None:
    """A damaged mask is refused with one of our errors, or gives a mask of the photo's size."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((56, 40)).save(buffer, "PNG")
    dice = random.Random(4)
    image = DecodedImage(np.zeros((40, 56, 3), np.uint8), 56, 40)
    for damage in (_flipped, _cut, _spliced) * ROUNDS:
        with suppress(BadInput):
            assert decode_mask(damage(buffer.getvalue(), dice), image).shape == (40, 56)
