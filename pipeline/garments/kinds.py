"""The table of garment kinds: every fact that the code needs about a kind, once.

A new kind needs a name in `pipeline.types.GarmentClass`, a row here, its advice in the language files, and a network
whose card maps one of its classes to the new name.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from pipeline.types import CLASSES, UNKNOWN, Category, GarmentClass

BodyPart: TypeAlias = Literal["upper", "lower"]
Place: TypeAlias = Literal["upper", "lower", "whole", "feet", "accessory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GarmentKind:
    """One kind of garment.

    place: where it is worn. outer: it is worn over other clothes and covers no part of the body by itself. several: one
    outfit may have more than one. area: its usual share of a whole outfit, 0 to 1, for garments that nobody measured.
    advice: the code under `how_to_wear` for colours to wear with it. join_gap: components of this kind that are nearer
    than this share of the photo's long side are one garment. tint: its sRGB colour in a drawn label map.
    """

    name: GarmentClass
    place: Place
    outer: bool = False
    several: bool = False
    area: float
    advice: str
    join_gap: float = 0.15
    tint: tuple[int, int, int]

    @property
    def label(self) -> int:
        """The kind's value in a label map."""
        return CLASSES.index(self.name)

    @property
    def clothing(self) -> bool:
        """Whether it is a piece of clothing, and neither shoes nor an accessory."""
        return self.place in ("upper", "lower", "whole")

    @property
    def covers(self) -> frozenset[BodyPart]:
        """The parts of the body that it covers by itself. Two pieces that cover the same part are not worn together."""
        if self.outer or not self.clothing:
            return frozenset()
        return BODY if self.place == "whole" else frozenset[BodyPart](part for part in BODY if part == self.place)


BODY: Final = frozenset[BodyPart](("upper", "lower"))

# In the contract's order. Taste: the areas, the gaps and the tints. The tints differ in lightness as well as in hue, so
# that colour-blind readers can tell them apart.
KINDS: Final = (
    GarmentKind(name="top", place="upper", area=0.30, advice="WEAR_BELOW", tint=(40, 110, 235)),
    GarmentKind(name="outerwear", place="upper", outer=True, area=0.40, advice="WEAR_UNDER", tint=(130, 60, 190)),
    GarmentKind(name="bottom", place="lower", area=0.35, advice="WEAR_ABOVE", tint=(15, 150, 125)),
    GarmentKind(name="full_body", place="whole", area=0.60, advice="LAYER_OVER", tint=(225, 60, 140)),
    GarmentKind(name="shoes", place="feet", area=0.08, advice="PIECE_AS_ACCENT", join_gap=0.35, tint=(245, 170, 30)),
    GarmentKind(
        name="accessory", place="accessory", several=True, area=0.07, advice="PIECE_AS_ACCENT", join_gap=0.02,
        tint=(205, 45, 40),
    ),
)  # fmt: skip
BY_NAME: Final[dict[Category | None, GarmentKind]] = {kind.name: kind for kind in KINDS}
BY_LABEL: Final = {kind.label: kind for kind in KINDS}
FIRST_GARMENT: Final = min(BY_LABEL)
SKIN: Final = CLASSES.index("skin")
HAIR: Final = CLASSES.index("hair")

# Taste: a garment of unknown kind counts as much as a top.
UNKNOWN_AREA: Final = 0.30


def area_of(category: Category) -> float:
    """The usual share of a whole outfit that a garment of this kind takes, 0 to 1."""
    return UNKNOWN_AREA if category == "unknown" else BY_NAME[category].area


def label_of(category: Category) -> int:
    """The label value of a garment's kind."""
    return UNKNOWN if category == "unknown" else BY_NAME[category].label


def covered_by(category: Category | None) -> frozenset[BodyPart]:
    """The parts of the body that a garment of this kind covers by itself; none where the kind is unknown."""
    kind = BY_NAME.get(category)
    return frozenset() if kind is None else kind.covers
