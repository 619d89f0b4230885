"""Defines every metric of the application, and reports what a replica counts.

Each replica reports cumulative figures, which serve/observe/hub.py merges. Clients cannot choose any label value:
routes are templates, statuses and phases are few, and keys and ids are never labels.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import get_args

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from pipeline.types import PhaseName
from serve.version import VERSION
from serve.vocabulary import BREAKER_STATES, LAYERS

PHASES: tuple[PhaseName, ...] = get_args(PhaseName)
# Taste: the buckets of durations; every default time budget is one of them.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.9, 1.2, 1.6, 2.5, 5.0)
# Standard: the powers of two up to the largest batch that serve.settings allows.
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
# Taste: a changed report is pushed after 2 s, an unchanged one after 6 s. That of a busy ingress takes its thread 11 ms
# of CPU on a slow core, as much as a photo's harmony.
PUSH_S, HEARTBEAT_S = 2.0, 6.0
# Taste: shares of equal pixels; two trainings of one network agree on 0.97 of a photo.
AGREEMENTS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 1.0)
# Taste: ΔE00; 1 is just visible, 10 is another colour (pipeline/color/difference.py).
DIFFERENCES = (0.5, 1, 2, 3, 5, 7, 10, 15, 20, 40)
CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
GARMENTS = (0, 1, 2, 3, 4, 5, 6, 8, 12)

Labels = tuple[tuple[str, str], ...]
Push = Callable[[bytes], None]


class Family(msgspec.Struct, frozen=True):
    """One metric in a report. samples: (name, labels, value)."""

    name: str
    kind: str
    help: str
    samples: tuple[tuple[str, Labels, float], ...]


class Metrics:
    """The metrics of one replica, or of a process without Ray."""

    def __init__(self, component: str = "advice") -> None:
        """component: `advice`, or the phase that this replica serves."""
        self.registry = CollectorRegistry(auto_describe=False)
        # These functions update the gauges before every report.
        self.before_report: list[Callable[[], None]] = []
        self._requests()
        self._walk()
        self._networks()
        self._replica(component)

    def _requests(self) -> None:
        self.requests = self._counter("http_requests", "Requests answered.", "route", "mode", "status")
        self.request_seconds = self._histogram(
            "http_request_duration_seconds", "From a request's first byte to its answer's last.", "route", "mode"
        )
        self.rate_limited = self._counter("rate_limited", "Requests beyond a key's limit.", "limit")
        self.limits_local = self._counter("limits_local", "Requests counted without the state store.")
        self.shed = self._counter("admission_shed", "Photos refused because no slot was free.")
        self.seats = self._gauge("admission_seats", "The concurrency limit for photos, as admission adapts it.")
        self.seats_taken = self._gauge("admission_seats_taken", "Photos in progress.")

    def _walk(self) -> None:
        self.phase_seconds = self._histogram(
            "phase_duration_seconds", "A step of a request; source: computed, cache, fallback.", "phase", "source"
        )
        self.calls = self._counter("phase_calls", "Calls of a phase by outcome.", "phase", "outcome")
        self.retries = self._counter("phase_retries", "Calls repeated because a replica was lost.", "phase")
        self.degraded = self._counter("degraded_answers", "Answers in which a phase was replaced.", "phase")
        self.breaker_state = self._gauge("breaker_state", "Ingress replicas by breaker state.", "phase", "state")
        self.breaker_changes = self._counter("breaker_transitions", "State changes of a breaker.", "phase", "to")
        self.lookups = self._counter(
            "cache_lookups", "Lookups: L0 in the replica, L1 answers, L2 phases.", "level", "layer", "result"
        )
        self.writes = self._counter("cache_writes", "Values written to the store.", "layer", "result")
        self.store_up = self._gauge("store_up", "Ingress replicas that reach the store.", "store")
        self.config_refused = self._gauge(
            "config_refused", "Replicas that refused the latest user_config and keep the one before.", "deployment"
        )
        self.phase_absent = self._gauge("phase_absent", "Ingress replicas that know no replica of a phase.", "phase")
        self.phase_ready = self._gauge("phase_ready", "Ingress replicas that a phase answered lately.", "phase")

    def _networks(self) -> None:
        """What networks find in new photos, by their version, and how the canary compares."""
        self.segmentation_seconds = self._histogram(
            "segmentation_seconds", "A photo's segmentation as an ingress replica sees it.", "segmenter"
        )
        self.photos = self._counter(
            "photos", "New photos by what their network found: garments, empty, degraded.", "segmenter", "result"
        )
        self.garments = self._counter("garments", "Garments in new photos.", "segmenter", "kind")
        self.garment_confidence = self._histogram(
            "garment_confidence", "Confidence in a garment's kind.", "segmenter", buckets=CONFIDENCES
        )
        self.garments_per_photo = self._histogram(
            "garments_per_photo", "Garments of a new photo.", "segmenter", buckets=GARMENTS
        )
        self.canary_calls = self._counter("canary_calls", "Photos meant for the canary.", "mode", "outcome")
        self.canary_ready = self._gauge("canary_ready", "Ingress replicas that can give photos to the canary.")
        self.shadow_labels = self._histogram(
            "shadow_label_agreement", "Share of a photo's pixels on which the two agree.", "segmenter",
            buckets=AGREEMENTS,
        )  # fmt: skip
        self.shadow_palette = self._histogram(
            "shadow_palette_de00", "Delta E00 of a garment's main colour.", "segmenter", buckets=DIFFERENCES
        )
        self.shadow_garments = self._counter(
            "shadow_garments", "Garments of compared photos: both, main, canary.", "segmenter", "found_by"
        )
        self.shadow_seconds = self._histogram(
            "shadow_seconds",
            "A compared photo's segmentation, by the main network and the canary.",
            "segmenter",
            "role",
        )

    def counts_photo(self, segmenter: str, garments: Sequence[tuple[str, float | None]], *, degraded: bool) -> None:
        """Counts what a network found in a new photo: kind and confidence of each garment.

        Of a degraded photo only that fact is counted: a fallback found its garments.
        """
        self.photos.labels(segmenter, "degraded" if degraded else "garments" if garments else "empty").inc()
        if degraded:
            return
        self.garments_per_photo.labels(segmenter).observe(len(garments))
        for kind, confidence in garments:
            self.garments.labels(segmenter, kind).inc()
            if confidence is not None:
                self.garment_confidence.labels(segmenter).observe(confidence)

    def _replica(self, component: str) -> None:
        self.queue_wait = self._histogram("queue_wait_seconds", "From arrival at a replica to work begun.", "phase")
        self.compute_seconds = self._histogram("compute_seconds", "Work of a replica on one batch.", "phase")
        self.batch_size = self._histogram("batch_size", "Photos of a batch.", "phase", buckets=BATCH_SIZES)
        self.queued = self._gauge("queued", "Items that wait for work to begin.", "phase")
        self.dropped = self._counter("dropped", "Items that were not answered.", "phase", "reason")
        self.device_memory = self._gauge("device_memory_bytes", "Memory of the replicas' devices.", "kind")
        self.model_info = self._gauge("model_info", "The network.", "model", "weights", "dtype", "device")
        self._gauge("build_info", "The application's version.", "version").labels(VERSION).set(1)
        self._gauge("replicas", "Replicas that report.", "component").labels(component).set(1)

    def expect_requests(self) -> None:
        """Shows what an ingress replica will count at 0, because a rate needs a first value."""
        for phase in PHASES:
            self.degraded.labels(phase)
            self.retries.labels(phase)
            for outcome in ("ok", "timeout", "failed", "absent", "refused", "overloaded", "rejected"):
                self.calls.labels(phase, outcome)
            for state in BREAKER_STATES:
                self.breaker_changes.labels(phase, state)
        for layer in LAYERS:
            for result in ("hit", "miss", "unavailable", "damaged"):
                self.lookups.labels("L1" if layer == "advice" else "L2", layer, result)
            self.writes.labels(layer, "failed")
        for limit in ("minute", "concurrent"):
            self.rate_limited.labels(limit)

    def counts_request(self, route: str, mode: str, status: int, took_s: float) -> None:
        """Counts an answer. status: 0 when the client left before it."""
        self.requests.labels(route, mode, str(status)).inc()
        self.request_seconds.labels(route, mode).observe(took_s)

    def counts_call(self, phase: PhaseName) -> Callable[[str], None]:
        """Makes a function that counts a phase's calls by outcome; `retried` counts a retry."""
        return lambda outcome: (
            self.retries.labels(phase) if outcome == "retried" else self.calls.labels(phase, outcome)
        ).inc()

    def counts_limit(self, what: str) -> None:
        """Counts a request beyond a limit, `minute` or `concurrent`, or one counted without the store, `local`."""
        (self.limits_local if what == "local" else self.rate_limited.labels(what)).inc()

    def counts_lookup(self, level: str, layer: str, result: str) -> None:
        """Counts a lookup in a cache."""
        self.lookups.labels(level, layer, result).inc()

    def counts_write(self, layer: str, result: str) -> None:
        """Counts a write to the cache store."""
        self.writes.labels(layer, result).inc()

    def text(self) -> bytes:
        """This replica's own metrics as Prometheus text."""
        self._update()
        return generate_latest(self.registry)

    def knows_model(self, version: str) -> None:
        """Reports the network by its version, `id:weights-hash:dtype:device`."""
        self.model_info.labels(*(version.split(":") + [""] * 4)[:4]).set(1)

    def report(self) -> bytes:
        """Everything counted so far, encoded."""
        self._update()
        families = [
            Family(
                one.name,
                one.type,
                one.documentation,
                tuple(
                    (sample.name, tuple(sample.labels.items()), sample.value)
                    for sample in one.samples
                    if not sample.name.endswith("_created")
                ),
            )
            for one in self.registry.collect()
        ]
        return msgspec.msgpack.encode(families)

    def _update(self) -> None:
        for update in self.before_report:
            update()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"colormatch_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"colormatch_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str, buckets: Sequence[float] = SECONDS) -> Histogram:
        return Histogram(f"colormatch_{name}", text, labels, registry=self.registry, buckets=buckets)


class Reporter:
    """Pushes a replica's report about every PUSH_S from its own thread, so that no request waits for it.

    An unchanged report is pushed every HEARTBEAT_S as a heartbeat. A report that fails is made up for by the next.
    """

    def __init__(self, metrics: Metrics, push: Push, *, every_s: float = PUSH_S) -> None:
        self._metrics = metrics
        self._push = push
        self._every_s = every_s
        self._sent = b""
        self._silent_s = 0.0
        threading.Thread(target=self._run, name="metrics", daemon=True).start()

    def _run(self) -> None:
        # The first report starts the hub's process: so it begins while replicas start, and not beside the first photo.
        while True:
            self._report()
            time.sleep(self._every_s)

    def _report(self) -> None:
        report = self._metrics.report()
        self._silent_s += self._every_s
        if report == self._sent and self._silent_s < HEARTBEAT_S:
            return
        try:
            self._push(report)
        # Any error may be ignored: the figures are cumulative, so the next push makes up for this one.
        except Exception:
            return
        self._sent, self._silent_s = report, 0.0


def families_of(report: bytes) -> list[Family]:
    """Decodes a report."""
    return msgspec.msgpack.decode(report, type=list[Family])


def is_counted(family: Family) -> bool:
    """Whether the family's samples only ever grow."""
    return family.kind in ("counter", "histogram")
