"""What fills the slots of a suggestion in each colour scheme, and how large each slot is; imports types only."""

from typing import Literal, TypeAlias

from pipeline.types import Role, Scheme

Place: TypeAlias = Literal["main", "secondary", "accent", "look"]  # of what is advised, in the whole outfit
Plan: TypeAlias = tuple[int, ...]  # slot kinds, the largest share first
Layout: TypeAlias = tuple[tuple[Role, float], ...]  # role and share of the whole outfit, per slot

# Slot kinds: an angle in degrees from the base's hue (below 360), or one of these.
NEUTRAL = 1000
TONE = 1001  # grey to grey
FREE = 1002  # any hue that leads well

PLANS: dict[Scheme, tuple[Plan, ...]] = {
    "complementary": ((180,), (180, NEUTRAL), (NEUTRAL, 180)),
    "split_complementary": ((150, 210), (210, 150), (150, NEUTRAL), (NEUTRAL, 210)),
    "analogous": ((30,), (330,), (30, 330), (330, 30), (30, NEUTRAL), (330, NEUTRAL)),
    "triadic": ((120, 240), (240, 120)),
    "tetradic": ((180, 90, 270), (90, 180, 270), (270, 180, 90)),
    "monochromatic": ((0,), (0, 0), (0, NEUTRAL)),
    "neutral": ((NEUTRAL,), (NEUTRAL, NEUTRAL)),
}
# A base without a hue leaves the hue free: then the suggested colours stand in the scheme's relation to each other.
GREY_PLANS: dict[Scheme, tuple[Plan, ...]] = {
    "complementary": ((FREE, 180),),
    "split_complementary": ((FREE, 150),),
    "analogous": ((FREE, 30), (FREE, 330)),
    "triadic": ((FREE, 120),),
    "tetradic": ((FREE, 90, 180),),
    "monochromatic": ((TONE,), (TONE, TONE)),
    "neutral": PLANS["neutral"],
}
# One, two and three suggested colours: 60-30-10 with the base in its place.
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
    """A scheme's plans with their layouts; where a place has fewer slots than a plan, its last slots are dropped."""
    layouts = LAYOUTS[place]
    plans = (PLANS if hued else GREY_PLANS)[scheme]
    return [(plan[: len(layouts)], layouts[min(len(plan), len(layouts)) - 1]) for plan in plans]


def angles_of(scheme: Scheme) -> tuple[float, ...]:
    """The hue differences that a scheme is about, 0..180 degrees."""
    kinds = {kind for plan in PLANS[scheme] for kind in plan if kind < 360}
    return tuple(sorted({float(min(kind, 360 - kind)) for kind in kinds}))
