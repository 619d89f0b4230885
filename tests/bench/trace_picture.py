"""Draws a real trace as docs/trace.png: `python -m tests.bench.trace_picture` starts the application.

The third photo is drawn: the first ones find everything cold.
"""

import sys
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageDraw

from pipeline.picture.blocks import CARD, INK, LINE, PAPER, SOFT, line
from serve.local.plan import REPOSITORY
from tests.cluster.application import LAUNCHER, interrupt_group, launch, photo_form, stop, wait_until_ready
from tests.cluster.traces import EXPORTED, IN_A_PHOTO, SpanRecord, spans_of

OUT = REPOSITORY / "docs" / "trace.png"
COLORS = {"advice": "#3f6fb5", "segmentation": "#8a4fa3", "extraction": "#c06a2b", "harmony": "#2f8f6b"}
ROW_PX, NAMES_PX, BARS_PX, MARGIN_PX, TEXT_PX = 34, 300, 900, 32, 16
WITHIN_S = 30.0


def main() -> None:
    """Starts the application, sends a request, draws its trace and stops the application."""
    photo = (REPOSITORY / "docs/samples/astronaut.jpg").read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        application = wait_until_ready(launch(Path(folder) / "dev", LAUNCHER, **EXPORTED))
        try:
            for number in range(1, 4):
                trace_id = f"{number:032x}"
                headers = {"traceparent": f"00-{trace_id}-{number:016x}-01"}
                with application.client() as client:
                    client.post("/v1/advice", headers=headers, **photo_form(photo, cache="bypass")).raise_for_status()
            spans = _wait_for(application.run_folder, trace_id)
        finally:
            stop(application.launch, interrupt_group)
    draw(spans).save(OUT, optimize=True)
    sys.stdout.write(f"{len(spans)} spans -> {OUT.relative_to(REPOSITORY)}\n")


def draw(spans: list[SpanRecord]) -> Image.Image:
    """Draws a row for each span: its name, indented under its parent's, and its time since the trace's start."""
    begin_s, end_s = spans[0].start_s, max(span.end_s for span in spans)
    height = MARGIN_PX * 2 + 48 + ROW_PX * len(spans)
    page = Image.new("RGB", (NAMES_PX + BARS_PX + MARGIN_PX * 3, height), PAPER)
    pen = ImageDraw.Draw(page)
    _put(page, line(f"One photo's trace: {(end_s - begin_s) * 1000:.0f} ms", 22, bold=True), MARGIN_PX, MARGIN_PX)
    x = MARGIN_PX + NAMES_PX + 120
    for name, color in COLORS.items():
        pen.rectangle((x, MARGIN_PX + 8, x + 14, MARGIN_PX + 22), fill=color)
        _put(page, line(f"{name} process", TEXT_PX, color=SOFT), x + 22, MARGIN_PX + 4)
        x += 215
    depths = dict[str, int]()
    for row, span in enumerate(spans):
        top = MARGIN_PX + 48 + row * ROW_PX
        depths[span.id] = depth = depths.get(span.parent, -1) + 1
        left = MARGIN_PX + NAMES_PX
        pen.rectangle((left, top, left + BARS_PX, top + ROW_PX - 1), fill=CARD, outline=LINE)
        _put(page, line(span.name, TEXT_PX, color=INK), MARGIN_PX + depth * 22, top + 5)
        start, end = (left + (at - begin_s) / (end_s - begin_s) * BARS_PX for at in (span.start_s, span.end_s))
        pen.rectangle((start, top + 7, max(end, start + 2), top + ROW_PX - 9), fill=COLORS[span.component])
        told = line(f"{(span.end_s - span.start_s) * 1000:.1f} ms", 13, color=SOFT)
        fits = end + 6 + told.width < left + BARS_PX
        _put(page, told, round(end + 6 if fits else start - told.width - 6), top + 8)
    return page


def _put(page: Image.Image, block: Image.Image, x: int, y: int) -> None:
    page.paste(block, (x, y), block)


def _wait_for(run_folder: Path, trace_id: str) -> list[SpanRecord]:
    end_s = time.monotonic() + WITHIN_S
    while time.monotonic() < end_s:
        spans = spans_of(run_folder, trace_id)
        if {span.name for span in spans} >= IN_A_PHOTO:
            return spans
        time.sleep(0.5)
    raise RuntimeError("The trace's spans did not come.")


if __name__ == "__main__":
    main()
