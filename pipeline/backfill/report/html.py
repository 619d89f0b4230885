"""Writes `report.html`: the results of a run as one file, with nothing from elsewhere."""

from collections.abc import Iterator, Sequence
from html import escape

import msgspec
import numpy as np

from pipeline.backfill.report.charts import bar_chart, hue_wheel
from pipeline.backfill.report.summary import HUE_BINS, NamedShare, Summary
from pipeline.color.gamut import fit_srgb
from pipeline.color.hex import rgb_to_hex
from pipeline.picture.looks import PLACE, Look, page_of_looks

# The colours and the type are those of look.css.
STYLE = """
body { margin: 0 auto; max-width: 76rem; padding: 2.5rem 1.5rem 4rem }
h1 { font: 400 2.75rem/1.05 var(--serif); letter-spacing: -.02em; margin-bottom: .35rem }
h2 { font: 400 1.5rem/1.2 var(--serif); margin-bottom: .2rem } section > p { margin-bottom: 1rem }
.quiet { color: var(--soft); fill: var(--soft); font-size: .9375rem; overflow-wrap: anywhere }
.facts { display: flex; flex-wrap: wrap; gap: .75rem 2.5rem; margin: 1.6rem 0 1.8rem }
.fact { color: var(--soft); font-size: .875rem }
.fact b { display: block; font: 400 2rem/1.15 var(--serif); color: var(--ink); font-variant-numeric: tabular-nums }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem }
section { background: var(--card); border: 1px solid var(--line); border-radius: 16px; padding: 1.2rem 1.3rem;
  min-width: 0; margin-bottom: 1rem } section.open { background: none; border: 0; padding: 1.2rem 0 }
.chart { width: 100%; height: auto; font-size: 13px } .chart text { fill: var(--ink) }
.chart .quiet { fill: var(--soft); font-size: 13px }
.beam, .chart path { stroke: var(--edge); stroke-width: .5 }
.ring, .hub { fill: none; stroke: var(--line) } .wheel svg { max-width: 340px; display: block; margin: 0 auto }
.names { display: flex; flex-wrap: wrap; gap: .7rem }
.name { width: 6.6rem; font-size: .8125rem; overflow-wrap: anywhere }
.name i { display: block; height: 2.9rem; border-radius: 9px; border: 1px solid var(--edge); margin-bottom: .25rem }
table { border-collapse: collapse; width: 100% }
td { padding: .25rem .7rem .25rem 0; border-top: 1px solid var(--line) }
.more summary { cursor: pointer } pre { overflow-x: auto; font: .8125rem/1.5 var(--mono) }
"""
# The fill of a bar that stands for no colour.
PLAIN = "var(--soft)"
# Taste: OKLCH lightness and chroma of the hue wheel's petals, inside sRGB for most hues.
PETAL_LIGHTNESS, PETAL_CHROMA = 0.68, 0.13


def report_html(summary: Summary, samples: Sequence[Look]) -> str:
    """The whole page."""
    body = "".join((*_head(summary), *_charts(summary), _photos(), _details(summary)))
    return page_of_looks(f"Backfill: {summary.parameters.input}", f"<main>{body}</main>", samples, style=STYLE)


def _head(summary: Summary) -> Iterator[str]:
    yield f"<h1>Colours of a catalogue</h1><p class=quiet>{escape(summary.parameters.input)}</p><div class=facts>"
    facts = {
        "images": summary.rows,
        "answers": summary.answers,
        "dead letters": summary.dead_letters,
        "garments": summary.garments,
        "without a garment": summary.without_garment,
    }
    for name, value in facts.items():
        yield f"<div class=fact><b>{value:,}</b>{name}</div>"
    yield f"<div class=fact><b>{summary.neutral_share:.0%}</b>neutral colours</div></div>"


def _charts(summary: Summary) -> Iterator[str]:
    basic = bar_chart(
        [(one.name, one.share, one.hex, f"{one.share:.1%}") for one in summary.colors_basic], title="Colours by name"
    )
    yield "<div class=grid>"
    yield _section("Which colours dominate", "Share of the garments' area. Every photo has the same weight.", basic)
    wheel = hue_wheel(summary.hues, _bin_colors(), title="Hues of the colours that are not neutral")
    yield _section("Hues", "Colours that are not neutral, by OKLCH hue.", f"<div class=wheel>{wheel}</div>")
    yield _section("Kinds", "Garments by kind.", _counts(summary.categories, "Garments by kind"))
    yield _section("Patterns", "How many colours a garment shows.", _counts(summary.patterns, "Patterns"))
    yield _section("Best suggestion", "Scheme of each photo's first suggestion.", _counts(summary.schemes, "Schemes"))
    yield _section("Dead letters", "Photos without an answer, by code.", _failures(summary))
    yield "</div>"
    yield _section(
        "Fashion names", "The most frequent ones.", f"<div class=names>{_names(summary.colors_fashion)}</div>"
    )


def _section(title: str, text: str, content: str) -> str:
    return f"<section><h2>{title}</h2><p class=quiet>{text}</p>{content}</section>"


def _counts(counts: dict[str, int], title: str) -> str:
    bars = [(name.replace("_", " "), float(n), PLAIN, f"{n:,}") for name, n in counts.items()]
    return bar_chart(bars, title=title)


def _failures(summary: Summary) -> str:
    if not summary.failures:
        return "<p>None.</p>"
    rows = "".join(f"<tr><td>{escape(code)}<td>{n:,}" for code, n in summary.failures.items())
    return f"<table>{rows}</table>"


def _names(names: Sequence[NamedShare]) -> str:
    return "".join(
        f'<div class=name><i style="background:{one.hex}"></i>{escape(one.name)} '
        f"<span class=quiet>{one.share:.1%}</span></div>"
        for one in names
    )


def _bin_colors() -> list[str]:
    hues = (np.arange(HUE_BINS) + 0.5) * (360 / HUE_BINS)
    oklch = np.column_stack((np.full(HUE_BINS, PETAL_LIGHTNESS), np.full(HUE_BINS, PETAL_CHROMA), hues))
    return [rgb_to_hex(rgb * 255) for rgb in fit_srgb(oklch)]


def _photos() -> str:
    head = "<h2>Samples</h2><p class=quiet>Spread evenly over the catalogue.</p>"
    return f'<section class="open">{head}{PLACE}</section>'


def _details(summary: Summary) -> str:
    shown = {"parameters": summary.parameters, "versions": summary.versions, "last_run": summary.last_run}
    text = msgspec.json.format(msgspec.json.encode(shown), indent=1).decode()
    return f"<details class=more><summary>Parameters and versions</summary><pre>{escape(text)}</pre></details>"
