"""Connected components: what touches, how long borders are, and what has merged."""

import numpy as np
import pytest

from pipeline.garments.components import Merges, border_lengths, find_components, gap_px
from pipeline.garments.kinds import SKIN, label_of
from pipeline.types import LabelMap

TOP, BOTTOM = label_of("top"), label_of("bottom")


def _labels() -> LabelMap:
    """A top of 4 by 3 px over trousers of 4 by 2 px, beside skin."""
    labels = np.zeros((6, 6), np.uint8)
    labels[0:3, 1:5], labels[3:5, 1:5], labels[:, 5] = TOP, BOTTOM, SKIN
    return labels


def test_components_are_of_garments_when_a_map_has_skin() -> None:
    """Each component has its class, size, box and weighted votes. Skin is no component."""
    labels = _labels()
    ids, components = find_components(labels, np.full(labels.shape, 0.5), None)
    assert [(one.label, one.size_px, one.box) for one in components[1:]] == [
        (TOP, 12, (0, 1, 3, 5)),
        (BOTTOM, 8, (3, 1, 5, 5)),
    ]
    assert [one.certainty() for one in components[1:]] == [0.5, 0.5]
    assert not ids[labels == SKIN].any()


def test_pixels_are_one_component_when_they_meet_at_a_corner() -> None:
    """Pixels that share a corner touch; pixels one step farther apart do not."""
    labels = np.where([[1, 0, 0, 0], [0, 1, 0, 1]], TOP, 0).astype(np.uint8)
    ids, components = find_components(labels, np.ones(labels.shape), None)
    assert ids.tolist() == [[1, 0, 0, 0], [0, 1, 0, 2]]
    assert [one.size_px for one in components[1:]] == [2, 1]


def test_border_is_counted_when_components_touch_or_nearly_touch() -> None:
    """A border counts pairs of pixels that are one or two steps apart, so a gap of one pixel leaves some border."""
    labels = _labels()
    ids, components = find_components(labels, np.ones(labels.shape), None)
    borders_px = border_lengths(ids, len(components))
    assert borders_px[1, 2] == borders_px[2, 1] == 12
    labels[2] = 0
    ids, components = find_components(labels, np.ones(labels.shape), None)
    assert border_lengths(ids, len(components))[1, 2] == 4


def test_host_has_everything_when_a_component_has_merged() -> None:
    """Merging adds size, box, votes and colours to the host, and the component's pixels take the host's id."""
    labels = _labels()
    codes = np.where(labels == TOP, 0x555, 0xAAA).astype(np.uint16)
    ids, components = find_components(labels, np.ones(labels.shape), codes)
    assert (components[1].codes.tolist(), components[2].codes.tolist()) == ([0x555] * 12, [0xAAA] * 8)
    assert components[1].alike(components[2]) == pytest.approx(0, abs=1e-3)
    merges = Merges(components, border_lengths(ids, len(components)))
    merges.merge(2, 1)
    assert merges.roots() == [1]
    assert (components[1].size_px, components[1].box) == (20, (0, 1, 5, 5))
    assert components[1].votes[[TOP, BOTTOM]].tolist() == [12, 8]
    assert components[1].alike(components[2]) == pytest.approx(8 / 20, abs=1e-3)
    assert set(np.unique(merges.root_ids(ids))) == {0, 1}
    assert not merges.borders_px.any()


def test_gap_is_the_distance_of_boxes_when_they_are_apart() -> None:
    """Boxes that meet have no gap, and the gap of boxes apart is Euclidean."""
    assert gap_px((0, 0, 2, 2), (2, 0, 4, 2)) == 0
    assert gap_px((0, 0, 2, 2), (5, 6, 7, 8)) == 5


def test_box_holds_both_when_components_have_merged() -> None:
    """The box of a host reaches to the lower and the right edge of both, whichever is the larger number."""
    labels = np.zeros((4, 12), np.uint8)
    labels[0:2, 0:11], labels[2:3, 1:5] = TOP, BOTTOM
    ids, components = find_components(labels, np.ones(labels.shape), None)
    merges = Merges(components, border_lengths(ids, len(components)))
    merges.merge(2, 1)
    assert merges.components[1].box == (0, 0, 3, 11)
