"""Writes `report.html`: the results of a run as one file, without scripts and without resources from elsewhere."""

from collections.abc import Iterator, Sequence
from html import escape

import msgspec
import numpy as np

from pipeline.backfill.report.charts import bar_chart, hue_wheel
from pipeline.backfill.report.samples import Sample
from pipeline.backfill.report.summary import HUE_BINS, NamedShare, Summary
from pipeline.color.gamut import fit_srgb
from pipeline.color.hex import rgb_to_hex

STYLE = """
:root { color-scheme: light dark; --ink: #22252b; --quiet: #6b7079; --ground: #fafaf8; --card: #fff; --line: #e3e3de;
  --bar: #5b7c99; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e4; --quiet: #9a9fa8; --ground: #16181c; --card: #1f2227;
  --line: #33373e; --bar: #7fa3c2; } }
* { box-sizing: border-box } body { margin: 0 auto; max-width: 1180px; padding: 32px 24px 64px;
  background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 26px; margin: 0 0 4px } h2 { font-size: 17px; margin: 0 0 14px } p { margin: 0 0 8px }
.quiet { color: var(--quiet); fill: var(--quiet) } .facts { display: flex; flex-wrap: wrap; gap: 12px; margin: 22px 0 }
.fact { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 10px 18px }
.fact b { display: block; font-size: 22px; font-variant-numeric: tabular-nums }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 16px }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px;
  min-width: 0 }
svg { width: 100%; height: auto; font-size: 13px } svg text { fill: var(--ink) } svg .quiet { fill: var(--quiet) }
.bar, path { stroke: var(--line); stroke-width: .5 } .ring, .hub { fill: none; stroke: var(--line) }
.wheel svg { max-width: 340px; display: block; margin: 0 auto }
.chips { display: flex; flex-wrap: wrap; gap: 10px } .chip { width: 104px; font-size: 12px; overflow-wrap: anywhere }
.chip i { display: block; height: 46px; border-radius: 8px; border: 1px solid var(--line); margin-bottom: 3px }
.photos { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 14px }
.photo { border: 1px solid var(--line); border-radius: 10px; overflow: hidden; font-size: 12.5px }
.photo img, .photo .gone { width: 100%; height: 220px; object-fit: contain; background: var(--ground); display: block }
.photo .gone { display: grid; place-items: center } .photo div.text { padding: 8px 10px 10px; overflow-wrap: anywhere }
.palette { display: flex; height: 20px; border-radius: 5px; overflow: hidden; border: 1px solid var(--line);
  margin: 2px 0 6px }
.dots i { display: inline-block; width: 15px; height: 15px; border-radius: 50%; border: 1px solid var(--line);
  vertical-align: -2px; margin-right: 4px }
table { border-collapse: collapse; width: 100% } td { padding: 3px 10px 3px 0; border-top: 1px solid var(--line) }
details { margin-top: 16px } pre { overflow-x: auto; font-size: 12.5px }
"""
# The fill of a bar that stands for no colour.
PLAIN = "var(--bar)"
# Taste: OKLCH lightness and chroma of the hue wheel's petals, inside sRGB for most hues.
PETAL_LIGHTNESS, PETAL_CHROMA = 0.68, 0.13


def report_html(summary: Summary, samples: Sequence[Sample]) -> str:
    """The whole page."""
    body = "".join((*_head(summary), *_charts(summary), _photos(samples), _details(summary)))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Backfill: {escape(summary.parameters.input)}</title><style>{STYLE}</style><body>{body}</body></html>\n"
    )


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
    yield "</div><p></p>"
    yield _section(
        "Fashion names", "The most frequent ones.", f"<div class=chips>{_chips(summary.colors_fashion)}</div>"
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


def _chips(names: Sequence[NamedShare]) -> str:
    return "".join(
        f'<div class=chip><i style="background:{one.hex}"></i>{escape(one.name)} '
        f"<span class=quiet>{one.share:.1%}</span></div>"
        for one in names
    )


def _bin_colors() -> list[str]:
    hues = (np.arange(HUE_BINS) + 0.5) * (360 / HUE_BINS)
    oklch = np.column_stack((np.full(HUE_BINS, PETAL_LIGHTNESS), np.full(HUE_BINS, PETAL_CHROMA), hues))
    return [rgb_to_hex(rgb * 255) for rgb in fit_srgb(oklch)]


def _photos(samples: Sequence[Sample]) -> str:
    cards = "".join(_photo(sample) for sample in samples)
    return f"<p></p>{_section('Samples', 'Spread evenly over the catalogue.', f'<div class=photos>{cards}</div>')}"


def _photo(sample: Sample) -> str:
    picture = (
        f'<img src="{sample.picture}" alt="">' if sample.picture else "<div class='gone quiet'>photo not found</div>"
    )
    garments = "".join(
        f"{escape(garment.category.replace('_', ' '))}<div class=palette>{_stripes(garment.colors)}</div>"
        for garment in sample.garments
    )
    dots = "".join(f'<i style="background:{hex}" title="{escape(name)}"></i>' for hex, name in sample.goes_with)
    names = ", ".join(escape(name) for _, name in sample.goes_with)
    goes_with = f"<span class=dots>{dots}</span>goes with {names}" if names else ""
    text = f"{garments}{goes_with}<br><span class=quiet>{escape(sample.id)}</span>"
    return f"<div class=photo>{picture}<div class=text>{text}</div></div>"


def _stripes(colors: Sequence[tuple[str, float]]) -> str:
    return "".join(f'<i style="background:{hex};flex:{share:.3f}"></i>' for hex, share in colors)


def _details(summary: Summary) -> str:
    shown = {"parameters": summary.parameters, "versions": summary.versions, "last_run": summary.last_run}
    text = msgspec.json.format(msgspec.json.encode(shown), indent=1).decode()
    return f"<details><summary>Parameters and versions</summary><pre>{escape(text)}</pre></details>"
