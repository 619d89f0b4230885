"""Which garment pixels belong together: components, voting between neighbours, pairs and pieces; numpy and scipy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.types import CLASSES, GARMENT_CLASSES, Category, LabelMap, Options

SKIN, HAIR = CLASSES.index("skin"), CLASSES.index("hair")
FIRST_GARMENT = CLASSES.index(GARMENT_CLASSES[0])
BODY = tuple(CLASSES.index(name) for name in ("top", "outerwear", "bottom", "full_body"))
SHOES, ACCESSORY = CLASSES.index("shoes"), CLASSES.index("accessory")

WORN_SHARE = 0.03  # skin and hair, of all that is not background, from which a photo counts as worn
FRAGMENT_SHARE = 0.30  # a piece this much smaller than its neighbour of another class is a slip of the network
PRODUCT_PIECE_SHARE = 0.15  # on a product photo, a piece apart counts from this share of the largest on
SPECK_OF_IMAGE, SPECK_OF_GARMENTS = 0.003, 0.02
JOIN_GAP = {SHOES: 0.35, ACCESSORY: 0.02}  # of the long side: pieces of one class this near are one garment
JOIN_GAP_BODY = 0.15

Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Group:
    """One garment of a group map: its value there and its kind."""

    id: int
    category: Category


@dataclass(slots=True)
class _Piece:
    """One connected piece: its value in the id map, class, size in pixels, and box (top, left, bottom, right)."""

    id: int
    label: int
    size: int
    box: tuple[int, int, int, int]


def group_garments(labels: LabelMap, options: Options) -> tuple[Ids, list[Group]]:
    """The group of every pixel (H, W; 0 = no garment) and the groups.

    A worn look is split by class after voting; on a product photo every piece apart is one garment of its majority
    class, or with `subject: product` all pixels are one. `category` settles the kind of the garment that it fits best.
    """
    garment = (labels >= FIRST_GARMENT) & (labels < len(CLASSES))
    if not garment.any():
        return np.zeros(labels.shape, np.int32), []
    if _is_worn(labels, options):
        ids, groups = _worn(labels)
    else:
        ids, groups = _product(labels, garment, single=options.subject == "product")
    ids, groups = _without_specks(ids, groups, int(garment.sum()))
    return ids, _with_hint(ids, groups, options)


def _is_worn(labels: LabelMap, options: Options) -> bool:
    if options.subject != "auto":
        return options.subject == "worn"
    person = int(np.isin(labels, (SKIN, HAIR)).sum())
    return person >= WORN_SHARE * int((labels > 0).sum())


def _product(labels: LabelMap, garment: NDArray[np.bool_], *, single: bool) -> tuple[Ids, list[Group]]:
    ids, count = ndimage.label(garment, structure=np.ones((3, 3)))
    ids = ids.astype(np.int32)
    sizes = np.bincount(ids.ravel(), minlength=count + 1)
    largest = int(np.argmax(sizes[1:])) + 1
    for piece in range(1, count + 1):
        if single or sizes[piece] < PRODUCT_PIECE_SHARE * sizes[largest]:
            ids[ids == piece] = largest
    groups = [Group(int(piece), _majority(labels[ids == piece])) for piece in np.unique(ids[ids > 0])]
    return _join_equal(ids, groups)


def _join_equal(ids: Ids, groups: list[Group]) -> tuple[Ids, list[Group]]:
    """Pieces of a product photo of the same kind are one article: a pair of shoes, trousers cut by a belt."""
    first: dict[Category, Group] = {}
    for group in groups:
        kept = first.setdefault(group.category, group)
        ids[ids == group.id] = kept.id
    return ids, list(first.values())


def _worn(labels: LabelMap) -> tuple[Ids, list[Group]]:
    ids, pieces = _pieces(labels)
    pieces = _absorb_fragments(ids, pieces)
    return _join_near(ids, pieces)


def _pieces(labels: LabelMap) -> tuple[Ids, dict[int, _Piece]]:
    ids = np.zeros(labels.shape, np.int32)
    pieces: dict[int, _Piece] = {}
    for label in range(FIRST_GARMENT, len(CLASSES)):
        found, count = ndimage.label(labels == label, structure=np.ones((3, 3)))
        if not count:
            continue
        sizes = np.bincount(found.ravel())
        offset = len(pieces)
        ids[found > 0] = found[found > 0] + offset
        for k, (rows, columns) in enumerate(ndimage.find_objects(found), start=1):
            box = (rows.start, columns.start, rows.stop, columns.stop)
            pieces[offset + k] = _Piece(offset + k, label, int(sizes[k]), box)
    return ids, pieces


def _absorb_fragments(ids: Ids, pieces: dict[int, _Piece]) -> dict[int, _Piece]:
    """Small pieces of the torso's and legs' classes join the much larger neighbour that they share most border with."""
    for piece in sorted(pieces.values(), key=lambda one: (one.size, one.id)):
        if piece.label not in BODY:
            continue
        borders = _borders(ids, piece)
        hosts = [
            (length, -other, pieces[other])
            for other, length in borders.items()
            if pieces[other].label in BODY and piece.size < FRAGMENT_SHARE * pieces[other].size
        ]
        if hosts:
            host = max(hosts, key=lambda candidate: candidate[:2])[2]
            ids[ids == piece.id] = host.id
            host.size += piece.size
            host.box = _hull(host.box, piece.box)
            del pieces[piece.id]
    return pieces


def _borders(ids: Ids, piece: _Piece) -> dict[int, int]:
    """The neighbours of a piece and the length of the border that it shares with each, px."""
    top, left, bottom, right = piece.box
    window = ids[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2]
    inside = window == piece.id
    ring = ndimage.binary_dilation(inside, iterations=2) & ~inside
    touched = np.bincount(window[ring])
    return {int(other): int(touched[other]) for other in np.flatnonzero(touched) if other}


def _join_near(ids: Ids, pieces: dict[int, _Piece]) -> tuple[Ids, list[Group]]:
    """Pieces of one class that are near each other are one garment: both shoes, both fronts of an open coat."""
    long_side = max(ids.shape)
    groups: list[_Piece] = []
    for piece in sorted(pieces.values(), key=lambda one: (-one.size, one.id)):
        reach = JOIN_GAP.get(piece.label, JOIN_GAP_BODY) * long_side
        near = [one for one in groups if one.label == piece.label and _gap(one.box, piece.box) <= reach]
        if not near:
            groups.append(piece)
            continue
        ids[ids == piece.id] = near[0].id
        near[0].size += piece.size
        near[0].box = _hull(near[0].box, piece.box)
    return ids, [Group(one.id, _category(one.label)) for one in groups]


def _without_specks(ids: Ids, groups: list[Group], garment_px: int) -> tuple[Ids, list[Group]]:
    sizes = np.bincount(ids.ravel(), minlength=int(ids.max()) + 1)
    least = max(SPECK_OF_IMAGE * ids.size, SPECK_OF_GARMENTS * garment_px)
    largest = int(sizes[1:].max())
    kept = [group for group in groups if sizes[group.id] >= least or sizes[group.id] == largest]
    return np.where(np.isin(ids, [group.id for group in kept]), ids, 0), kept


def _with_hint(ids: Ids, groups: list[Group], options: Options) -> list[Group]:
    hint = options.category
    if hint is None or hint == "unknown" or any(group.category == hint for group in groups):
        return groups
    sizes = np.bincount(ids.ravel())
    largest = max(groups, key=lambda group: int(sizes[group.id]))
    return [Group(group.id, hint) if group is largest else group for group in groups]


def _majority(labels: LabelMap) -> Category:
    votes = np.bincount(labels, minlength=len(CLASSES))[FIRST_GARMENT : len(CLASSES)]
    return _category(FIRST_GARMENT + int(np.argmax(votes)))


def _category(label: int) -> Category:
    name: Category = CLASSES[label]  # type: ignore[assignment]
    return name


def _gap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """The distance between two boxes, px; 0 when they meet."""
    down = max(0, one[0] - other[2], other[0] - one[2])
    across = max(0, one[1] - other[3], other[1] - one[3])
    return float(np.hypot(down, across))


def _hull(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
