"""Makes garments and wardrobe items from hex colours, for the harmony tests."""

from collections.abc import Sequence

from pipeline.options import ColorShare, WardrobeItem
from pipeline.palette.swatches import palette_from_colors
from pipeline.parts import Garment
from pipeline.types import Category


def garment(*hexes: str, category: Category = "top", id: str = "g1", shares: Sequence[float] | None = None) -> Garment:
    """A garment of these colours, with equal shares unless they are given."""
    given = [ColorShare(code, None if shares is None else shares[k]) for k, code in enumerate(hexes)]
    return Garment(
        id=id,
        category=category,
        confidence=None,
        bbox=None,
        area=None,
        pattern=None,
        colors=palette_from_colors(given),
    )


def item(id: str, *hexes: str, category: Category | None = None) -> WardrobeItem:
    """A wardrobe item of these colours."""
    return WardrobeItem(id, tuple(ColorShare(code) for code in hexes), category)
