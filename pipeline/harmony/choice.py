"""Chooses which combinations of the schemes become suggestions: good ones, spread over schemes, no two nearly alike."""

from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import get_args

import numpy as np

from pipeline.color.difference import DISTINCT_DE00
from pipeline.harmony.catalogue import catalogue
from pipeline.harmony.combinations import Combination
from pipeline.harmony.pair_score import CALM_CHROMA
from pipeline.harmony.schemes import MOODS
from pipeline.types import Mood

# Taste: the most choices with the same colour in the first pass, so that other colours come first.
COLOR_REPEATS = 2


def choose(
    queues: Sequence[Sequence[Combination]], limit: int, *, grey: bool = False, calm: bool = False
) -> list[Combination]:
    """Chooses at most `limit` combinations from queues, each of which is sorted best first, in the order of their rank.

    The first three are a safe, a tonal and a daring one for the leading base. grey: it shows no hue, so of the tonal
    schemes only the monochromatic one starts from it, and comes first. calm: it has no strong colour, so a daring
    combination that adds one comes first. Each further step takes from the base with the fewest choices (the leading
    one on a tie), and there from the scheme with the fewest. No two choices are nearly alike. A second pass fills up
    what is missing without the limit on single colours.
    """
    chosen: list[Combination] = []
    used: Counter[int] = Counter()
    bases: Counter[int] = Counter()
    schemes: Counter[str] = Counter()

    def take(pick: Combination) -> None:
        chosen.append(pick)
        used.update(pick.colors)
        bases[pick.base] += 1
        schemes[pick.scheme] += 1

    for mood in get_args(Mood):
        leading = [queue for queue in queues if queue and _is_of(queue[0], base=0, mood=mood)]
        wanted = [[one for one in queue if _is_wanted(one, grey=grey, calm=calm)] for queue in leading]
        heads = _heads(wanted, chosen, used) or _heads(leading, chosen, used)
        if heads and len(chosen) < limit:
            take(min(heads, key=lambda one: (-one.rank, one.colors)))
    first = len(chosen)
    for repeats in (COLOR_REPEATS, limit):
        waiting = [_Queue(queue) for queue in queues]
        while len(chosen) < limit:
            heads = [head for queue in waiting if (head := queue.head(chosen, used=used, repeats=repeats))]
            if not heads:
                break
            take(min(heads, key=lambda one: (bases[one.base], one.base, schemes[one.scheme], -one.rank, one.colors)))
    return chosen[:first] + sorted(chosen[first:], key=lambda one: (one.base, -one.rank))


def _is_of(one: Combination, *, base: int, mood: Mood) -> bool:
    return one.base == base and MOODS[one.scheme] == mood


def _is_wanted(one: Combination, *, grey: bool, calm: bool) -> bool:
    """Whether a combination is what its mood says, beside a grey or calm base."""
    mood = MOODS[one.scheme]
    if mood == "tonal" and grey:
        return one.scheme == "monochromatic"
    if mood == "daring" and calm:
        return not _strong().isdisjoint(one.colors)
    return True


@cache
def _strong() -> frozenset[int]:
    """The catalogue indices of strong colours."""
    return frozenset(np.flatnonzero(catalogue().points.oklch[:, 1] >= CALM_CHROMA).tolist())


def _heads(
    queues: Sequence[Sequence[Combination]], chosen: Sequence[Combination], used: Counter[int]
) -> list[Combination]:
    """The best of each queue that repeats no colour of those chosen."""
    return [head for queue in queues if (head := _Queue(queue).head(chosen, used=used, repeats=1))]


class _Queue:
    """Combinations of one scheme, the best first, from which those that cannot be chosen any more are dropped."""

    def __init__(self, combinations: Sequence[Combination]) -> None:
        self._left = list(reversed(combinations))
        # The first of `chosen` that the head was not compared with.
        self._compared = 0

    def head(self, chosen: Sequence[Combination], *, used: Counter[int], repeats: int) -> Combination | None:
        """The best that can be chosen; None when none is left. `chosen` only grows."""
        while self._left:
            colors = self._left[-1].colors
            fresh = chosen[self._compared :]
            if all(used[color] < repeats for color in colors) and not any(alike(colors, one.colors) for one in fresh):
                self._compared = len(chosen)
                return self._left[-1]
            self._left.pop()
            self._compared = 0
        return None


def alike(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Whether two sets of catalogue indices are nearly alike: each colour of one has a near colour in the other."""
    one, near_one = _bits(first)
    two, near_two = _bits(second)
    return not (one & ~near_two) and not (two & ~near_one)


@lru_cache(maxsize=4096)
def _bits(colors: tuple[int, ...]) -> tuple[int, int]:
    """Two bit sets over the catalogue: the colours, and all colours near one of them."""
    near, members, neighbours = _near_bits(), 0, 0
    for color in colors:
        members |= 1 << color
        neighbours |= near[color]
    return members, neighbours


@cache
def _near_bits() -> tuple[int, ...]:
    near = catalogue().difference < DISTINCT_DE00
    return tuple(sum(1 << int(k) for k in np.flatnonzero(row)) for row in near)
