"""Draws the report's charts as inline SVG."""

import math
from collections.abc import Sequence
from html import escape

# Taste: a bar's height, the gap to the next one, the width of labels, of the longest bar, and of the text after it.
BAR_PX, GAP_PX, LABEL_PX, LENGTH_PX, TEXT_PX = 22, 8, 150, 360, 90
# Taste: the radius of a hue wheel's hub, and the length of its longest petal.
HUB_PX, PETAL_PX = 30, 120
# A bar's label, length, fill, and the text after it.
Bar = tuple[str, float, str, str]


def bar_chart(bars: Sequence[Bar], *, title: str) -> str:
    """A chart of horizontal bars. The longest bar fills the width."""
    longest = max((length for _, length, _, _ in bars), default=1.0) or 1.0
    height = len(bars) * (BAR_PX + GAP_PX)
    rows = "".join(_bar(k, bar, longest) for k, bar in enumerate(bars))
    width = LABEL_PX + LENGTH_PX + TEXT_PX
    return f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">{rows}</svg>'


def _bar(k: int, bar: Bar, longest: float) -> str:
    label, length, fill, text = bar
    y = k * (BAR_PX + GAP_PX)
    wide = max(1.0, LENGTH_PX * length / longest)
    middle = y + BAR_PX * 0.72
    return (
        f'<text x="{LABEL_PX - 10}" y="{middle:.1f}" text-anchor="end">{escape(label)}</text>'
        f'<rect x="{LABEL_PX}" y="{y}" width="{wide:.1f}" height="{BAR_PX}" rx="3" fill="{escape(fill)}" class="beam"/>'
        f'<text x="{LABEL_PX + wide + 8:.1f}" y="{middle:.1f}" class="quiet">{escape(text)}</text>'
    )


def hue_wheel(shares: Sequence[float], fills: Sequence[str], *, title: str) -> str:
    """A rose chart with one petal per hue bin, from hue 0° at the right counter-clockwise.

    The square root makes the area of a petal grow with its share.
    """
    largest = max(shares, default=0.0) or 1.0
    step = 2 * math.pi / max(1, len(shares))
    petals = "".join(
        _petal(k * step, (k + 1) * step, HUB_PX + PETAL_PX * math.sqrt(share / largest), fill)
        for k, (share, fill) in enumerate(zip(shares, fills, strict=True))
    )
    rings = f'<circle r="{HUB_PX + PETAL_PX}" class="ring"/><circle r="{HUB_PX}" class="hub"/>'
    return (
        f'<svg class="chart" viewBox="-160 -160 320 320" role="img" aria-label="{escape(title)}">{rings}{petals}</svg>'
    )


def _petal(start: float, end: float, radius: float, fill: str) -> str:
    inner = float(HUB_PX)
    points = [
        (radius * math.cos(start), -radius * math.sin(start)),
        (radius * math.cos(end), -radius * math.sin(end)),
        (inner * math.cos(end), -inner * math.sin(end)),
        (inner * math.cos(start), -inner * math.sin(start)),
    ]
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = points
    path = (
        f"M{ax:.1f} {ay:.1f}A{radius:.1f} {radius:.1f} 0 0 0 {bx:.1f} {by:.1f}"
        f"L{cx:.1f} {cy:.1f}A{inner} {inner} 0 0 1 {dx:.1f} {dy:.1f}Z"
    )
    return f'<path d="{path}" fill="{escape(fill)}"/>'
