"""Tests the dashboard and the alert rules: queries, metrics, test cases and the runbook."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
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


def defined() -> set[str]:
    """The names of all samples that the metrics can have."""
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {family.name + ending for family in Metrics().registry.collect() for ending in endings[family.type]}


def queries() -> Iterator[str]:
    """Every query of the dashboard and of the rules."""
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (annotation["expr"] for annotation in dashboard["annotations"]["list"])
    yield from (rule["expr"] for rule in RULES)


@pytest.mark.parametrize("query", list(queries()))
def test_a_query_parses_and_its_metrics_exist(query: str) -> None:
    """No panel and no alert asks for a metric that does not exist."""
    promql_parser.parse(query.replace("$__rate_interval", INTERVAL))
    asked = set(METRIC.findall(query))
    assert asked
    assert asked <= defined() | RECORDED | {"ALERTS"}


def test_every_metric_is_on_the_dashboard() -> None:
    """The dashboard shows every metric; a histogram by its buckets or by sum and count."""
    seen = {re.sub("_(bucket|sum|count)$", "", name) for query in queries() for name in METRIC.findall(query)}
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in defined()} <= seen


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_has_both_cases_and_a_page_in_the_runbook(name: str) -> None:
    """Each alert has a case in which it fires, one in which it does not, and a chapter that names its severity."""
    cases = {case["name"] for case in yaml.safe_load((MONITORING / "alerts_test.yaml").read_text())["tests"]}
    assert {f"{name} fires", f"{name} is quiet"} <= cases
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
    times = re.compile(r"\[\d+[smh]\]|: \d+[smh]$", re.MULTILINE)
    assert len(times.findall(hurried(text))) == len(times.findall(text))
    assert "[6h]" not in hurried(text)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (apt-get install prometheus)")
def test_promtool_agrees(tmp_path: Path) -> None:
    """promtool accepts the configuration and the rules, and the alerts pass their cases."""
    folder = shutil.copytree(MONITORING, tmp_path / "monitoring")
    (folder / "metrics.key").write_text("ssk_0_0")
    checks = ("check config prometheus.yaml", "check rules alerts.yaml", "test rules alerts_test.yaml")
    for check in checks:
        done = subprocess.run(["promtool", *check.split()], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
