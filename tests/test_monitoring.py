"""Tests the dashboard and the alert rules: queries, metrics, test cases and the runbook."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import ray
import yaml

from serve.observe.metrics import Metrics
from tests.reliability.alerts import hurried

ROOT = Path(__file__).parent.parent
MONITORING = ROOT / "configs" / "monitoring"
ALERTS = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
NAMES = [rule["alert"] for rule in RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
# This value replaces Grafana's variable.
INTERVAL = "5m"
METRIC = re.compile(r"\b(?:colormatch[a-z_:0-9]+|ALERTS)\b")
# Metrics that others export: Ray and Serve, HAProxy, NVIDIA's dcgm-exporter, redis_exporter, blackbox_exporter,
# kube-state-metrics, and Prometheus itself.
THEIRS = re.compile(r"\b(?:(?:ray|haproxy|redis|kube|probe)_[a-z_]+|DCGM_[A-Z_]+|up)\b(?=[\s{)\[]|$)")
DASHBOARDS = ("dashboard.json", "dashboard.cluster.json")
CONFIGS = ("prometheus.yaml", "prometheus.kubernetes.yaml")
# The alert that shows that alerts arrive is never quiet.
ALWAYS = {"ColorMatchWatchdog"}
# As these exporters' own documents and a running HAProxy 3.2 name them.
KNOWN = {
    "up",
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_GPU_UTIL",
    "DCGM_FI_DEV_MEM_COPY_UTIL", "DCGM_FI_DEV_XID_ERRORS",
    "haproxy_backend_active_servers", "haproxy_frontend_current_sessions", "haproxy_frontend_http_responses_total",
    "haproxy_server_http_responses_total",
    "kube_pod_status_phase",
    "probe_ssl_earliest_cert_expiry",
    "redis_evicted_keys_total", "redis_memory_max_bytes", "redis_memory_used_bytes", "redis_up",
}  # fmt: skip
# Ray's C++ part names these, and its Python part the others.
RAYS_OWN = {"ray_gcs_actors_count"}
RAY = Path(ray.__file__).parent


def defined() -> set[str]:
    """The names of all samples that the metrics can have."""
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {family.name + ending for family in Metrics().registry.collect() for ending in endings[family.type]}


def queries() -> Iterator[str]:
    """Every query of the dashboard and of the rules."""
    for name in DASHBOARDS:
        dashboard = json.loads((MONITORING / name).read_text())
        for panel in dashboard["panels"]:
            yield from (target["expr"] for target in panel.get("targets", ()))
        yield from (annotation["expr"] for annotation in dashboard["annotations"]["list"])
    yield from (rule["expr"] for rule in RULES)


@cache
def rays_metrics() -> frozenset[str]:
    """The names of metrics that Ray's Python code makes, as its exporter shows them."""
    files = [*(RAY / "serve/_private").glob("*.py"), RAY / "dashboard/modules/reporter/reporter_agent.py"]
    made = re.compile(r"(?:Gauge|Counter|Histogram)\(\s*\"([a-z_]+)\"")
    names = {f"ray_{name}" for file in files for name in made.findall(file.read_text())}
    return frozenset(name + ending for name in names for ending in ("", "_total", "_bucket", "_count")) | RAYS_OWN


@pytest.mark.parametrize("query", sorted(set(queries()) - {"vector(1)"}))
def test_a_query_parses_and_its_metrics_exist(query: str) -> None:
    """No panel and no alert asks for a metric that does not exist, of ours, of Ray, or of another exporter."""
    promql_parser.parse(query.replace("$__rate_interval", INTERVAL))
    ours, theirs = set(METRIC.findall(query)), set(THEIRS.findall(query))
    assert ours | theirs
    assert ours <= defined() | RECORDED | {"ALERTS"}
    assert theirs <= KNOWN | rays_metrics()


def test_a_panel_has_a_place_of_its_own() -> None:
    """No panel lies over another, ids are unique, and each dashboard leads to a trace and to the other dashboard."""
    for name in DASHBOARDS:
        dashboard = json.loads((MONITORING / name).read_text())
        places = [panel["gridPos"] for panel in dashboard["panels"]]
        cells = [
            (x, y)
            for at in places
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        ]
        assert len(set(cells)) == len(cells)
        assert max(x for x, _ in cells) < 24
        assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
        assert dashboard["links"][0]["url"] == "${tracing}/trace/${trace}"
        assert {"tracing", "trace"} <= {variable["name"] for variable in dashboard["templating"]["list"]}


def test_every_metric_is_on_the_dashboard() -> None:
    """The dashboard shows every metric; a histogram by its buckets or by sum and count."""
    seen = {re.sub("_(bucket|sum|count)$", "", name) for query in queries() for name in METRIC.findall(query)}
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in defined()} <= seen


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_has_both_cases_and_a_page_in_the_runbook(name: str) -> None:
    """Each alert has a case in which it fires, one in which it does not, and a chapter that names its severity."""
    cases = {case["name"] for case in yaml.safe_load((MONITORING / "alerts_test.yaml").read_text())["tests"]}
    assert {f"{name} fires", *({f"{name} is quiet"} if name not in ALWAYS else ())} <= cases
    (rule,) = (rule for rule in RULES if rule.get("alert") == name)
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    chapters = {
        title.lower().replace("'", "").replace(" ", "-"): text
        for title, text in re.findall(r"^## (.*)\n(.*)$", (ROOT / page).read_text(), re.MULTILINE)
    }
    assert f"**{rule['labels']['severity']}" in chapters[anchor].lower()


def test_every_time_is_a_tenth_when_rules_are_hurried() -> None:
    """Windows, waits and intervals are divided by ten. Thresholds and names stay."""
    assert hurried('expr: rate(x{a="5m"}[5m]) > 14.4\nfor: 10m\n') == 'expr: rate(x{a="5m"}[30s]) > 14.4\nfor: 60s\n'
    text = (MONITORING / "alerts.yaml").read_text()
    times = re.compile(r"\[\d+[smh]\]|: \d+[smh]$|offset \d+[smh](?=\))", re.MULTILINE)
    assert len(times.findall(hurried(text))) == len(times.findall(text))
    assert "[6h]" not in hurried(text)


@pytest.mark.parametrize("name", CONFIGS)
def test_everything_that_is_asked_for_is_scraped(name: str) -> None:
    """Each config has a job for every exporter that a query needs, and loads the alerts."""
    config = yaml.safe_load((MONITORING / name).read_text())
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    assert {"colormatch", "ray", "haproxy", "gpu", "redis", "certificate"} <= jobs
    assert "kubernetes" in jobs or name == "prometheus.yaml"
    assert config["rule_files"] == ["alerts.yaml"]
    assert config["alerting"]["alertmanagers"]


def test_prometheus_may_reach_the_ports_that_it_scrapes() -> None:
    """The pods' NetworkPolicy lets Prometheus in on each port of its jobs for them."""
    text = (MONITORING / "prometheus.kubernetes.yaml").read_text()
    jobs = yaml.safe_load(text)["scrape_configs"]
    rules = [rule for job in jobs if job["job_name"] in ("ray", "haproxy") for rule in job["relabel_configs"]]
    ports = {rule["replacement"].partition(":")[2] for rule in rules if rule.get("target_label") == "__address__"}
    policies = list(yaml.safe_load_all((ROOT / "configs/kubernetes/base/network.yaml").read_text()))
    (rays,) = (one for one in policies if one["metadata"]["name"] == "stylesync-ray")
    allowed = [rule["ports"] for rule in rays["spec"]["ingress"] if "stylesync-metrics" in str(rule)]
    assert ports == {"8080", "9101"}
    assert ports <= {str(port["port"]) for port in allowed[0]}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (apt-get install prometheus)")
def test_promtool_agrees(tmp_path: Path) -> None:
    """promtool accepts the configuration and the rules, and the alerts pass their cases."""
    folder = shutil.copytree(MONITORING, tmp_path / "monitoring")
    (folder / "metrics.key").write_text("ssk_0_0")
    kubernetes = yaml.safe_load((folder / "prometheus.kubernetes.yaml").read_text())
    for job in kubernetes["scrape_configs"]:
        # Some builds of promtool lack this discovery. All else of the file is checked.
        if job.pop("kubernetes_sd_configs", None) is not None:
            job["static_configs"] = [{"targets": ["pod"]}]
    (folder / "prometheus.kubernetes.yaml").write_text(yaml.safe_dump(kubernetes))
    configs = tuple(f"check config {name}" for name in CONFIGS)
    checks = (*configs, "check rules alerts.yaml", "test rules alerts_test.yaml")
    for check in checks:
        done = subprocess.run(["promtool", *check.split()], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
