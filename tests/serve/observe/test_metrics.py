"""The metrics of a replica, and their sum over replicas that come and go."""

import queue
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from serve.observe.hub import DEPARTED_S, LIVING_S, Hub
from serve.observe.metrics import Metrics, Reporter, families_of
from tests.serve.application import Application, form, running

NAVY = {"colors": ["navy"]}


@pytest_asyncio.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    """An application without any requests yet."""
    async with running(tmp_path) as found:
        yield found


def figures(text: bytes | str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """A scrape's samples by name and labels."""
    read = text.decode() if isinstance(text, bytes) else text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(read)
        for sample in family.samples
    }


def of(text: bytes | str, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    wanted = set(labels.items())
    return sum(value for (sample, has), value in figures(text).items() if sample == name and wanted <= set(has))


async def scraped(application: Application) -> str:
    """The metrics as a client gets them."""
    response = await application.client.get("/v1/metrics")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return response.text


def test_a_metric_is_described_in_ascii() -> None:
    """Ray's exporter takes no other letter, and a replica whose export fails reports nothing at all any more."""
    for family in Metrics().registry.collect():
        assert (family.name + family.documentation).isascii(), family.name


async def test_requests_are_counted_by_route_mode_and_status(application: Application) -> None:
    """Each answer counts once under its route's template, whatever its status."""
    before = await scraped(application)
    await application.client.post("/v1/advice", json=NAVY)
    await application.client.post("/v1/advice", **form(cache="bypass"))
    await application.client.post("/v1/advice", json={"colors": []})
    await application.client.get("/v1/healthz")
    after = await scraped(application)

    def more(**labels: str) -> float:
        name = "colormatch_http_requests_total"
        return of(after, name, **labels) - of(before, name, **labels)

    assert more(route="/v1/advice", mode="colors", status="200") == 1
    assert more(route="/v1/advice", mode="image", status="200") == 1
    assert more(route="/v1/advice", mode="", status="422") == 1
    assert more(route="/v1/healthz") == 1
    # The first scrape counts too.
    assert more() == 5
    assert of(after, "colormatch_http_request_duration_seconds_count") == of(after, "colormatch_http_requests_total")


async def test_junk_makes_no_series(application: Application) -> None:
    """Addresses, methods and ids that clients invent share one series."""
    before = await scraped(application)
    for number in range(300):
        await application.client.get(f"/junk/{number}", headers={"X-Request-ID": f"junk-{number}"})
        await application.client.request(f"JUNK{number % 20}", f"/v1/junk{number}")
    after = await scraped(application)
    assert of(after, "colormatch_http_requests_total", route="none") >= 600
    assert len(figures(after)) - len(figures(before)) < 50
    assert "junk" not in after.lower()


async def test_phases_caches_and_seats_are_told(application: Application) -> None:
    """The same photo twice is computed first and then comes from the cache in this process."""
    before = await scraped(application)
    for _ in range(2):
        await application.client.post("/v1/advice", **form(max_suggestions=3))
    after = await scraped(application)
    for phase in ("segmentation", "extraction", "harmony"):
        assert of(after, "colormatch_phase_calls_total", phase=phase, outcome="ok") > of(
            before, "colormatch_phase_calls_total", phase=phase, outcome="ok"
        )
        assert of(after, "colormatch_breaker_state", phase=phase, state="closed") == 1
    hits = {"level": "L0", "layer": "advice", "result": "hit"}
    assert (
        of(after, "colormatch_cache_lookups_total", **hits) == of(before, "colormatch_cache_lookups_total", **hits) + 1
    )
    assert of(after, "colormatch_admission_seats") >= 1
    assert of(after, "colormatch_admission_seats_taken") == 0


async def test_degraded_answers_and_breakers_are_counted(tmp_path: Path) -> None:
    """A failing phase shows in degraded answers, its calls by outcome, and the breaker's opening."""
    async with running(tmp_path) as application:
        application.walk.phase("extraction").error = RuntimeError("broken")
        for _ in range(12):
            await application.client.post("/v1/advice", **form(cache="bypass"))
        text = await scraped(application)
    assert of(text, "colormatch_degraded_answers_total", phase="extraction") == 12
    assert of(text, "colormatch_phase_calls_total", phase="extraction", outcome="failed") == 10
    assert of(text, "colormatch_phase_calls_total", phase="extraction", outcome="refused") == 2
    assert of(text, "colormatch_breaker_transitions_total", phase="extraction", to="open") == 1
    assert of(text, "colormatch_breaker_state", phase="extraction", state="open") == 1
    assert of(text, "colormatch_phase_duration_seconds_count", phase="extraction", source="fallback") == 12


async def test_a_phase_without_a_replica_is_told(tmp_path: Path) -> None:
    """Its gauge is 1, its calls count as absent and not as failed, and readiness shows no replica."""
    async with running(tmp_path) as application:
        application.walk.phase("harmony").running = 0
        application.walk.phase("extraction").running = 2
        for _ in range(12):
            await application.client.post("/v1/advice", **form(cache="bypass"))
        text = await scraped(application)
        phases = (await application.stranger.get("/v1/readyz")).json()["phases"]
    assert of(text, "colormatch_phase_absent", phase="harmony") == 1
    assert of(text, "colormatch_phase_absent", phase="extraction") == 0
    assert of(text, "colormatch_phase_calls_total", phase="harmony", outcome="absent") == 12
    assert of(text, "colormatch_phase_calls_total", phase="harmony", outcome="failed") == 0
    assert of(text, "colormatch_breaker_state", phase="harmony", state="closed") == 1
    assert [phases[name]["replicas"] for name in ("segmentation", "extraction", "harmony")] == [None, 2, 0]


async def test_limits_are_counted(application: Application) -> None:
    """A refused request counts under the limit's name, not the key's."""
    before = of(await scraped(application), "colormatch_rate_limited_total", limit="minute")
    few = {"X-API-Key": application.keys["few"]}
    statuses = [(await application.stranger.post("/v1/advice", json=NAVY, headers=few)).status_code for _ in range(6)]
    text = await scraped(application)
    assert of(text, "colormatch_rate_limited_total", limit="minute") - before == statuses.count(429) > 0
    assert not re.search("ssk_|tenant|few", text)


@pytest.mark.parametrize(("key", "status"), [("metrics", 200), ("few", 403), (None, 401)])
async def test_metrics_need_their_scope(application: Application, key: str | None, status: int) -> None:
    """A key with the scope advice cannot read the metrics."""
    headers = {"X-API-Key": application.keys[key]} if key else {}
    assert (await application.stranger.get("/v1/metrics", headers=headers)).status_code == status


# --- the sum over replicas ------------------------------------------------------------------------------------
def replica(shed: int) -> Metrics:
    """The report of a replica that refused a number of photos."""
    made = Metrics()
    made.shed.inc(shed)
    made.knows_model("a:b:fp32:cpu")
    return made


def test_replicas_are_summed_and_none_is_lost_when_it_dies() -> None:
    """A departed replica's counters stay and its gauges go; its late report is not counted again."""
    now = [0.0]
    hub = Hub(clock=lambda: now[0])
    hub.push("a", replica(3).report())
    hub.push("b", replica(4).report())
    assert (of(hub.text(), "colormatch_admission_shed_total"), of(hub.text(), "colormatch_replicas")) == (7, 2)
    assert of(hub.text(), "colormatch_model_info") == 1
    for now[0] in (LIVING_S + 1, DEPARTED_S + 1):
        hub.push("b", replica(5).report())
        assert (of(hub.text(), "colormatch_admission_shed_total"), of(hub.text(), "colormatch_replicas")) == (8, 1)
    hub.push("a", replica(3).report())
    assert of(hub.text(), "colormatch_admission_shed_total") == 8


def test_no_counter_runs_backwards_when_the_hub_is_started_anew() -> None:
    """A restarted hub knows what was shown: live replicas report again, and departed ones stay counted."""
    kept = list[bytes]()
    first = Hub(keep=kept.append)
    first.push("a", replica(3).report())
    first.push("b", replica(4).report())
    shown = of(first.text(), "colormatch_admission_shed_total")
    second = Hub(kept=kept[-1])
    assert of(second.text(), "colormatch_admission_shed_total") == shown == 7
    second.push("b", replica(9).report())
    assert of(second.text(), "colormatch_admission_shed_total") == 12


def test_a_report_twice_counts_once() -> None:
    """Reports are cumulative, so a repeated or lost one does no harm."""
    hub = Hub()
    report = replica(2).report()
    for _ in range(3):
        hub.push("a", report)
    assert of(hub.text(), "colormatch_admission_shed_total") == 2


def test_a_report_goes_out_at_once_when_a_replica_starts() -> None:
    """The first report does not wait: it starts the hub, whose process would else start beside the first photos."""
    pushed: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    Reporter(Metrics(), pushed.put, every_s=3600)
    names = {family.name for family in families_of(pushed.get(timeout=10))}
    assert "colormatch_http_requests" in names
