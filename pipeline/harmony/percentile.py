"""Turns raw pair scores into percentiles of one fixed population, and percentiles into ratings.

The population is every pair of colours of two garments, weighted by how many garments have these colours as their main
colour (`garment_colors.csv`: counted by `python -m tests.bench.garment_colors`). A score of 0.8 thus says: the colours
go better together, by our rules, than those of 80 % of all pairs of garments. It says nothing about beauty.
"""

from functools import cache

import numpy as np

from pipeline.harmony.catalogue import catalogue, catalogue_scores, commonness, garment_counts
from pipeline.harmony.pair_score import intent_score
from pipeline.types import Floats, Intent, Rating

# Taste: a suggestion is great from the first percentile on, and good from the second.
GREAT, GOOD = 0.75, 0.45
# Within a step of the population the percentile still rises by this share of the raw score, so that it is strict.
STRICT = 1e-3


def percentile(raw: float, intent: Intent) -> float:
    """The share of the population that scores lower than a raw score, 0 to 1: strictly monotone, then rounded."""
    values, shares = _population(intent)
    return round(float((1 - STRICT) * np.interp(raw, values, shares) + STRICT * raw), 3)


def rating_of(score: float) -> Rating:
    """The rating of a percentile."""
    return "great" if score >= GREAT else "good" if score >= GOOD else "works"


@cache
def _population(intent: Intent) -> tuple[Floats, Floats]:
    """The raw scores of the population, rising, and the share that lies below each, half of its equals included."""
    table, count = catalogue(), garment_counts()
    scores = intent_score(catalogue_scores(intent), table.presence, commonness(), intent)
    weight = np.outer(count, count)
    np.fill_diagonal(weight, 0)
    values, index = np.unique(np.round(scores, 4), return_inverse=True)
    mass = np.bincount(index.ravel(), weight.ravel(), minlength=len(values)) / weight.sum()
    below = np.cumsum(mass) - mass / 2
    return np.concatenate([[0.0], values, [1.0]]), np.concatenate([[0.0], below, [1.0]])
