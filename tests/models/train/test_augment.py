"""Variations of training samples: what changes, and that the labels stay true."""

import numpy as np
import pytest

from models.train.augment import (
    Chances,
    CutOut,
    beside,
    cut_out,
    drawing,
    dyed,
    edged,
    ground,
    on_ground,
    pasted,
    person,
    textured,
)
from models.train.data import varied
from models.train.teacher import UNKNOWN
from pipeline.types import LabelMap, RgbImage

SKIN, TOP, BOTTOM, FULL_BODY = 1, 3, 5, 6
COLORS = {
    0: (220, 220, 220),
    SKIN: (220, 170, 140),
    TOP: (200, 30, 30),
    BOTTOM: (30, 40, 160),
    FULL_BODY: (20, 120, 20),
}


def _figure() -> tuple[RgbImage, LabelMap]:
    """Somebody with a red top and blue trousers, 96 px."""
    labels = np.zeros((96, 96), np.uint8)
    labels[5:20, 40:56], labels[20:50, 30:66], labels[50:90, 34:62] = SKIN, TOP, BOTTOM
    return _painted(labels), labels


def _painted(labels: LabelMap) -> RgbImage:
    table = np.zeros((256, 3), np.uint8)
    for label, color in COLORS.items():
        table[label] = color
    return table[labels]


def _dress() -> tuple[RgbImage, LabelMap]:
    labels = np.zeros((96, 96), np.uint8)
    labels[10:80, 30:60] = FULL_BODY
    return _painted(labels), labels


@pytest.mark.parametrize("seed", range(6))
def test_one_garment_alone_changes_when_it_is_dyed(seed: int) -> None:
    """Another garment, the skin and the background keep their colours, apart from the pixels along an edge."""
    pixels, labels = _figure()
    found = dyed(pixels, labels, np.random.default_rng(seed)).astype(int)
    changed = {label for label in COLORS if label in labels and np.abs(found - pixels)[labels == label].mean() > 12}
    assert len(changed) == 1
    assert changed <= {TOP, BOTTOM}


def test_nothing_is_dyed_when_there_is_no_garment() -> None:
    """A photo without garments stays as it is."""
    pixels = np.full((32, 32, 3), 90, np.uint8)
    assert dyed(pixels, np.zeros((32, 32), np.uint8), np.random.default_rng(0)) is pixels


def test_each_class_has_one_flat_colour_when_a_photo_is_drawn() -> None:
    """Within each class a drawing varies by grain alone; classes differ."""
    _pixels, labels = _figure()
    shown = drawing(labels, np.random.default_rng(3)).astype(float)
    inside = {TOP: (slice(26, 44), slice(36, 60)), BOTTOM: (slice(56, 84), slice(40, 56))}
    means = [shown[window].mean(axis=(0, 1)) for window in inside.values()]
    assert all(shown[window].std(axis=(0, 1)).max() < 5 for window in inside.values())
    assert np.abs(means[0] - means[1]).max() > 10


@pytest.mark.parametrize("seed", range(8))
def test_pasted_garment_is_where_its_label_is(seed: int) -> None:
    """Pixels of the new label have the cut-out's colour; where labels stayed, colours did, edges apart."""
    pixels, labels = _figure()
    piece = cut_out(*_dress(), np.random.default_rng(seed))
    assert piece is not None
    shown, named = pasted(pixels, labels, piece, np.random.default_rng(seed))
    new = named == FULL_BODY
    assert new.any()
    assert np.median(np.abs(shown[new].astype(int) - COLORS[FULL_BODY]).max(axis=1)) < 12
    kept = (named == labels) & ~new
    assert np.mean(np.abs(shown[kept].astype(int) - pixels[kept]).max(axis=1) > 40) < 0.06


def test_cut_out_is_none_when_no_garment_is_large_enough() -> None:
    """Skin alone is no garment, and nobody is a person on a photo of a dress."""
    labels = np.zeros((32, 32), np.uint8)
    labels[:16] = SKIN
    assert cut_out(_painted(labels), labels, np.random.default_rng(0)) is None
    assert person(*_dress()) is None


def test_second_person_brings_all_labels_when_put_beside() -> None:
    """The second person's skin and garments are labelled as on the photo they come from."""
    pixels, labels = _figure()
    someone = person(pixels, labels)
    assert isinstance(someone, CutOut)
    empty = np.zeros_like(labels)
    _shown, named = beside(_painted(empty), empty, someone, np.random.default_rng(1))
    assert {SKIN, TOP, BOTTOM} <= set(np.unique(named).tolist())


@pytest.mark.parametrize("seed", range(8))
def test_ground_changes_and_people_stay_when_the_background_is_replaced(seed: int) -> None:
    """Garments keep their pixels; most of the background does not."""
    pixels, labels = _figure()
    found = on_ground(pixels, labels, np.random.default_rng(seed)).astype(int)
    assert np.abs(found[30:44, 36:60] - pixels[30:44, 36:60]).max() <= 1
    assert np.abs(found - pixels)[labels == 0].mean() > 3
    assert ground(40, 60, np.random.default_rng(seed)).shape == (40, 60, 3)


def test_strip_has_the_other_photos_labels_when_an_edge_is_covered() -> None:
    """Every pixel comes with its label from one of the two photos."""
    everywhere = np.full((96, 96), FULL_BODY, np.uint8)
    pixels, labels = edged(*_figure(), (_painted(everywhere), everywhere), np.random.default_rng(2))
    assert np.array_equal(pixels, _painted(labels))
    assert 0.05 < (labels == FULL_BODY).mean() < 0.4


@pytest.mark.parametrize("seed", range(6))
def test_texture_changes_sharpness_and_not_colour(seed: int) -> None:
    """A photo out of focus or with grain has other edges, but on average the colours that it had."""
    random = np.random.default_rng(seed)
    photo = random.integers(60, 190, (64, 64, 3), np.uint8)
    found = textured(photo, random)
    assert found.shape == photo.shape
    assert np.abs(np.diff(found.astype(float), axis=0)).mean() != pytest.approx(
        np.abs(np.diff(photo.astype(float), axis=0)).mean(), rel=0.05
    )
    assert found.mean(axis=(0, 1)) == pytest.approx(photo.mean(axis=(0, 1)), abs=6)


def test_sample_stays_when_no_chance_is_given() -> None:
    """A recipe without variations trains on the crops themselves."""
    pixels, labels = _figure()
    found = varied(pixels, labels, _dress, Chances(), np.random.default_rng(0))
    assert found[0] is pixels
    assert found[1] is labels


def test_unknown_pixels_become_ground_when_a_sample_is_drawn() -> None:
    """A drawing shows every outline that it has labels for, so nothing in it is unknown."""
    pixels, labels = _figure()
    labels[60:80] = UNKNOWN
    _shown, named = varied(pixels, labels, _dress, Chances(drawing=1.0), np.random.default_rng(0))
    assert UNKNOWN not in named
