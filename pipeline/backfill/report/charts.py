"""The report's charts as inline SVG, from numbers alone; the standard library only."""

import math
from collections.abc import Sequence
from html import escape

BAR_PX, GAP_PX, LABEL_PX, LENGTH_PX = 22, 8, 150, 360
Bar = tuple[str, float, str, str]  # label, length, fill, what to write behind it


def bar_chart(bars: Sequence[Bar], *, title: str) -> str:
    """Horizontal bars, the longest filling the width."""
    longest = max((length for _, length, _, _ in bars), default=1.0) or 1.0
    height = len(bars) * (BAR_PX + GAP_PX)
    rows = "".join(_bar(k, bar, longest) for k, bar in enumerate(bars))
    width = LABEL_PX + LENGTH_PX + 90
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">{rows}</svg>'


def _bar(k: int, bar: Bar, longest: float) -> str:
    label, length, fill, text = bar
    y = k * (BAR_PX + GAP_PX)
    wide = max(1.0, LENGTH_PX * length / longest)
    middle = y + BAR_PX * 0.72
    return (
        f'<text x="{LABEL_PX - 10}" y="{middle:.1f}" text-anchor="end">{escape(label)}</text>'
        f'<rect x="{LABEL_PX}" y="{y}" width="{wide:.1f}" height="{BAR_PX}" rx="3" fill="{escape(fill)}" class="bar"/>'
        f'<text x="{LABEL_PX + wide + 8:.1f}" y="{middle:.1f}" class="quiet">{escape(text)}</text>'
    )


def hue_wheel(shares: Sequence[float], fills: Sequence[str], *, title: str) -> str:
    """A rose: one petal per hue bin, its area in proportion to its share, hue 0° at the right, counter-clockwise."""
    largest = max(shares, default=0.0) or 1.0
    step = 2 * math.pi / max(1, len(shares))
    petals = "".join(
        _petal(k * step, (k + 1) * step, 30 + 120 * math.sqrt(share / largest), fill)
        for k, (share, fill) in enumerate(zip(shares, fills, strict=True))
    )
    rings = '<circle r="150" class="ring"/><circle r="30" class="hub"/>'
    return f'<svg viewBox="-160 -160 320 320" role="img" aria-label="{escape(title)}">{rings}{petals}</svg>'


def _petal(start: float, end: float, radius: float, fill: str) -> str:
    inner = 30.0
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
