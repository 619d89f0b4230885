"""The pieces of a label map: where they are, what they border on, and which join which; numpy and scipy only."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.garments.kinds import FIRST_GARMENT
from pipeline.types import CLASSES, Floats, LabelMap, Mask

Ids: TypeAlias = NDArray[np.int32]  # (H, W) 0 = no garment
Box: TypeAlias = tuple[int, int, int, int]  # top, left, bottom, right, px


@dataclass(slots=True)
class Piece:
    """Touching pixels that count as one garment. votes: pixels by class, weighted by certainty."""

    label: int
    size_px: int
    box: Box
    votes: Floats

    def certainty(self) -> float:
        """The mean over the pixels, 0..1."""
        return float(self.votes.sum()) / self.size_px

    def take(self, other: "Piece") -> None:
        """Adds another's pixels and votes."""
        self.size_px += other.size_px
        self.votes = self.votes + other.votes
        self.box = _hull(self.box, other.box)


class Joined:
    """Pieces on their way to garments: which joined which, and the length of the border between those that are left."""

    def __init__(self, pieces: list[Piece], borders: NDArray[np.int64]) -> None:
        self.pieces = pieces
        self.borders = borders
        self._parent = list(range(len(pieces)))

    def roots(self) -> list[int]:
        """The pieces that joined no other."""
        return [k for k in range(1, len(self.pieces)) if self._parent[k] == k]

    def join(self, piece: int, host: int) -> None:
        """Makes a piece part of another."""
        self._parent[piece] = host
        self.pieces[host].take(self.pieces[piece])
        self.borders[host] += self.borders[piece]
        self.borders[:, host] += self.borders[:, piece]
        self.borders[piece] = self.borders[:, piece] = self.borders[host, host] = 0

    def ids(self, ids: Ids) -> Ids:
        """A map of pieces as a map of what they are part of."""
        return np.array([self._root(k) for k in range(len(self.pieces))], np.int32)[ids]

    def _root(self, piece: int) -> int:
        while self._parent[piece] != piece:
            piece = self._parent[piece]
        return piece


def find_pieces(labels: LabelMap, weight: Floats) -> tuple[Ids, list[Piece]]:
    """The connected pieces of each class; piece 0 stands for no garment."""
    ids = np.zeros(labels.shape, np.int32)
    pieces = [Piece(0, 0, (0, 0, 0, 0), np.zeros(len(CLASSES)))]
    for label, window in enumerate(ndimage.find_objects(labels), start=1):
        if window is None or label < FIRST_GARMENT:
            continue
        inside = labels[window] == label
        found, sizes = components(inside)
        sums = np.bincount(found.ravel(), weight[window].ravel())
        ids[window][inside] = found[inside] + (len(pieces) - 1)
        top, left = window[0].start, window[1].start
        for k, (rows, columns) in enumerate(ndimage.find_objects(found), start=1):
            votes = np.zeros(len(CLASSES))
            votes[label] = sums[k]
            box = (top + rows.start, left + columns.start, top + rows.stop, left + columns.stop)
            pieces.append(Piece(label, int(sizes[k]), box, votes))
    return ids, pieces


def border_lengths(ids: Ids, count: int) -> NDArray[np.int64]:
    """The length of the border between each two pieces, (count, count), px; a gap of one pixel still touches."""
    codes = [
        one.ravel() * np.int64(count) + other.ravel()
        for step in (1, 2)
        for one, other in ((ids[step:], ids[:-step]), (ids[:, step:], ids[:, :-step]))
    ]
    lengths = np.bincount(np.concatenate(codes), minlength=count * count).reshape(count, count)
    lengths = lengths + lengths.T
    lengths[0] = lengths[:, 0] = 0
    np.fill_diagonal(lengths, 0)
    return lengths


def components(mask: Mask) -> tuple[Ids, NDArray[np.int64]]:
    """Pieces that touch, also at corners: ids from 1 (0 = outside), and the size of each id, px."""
    found, _count = ndimage.label(mask, structure=np.ones((3, 3), bool))
    ids = np.asarray(found, np.int32)
    return ids, np.bincount(ids.ravel())


def gap(one: Box, other: Box) -> float:
    """The distance between two boxes, px; 0 when they meet."""
    down = max(0, one[0] - other[2], other[0] - one[2])
    across = max(0, one[1] - other[3], other[1] - one[3])
    return float(np.hypot(down, across))


def _hull(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
