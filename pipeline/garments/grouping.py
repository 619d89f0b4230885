"""Which garment pixels belong together: pieces, voting between neighbours, pairs; numpy and scipy only."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import ndimage

from pipeline.garments.kinds import BY_LABEL, FIRST_GARMENT, HAIR, SKIN, Place
from pipeline.garments.likeness import Codes, histogram
from pipeline.garments.pieces import Ids, Joined, Piece, border_lengths, components, find_pieces, gap
from pipeline.types import CLASSES, Category, ConfidenceMap, Floats, LabelMap, Mask, Options

WORN_SHARE = 0.03  # skin and hair, of all that is not background, from which a photo counts as worn
PRODUCT_PIECE_SHARE = 0.15  # on a product photo, a piece apart counts from this share of the largest on
SPECK_OF_IMAGE, SPECK_OF_GARMENTS = 0.003, 0.02
SURE_OF_KIND = 0.6  # pieces of which one is this certain to be of its class are two garments
SAME_CLOTH = 0.65  # histograms that overlap this far are of one cloth
LEAST_BORDER = 0.5  # of the square root of the smaller piece's pixels

# A piece this much smaller than a touching piece of another class is a slip of the network, at certainty 0.5.
# Tops and trousers are told apart well, a top from a jacket or a dress is not, and a bag is not a patch of a coat.
SLIP_SHARES: dict[tuple[Place, Place], float] = {  # (piece, host)
    ("upper", "upper"): 0.35,
    ("upper", "whole"): 0.25, ("whole", "upper"): 0.25,
    ("lower", "whole"): 0.8, ("whole", "lower"): 0.8,
    ("upper", "lower"): 0.06, ("lower", "upper"): 0.06,
    ("accessory", "upper"): 0.03, ("accessory", "lower"): 0.03, ("accessory", "whole"): 0.03,
    ("upper", "accessory"): 0.1, ("lower", "accessory"): 0.1, ("whole", "accessory"): 0.1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """One garment of a group map: its value there and its kind."""

    id: int
    category: Category


def group_garments(
    labels: LabelMap, confidence: ConfidenceMap | None, options: Options, *, codes: Codes | None = None
) -> tuple[Ids, list[Group]]:
    """The group of every pixel (H, W; 0 = no garment) and the groups.

    confidence: (H, W), 255 = certain; codes: (H, W), colours as likeness.color_codes has them. A worn look is split by
    class after voting; on a product photo every piece apart is one garment of its majority class, or with `subject:
    product` or a `category` all pixels are one. The hint `category` names the largest garment when there is none such.
    """
    garment = (labels >= FIRST_GARMENT) & (labels < len(CLASSES))
    everywhere = np.zeros(labels.shape, np.int32)
    if not garment.any():
        return everywhere, []
    window = ndimage.find_objects(garment.view(np.uint8))[0]
    weight = np.full(labels.shape, 0.5)[window] if confidence is None else confidence[window] / 255.0
    if _is_worn(labels, options):
        of_window = None if codes is None else codes[window]
        ids, groups = _worn(labels[window], weight, of_window, long_side_px=max(labels.shape))
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
def _product(labels: LabelMap, garment: Mask, weight: Floats, *, single: bool) -> tuple[Ids, list[Group]]:
    ids, sizes = components(garment)
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
def _worn(labels: LabelMap, weight: Floats, codes: Codes | None, *, long_side_px: int) -> tuple[Ids, list[Group]]:
    ids, pieces = find_pieces(labels, weight)
    joined = Joined(pieces, border_lengths(ids, len(pieces)))
    _absorb_slips(joined)
    for k in joined.roots():
        pieces[k].label = FIRST_GARMENT + int(np.argmax(pieces[k].votes[FIRST_GARMENT:]))
    _join_near(joined, long_side_px)
    if codes is not None:
        _join_cloth(joined, joined.ids(ids), codes)
    return joined.ids(ids), [Group(k, BY_LABEL[pieces[k].label].name) for k in joined.roots()]


def _absorb_slips(joined: Joined) -> None:
    """Lets pieces join the larger neighbour that they share most border with, the smallest first."""
    pieces = joined.pieces
    for k in sorted(range(1, len(pieces)), key=lambda one: (pieces[one].size_px, one)):
        border = joined.borders[k]
        hosts = [int(j) for j in np.flatnonzero(border) if _is_slip(pieces[k], pieces[j])]
        if hosts:
            joined.join(k, max(hosts, key=lambda j: (int(border[j]), -j)))


def _is_slip(piece: Piece, host: Piece) -> bool:
    if piece.label == host.label:
        return False
    doubt = 2 * (1 - piece.certainty())  # 1 at certainty 0.5
    share = SLIP_SHARES.get((BY_LABEL[piece.label].place, BY_LABEL[host.label].place), 0.0)
    return piece.size_px < doubt * share * host.size_px


def _join_near(joined: Joined, long_side_px: int) -> None:
    """Pieces of one class that are near each other become one garment: both shoes, both fronts of an open coat."""
    pieces = joined.pieces
    garments: list[int] = []
    for k in sorted(joined.roots(), key=lambda one: (-pieces[one].size_px, one)):
        piece = pieces[k]
        reach_px = BY_LABEL[piece.label].join_gap * long_side_px
        near = (g for g in garments if pieces[g].label == piece.label and gap(pieces[g].box, piece.box) <= reach_px)
        host = next(near, None)
        if host is None:
            garments.append(k)
        else:
            joined.join(k, host)


def _join_cloth(joined: Joined, ids: Ids, codes: Codes) -> None:
    """Clothes that touch, whose kinds are in doubt and whose colours are the same become one, the most alike first."""
    pieces = joined.pieces
    looks = {k: histogram(codes[ids == k]) for k in joined.roots() if BY_LABEL[pieces[k].label].clothing}
    while True:
        alike = [
            (float(np.minimum(looks[j], looks[k]).sum()), j, k)
            for j, k in combinations(looks, 2)
            if _may_be_one(pieces[j], pieces[k], int(joined.borders[j, k]))
        ]
        best, one, other = max(alike, default=(0.0, 0, 0))
        if best < SAME_CLOTH:
            return
        host, piece = (one, other) if pieces[one].size_px >= pieces[other].size_px else (other, one)
        sizes = pieces[host].size_px, pieces[piece].size_px
        looks[host] = np.average((looks[host], looks.pop(piece)), axis=0, weights=sizes)
        if BY_LABEL[pieces[piece].label].place == "whole":
            pieces[host].label = pieces[piece].label
        joined.join(piece, host)


def _may_be_one(one: Piece, other: Piece, border_px: int) -> bool:
    if max(one.certainty(), other.certainty()) >= SURE_OF_KIND:
        return False
    if {BY_LABEL[one.label].place, BY_LABEL[other.label].place} == {"upper", "lower"}:
        return False
    return bool(border_px >= LEAST_BORDER * min(one.size_px, other.size_px) ** 0.5)


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


def _votes(ids: Ids, count: int, labels: LabelMap, weight: Floats) -> Floats:
    """Weighted pixels by id and class, (count, classes)."""
    codes = ids.ravel().astype(np.int64) * len(CLASSES) + labels.ravel()
    sums = np.bincount(codes, weights=weight.ravel(), minlength=count * len(CLASSES))
    return np.asarray(sums, np.float64).reshape(count, len(CLASSES))


def _winner(votes: Floats) -> Category:
    return BY_LABEL[FIRST_GARMENT + int(np.argmax(votes[FIRST_GARMENT:]))].name
