"""Connected components of a label map, and which of them have merged into one garment."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.garments.kinds import FIRST_GARMENT
from pipeline.garments.likeness import Codes, histogram
from pipeline.garments.masks import Box, Ids, box, connected
from pipeline.types import CLASSES, Floats, LabelMap

_NO_CODES: Codes = np.zeros(0, np.uint16)


@dataclass(slots=True)
class Component:
    """Pixels of one class that touch each other.

    votes: pixels by class, weighted by the network's certainty, 0..1. codes: the colour of each pixel
    (likeness.color_codes); none where the photo's colours are not known.
    """

    label: int
    size_px: int
    box: Box
    votes: Floats
    codes: Codes
    _histogram: Floats | None = None

    def certainty(self) -> float:
        """The network's mean certainty over the pixels, 0..1."""
        return float(self.votes.sum()) / self.size_px

    def alike(self, other: "Component") -> float | None:
        """How far the colours of two components overlap, 0..1; None where they are not known."""
        if not self.codes.size or not other.codes.size:
            return None
        return float(np.minimum(self._colors(), other._colors()).sum())

    def _colors(self) -> Floats:
        if self._histogram is None:
            self._histogram = histogram(self.codes)
        return self._histogram

    def absorb(self, other: "Component") -> None:
        """Adds another component's pixels, votes and colours."""
        self.size_px += other.size_px
        self.votes = self.votes + other.votes
        self.box = _hull(self.box, other.box)
        self.codes = np.concatenate((self.codes, other.codes))
        self._histogram = None


class Merges:
    """A union-find over components: which component has merged into which.

    components: index 0 stands for no garment. borders_px: (n, n), the length of the border between each two components
    that have not merged.
    """

    def __init__(self, components: list[Component], borders_px: NDArray[np.int64]) -> None:
        self.components = components
        self.borders_px = borders_px
        self._parent = list(range(len(components)))

    def roots(self) -> list[int]:
        """The components that have not merged into another."""
        return [k for k in range(1, len(self.components)) if self._parent[k] == k]

    def merge(self, component: int, host: int) -> None:
        """Makes a component part of its host."""
        self._parent[component] = host
        self.components[host].absorb(self.components[component])
        self.borders_px[host] += self.borders_px[component]
        self.borders_px[:, host] += self.borders_px[:, component]
        self.borders_px[component] = self.borders_px[:, component] = self.borders_px[host, host] = 0

    def drop(self, component: int) -> None:
        """Makes a component part of no garment."""
        self._parent[component] = 0
        self.borders_px[component] = self.borders_px[:, component] = 0

    def root_ids(self, ids: Ids) -> Ids:
        """A map of components as a map of their roots."""
        return np.array([self._root(k) for k in range(len(self.components))], np.int32)[ids]

    def _root(self, component: int) -> int:
        while self._parent[component] != component:
            component = self._parent[component]
        return component


def find_components(labels: LabelMap, weight: Floats, codes: Codes | None) -> tuple[Ids, list[Component]]:
    """The connected components of each garment class, and the component of every pixel.

    labels, weight, codes: (H, W). Component 0 stands for no garment.
    """
    ids = np.zeros(labels.shape, np.int32)
    components = [Component(0, 0, (0, 0, 0, 0), np.zeros(len(CLASSES)), _NO_CODES)]
    for label in range(FIRST_GARMENT, len(CLASSES)):
        window = box(labels == label)
        if window is None:
            continue
        inside = labels[window] == label
        found = connected(inside, corners=True)
        sums = np.bincount(found.ids.ravel(), weight[window].ravel())
        ids[window][inside] = found.ids[inside] + (len(components) - 1)
        top, left = window[0].start, window[1].start
        for size_px, mass, place in zip(found.sizes_px[1:], sums[1:], found.boxes_px[1:].tolist(), strict=True):
            votes = np.zeros(len(CLASSES))
            votes[label] = mass
            moved = (top + place[0], left + place[1], top + place[2], left + place[3])
            components.append(Component(label, int(size_px), moved, votes, _NO_CODES))
    if codes is not None:
        by_component = codes.ravel()[np.argsort(ids, axis=None, kind="stable")]
        ends = np.cumsum(np.bincount(ids.ravel(), minlength=len(components)))
        for component, own in zip(components[1:], np.split(by_component, ends[:-1])[1:], strict=True):
            component.codes = own
    return ids, components


def border_lengths(ids: Ids, count: int) -> NDArray[np.int64]:
    """The length of the border between each two components, (count, count), px.

    Components that are one pixel apart still touch: networks leave such a gap between classes.
    """
    codes = [
        first.ravel() * np.int64(count) + second.ravel()
        for step in (1, 2)
        for first, second in ((ids[step:], ids[:-step]), (ids[:, step:], ids[:, :-step]))
    ]
    lengths = np.bincount(np.concatenate(codes), minlength=count * count).reshape(count, count)
    lengths = lengths + lengths.T
    lengths[0] = lengths[:, 0] = 0
    np.fill_diagonal(lengths, 0)
    return lengths


def gap_px(first: Box, second: Box) -> float:
    """The distance between two boxes, px; 0 when they meet."""
    down = max(0, first[0] - second[2], second[0] - first[2])
    across = max(0, first[1] - second[3], second[1] - first[3])
    return float(np.hypot(down, across))


def _hull(first: Box, second: Box) -> Box:
    return min(first[0], second[0]), min(first[1], second[1]), max(first[2], second[2]), max(first[3], second[3])
