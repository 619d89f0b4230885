"""Groups a label map's pixels into garments: connected components, slips of the network, pairs, hints."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pipeline.garments.anatomy import Head, heads, name_headwear, reassign_impossible
from pipeline.garments.components import (
    Component,
    Merges,
    border_lengths,
    find_components,
    gap_px,
)
from pipeline.garments.kinds import BY_LABEL, FIRST_GARMENT, HAIR, SKIN, Place
from pipeline.garments.likeness import Codes
from pipeline.garments.masks import Ids, box, connected
from pipeline.options import PhotoOptions
from pipeline.types import CLASSES, Category, ConfidenceMap, Floats, LabelMap, Mask

# The constants below are taste, checked by `python -m models.evaluate.thresholds` on photos that training kept aside:
# what would have cut fewer garments at the price of more than one right kind in 200 was not taken.
# A photo counts as worn when this share of its person and clothes is skin and hair.
WORN_SHARE = 0.03
# On a product photo, a component is an article of its own from this share of the largest component on.
PRODUCT_COMPONENT_SHARE = 0.15
# A garment below either share is dropped: of the photo, and of all garment pixels. A piece apart from its garment is
# dropped below the second share of that garment.
SPECK_OF_IMAGE = 0.003
SPECK_OF_GARMENTS = 0.02
# A coat and the dress below it stay two garments when the network is this certain of the kind of either.
SURE_OF_KIND = 0.7
# Two components are of the same cloth when their colour histograms overlap by the first share, and of two cloths when
# they overlap by less than the second.
SAME_CLOTH, OTHER_CLOTH = 0.65, 0.25
# Two components touch when their border is at least this share of the square root of the smaller one's pixels.
LEAST_BORDER = 0.5

# At certainty 0.5, a component that is smaller than this share of a touching host of another class is a slip of the
# network. Networks tell tops and trousers apart well, but hardly a top from a jacket or a dress, and a bag is not a
# patch of a coat. Keys: places of the component and of its host.
SLIP_SHARES: dict[tuple[Place, Place], float] = {
    ("upper", "upper"): 0.5,
    ("upper", "whole"): 0.25, ("whole", "upper"): 0.25,
    ("lower", "whole"): 1.6, ("whole", "lower"): 1.6,
    ("upper", "lower"): 0.06, ("lower", "upper"): 0.06,
    ("accessory", "upper"): 0.12, ("accessory", "lower"): 0.12, ("accessory", "whole"): 0.12,
    ("upper", "accessory"): 0.1, ("lower", "accessory"): 0.1, ("whole", "accessory"): 0.1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """One garment of a group map: its value there and its kind."""

    id: int
    category: Category


def group_garments(
    labels: LabelMap, confidence: ConfidenceMap | None, options: PhotoOptions, *, codes: Codes | None = None
) -> tuple[Ids, list[Group]]:
    """The group of every pixel (H, W; 0 = no garment) and the groups.

    confidence: (H, W), 255 = certain. codes: (H, W), from likeness.color_codes. A worn look is split by class, after
    the network's slips are merged. On a product photo each component is one garment of its majority class; with
    `subject: product` or a `category`, all pixels are one garment. The hint `category` names the largest garment when
    no garment is of that kind.
    """
    garment = (labels >= FIRST_GARMENT) & (labels < len(CLASSES))
    everywhere = np.zeros(labels.shape, np.int32)
    window = box(garment)
    if window is None:
        return everywhere, []
    weight = np.full(labels.shape, 0.5)[window] if confidence is None else confidence[window] / 255.0
    least_px = max(SPECK_OF_IMAGE * labels.size, SPECK_OF_GARMENTS * np.count_nonzero(garment))
    if _is_worn(labels, options):
        window_codes = None if codes is None else codes[window]
        top, left = window[0].start, window[1].start
        known = [one.moved(-top, -left) for one in heads(labels)]
        ids, groups = _worn(
            labels[window], weight, window_codes, known, long_side_px=max(labels.shape), least_px=least_px
        )
    else:
        single = options.subject == "product" or options.category not in (None, "unknown")
        ids, groups = _product(labels[window], garment[window], weight, single=single)
    everywhere[window], groups = _without_specks(ids, groups, least_px)
    return everywhere, _with_hint(everywhere, groups, options)


def _is_worn(labels: LabelMap, options: PhotoOptions) -> bool:
    if options.subject != "auto":
        return options.subject == "worn"
    counts = np.bincount(labels.ravel(), minlength=len(CLASSES))
    return int(counts[SKIN] + counts[HAIR]) >= WORN_SHARE * int(counts[1:].sum())


# --- product photos -------------------------------------------------------------------------------------------
def _product(labels: LabelMap, garment: Mask, weight: Floats, *, single: bool) -> tuple[Ids, list[Group]]:
    found = connected(garment, corners=True)
    sizes = found.sizes_px
    largest = int(np.argmax(sizes[1:])) + 1
    owner = np.arange(len(sizes))
    owner[1:][single | (sizes[1:] < PRODUCT_COMPONENT_SHARE * sizes[largest])] = largest
    ids = owner.astype(np.int32)[found.ids]
    votes = _votes(ids, len(sizes), labels, weight)
    groups = [Group(int(component), _winner(votes[component])) for component in np.unique(owner[1:])]
    return _join_equal(ids, groups)


def _join_equal(ids: Ids, groups: list[Group]) -> tuple[Ids, list[Group]]:
    """Joins the groups of one kind on a product photo: a pair of shoes, or trousers that a belt cuts in two."""
    first: dict[Category, Group] = {}
    for group in groups:
        host = first.setdefault(group.category, group)
        ids[ids == group.id] = host.id
    return ids, list(first.values())


# --- worn looks -----------------------------------------------------------------------------------------------
def _worn(
    labels: LabelMap, weight: Floats, codes: Codes | None, known: list[Head], *, long_side_px: int, least_px: float
) -> tuple[Ids, list[Group]]:
    ids, components = find_components(labels, weight, codes)
    merges = Merges(components, border_lengths(ids, len(components)))
    _absorb_slips(merges, least_px)
    name_headwear(merges, known)
    reassign_impossible(merges, known)
    for k in merges.roots():
        components[k].label = FIRST_GARMENT + int(np.argmax(components[k].votes[FIRST_GARMENT:]))
    _join_near(merges, long_side_px)
    _join_cloth(merges)
    return merges.root_ids(ids), [Group(k, BY_LABEL[components[k].label].name) for k in merges.roots()]


def _absorb_slips(merges: Merges, least_px: float) -> None:
    """Merges each slip into the host that it shares most border with, the smallest slip first."""
    components = merges.components
    for k in sorted(range(1, len(components)), key=lambda i: (components[i].size_px, i)):
        border_px = merges.borders_px[k]
        hosts = [int(j) for j in np.flatnonzero(border_px) if _is_slip(components[k], components[j], least_px)]
        if hosts:
            merges.merge(k, max(hosts, key=lambda j: (int(border_px[j]), -j)))


def _is_slip(component: Component, host: Component, least_px: float) -> bool:
    """Whether a component is a slip of the network: small beside its host, the more so the less certain it is.

    least_px: what is smaller is no garment by itself. What could be one is no slip when it is of another cloth.
    """
    if component.label == host.label:
        return False
    doubt = 2 * (1 - component.certainty())  # 1 at certainty 0.5
    share = SLIP_SHARES.get((BY_LABEL[component.label].place, BY_LABEL[host.label].place), 0.0)
    if component.size_px >= doubt * share * host.size_px:
        return False
    return component.size_px < least_px or not _of_two_cloths(component, host)


def _of_two_cloths(first: Component, second: Component) -> bool:
    """Whether two pieces of clothes have other colours, such as a shirt and the jacket over it."""
    clothes = BY_LABEL[first.label].clothing and BY_LABEL[second.label].clothing
    alike = first.alike(second) if clothes else None
    return alike is not None and alike < OTHER_CLOTH


def _join_near(merges: Merges, long_side_px: int) -> None:
    """Merges components of one class that are near each other: both shoes, or both fronts of an open coat.

    A speck that does not touch its garment is dropped: the network took something else for that garment.
    """
    components = merges.components
    garments: list[int] = []
    for k in sorted(merges.roots(), key=lambda i: (-components[i].size_px, i)):
        label, box = components[k].label, components[k].box
        reach_px = BY_LABEL[label].join_gap * long_side_px
        near = (g for g in garments if components[g].label == label and gap_px(components[g].box, box) <= reach_px)
        host = next(near, None)
        if host is None:
            garments.append(k)
        elif components[k].size_px < SPECK_OF_GARMENTS * components[host].size_px and not merges.borders_px[k, host]:
            merges.drop(k)
        else:
            merges.merge(k, host)


def _join_cloth(merges: Merges) -> None:
    """Merges clothes that touch and have the same colours, the most alike first."""
    components = merges.components
    while True:
        clothes = (k for k in merges.roots() if BY_LABEL[components[k].label].clothing)
        alike = [
            (components[j].alike(components[k]) or 0.0, j, k)
            for j, k in combinations(clothes, 2)
            if _may_be_one(components[j], components[k], int(merges.borders_px[j, k]))
        ]
        most, first, second = max(alike, default=(0.0, 0, 0))
        if most < SAME_CLOTH:
            return
        larger = components[first].size_px >= components[second].size_px
        host, component = (first, second) if larger else (second, first)
        if BY_LABEL[components[component].label].place == "whole":
            components[host].label = components[component].label
        merges.merge(component, host)


def _may_be_one(first: Component, second: Component, border_px: int) -> bool:
    """Whether two touching pieces can be parts of one garment. The network confuses most kinds that are worn there."""
    if border_px < LEAST_BORDER * min(first.size_px, second.size_px) ** 0.5:
        return False
    kinds = BY_LABEL[first.label], BY_LABEL[second.label]
    places = {kind.place for kind in kinds}
    if places == {"upper", "lower"}:
        return False
    over_a_dress = places == {"upper", "whole"} and any(kind.outer for kind in kinds)
    return not over_a_dress or max(first.certainty(), second.certainty()) < SURE_OF_KIND


# --- both -----------------------------------------------------------------------------------------------------
def _without_specks(ids: Ids, groups: list[Group], least_px: float) -> tuple[Ids, list[Group]]:
    if not groups:
        return ids, groups
    sizes = np.bincount(ids.ravel(), minlength=int(ids.max()) + 1)
    largest = int(sizes[1:].max())
    kept = [group for group in groups if sizes[group.id] >= least_px or sizes[group.id] == largest]
    lookup = np.zeros(len(sizes), np.int32)
    lookup[[group.id for group in kept]] = [group.id for group in kept]
    return lookup[ids], kept


def _with_hint(ids: Ids, groups: list[Group], options: PhotoOptions) -> list[Group]:
    hint = options.category
    if not groups or hint is None or any(group.category == hint for group in groups):
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
