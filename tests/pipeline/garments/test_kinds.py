"""The table of garment kinds has every kind, once, in the contract's order."""

from pipeline.garments.kinds import BY_LABEL, FIRST_GARMENT, KINDS, area_of, covered_by, label_of
from pipeline.messages import codes
from pipeline.types import CLASSES, GARMENT_CLASSES, UNKNOWN


def test_table_has_every_kind_when_compared_with_the_contract() -> None:
    """There is one row for each garment class, in the order of the label values."""
    assert tuple(kind.name for kind in KINDS) == GARMENT_CLASSES
    assert [BY_LABEL[label].name for label in range(FIRST_GARMENT, len(CLASSES))] == list(GARMENT_CLASSES)
    assert [label_of(name) for name in GARMENT_CLASSES] == list(BY_LABEL)


def test_every_kind_has_advice_when_looked_up() -> None:
    """The advice of each kind is a code of the language files."""
    assert {kind.advice for kind in KINDS} <= set(codes("how_to_wear"))


def test_kinds_can_be_told_apart_when_drawn() -> None:
    """No two kinds have the same tint."""
    assert len({kind.tint for kind in KINDS}) == len(KINDS)


def test_body_is_covered_when_clothes_are_named() -> None:
    """A top and trousers cover what a dress covers; a coat, shoes and a bag cover nothing by themselves."""
    assert covered_by("top") | covered_by("bottom") == covered_by("full_body")
    assert not covered_by("top") & covered_by("bottom")
    assert [covered_by(name) for name in ("outerwear", "shoes", "accessory", "unknown")] == [frozenset()] * 4


def test_unknown_kind_has_facts_of_its_own_when_asked_for() -> None:
    """A garment of unknown kind has its own label value, and the area of a top."""
    assert label_of("unknown") == UNKNOWN
    assert area_of("unknown") == area_of("top")
