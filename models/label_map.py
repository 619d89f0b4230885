"""Turns a network's logits into a label map at the photo's size and a confidence map, in numpy."""

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.types import ConfidenceMap, Mask

Logits: TypeAlias = NDArray[np.float32]  # (classes, h, w)


def label_map(logits: Logits, width_px: int, height_px: int) -> tuple[NDArray[np.uint8], ConfidenceMap]:
    """The best class of each pixel, (height_px, width_px), and the softmax of the best at the logits' size, 0 to 255.

    The classes are those of the bilinearly enlarged logits (half-pixel centres, as torch's `interpolate`).  Where the
    four logits around a pixel agree on the best class, no mixture of them prefers another, so only the pixels along
    outlines are computed: a third of the time of enlarging all classes everywhere.
    """
    best, peak = _best(logits)
    confidence = (255 / np.exp(logits - peak).sum(axis=0)).astype(np.uint8)
    rows, columns = _taps(height_px, logits.shape[1]), _taps(width_px, logits.shape[2])
    labels = best.take(rows[0], axis=0).take(columns[0], axis=1)
    agreed = _agreed(best).take(rows[0], axis=0).take(columns[0], axis=1)
    open_px = np.flatnonzero(~agreed)
    labels.ravel()[open_px] = _mixed(logits, open_px, rows, columns).argmax(axis=1)
    return labels, confidence


Taps: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]


def _best(logits: Logits) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The first class with the highest logit and that logit, (h, w) each. numpy's argmax is ten times as slow here."""
    peak = logits[0].copy()
    best = np.zeros(peak.shape, np.uint8)
    for k in range(1, len(logits)):
        np.copyto(best, np.uint8(k), where=logits[k] > peak)
        np.maximum(peak, logits[k], out=peak)
    return best, peak


def _agreed(best: NDArray[np.uint8]) -> Mask:
    """Whether a cell's best class is also that of its neighbours to the right, below, and below to the right."""
    beside = np.ones(best.shape, np.bool_)
    beside[:, :-1] = best[:, 1:] == best[:, :-1]
    below = np.ones(best.shape, np.bool_)
    below[:-1] = (best[1:] == best[:-1]) & beside[1:]
    return beside & below


@lru_cache(maxsize=64)
def _taps(count: int, among: int) -> Taps:
    """For each output position the two input positions that are mixed, and the second one's share."""
    at = np.maximum((np.arange(count, dtype=np.float32) + 0.5) * np.float32(among / count) - 0.5, 0)
    first = np.minimum(at.astype(np.intp), among - 1)
    return first, np.minimum(first + 1, among - 1), (at - first).astype(np.float32)


def _mixed(logits: Logits, open_px: NDArray[np.intp], rows: Taps, columns: Taps) -> NDArray[np.float32]:
    """The enlarged logits of some pixels, (n, classes)."""
    width = logits.shape[2]
    y, x = np.divmod(open_px, len(columns[0]))
    above, under, down = rows[0][y] * width, rows[1][y] * width, rows[2][y, None]
    left, right, aside = columns[0][x], columns[1][x], columns[2][x, None]
    # (h · w, classes), so that a pixel's logits lie together.
    cells = np.ascontiguousarray(logits.reshape(len(logits), -1).T)
    upper = _between(cells[above + left], cells[above + right], aside)
    return _between(upper, _between(cells[under + left], cells[under + right], aside), down)


def _between(a: NDArray[np.float32], b: NDArray[np.float32], share: NDArray[np.float32]) -> NDArray[np.float32]:
    mixed: NDArray[np.float32] = a + (b - a) * share
    return mixed
