"""The picture of a photo's advice: its text, its bars, its layout at any aspect, and the command."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.picture import destinations, main, picture
from models.segmenter import Segmenter
from pipeline.analysis import Advice, advise
from pipeline.contract import advice_in_words
from pipeline.garments.regions import whole_labels
from pipeline.options import Options, parse_options
from pipeline.picture.blocks import bar, line, paragraph, printable
from pipeline.picture.overlay import overlay
from pipeline.picture.page import PAGE_PX, page
from pipeline.types import DecodedImage, Mask, RgbImage, Segmentation

NAVY, RED = (31, 42, 68), (200, 30, 40)
MASKS = Options(include=("masks",), max_suggestions=3)


def _halves(width_px: int, height_px: int) -> DecodedImage:
    """A photo that is navy on the left and red on the right."""
    pixels = np.full((height_px, width_px, 3), NAVY, np.uint8)
    pixels[:, width_px // 2 :] = RED
    return DecodedImage(pixels, width_px, height_px)


def _advice(image: DecodedImage, options: Options = MASKS) -> Advice:
    return advise(image, Segmentation(_whole(image), None, "whole"), options)


def _whole(image: DecodedImage) -> RgbImage:
    return whole_labels(*image.pixels.shape[:2])


def _count(shown: Image.Image, rgb: tuple[int, int, int]) -> int:
    """How many pixels are just this colour."""
    return int((np.asarray(shown.convert("RGB")) == rgb).all(axis=2).sum())


# --- blocks ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "shown"), [("3 × 4", "3 x 4"), ("ΔE00 2", "delta E00 2"), ("Café – Öl", "Cafe - Ol"), ("裙 a", "? a")]
)
def test_text_is_spelt_when_the_font_has_no_glyph(text: str, shown: str) -> None:
    """Signs are spelt out, letters lose their accents, and an undrawable character becomes a question mark."""
    assert printable(text) == shown


def test_line_is_shortened_when_it_is_too_wide() -> None:
    """A line keeps to its width; without one it is as wide as its text."""
    assert line("a name that is far too long for its place", 20, width_px=120).width <= 122
    assert line("a name that is far too long for its place", 20).width > 300


def test_paragraph_has_more_lines_when_it_is_narrow() -> None:
    """Words go on below; a word wider than the paragraph is shortened."""
    text = "Opposite hues make each other stronger"
    wide, narrow = paragraph(text, 20, 600), paragraph(text, 20, 150)
    assert narrow.height >= 3 * wide.height
    assert max(narrow.width, paragraph("x" * 200, 20, 150).width) <= 152


def test_bar_is_in_proportion_when_shares_differ() -> None:
    """Three quarters of a bar are the colour with three quarters of the shares, whatever they sum to."""
    strip = bar([("#1f2a44", 1.5), ("#c81e28", 0.5)], (400, 40))
    rows = np.asarray(strip.convert("RGB"))[20]
    assert (rows[5:295] == NAVY).all()
    assert (rows[305:395] == RED).all()


# --- the overlay ----------------------------------------------------------------------------------------------
def test_overlay_keeps_the_garments_colours_when_it_dims_the_rest() -> None:
    """Within the garment the picture has the photo's colours, outside it is pale and grey, and a line runs between."""
    pixels = np.full((100, 100, 3), NAVY, np.uint8)
    labels = np.zeros((100, 100), np.uint8)
    labels[20:80, 20:80] = 255
    advice = advise(DecodedImage(pixels, 100, 100), Segmentation(labels, None, "mask"), MASKS)
    shown = np.asarray(overlay(pixels, advice.garments, (200, 200)).convert("RGB")).astype(int)
    assert np.abs(shown[60, 60] - NAVY).max() <= 1
    assert np.ptp(shown[10, 100]) < 12
    assert shown[10, 100].min() > 140
    pixels[:] = 230
    shown = np.asarray(overlay(pixels, advice.garments, (200, 200)).convert("RGB")).astype(int)
    assert shown[100, 30:50].max(axis=1).min() < 130


def test_a_stray_speck_is_dimmed_when_it_is_no_garment() -> None:
    """What belongs to no garment of the answer is dimmed, whatever the network called it."""
    pixels = np.full((200, 150, 3), RED, np.uint8)
    labels = np.zeros((200, 150), np.uint8)
    labels[5:35, 60:90], labels[35:150, 45:105], labels[60:75, 60:80], labels[190:194, 4:8] = 1, 3, 4, 8
    advice = advise(DecodedImage(pixels, 150, 200), Segmentation(labels, None, "network"), MASKS)
    assert [garment.category for garment in advice.garments] == ["top"]
    shown = np.asarray(overlay(pixels, advice.garments, (150, 200)).convert("RGB")).astype(int)
    assert np.array_equal(shown[67, 68], shown[67, 55])
    assert np.ptp(shown[192, 6]) < 12


# --- the page -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("width_px", "height_px"), [(300, 300), (512, 200), (200, 512), (500, 10), (10, 500)])
def test_page_shows_photo_and_palette_when_the_aspect_is_any(width_px: int, height_px: int) -> None:
    """The page keeps its width, and the main colours stand on it in photo, palette and suggestions."""
    image = _halves(width_px, height_px)
    advice = _advice(image)
    shown = page("halves.png", image, advice_in_words(advice, "en"), MASKS)
    assert (shown.mode, shown.width) == ("RGB", PAGE_PX)
    for rgb in (NAVY, RED):
        assert _count(shown, rgb) > 8000
    for color in advice.suggestions[0].colors:
        assert _count(shown, tuple(bytes.fromhex(color.hex[1:]))) > 300  # type: ignore[arg-type]


def test_page_is_whole_when_nothing_was_found() -> None:
    """Without garments there are no suggestions, and the warning stands where they would."""
    image = DecodedImage(np.full((60, 60, 3), 128, np.uint8), 60, 60)
    labels = np.zeros((60, 60), np.uint8)
    advice = advise(image, Segmentation(labels, None, "mask"), MASKS)
    assert [warning.code for warning in advice.warnings if warning.code == "NO_GARMENT"] == ["NO_GARMENT"]
    shown = page("grey.png", image, advice_in_words(advice, "en"), MASKS)
    assert shown.width == PAGE_PX
    assert _count(shown, (0xE0, 0xA4, 0x58)) > 100  # the warnings' bar


def test_page_lists_the_wardrobe_when_one_is_given() -> None:
    """Matches are drawn in the items' own colours."""
    options = parse_options('{"wardrobe": [{"id": "chinos", "hex": "#c19a6b"}], "include": ["masks"]}')
    image = _halves(200, 200)
    advice = _advice(image, options)
    assert [match.item_id for match in advice.matches][:1] == ["chinos"]
    without = page("halves.png", image, advice_in_words(_advice(image), "en"), MASKS)
    assert _count(page("halves.png", image, advice_in_words(advice, "en"), options), (0xC1, 0x9A, 0x6B)) >= 1000
    assert without.width == PAGE_PX


def test_picture_shows_the_shirts_blue_when_the_network_ran(
    segmenter: Segmenter, shirt: RgbImage, shirt_mask: Mask, tmp_path: Path
) -> None:
    """A file is decoded, segmented and drawn: its blue stands in photo, palette and suggestions."""
    Image.fromarray(shirt).save(tmp_path / "shirt.png")
    shown = np.asarray(picture(tmp_path / "shirt.png", segmenter, Options()).convert("RGB")).astype(int)
    assert (np.abs(shown - (40, 70, 140)).max(axis=2) <= 6).sum() > 20_000
    assert shirt_mask.any()


# --- the command ----------------------------------------------------------------------------------------------
def test_destinations_differ_when_photos_share_a_name() -> None:
    """One photo may name its PNG; several get a PNG each, also of equal names."""
    photos = [Path("a/x.jpg"), Path("b/x.png"), Path("y.webp")]
    assert [path.name for path in destinations(photos, Path("there"))] == ["x.png", "x-2.png", "y.png"]
    assert destinations(photos[:1], Path("mine.PNG")) == [Path("mine.PNG")]
    assert destinations(photos[:1], None) == [Path("out/x.png")]


def test_command_draws_the_sound_photos_when_others_are_bad(
    tmp_path: Path, shirt: RgbImage, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing file and a text file are named with their problem; the exit status is 2, the valid photo is drawn."""
    Image.fromarray(shirt).save(tmp_path / "shirt.png")
    (tmp_path / "text.jpg").write_text("no picture")
    photos = [str(tmp_path / name) for name in ("missing.jpg", "text.jpg", "shirt.png")]
    assert main([*photos, "-o", str(tmp_path / "drawn"), "--width", "800"]) == 2
    said = capsys.readouterr().err
    assert "missing.jpg: No such file" in said
    assert "text.jpg: The file is not a JPEG, PNG, WebP, AVIF or HEIC image" in said
    with Image.open(tmp_path / "drawn" / "shirt.png") as drawn:
        assert drawn.width == 800
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["shirt.png"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--options", '{"colour": 1}'], "/colour: Unknown field."),
        (["--options", "{"], "cannot be read"),
        (["--model", "nobody"], "no model 'nobody'"),
    ],
)
def test_command_refuses_when_an_argument_is_bad(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad options and an unknown network each get a sentence and exit status 2."""
    assert main(["photo.jpg", *arguments]) == 2
    assert said in capsys.readouterr().err
