"""Says how likely a garment's kind is right, from the network's certainty over its pixels."""

import math

# Fitted by `python -m models.evaluate.calibrate` on photos that training kept aside: a logistic regression of "most of
# the garment is of its kind" on the log-odds of the support (Platt 1999). It holds for the default network.
SLOPE, OFFSET = 1.04, 0.16
# Taste: a support of 0 or 1 would have infinite log-odds.
LEAST_SUPPORT = 0.01


def log_odds(support: float) -> float:
    """The log-odds of a support, which is kept away from 0 and 1."""
    kept = min(1 - LEAST_SUPPORT, max(LEAST_SUPPORT, support))
    return math.log(kept / (1 - kept))


def kind_confidence(support: float) -> float:
    """The probability that a garment's kind is right, 0..1.

    support: the mean over the garment's pixels of the network's certainty, 0 for pixels of another kind.
    """
    return 1 / (1 + math.exp(-(SLOPE * log_odds(support) + OFFSET)))
