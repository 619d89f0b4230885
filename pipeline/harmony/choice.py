"""Which of the schemes' offers to show: good ones, in turn, and no two nearly alike; numpy only."""

from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np

from pipeline.color.difference import DISTINCT_DE00
from pipeline.harmony.catalogue import catalogue
from pipeline.harmony.schemes import Combination

COLOR_REPEATS = 2  # how often one colour may come back before all the rest had its turn


def choose(queues: Sequence[Sequence[Combination]], limit: int) -> list[Combination]:
    """Picks from queues (each best first): the base, the leading one first, and the scheme with the fewest picks.

    No two picks are nearly alike. A second pass, for what is still free, lets single colours come back more often.
    """
    chosen: list[Combination] = []
    worn: Counter[int] = Counter()
    bases: Counter[int] = Counter()
    schemes: Counter[str] = Counter()
    for repeats in (COLOR_REPEATS, limit):
        waiting = [list(reversed(queue)) for queue in queues]
        while len(chosen) < limit:
            heads = [queue[-1] for queue in waiting if _advance(queue, chosen, worn=worn, repeats=repeats)]
            if not heads:
                break
            pick = min(heads, key=lambda one: (bases[one.base], one.base, schemes[one.scheme], -one.rank, one.colors))
            chosen.append(pick)
            worn.update(pick.colors)
            bases[pick.base] += 1
            schemes[pick.scheme] += 1
    return chosen


def _advance(queue: list[Combination], chosen: Sequence[Combination], *, worn: Counter[int], repeats: int) -> bool:
    """Drops what cannot be picked any more from the queue's end; whether something is left."""
    while queue:
        colors = queue[-1].colors
        if max(worn[color] for color in colors) < repeats and not any(alike(colors, one.colors) for one in chosen):
            return True
        queue.pop()
    return False


def alike(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Whether every colour of each set of catalogue indices has a near one in the other."""
    one, near_one = _bits(first)
    two, near_two = _bits(second)
    return not (one & ~near_two) and not (two & ~near_one)


@lru_cache(maxsize=4096)
def _bits(colors: tuple[int, ...]) -> tuple[int, int]:
    """The colours, and all colours near one of them, as bits of an integer each."""
    near, members, neighbours = _near_bits(), 0, 0
    for color in colors:
        members |= 1 << color
        neighbours |= near[color]
    return members, neighbours


@cache
def _near_bits() -> tuple[int, ...]:
    near = catalogue().difference < DISTINCT_DE00
    return tuple(sum(1 << int(k) for k in np.flatnonzero(row)) for row in near)
