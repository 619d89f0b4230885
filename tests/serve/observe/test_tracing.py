"""One trace from the HTTP request through the walk and the batcher, W3C context in and out, and one log line."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serve.observe import tracing
from serve.replica.batcher import Batcher, BatchLimits
from serve.settings import TracingSettings
from tests.serve.application import running

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
COLOURS = {"colors": ["navy"]}


class Spans:
    """The spans that this process would send, kept in memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = tracing.configure(TracingSettings(exporter="console"), "test", exporter=self._exporter)

    def finished(self) -> tuple[ReadableSpan, ...]:
        """The finished spans, in order."""
        self._provider.force_flush()
        return self._exporter.get_finished_spans()


@pytest.fixture
def spans() -> Iterator[Spans]:
    """Tracing into memory; afterwards it is off again."""
    yield Spans()
    tracing.configure(TracingSettings(exporter="off"), "test")


def finished(spans: Spans) -> dict[str, ReadableSpan]:
    """The spans by name."""
    return {span.name: span for span in spans.finished()}


def ids(span: ReadableSpan) -> tuple[str, str]:
    """A span's trace and its own id, hex."""
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def parent_of(span: ReadableSpan) -> str:
    """The id of the span's parent, hex."""
    assert span.parent is not None
    return f"{span.parent.span_id:016x}"


async def test_a_trace_goes_on_when_the_client_began_it(tmp_path: Path, spans: Spans) -> None:
    """The request's span is the client's child, the phase's is the request's, and the wire carries it to the phase."""
    async with running(tmp_path) as application:
        answer = await application.client.post("/v1/advice", json=COLOURS, headers={"traceparent": SAMPLED})
        payload = application.walk.harmony.payloads[-1]
    found = finished(spans)
    assert {ids(span)[0] for span in found.values()} == {TRACE}
    assert parent_of(found["request"]) == PARENT
    assert parent_of(found["harmony"]) == ids(found["request"])[1]
    assert f"00-{TRACE}-{ids(found['harmony'])[1]}-01".encode() in payload
    assert answer.headers["traceparent"] == f"00-{TRACE}-{ids(found['request'])[1]}-01"
    assert (found["request"].attributes or {})["http.route"] == "/v1/advice"


@pytest.mark.parametrize("given", ["", "00-0-0-01", f"00-{'0' * 32}-{PARENT}-01", "x\t" * 90, SAMPLED + "-more"])
async def test_a_new_trace_begins_when_the_clients_is_unsound(tmp_path: Path, spans: Spans, given: str) -> None:
    """An invalid W3C trace context is ignored."""
    async with running(tmp_path) as application:
        answer = await application.client.post("/v1/advice", json=COLOURS, headers={"traceparent": given})
    trace_id, _ = ids(finished(spans)["request"])
    assert trace_id not in (TRACE, "0" * 32)
    assert answer.headers["traceparent"].split("-")[1] == trace_id


async def test_nothing_is_recorded_when_a_client_does_not_sample(tmp_path: Path, spans: Spans) -> None:
    """An unsampled trace keeps its id, and the phases do not get it."""
    async with running(tmp_path) as application:
        answer = await application.client.post("/v1/advice", json=COLOURS, headers={"traceparent": UNSAMPLED})
        payload = application.walk.harmony.payloads[-1]
    assert finished(spans) == {}
    assert answer.headers["traceparent"].startswith(f"00-{TRACE}-")
    assert TRACE.encode() not in payload


async def test_a_batch_is_linked_to_all_of_its_photos(spans: Spans) -> None:
    """The span of a batch with photos of two traces is in the first trace and links to both."""

    def stage(items: Sequence[int]) -> Sequence[int]:
        time.sleep(0.05)
        return items

    batcher: Batcher[int, int] = Batcher([stage], BatchLimits(max_items=4, max_px=100))
    asked: dict[int, str] = {}

    async def one(number: int) -> None:
        with tracing.request({}) as span:
            asked[number] = tracing.trace_id_of(span)
            await batcher.submit(number, px=1, deadline_s=time.time() + 10 + number)

    await asyncio.gather(*(one(number) for number in range(3)))
    batches = [span for span in spans.finished() if span.name == "batch"]
    sizes = [(batch.attributes or {})["size"] for batch in batches]
    # The first item goes alone, because the device was free.
    assert sizes == [1, 2]
    linked = {f"{link.context.trace_id:032x}" for link in batches[1].links}
    assert linked == {asked[1], asked[2]}
    assert ids(batches[1])[0] == asked[1]


async def test_one_line_tells_a_request_when_it_is_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line has ids, names, times and the trace, but neither the key nor any of the request's content."""
    async with running(tmp_path) as application:
        headers = {"traceparent": SAMPLED, "X-Request-ID": "r-1"}
        await application.client.post("/v1/advice", json={"colors": ["rebeccapurple"]}, headers=headers)
        await application.client.get("/v1/healthz")
        await application.stranger.get("/junk%1b[31m?q=secret")
        key = application.keys["whole"]
    text = capsys.readouterr().out
    first, junk = (line for line in map(json.loads, text.splitlines()) if line["event"] == "request")
    assert first["trace_id"] == TRACE
    assert first["request_id"] == "r-1"
    assert first["key_id"] == key.split("_")[1]
    assert (first["route"], first["mode"], first["status"]) == ("/v1/advice", "colors", 200)
    assert {"harmony", "total"} <= set(first["timing_ms"])
    assert (junk["route"], junk["status"], junk["key_id"]) == ("none", 404, None)
    for secret in (key.split("_", 2)[2], "rebeccapurple", "663399", "secret", "junk"):
        assert secret not in text
