"""Traces a request from HTTP through the phases to the stores, with OpenTelemetry.

The W3C trace context comes in as `traceparent`, goes to the phases inside the wire's messages, and returns in the
answer. A span holds names, times and counts, and nothing else of a request. A request that is not sampled, and every
request while the exporter is off, has a trace id for its log line and makes no further span.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from serve.settings import TracingSettings
from serve.version import VERSION

# Standard: W3C Trace Context; a longer `tracestate` is dropped.
TRACESTATE_CHARS = 512
_propagator = TraceContextTextMapPropagator()
_provider = TracerProvider(sampler=ALWAYS_OFF)


def configure(settings: TracingSettings, component: str, *, exporter: SpanExporter | None = None) -> TracerProvider:
    """Sets up where this process sends its spans, and for which share of the traces; returns the provider.

    exporter: replaces the one that the settings name. OTLP's address and headers come from OpenTelemetry's own
    variables (OTEL_EXPORTER_OTLP_ENDPOINT …).
    """
    global _provider
    exporter = exporter or _exporter(settings)
    sampler = ParentBased(TraceIdRatioBased(settings.sample_ratio)) if exporter else ALWAYS_OFF
    resource = Resource.create({"service.name": "colormatch", "service.version": VERSION, "component": component})
    _provider = TracerProvider(sampler=sampler, resource=resource)
    if exporter:
        _provider.add_span_processor(BatchSpanProcessor(exporter))
    return _provider


def _exporter(settings: TracingSettings) -> SpanExporter | None:
    if settings.exporter == "console":
        return ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + "\n")
    if settings.exporter == "otlp":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter()
    return None


@contextmanager
def request(headers: Mapping[str, str]) -> Iterator[Span]:
    """Starts the span of an HTTP request, which continues the client's trace when its `traceparent` is valid."""
    given = {"traceparent": headers.get("traceparent", "")}
    if len(state := headers.get("tracestate", "")) <= TRACESTATE_CHARS:
        given["tracestate"] = state
    with _started("request", SpanKind.SERVER, context=_propagator.extract(given)) as span:
        yield span


@contextmanager
def span(name: str, kind: SpanKind = SpanKind.INTERNAL, **attributes: Any) -> Iterator[Span]:
    """Starts a span within the current one, unless that is not recorded."""
    if not trace.get_current_span().is_recording():
        yield INVALID_SPAN
        return
    with _started(name, kind, attributes=attributes) as started:
        yield started


@contextmanager
def continued(traceparent: str, name: str, *, linked: Sequence[str] = (), **attributes: Any) -> Iterator[Span]:
    """Starts a span in another process's trace. linked: the traceparents of all requests that it serves."""
    if not traceparent:
        yield INVALID_SPAN
        return
    links = [Link(trace.get_current_span(_context(parent)).get_span_context()) for parent in linked if parent]
    with _started(name, SpanKind.CONSUMER, context=_context(traceparent), links=links, attributes=attributes) as begun:
        yield begun


def traceparent() -> str:
    """The current span as a `traceparent`; empty when it is not recorded."""
    return header_of(present) if (present := trace.get_current_span()).is_recording() else ""


def header_of(span: Span) -> str:
    """A span as a `traceparent`."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def trace_id_of(span: Span) -> str:
    """The id of the span's trace, in hex."""
    return f"{span.get_span_context().trace_id:032x}"


def _context(traceparent: str) -> Any:
    return _propagator.extract({"traceparent": traceparent})


@contextmanager
def _started(name: str, kind: SpanKind, **options: Any) -> Iterator[Span]:
    """Starts a span that records only the class of an error, because its text may contain what a client sent."""
    tracer = _provider.get_tracer("stylesync")
    with tracer.start_as_current_span(
        name, kind=kind, record_exception=False, set_status_on_exception=False, **options
    ) as started:
        try:
            yield started
        except BaseException as error:
            started.set_status(StatusCode.ERROR, type(error).__name__)
            raise
