"""Tests the composition of the phases: service and batch agree, and masks, whole images and fallbacks work."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from msgspec import UNSET

from pipeline.analysis import (
    Advice,
    advise,
    colors_extraction,
    fallback_extraction,
    fallback_harmony,
    fallback_segmentation,
    given_segmentation,
)
from pipeline.contract import advice_to_json
from pipeline.errors import PhaseFailed
from pipeline.harmony import harmonise
from pipeline.options import ColorShare, Options, WardrobeItem
from pipeline.palette import extraction
from pipeline.types import DecodedImage, Segmentation
from pipeline.versions import EXTRACTION_VERSION
from tests.serve.fakes import NETWORK_VERSION, Walk, ask, painted, painted_labels, photo

WARDROBE = (WardrobeItem("w1", (ColorShare("#ffffff"),), "shoes"), WardrobeItem("w2", (ColorShare("#2f4f4f"),)))


def _image(**changes: Any) -> DecodedImage:
    pixels = painted()
    return replace(DecodedImage(pixels, pixels.shape[1], pixels.shape[0]), **changes)


def _segment(image: DecodedImage) -> Segmentation:
    return Segmentation(painted_labels(image.pixels, *image.pixels.shape[:2]), None, NETWORK_VERSION)


def _analyse(image: DecodedImage, options: Options, segment: Callable[[DecodedImage], Segmentation]) -> Advice:
    return advise(image, given_segmentation(image, options) or segment(image), options)


def _never(image: DecodedImage) -> Segmentation:
    raise PhaseFailed("The network was asked.")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"include": ("masks", "alternatives", "vector"), "wardrobe": WARDROBE},
        {"subject": "product", "category": "outerwear", "max_colors": 1},
        {"garments": ("top",), "white_balance": "apply", "schemes": ("triadic", "neutral"), "intent": "bold"},
        {"segment": "none", "wheel": "ryb", "max_suggestions": 2},
        {"max_suggestions": 0},
    ],
    ids=["defaults", "everything", "hints", "filters", "whole", "no suggestions"],
)
async def test_batch_is_the_service_when_the_options_are_any(options: dict[str, Any]) -> None:
    """The service's walk, with its wire formats and its options per phase, gives the same bytes as the batch."""
    question = photo(**options)
    _, answer = await ask(Walk(), question)
    assert answer.body == advice_to_json(_analyse(_image(), question.options, _segment), "en")


async def test_batch_is_the_service_when_a_mask_is_given() -> None:
    """Service and batch give the same bytes for a photo with a mask."""
    question = photo(mask=b"mask")
    _, answer = await ask(Walk(), question)
    image = _image(mask=painted()[..., 0] < 90)
    assert answer.body == advice_to_json(_analyse(image, question.options, _never), "en")


# --- where no network is needed -------------------------------------------------------------------------------
def test_mask_is_the_garment_when_given() -> None:
    """The mask is one garment, of the hint's kind where there is one. The network does not run."""
    mask = painted()[..., 0] < 90
    advice = _analyse(_image(mask=mask), Options(category="top"), _never)
    (garment,) = advice.garments
    assert (garment.category, garment.confidence, advice.versions.segmenter) == ("top", None, "mask")
    assert garment.area == pytest.approx(mask.mean(), abs=1e-4)
    assert [color.hex for color in garment.colors] == ["#1f2a44"]


def test_mask_wins_when_segment_is_none_too() -> None:
    """`segment: none` changes nothing when there is a mask."""
    mask = painted()[..., 0] < 90
    given = given_segmentation(_image(mask=mask), Options(segment="none"))
    assert given is not None
    assert given.version == "mask"


def test_whole_image_is_the_garment_when_segment_is_none() -> None:
    """Every pixel counts, even the background, and the kind is unknown."""
    advice = _analyse(_image(), Options(segment="none"), _never)
    (garment,) = advice.garments
    assert (garment.category, garment.area, garment.bbox) == ("unknown", 1.0, (0.0, 0.0, 1.0, 1.0))
    assert len(garment.colors) == 3
    assert advice.versions.segmenter == "whole"


def test_network_is_asked_when_nothing_is_given() -> None:
    """The network's labels become the garments, and its version is in the answer."""
    advice = _analyse(_image(), Options(subject="worn"), _segment)
    assert [(one.category, one.colors[0].hex) for one in advice.garments] == [("top", "#1f2a44"), ("bottom", "#c19a6b")]
    assert advice.versions.segmenter == NETWORK_VERSION
    with pytest.raises(PhaseFailed):
        _analyse(_image(), Options(), _never)


def test_image_is_described_when_it_was_larger() -> None:
    """The answer has the sizes of the upright original and of the analysed image."""
    info = _analyse(_image(width=640, height=960), Options(), _segment).image
    assert info is not None
    assert (info.width, info.height, info.analysed_width, info.analysed_height) == (640, 960, 64, 96)
    assert info.lighting is not None


def test_vector_is_the_whole_looks_when_included() -> None:
    """The look's vector weights the garments by area, so it equals no garment's own vector."""
    advice = _analyse(_image(), Options(subject="worn", include=("vector",)), _segment)
    vectors = [garment.vector for garment in advice.garments]
    assert None not in vectors
    assert advice.vector is not UNSET
    assert advice.vector not in vectors
    assert _analyse(_image(), Options(), _segment).vector is UNSET


# --- colours mode ---------------------------------------------------------------------------------------------
def test_colours_are_one_garment_when_no_image_is_given() -> None:
    """Shares are normalised, the largest colour is the main one, and the hint gives the kind."""
    colors = (ColorShare("#c19a6b", 0.2), ColorShare("#1f2a44", 0.6))
    (garment,) = colors_extraction(colors, Options(category="shoes")).garments
    assert garment.category == "shoes"
    assert [(color.hex, color.role, color.share) for color in garment.colors] == [
        ("#1f2a44", "main", 0.75),
        ("#c19a6b", "secondary", 0.25),
    ]
    assert colors_extraction(colors, Options()).garments[0].category == "unknown"


# --- degraded -------------------------------------------------------------------------------------------------
def test_fallback_mask_is_the_clothes_when_the_ground_is_plain() -> None:
    """Pixels that differ from the border are the garment, and its colours are those of the real pixels."""
    image = _image()
    segmentation = fallback_segmentation(image)
    assert segmentation.version == "fallback"
    (garment,) = extraction.extract(image.pixels, segmentation.labels, None, Options()).garments
    assert {color.hex for color in garment.colors} == {"#1f2a44", "#c19a6b"}


def test_fallback_palette_is_of_real_pixels_when_extraction_failed() -> None:
    """The fallback finds the normal garments and their real colours, without confidence."""
    image = _image()
    segmentation = _segment(image)
    found = fallback_extraction(image, segmentation, Options(subject="worn"))
    whole = extraction.extract(image.pixels, segmentation.labels, None, Options(subject="worn"))
    assert [(one.id, one.category, one.bbox) for one in found.garments] == [
        (one.id, one.category, one.bbox) for one in whole.garments
    ]
    assert [garment.colors[0].hex for garment in found.garments] == ["#1f2a44", "#c19a6b"]
    assert {color.confidence for garment in found.garments for color in garment.colors} == {None}
    assert found.version == EXTRACTION_VERSION


def test_fallback_palette_warns_when_there_is_no_garment() -> None:
    """The fallback warns, as the normal phase does, when there is no garment."""
    nothing = Segmentation(np.zeros((96, 64), np.uint8), None, NETWORK_VERSION)
    found = fallback_extraction(_image(), nothing, Options())
    assert (found.garments, [warning.code for warning in found.warnings]) == ((), ["NO_GARMENT"])


def test_garments_stay_when_even_the_fallback_palette_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The garments have no colours when the fallback fails too."""

    def broken(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(extraction, "histogram_palette", broken)
    image = _image()
    found = fallback_extraction(image, _segment(image), Options(subject="worn"))
    assert [(one.category, one.colors) for one in found.garments] == [("top", ()), ("bottom", ())]


def test_fallback_suggestions_are_the_phases_own_when_only_its_replica_failed() -> None:
    """The fallback gives the phase's own answer, because the same pure function runs in the ingress."""
    (garment,) = colors_extraction((ColorShare("#1f2a44"),), Options()).garments
    assert fallback_harmony((garment,), Options()) == harmonise.harmonise((garment,), Options())


def test_suggestions_are_the_classics_when_harmony_itself_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fallback gives classic neutrals for the real garment, and marks them as such."""

    def broken(*_: object) -> None:
        raise ValueError

    (garment,) = colors_extraction((ColorShare("#1f2a44"),), Options()).garments
    monkeypatch.setattr(harmonise, "harmonise", broken)
    found = fallback_harmony((garment,), Options())
    assert found.suggestions
    assert {one.reasons[0].code for one in found.suggestions} == {"NEUTRAL_ANCHOR"}
    assert {one.scheme for one in found.suggestions} == {"neutral"}
