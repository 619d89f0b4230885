"""Connected components of a mask, their boxes, opening, holes, extremes within reach, and maps at a larger size.

SciPy's ndimage has most of these, but its import takes half a second of CPU wherever garments are found: in the
ingress, extraction and `stylesync`. So the tests alone use it, to compare with.
"""

from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.types import Mask

Ids: TypeAlias = NDArray[np.int32]  # (H, W), 0 = no component
Window: TypeAlias = tuple[slice, slice]  # rows, columns
Box: TypeAlias = tuple[int, int, int, int]  # top, left, bottom, right, px
Plane = TypeVar("Plane", np.bool_, np.int32)
Levels = TypeVar("Levels", np.bool_, np.uint8)


@dataclass(frozen=True, slots=True)
class Connected:
    """The connected components of a mask.

    ids: (H, W), from 1 in the order of the components' first pixels; 0 = outside. By id, outside included: sizes_px,
    (n + 1,), and boxes_px, (n + 1, 4), top, left, bottom and right.
    """

    ids: Ids
    sizes_px: NDArray[np.int64]
    boxes_px: NDArray[np.int64]


def connected(mask: Mask, *, corners: bool = False) -> Connected:
    """The connected components of a mask (H, W). corners: whether pixels that meet at a corner touch."""
    height_px, width_px = mask.shape
    # A run is a row's pixels between two edges. A false column behind each row ends the run there, so positions in the
    # map of this width say all about a run.
    stride = width_px + 1
    flat = np.zeros(height_px * stride + 1, np.int8)
    flat[1:].reshape(height_px, stride)[:, :-1] = mask
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    starts, ends = edges[::2], edges[1::2]
    roots = _roots(*_touching(starts, ends, stride, reach=int(corners)), count=len(starts))
    first = roots == np.arange(len(roots))
    numbers = np.cumsum(first, dtype=np.int32)[roots]
    ids = np.zeros(mask.shape, np.int32)
    ids[mask] = np.repeat(numbers, ends - starts)
    sizes = np.bincount(ids.ravel(), minlength=1)
    boxes = np.tile(np.array([height_px, width_px, 0, 0]), (len(sizes), 1))
    rows = starts // stride
    np.minimum.at(boxes[:, 0], numbers, rows)
    np.minimum.at(boxes[:, 1], numbers, starts % stride)
    np.maximum.at(boxes[:, 2], numbers, rows + 1)
    np.maximum.at(boxes[:, 3], numbers, ends - rows * stride)
    return Connected(ids, sizes, boxes)


def _touching(
    starts: NDArray[np.intp], ends: NDArray[np.intp], stride: int, *, reach: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The pairs of runs that touch, one a row above the other. reach: 1 where corners touch, else 0."""
    first = np.searchsorted(ends, starts + (stride - reach), side="right")
    counts = np.maximum(np.searchsorted(starts, ends + (stride + reach), side="left") - first, 0)
    above = np.repeat(np.arange(len(starts)), counts)
    return above, np.arange(len(above)) + np.repeat(first - np.cumsum(counts) + counts, counts)


def _roots(above: NDArray[np.intp], below: NDArray[np.intp], *, count: int) -> NDArray[np.intp]:
    """The first run of each run's component, (count,), from the pairs that touch."""
    roots = np.arange(count)
    while len(above):
        ends = roots[above], roots[below]
        np.minimum.at(roots, np.maximum(*ends), np.minimum(*ends))
        while not np.array_equal(roots, jumped := roots[roots]):
            roots = jumped
        apart = roots[above] != roots[below]
        above, below = above[apart], below[apart]
    return roots


def box(mask: Mask) -> Window | None:
    """The smallest window that holds a mask (H, W); None for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def opened(mask: Mask) -> Mask:
    """A mask (H, W) without the pixels that no plus of five of its pixels holds."""
    inner = mask.copy()
    inner[[0, -1]] = inner[:, [0, -1]] = False
    for first, second in _NEIGHBOURS:
        inner[first] &= mask[second]
        inner[second] &= mask[first]
    outer = inner.copy()
    for first, second in _NEIGHBOURS:
        outer[first] |= inner[second]
        outer[second] |= inner[first]
    return outer


# Each pixel and the one above it, or to the left of it.
_NEIGHBOURS = ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1]))


def filled(mask: Mask) -> Mask:
    """A mask (H, W) with its holes: what lies outside it and cannot be reached from the map's edge."""
    around = connected(~mask)
    open_ = np.zeros(len(around.sizes_px), bool)
    for edge in (around.ids[0], around.ids[-1], around.ids[:, 0], around.ids[:, -1]):
        open_[edge] = True
    open_[0] = False
    return np.asarray(~open_[around.ids])


def extremes(values: NDArray[Levels], reach_px: int, most: np.ufunc, *, axis: int) -> NDArray[Levels]:
    """Each value, or the most of those within reach along an axis. most: np.minimum or np.maximum."""
    # Windows of doubling length. What lies beyond an edge is as the edge, which every window that reaches there holds.

    def part(cut: slice) -> tuple[slice, ...]:
        return (*(slice(None),) * axis, cut)

    first, last = (values[part(edge)].repeat(reach_px, axis=axis) for edge in (slice(1), slice(-1, None)))
    found, span = np.concatenate((first, values, last), axis=axis), 1
    while span < 2 * reach_px + 1:
        step = min(span, 2 * reach_px + 1 - span)
        found = most(found[part(slice(-step))], found[part(slice(step, None))])
        span += step
    return found


def enlarged(plane: NDArray[Plane], step: int, shape: tuple[int, ...]) -> NDArray[Plane]:
    """Each value as a square of `step` by `step` pixels, cut to the shape."""
    return np.repeat(np.repeat(plane, step, axis=0), step, axis=1)[: shape[0], : shape[1]]
