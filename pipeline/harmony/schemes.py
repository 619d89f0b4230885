"""The tables of colour schemes: which hues fill the slots of a suggestion, and how large each slot is."""

from typing import Literal, TypeAlias

from pipeline.types import Mood, Role, Scheme

# The base's place in the whole outfit.
Place: TypeAlias = Literal["main", "secondary", "accent", "look"]
# The kinds of the slots, the largest share first.
Plan: TypeAlias = tuple[int, ...]
# Each slot's role and its share of the whole outfit.
Layout: TypeAlias = tuple[tuple[Role, float], ...]

# A slot's kind is an angle in degrees from the base's hue (below 360), or one of these numbers.
NEUTRAL = 1000
# Another grey for a grey base.
TONE = 1001
# Any hue that may take the role.
FREE = 1002

# Standard: the angles of colour theory's schemes. Taste: which neutrals join them, and in which order slots are filled.
PLANS: dict[Scheme, tuple[Plan, ...]] = {
    "complementary": ((180,), (180, NEUTRAL), (NEUTRAL, 180)),
    "split_complementary": ((150, 210), (210, 150), (150, NEUTRAL), (NEUTRAL, 210)),
    "analogous": ((30,), (330,), (30, 330), (330, 30), (30, NEUTRAL), (330, NEUTRAL)),
    "triadic": ((120, 240), (240, 120)),
    "tetradic": ((180, 90, 270), (90, 180, 270), (270, 180, 90)),
    "monochromatic": ((0,), (0, 0), (0, NEUTRAL)),
    "neutral": ((NEUTRAL,), (NEUTRAL, NEUTRAL)),
}
# How daring a scheme is: neutrals are safe, one hue and its neighbours are tonal, and other hues are daring.
MOODS: dict[Scheme, Mood] = {
    "neutral": "safe",
    "monochromatic": "tonal",
    "analogous": "tonal",
    "complementary": "daring",
    "split_complementary": "daring",
    "triadic": "daring",
    "tetradic": "daring",
}
# For a base without a hue, the first suggested colour is free and the others stand in the scheme's relation to it.
GREY_PLANS: dict[Scheme, tuple[Plan, ...]] = {
    "complementary": ((FREE, 180),),
    "split_complementary": ((FREE, 150),),
    "analogous": ((FREE, 30), (FREE, 330)),
    "triadic": ((FREE, 120),),
    "tetradic": ((FREE, 90, 180),),
    "monochromatic": ((TONE,), (TONE, TONE)),
    "neutral": PLANS["neutral"],
}
# Taste: the 60-30-10 rule of thumb, with the base in its place, for one, two and three suggested colours.
LAYOUTS: dict[Place, tuple[Layout, ...]] = {
    "main": (
        (("secondary", 0.3),),
        (("secondary", 0.3), ("accent", 0.1)),
        (("secondary", 0.25), ("accent", 0.1), ("accent", 0.05)),
    ),
    "secondary": (
        (("main", 0.6),),
        (("main", 0.6), ("accent", 0.1)),
        (("main", 0.55), ("accent", 0.1), ("accent", 0.05)),
    ),
    "accent": (
        (("main", 0.8),),
        (("main", 0.6), ("secondary", 0.3)),
        (("main", 0.6), ("secondary", 0.2), ("accent", 0.1)),
    ),
    "look": ((("accent", 0.1),), (("accent", 0.1), ("accent", 0.05))),
}


def plans_for(scheme: Scheme, place: Place, *, hued: bool) -> list[tuple[Plan, Layout]]:
    """A scheme's plans with their layouts. A plan that has more slots than the place's layouts loses its last slots."""
    layouts = LAYOUTS[place]
    plans = (PLANS if hued else GREY_PLANS)[scheme]
    return [(plan[: len(layouts)], layouts[min(len(plan), len(layouts)) - 1]) for plan in plans]


def angles_of(scheme: Scheme) -> tuple[float, ...]:
    """The hue differences of a scheme, 0 to 180 degrees, the smallest first."""
    kinds = {kind for plan in PLANS[scheme] for kind in plan if kind < 360}
    return tuple(sorted({float(min(kind, 360 - kind)) for kind in kinds}))
