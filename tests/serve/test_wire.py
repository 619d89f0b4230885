"""Tests the wire format: every value survives it, and any other bytes raise one error."""

import zlib
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline import codec
from pipeline.errors import PhaseFailed
from pipeline.harmony.harmonise import harmonise
from pipeline.options import ColorShare, HarmonyOptions, Options, PhotoOptions, WardrobeItem, phase_options
from pipeline.palette.extraction import extract
from pipeline.parts import CategoryShare, Extraction, Harmony, PaletteVector, RleMask
from pipeline.types import DecodedImage, Include, Segmentation
from serve import wire

Kind: TypeAlias = type[Any]
KINDS: tuple[Kind, ...] = (
    wire.SegmentRequest,
    wire.ExtractRequest,
    wire.HarmoniseRequest,
    wire.Description,
    Segmentation,
    Extraction,
    Harmony,
    DecodedImage,
)


def _same(first: Any, second: Any) -> bool:
    """Compares values; arrays must have the same shape, type and values."""
    if isinstance(first, np.ndarray):
        return isinstance(second, np.ndarray) and first.dtype == second.dtype and np.array_equal(first, second)
    if is_dataclass(first):
        return type(first) is type(second) and all(
            _same(getattr(first, field.name), getattr(second, field.name)) for field in fields(first)
        )
    return bool(first == second) and type(first) is type(second)


def _round_trip(value: Any) -> Any:
    return codec.decode(codec.encode(value), type(value))


UNIT = st.floats(0, 1)
TEXT = st.text(max_size=8)
PLANES = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9))
MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9))
IMAGES = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(lambda size: arrays(np.uint8, (*size, 3)))
SIDES = st.integers(1, 60_000)
COLORS = st.builds(ColorShare, st.just("#1f2a44"), st.none() | st.floats(0, 1, exclude_min=True))
ITEMS = st.builds(WardrobeItem, TEXT, st.lists(COLORS, min_size=1, max_size=3).map(tuple), st.none() | st.just("top"))
OPTIONS = st.builds(
    PhotoOptions,
    max_colors=st.integers(1, 12),
    include=st.sampled_from([(), ("masks",), ("masks", "vector")]),
)
WISHES = st.builds(HarmonyOptions, wardrobe=st.lists(ITEMS, max_size=3).map(tuple))
SEGMENTATIONS = st.builds(Segmentation, PLANES, st.none() | PLANES, TEXT)
MESSAGES = st.one_of(
    st.builds(wire.SegmentRequest, st.floats(0, 2e9), IMAGES, SIDES, SIDES),
    st.builds(wire.ExtractRequest, st.floats(0, 2e9), IMAGES, PLANES, st.none() | PLANES, OPTIONS),
    st.builds(wire.HarmoniseRequest, st.floats(0, 2e9), st.just(()), WISHES),
    st.builds(
        wire.Description, st.sampled_from(["segmentation", "harmony"]), TEXT, st.none() | st.tuples(SIDES, SIDES)
    ),
    st.builds(DecodedImage, IMAGES, SIDES, SIDES, st.none() | IMAGES, st.none() | MASKS),
    SEGMENTATIONS,
)


@given(MESSAGES)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_a_message_is_itself_when_it_crosses_the_wire(message: Any) -> None:
    """Arrays keep shape, type and values, tuples stay tuples, None stays None."""
    assert _same(_round_trip(message), message)


def _photo() -> tuple[np.ndarray, np.ndarray]:
    """A navy shirt over beige trousers on a light ground, (96, 64, 3), and its label map."""
    pixels = np.full((96, 64, 3), 235, np.uint8)
    labels = np.zeros((96, 64), np.uint8)
    pixels[10:50, 12:52], labels[10:50, 12:52] = (31, 42, 68), 3
    pixels[50:90, 16:48], labels[50:90, 16:48] = (193, 154, 107), 5
    return pixels, labels


def test_real_answers_are_themselves_when_they_cross_the_wire() -> None:
    """Real answers of extraction and harmony, with every optional part, survive the wire."""
    include: tuple[Include, ...] = ("alternatives", "masks", "vector")
    wardrobe = (WardrobeItem("w1", (ColorShare("#ffffff"),), "shoes"), WardrobeItem("w2", (ColorShare("#000080"),)))
    options = Options(subject="worn", include=include, wardrobe=wardrobe)
    pixels, labels = _photo()
    extracted = extract(pixels, labels, None, options)
    harmonised = harmonise(extracted.garments, options)
    assert len(extracted.garments) == 2
    assert harmonised.suggestions
    assert harmonised.matches
    assert _round_trip(extracted) == extracted
    assert _round_trip(harmonised) == harmonised
    request = wire.HarmoniseRequest(1.5, extracted.garments, phase_options(options, HarmonyOptions))
    assert _round_trip(request) == request


@pytest.mark.parametrize(
    "value", [RleMask((4, 5), "052", "coco_rle"), PaletteVector("v1", (0.25, 1e-9)), CategoryShare("top", 0.3)]
)
def test_small_values_are_themselves_when_they_cross_the_wire(value: Any) -> None:
    """Floats keep every bit, sizes stay tuples."""
    assert _round_trip(value) == value


def test_a_label_map_is_small_when_it_travels() -> None:
    """Planes are deflated, so a label map fits in 4 kB. Photos are sent uncompressed."""
    labels = np.zeros((512, 384), np.uint8)
    labels[100:400, 90:300] = 3
    assert len(codec.encode(Segmentation(labels, None, "v"))) < 4096
    image = np.zeros((512, 384, 3), np.uint8)
    assert len(codec.encode(wire.SegmentRequest(0.0, image, 384, 512))) >= image.nbytes


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.binary(max_size=40))
@settings(derandomize=True, deadline=None, max_examples=15)
def test_one_error_is_raised_when_bytes_are_random(kind: Kind, data: bytes) -> None:
    """Random bytes are PhaseFailed, whatever was expected."""
    with pytest.raises(PhaseFailed):
        codec.decode(data, kind)


@given(MESSAGES, st.integers(1, 400))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_one_error_is_raised_when_bytes_are_cut(message: Any, kept: int) -> None:
    """A cut message raises PhaseFailed."""
    data = codec.encode(message)
    with pytest.raises(PhaseFailed):
        codec.decode(data[: min(kept, len(data) - 1)], type(message))


def _segmentation_of(shape: list[Any], packed: bytes) -> bytes:
    return msgspec.msgpack.encode({"labels": [shape, packed], "confidence": None, "version": "v"})


@pytest.mark.parametrize(
    ("shape", "packed"),
    [
        ([2, 3], zlib.compress(b"12345")),
        ([2, 3], zlib.compress(bytes(range(6)))[:8]),
        ([2, 3], b"not deflated"),
        ([2, -3], zlib.compress(b"123456")),
        ([0, 0], zlib.compress(b"123456")),
        ([100_000, 100_000], zlib.compress(bytes(1000))),
        # Found by fuzzing: a list repeated that many times.
        ([[8], 2**62], zlib.compress(b"123456")),
    ],
)
def test_one_error_is_raised_when_a_plane_does_not_fit_its_shape(shape: list[Any], packed: bytes) -> None:
    """A plane whose bytes do not fill its shape is PhaseFailed."""
    with pytest.raises(PhaseFailed):
        codec.decode(_segmentation_of(shape, packed), Segmentation)


def test_a_plane_is_inflated_only_to_the_size_it_declares() -> None:
    """Data of 64 kB that would inflate to 64 MB is inflated only to the declared size."""
    bomb = zlib.compress(bytes(64 * 1024 * 1024))
    found = codec.decode(_segmentation_of([2, 3], bomb), Segmentation)
    assert found.labels.tolist() == [[0, 0, 0], [0, 0, 0]]
