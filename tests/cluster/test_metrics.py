"""Tests the metrics of a running application, seen from outside."""

import re
import time

import httpx
from prometheus_client.parser import text_string_to_metric_families

from serve.observe.metrics import PHASES
from tests.cluster.application import photo_form, wait_until
from tests.test_monitoring import METRIC, RECORDED, queries

# Only a GPU has this metric.
ELSEWHERE = {"colormatch_device_memory_bytes"}


def scraped(client: httpx.Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """A scrape's samples by name and labels."""
    text = client.get("/v1/metrics").raise_for_status().text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(client: httpx.Client, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    wanted = set(labels.items())
    return sum(value for (sample, has), value in scraped(client).items() if sample == name and wanted <= set(has))


def test_every_request_is_counted_when_its_replica_has_reported(client: httpx.Client) -> None:
    """The sum over the replicas equals the number of requests, and stays there."""
    name, labels = "colormatch_http_requests_total", {"route": "/v1/advice", "mode": "colors", "status": "200"}
    # The reports of other tests' requests arrive meanwhile.
    time.sleep(2)
    before = total(client, name, **labels)
    for number in range(20):
        client.post("/v1/advice", json={"colors": [f"#0000{number:02x}"]}).raise_for_status()
    wait_until(lambda: total(client, name, **labels) == before + 20)


def test_each_replica_reports_when_a_photo_was_answered(client: httpx.Client, astronaut: bytes) -> None:
    """Phases report their waits, batches, compute times and network."""
    client.post("/v1/advice", **photo_form(astronaut, cache="bypass")).raise_for_status()
    for phase in PHASES:
        wait_until(lambda phase=phase: total(client, "colormatch_compute_seconds_count", phase=phase) > 0)  # type: ignore[misc]
        assert total(client, "colormatch_replicas", component=phase) >= 1
    assert total(client, "colormatch_batch_size_count") > 0
    assert total(client, "colormatch_model_info", model="lite2-parse-384") == 1
    wait_until(lambda: total(client, "colormatch_phase_ready", phase="harmony") >= 1)


def test_every_metric_of_the_dashboard_exists_when_the_application_runs(client: httpx.Client) -> None:
    """A running application exports every metric of the dashboard and the alerts."""
    text = client.get("/v1/metrics").text
    shown = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    asked = {re.sub("_(bucket|sum|count|total)$", "", name) for query in queries() for name in METRIC.findall(query)}
    known = {re.sub("_total$", "", name) for name in shown}
    assert asked - {re.sub("_total$", "", name) for name in RECORDED} - {"ALERTS"} - ELSEWHERE <= known
