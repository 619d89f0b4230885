"""Rules of anatomy: where a kind of garment cannot be, measured in heads below the crown of the nearest head."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.garments.components import Merges
from pipeline.garments.kinds import BY_LABEL, HAIR, SKIN, Place, label_of
from pipeline.garments.masks import Box, connected
from pipeline.types import LabelMap, Mask

# Standard: artists draw a standing adult 7.5 heads tall, with the crotch 4 heads below the crown. Sitting and children
# shorten that, so the limits below leave room (taste). The middle of trousers and the top of shoes lie below these.
LEAST_MIDDLE_OF_LOWER = 2.0
LEAST_TOP_OF_FEET = 2.5
# Taste: clothes that begin above the crown and end above this are worn on the head, unless they reach further up than a
# hat does.
MOST_BOTTOM_OF_HEADWEAR, MOST_TOP_OF_HEADWEAR = 0.6, 1.0
# Standard: a head is about 1.3 times as high as wide, and as wide as it gets half a width below the crown. Hair and
# bare shoulders are wider further down, so the width is taken there.
HEAD_ASPECT, WIDEST_AT = 1.3, 0.5
# Taste: smaller patches of hair, as a share of the photo, are no head to measure by.
LEAST_HAIR_SHARE = 0.0008
# Taste: a jacket or a top that runs out of the photo this near below the crown, in heads, and at least as wide there as
# a head is high, leaves no room for feet. A long coat that the lower edge cuts ends further down.
MOST_TO_EDGE = 5.5
# Taste: an adult's head is less than twice as high as that of a child in arms.
MUCH_LARGER = 3

UPPER = [label for label, kind in BY_LABEL.items() if kind.place == "upper"]


@dataclass(frozen=True, slots=True)
class Head:
    """A head in a label map. crown_px, middle_px: its first row and its middle column. height_px: crown to chin.

    portrait: whether the photo's lower edge cuts the jacket or top below it, so that no legs are in the photo.
    """

    crown_px: int
    middle_px: float
    height_px: int
    portrait: bool = False

    def moved(self, rows_px: int, columns_px: int) -> "Head":
        """The same head in a map that begins elsewhere."""
        return replace(self, crown_px=self.crown_px + rows_px, middle_px=self.middle_px + columns_px)


def heads(labels: LabelMap) -> list[Head]:
    """The heads with hair in a label map (H, W), but those that the photo's upper edge or both its sides cut."""
    hair = connected(labels == HAIR, corners=True)
    bare = (labels == HAIR) | (labels == SKIN)
    found = []
    for number, size_px in enumerate(hair.sizes_px[1:], start=1):
        part = hair.ids == number
        cut = part[:2].any() or (part[:, 0].any() and part[:, -1].any())
        if size_px >= LEAST_HAIR_SHARE * labels.size and not cut:
            found.append(_head(bare, part))
    kept = [head for head in found if not any(_is_on(head, other) for other in found)]
    return [replace(head, portrait=_is_portrait(head, labels)) for head in kept]


def _is_on(head: Head, other: Head) -> bool:
    """Whether a small head is a patch of hair on somebody's chest, such as fur on a collar."""
    return (
        MUCH_LARGER * head.height_px <= other.height_px
        and 0 < head.crown_px - other.crown_px < LEAST_TOP_OF_FEET * other.height_px
        and abs(head.middle_px - other.middle_px) < 1.5 * other.height_px
    )


def _is_portrait(head: Head, labels: LabelMap) -> bool:
    near = slice(max(0, round(head.middle_px - 2 * head.height_px)), round(head.middle_px + 2 * head.height_px))
    wide_px = np.count_nonzero(np.isin(labels[-1, near], UPPER))
    return len(labels) - head.crown_px < MOST_TO_EDGE * head.height_px and bool(wide_px >= head.height_px)


def _head(bare: Mask, hair: Mask) -> Head:
    """A head from its hair and from the skin between."""
    rows, columns = np.flatnonzero(hair.any(axis=1)), np.flatnonzero(hair.any(axis=0))
    crown, window = int(rows[0]), slice(columns[0], columns[-1] + 1)
    widths = np.maximum.accumulate(bare[crown:, window].sum(axis=1))
    depths = np.arange(1, len(widths) + 1)
    # A tip of hair is as deep as it is wide; it ends long before a quarter of the hair's extent.
    deep_enough = np.flatnonzero((depths >= WIDEST_AT * widths) & (depths >= 0.25 * np.sqrt(np.count_nonzero(hair))))
    width = widths[deep_enough[0]] if deep_enough.size else widths[-1]
    return Head(crown, float(columns[0] + columns[-1] + 1) / 2, round(HEAD_ASPECT * float(width)))


def is_impossible(place: Place, box: Box, known: list[Head]) -> bool:
    """Whether a garment of this place cannot be at a box (top, left, bottom, right), px.

    Of the heads whose crown is above the box, the one whose middle is nearest decides; without one nothing is
    impossible.
    """
    top, left, bottom, right = box
    above = [one for one in known if one.crown_px < top]
    if place not in ("lower", "feet") or not above:
        return False
    head = min(above, key=lambda one: abs(one.middle_px - (left + right) / 2))
    if place == "feet":
        return head.portrait or top < head.crown_px + LEAST_TOP_OF_FEET * head.height_px
    return (top + bottom) / 2 < head.crown_px + LEAST_MIDDLE_OF_LOWER * head.height_px


def is_headwear(place: Place, box: Box, known: list[Head]) -> bool:
    """Whether clothes at a box (top, left, bottom, right), px, are on a head: then they are a hat, an accessory."""
    top, left, bottom, right = box
    return place in ("upper", "lower", "whole") and any(
        bottom <= head.crown_px + MOST_BOTTOM_OF_HEADWEAR * head.height_px
        and head.crown_px - MOST_TOP_OF_HEADWEAR * head.height_px <= top < head.crown_px
        and left <= head.middle_px + head.height_px
        and right >= head.middle_px - head.height_px
        for head in known
    )


def name_headwear(merges: Merges, known: list[Head]) -> None:
    """Makes clothes on a head an accessory: all their votes count for that."""
    for component in (merges.components[k] for k in merges.roots()):
        if is_headwear(BY_LABEL[component.label].place, component.box, known):
            component.label = label_of("accessory")
            votes = np.zeros_like(component.votes)
            votes[component.label] = component.votes.sum()
            component.votes = votes


def reassign_impossible(merges: Merges, known: list[Head]) -> None:
    """Gives components that anatomy forbids to the garment that they border on most, and drops those without one.

    Their votes do not count there: the network was wrong about them.
    """
    components = merges.components
    wrong = [k for k in merges.roots() if is_impossible(BY_LABEL[components[k].label].place, components[k].box, known)]
    for k in wrong:
        border_px = merges.borders_px[k]
        hosts = [int(j) for j in np.flatnonzero(border_px) if j not in wrong]
        components[k].votes = np.zeros_like(components[k].votes)
        if hosts:
            merges.merge(k, max(hosts, key=lambda j: (int(border_px[j]), -j)))
        else:
            merges.drop(k)
