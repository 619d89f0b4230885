"""Which garment pixels belong together: pieces, voting between neighbours, pairs; numpy and scipy only."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.types import CLASSES, GARMENT_CLASSES, Category, ConfidenceMap, LabelMap, Mask, Options

SKIN, HAIR, TOP, OUTERWEAR, BOTTOM, FULL_BODY, SHOES, ACCESSORY = range(1, len(CLASSES))
FIRST_GARMENT = CLASSES.index(GARMENT_CLASSES[0])

WORN_SHARE = 0.03  # skin and hair, of all that is not background, from which a photo counts as worn
PRODUCT_PIECE_SHARE = 0.15  # on a product photo, a piece apart counts from this share of the largest on
SPECK_OF_IMAGE, SPECK_OF_GARMENTS = 0.003, 0.02
JOIN_GAP = {SHOES: 0.35, ACCESSORY: 0.02}  # of the long side: pieces of one class this near are one garment
JOIN_GAP_BODY = 0.15

# A piece this much smaller than a touching piece of another class is a slip of the network, at certainty 0.5.
# Tops and trousers are told apart well, a top from a jacket or a dress is not, and a bag is not a patch of a coat.
SLIP_SHARE = np.zeros((len(CLASSES), len(CLASSES)))  # [piece, host]
SLIP_SHARE[(TOP, OUTERWEAR), (OUTERWEAR, TOP)] = 0.35
SLIP_SHARE[(TOP, OUTERWEAR), FULL_BODY] = SLIP_SHARE[FULL_BODY, (TOP, OUTERWEAR)] = 0.25
SLIP_SHARE[BOTTOM, FULL_BODY] = SLIP_SHARE[FULL_BODY, BOTTOM] = 0.8
SLIP_SHARE[(TOP, OUTERWEAR), BOTTOM] = SLIP_SHARE[BOTTOM, (TOP, OUTERWEAR)] = 0.06
SLIP_SHARE[ACCESSORY, (TOP, OUTERWEAR, BOTTOM, FULL_BODY)] = 0.03
SLIP_SHARE[(TOP, OUTERWEAR, BOTTOM, FULL_BODY), ACCESSORY] = 0.1

Ids: TypeAlias = NDArray[np.int32]  # (H, W) 0 = no garment
Box: TypeAlias = tuple[int, int, int, int]  # top, left, bottom, right, px


@dataclass(frozen=True, slots=True)
class Group:
    """One garment of a group map: its value there and its kind."""

    id: int
    category: Category


@dataclass(slots=True)
class _Piece:
    """Touching pixels that count as one garment. votes: pixels by class, weighted by certainty."""

    label: int
    size_px: int
    box: Box
    votes: NDArray[np.float64]

    def certainty(self) -> float:
        return float(self.votes.sum()) / self.size_px

    def take(self, other: "_Piece") -> None:
        self.size_px += other.size_px
        self.votes = self.votes + other.votes
        self.box = _hull(self.box, other.box)


def group_garments(labels: LabelMap, confidence: ConfidenceMap | None, options: Options) -> tuple[Ids, list[Group]]:
    """The group of every pixel (H, W; 0 = no garment) and the groups.

    confidence: (H, W), 255 = certain. A worn look is split by class after voting; on a product photo every piece apart
    is one garment of its majority class, or with `subject: product` or a `category` all pixels are one. The hint
    `category` names the largest garment when none is of that kind.
    """
    garment = (labels >= FIRST_GARMENT) & (labels < len(CLASSES))
    everywhere = np.zeros(labels.shape, np.int32)
    if not garment.any():
        return everywhere, []
    window = ndimage.find_objects(garment.view(np.uint8))[0]
    weight = np.full(labels.shape, 0.5)[window] if confidence is None else confidence[window] / 255.0
    if _is_worn(labels, options):
        ids, groups = _worn(labels[window], weight, max(labels.shape))
    else:
        single = options.subject == "product" or options.category not in (None, "unknown")
        ids, groups = _product(labels[window], garment[window], weight, single=single)
    least_px = max(SPECK_OF_IMAGE * labels.size, SPECK_OF_GARMENTS * int(garment.sum()))
    everywhere[window], groups = _without_specks(ids, groups, least_px)
    return everywhere, _with_hint(everywhere, groups, options)


def _is_worn(labels: LabelMap, options: Options) -> bool:
    if options.subject != "auto":
        return options.subject == "worn"
    counts = np.bincount(labels.ravel(), minlength=len(CLASSES))
    return int(counts[SKIN] + counts[HAIR]) >= WORN_SHARE * int(counts[1:].sum())


# --- product photos -------------------------------------------------------------------------------------------
def _product(labels: LabelMap, garment: Mask, weight: NDArray[np.float64], *, single: bool) -> tuple[Ids, list[Group]]:
    ids, sizes = _components(garment)
    largest = int(np.argmax(sizes[1:])) + 1
    kept = np.arange(len(sizes))
    kept[1:][single | (sizes[1:] < PRODUCT_PIECE_SHARE * sizes[largest])] = largest
    ids = kept.astype(np.int32)[ids]
    votes = _votes(ids, len(sizes), labels, weight)
    groups = [Group(int(piece), _winner(votes[piece])) for piece in np.unique(kept[1:])]
    return _join_equal(ids, groups)


def _join_equal(ids: Ids, groups: list[Group]) -> tuple[Ids, list[Group]]:
    """Pieces of a product photo of the same kind are one article: a pair of shoes, trousers cut by a belt."""
    first: dict[Category, Group] = {}
    for group in groups:
        kept = first.setdefault(group.category, group)
        ids[ids == group.id] = kept.id
    return ids, list(first.values())


# --- worn looks -----------------------------------------------------------------------------------------------
def _worn(labels: LabelMap, weight: NDArray[np.float64], long_side_px: int) -> tuple[Ids, list[Group]]:
    ids, pieces = _pieces(labels, weight)
    parent = _absorb_slips(pieces, _borders(ids, len(pieces)))
    for k, piece in enumerate(pieces):
        if parent[k] == k and k:
            piece.label = FIRST_GARMENT + int(np.argmax(piece.votes[FIRST_GARMENT:]))
    _join_near(pieces, parent, long_side_px)
    roots = np.array([_root(parent, k) for k in range(len(pieces))], np.int32)
    groups = [Group(k, _category(pieces[k].label)) for k in range(1, len(pieces)) if parent[k] == k]
    return roots[ids], groups


def _pieces(labels: LabelMap, weight: NDArray[np.float64]) -> tuple[Ids, list[_Piece]]:
    """The connected pieces of each class; piece 0 stands for no garment."""
    ids = np.zeros(labels.shape, np.int32)
    pieces = [_Piece(0, 0, (0, 0, 0, 0), np.zeros(len(CLASSES)))]
    for label, window in enumerate(ndimage.find_objects(labels), start=1):
        if window is None or label < FIRST_GARMENT:
            continue
        inside = labels[window] == label
        found, sizes = _components(inside)
        sums = np.bincount(found.ravel(), weight[window].ravel())
        ids[window][inside] = found[inside] + (len(pieces) - 1)
        top, left = window[0].start, window[1].start
        for k, (rows, columns) in enumerate(ndimage.find_objects(found), start=1):
            votes = np.zeros(len(CLASSES))
            votes[label] = sums[k]
            box = (top + rows.start, left + columns.start, top + rows.stop, left + columns.stop)
            pieces.append(_Piece(label, int(sizes[k]), box, votes))
    return ids, pieces


def _borders(ids: Ids, count: int) -> NDArray[np.int64]:
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


def _absorb_slips(pieces: list[_Piece], borders: NDArray[np.int64]) -> list[int]:
    """Lets pieces join the larger neighbour that they share most border with, the smallest first; gives the parents."""
    parent = list(range(len(pieces)))
    for k in sorted(range(1, len(pieces)), key=lambda one: (pieces[one].size_px, one)):
        hosts = [int(j) for j in np.flatnonzero(borders[k]) if _is_slip(pieces[k], pieces[j])]
        if not hosts:
            continue
        host = max(hosts, key=lambda j: (int(borders[k, j]), -j))
        parent[k] = host
        pieces[host].take(pieces[k])
        borders[host] += borders[k]
        borders[:, host] += borders[:, k]
        borders[k] = borders[:, k] = borders[host, host] = 0
    return parent


def _is_slip(piece: _Piece, host: _Piece) -> bool:
    doubt = 2 * (1 - piece.certainty())  # 1 at certainty 0.5
    return piece.size_px < doubt * float(SLIP_SHARE[piece.label, host.label]) * host.size_px


def _join_near(pieces: list[_Piece], parent: list[int], long_side_px: int) -> None:
    """Pieces of one class that are near each other become one garment: both shoes, both fronts of an open coat."""
    roots = [k for k in range(1, len(pieces)) if parent[k] == k]
    garments: list[int] = []
    for k in sorted(roots, key=lambda one: (-pieces[one].size_px, one)):
        piece = pieces[k]
        reach_px = JOIN_GAP.get(piece.label, JOIN_GAP_BODY) * long_side_px
        near = (g for g in garments if pieces[g].label == piece.label and _gap(pieces[g].box, piece.box) <= reach_px)
        host = next(near, None)
        if host is None:
            garments.append(k)
        else:
            parent[k] = host
            pieces[host].take(piece)


# --- both -----------------------------------------------------------------------------------------------------
def _without_specks(ids: Ids, groups: list[Group], least_px: float) -> tuple[Ids, list[Group]]:
    sizes = np.bincount(ids.ravel(), minlength=int(ids.max()) + 1)
    largest = int(sizes[1:].max())
    kept = [group for group in groups if sizes[group.id] >= least_px or sizes[group.id] == largest]
    lookup = np.zeros(len(sizes), np.int32)
    lookup[[group.id for group in kept]] = [group.id for group in kept]
    return lookup[ids], kept


def _with_hint(ids: Ids, groups: list[Group], options: Options) -> list[Group]:
    hint = options.category
    if hint is None or hint == "unknown" or any(group.category == hint for group in groups):
        return groups
    sizes = np.bincount(ids.ravel())
    largest = max(groups, key=lambda group: int(sizes[group.id]))
    return [Group(group.id, hint) if group is largest else group for group in groups]


def _components(mask: Mask) -> tuple[Ids, NDArray[np.int64]]:
    """Pieces that touch, also at corners: ids from 1 (0 = outside), and the size of each id, px."""
    found, _count = ndimage.label(mask, structure=np.ones((3, 3), bool))
    ids = np.asarray(found, np.int32)
    return ids, np.bincount(ids.ravel())


def _votes(ids: Ids, count: int, labels: LabelMap, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted pixels by id and class, (count, classes)."""
    codes = ids.ravel().astype(np.int64) * len(CLASSES) + labels.ravel()
    sums = np.bincount(codes, weights=weight.ravel(), minlength=count * len(CLASSES))
    return np.asarray(sums, np.float64).reshape(count, len(CLASSES))


def _winner(votes: NDArray[np.float64]) -> Category:
    return _category(FIRST_GARMENT + int(np.argmax(votes[FIRST_GARMENT:])))


def _category(label: int) -> Category:
    name: Category = CLASSES[label]  # type: ignore[assignment]
    return name


def _root(parent: list[int], piece: int) -> int:
    while parent[piece] != piece:
        piece = parent[piece]
    return piece


def _gap(one: Box, other: Box) -> float:
    """The distance between two boxes, px; 0 when they meet."""
    down = max(0, one[0] - other[2], other[0] - one[2])
    across = max(0, one[1] - other[3], other[1] - one[3])
    return float(np.hypot(down, across))


def _hull(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
