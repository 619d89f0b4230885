"""Measures what telemetry costs a request: `python -m tests.bench.telemetry` writes docs/results/telemetry.md.

The whole application in this process, with colours and with a photo, its phases in place; rounds of the variants follow
each other in turn, and the CPU time of a request is compared. Log lines go to a file; spans are encoded and dropped.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client.metrics import MetricWrapperBase

from serve.local.plan import REPOSITORY
from serve.observe import logs, tracing
from serve.settings import TracingSettings
from tests.bench.tables import write_section
from tests.serve.application import Application, app_of, running

PAGE = REPOSITORY / "docs" / "results" / "telemetry.md"
ROUNDS, COLORS_A_ROUND, PHOTOS_A_ROUND = 15, 60, 6
VARIANTS = ("none", "metrics", "metrics and log lines", "metrics, log lines and every trace")


class Thrown(SpanExporter):
    """An exporter that encodes as OTLP does and sends nothing."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        encode_spans(spans).SerializeToString()
        return SpanExportResult.SUCCESS


class Nothing:
    """A metric that counts nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_values, **_labels: None


@contextmanager
def variant(name: str) -> Iterator[TracerProvider]:
    """Turns metrics, log lines and traces on or off for the block."""
    logs.configure("info" if "log lines" in name else "critical")
    exporter = Thrown() if "trace" in name else None
    provider = tracing.configure(TracingSettings(sample_ratio=1.0), "advice", exporter=exporter)
    try:
        if name == "none":
            with mock.patch.object(MetricWrapperBase, "labels", return_value=Nothing()):
                yield provider
        else:
            yield provider
    finally:
        provider.force_flush()


async def round_ms(provider: TracerProvider, client: httpx.AsyncClient, request: dict[str, Any], times: int) -> float:
    """The CPU time of a request, ms."""
    began_s = time.process_time()
    for _ in range(times):
        answer = await client.post("/v1/advice", **request)
        assert answer.status_code == 200, answer.text
    provider.force_flush()
    return (time.process_time() - began_s) * 1000 / times


async def measure(application: Application) -> list[tuple[str, list[float], list[float]]]:
    """The CPU time of a colours request and of a photo, ms, for each variant and round."""
    photo = (REPOSITORY / "docs/samples/astronaut.jpg").read_bytes()
    colors = {"json": {"colors": ["navy", "#c19a6b"], "options": {"cache": "bypass"}}}
    image = {"files": {"image": ("p.jpg", photo, "image/jpeg")}, "data": {"options": '{"cache": "bypass"}'}}
    found = [(name, list[float](), list[float]()) for name in VARIANTS]
    transport = httpx.ASGITransport(app_of(application))
    headers = {"X-API-Key": application.keys["whole"]}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
        for number in range(ROUNDS + 1):
            for name, with_colors, with_photo in found:
                with variant(name) as provider:
                    times = (
                        await round_ms(provider, client, colors, COLORS_A_ROUND),
                        await round_ms(provider, client, image, PHOTOS_A_ROUND),
                    )
                # The first round finds everything cold.
                if number:
                    with_colors.append(times[0])
                    with_photo.append(times[1])
            sys.stderr.write(f"\rround {number} of {ROUNDS}")
    sys.stderr.write("\n")
    return found


def table(found: list[tuple[str, list[float], list[float]]]) -> str:
    """Medians, and the median difference to the variant without telemetry."""
    (_, bare_colors, bare_photo), *_rest = found
    lines = ["| what is on | colours, CPU ms | more | photo, CPU ms | more |", "|---|---|---|---|---|"]
    for name, with_colors, with_photo in found:
        cells = []
        for times, bare in ((with_colors, bare_colors), (with_photo, bare_photo)):
            more = statistics.median(one - other for one, other in zip(times, bare, strict=True))
            cells += [f"{statistics.median(times):.2f}", f"{more:+.2f} ms ({more / statistics.median(bare):+.1%})"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def main() -> None:
    """Measures, and writes the table into the page."""
    with (
        tempfile.TemporaryDirectory() as folder,
        (Path(folder) / "log").open("w") as log,
        redirect_stdout(log),
        mock.patch.object(logs, "_standard_output", return_value=log),
    ):
        async with running(Path(folder)) as application:
            found = await measure(application)
    text = table(found)
    sys.stdout.write(text + "\n")
    write_section("measured by python -m tests.bench.telemetry", text, PAGE)


if __name__ == "__main__":
    asyncio.run(main())
