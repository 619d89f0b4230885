"""Harmony, phase 3: colour suggestions for garments, wardrobe matches and outfits; pure, numpy only."""

from collections.abc import Sequence

from pipeline.suggestions import suggest
from pipeline.types import Garment, Harmony, Options

HARMONY_VERSION = "1"


def harmonise(garments: Sequence[Garment], options: Options) -> Harmony:
    """Everything there is to say about the garments' colours; every list best first.

    Garments without colours are passed over. Matches and outfits are there when `options.wardrobe` is.
    """
    return Harmony(suggest(garments, options), version=HARMONY_VERSION)
