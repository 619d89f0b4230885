"""Proves the shipped alert rules with injected faults: `python -m tests.reliability.alerts [--only NAME …]`.

The command runs the application and a real Prometheus with configs/monitoring, whose times are cut to a tenth. Each
alert must fire while its fault lasts, and end after it. The command prints a table and puts it into
docs/results/alerts.md. It needs `prometheus` (apt-get install prometheus). ColorMatchDeviceMemory needs a GPU, so
only promtool's cases test it.
"""

import argparse
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import redis
import yaml

from serve.keys.records import read_keys, write_keys
from serve.local.plan import REPOSITORY
from serve.local.processes import HOST, free_port
from tests.bench.tables import write_section
from tests.reliability import layouts, load
from tests.reliability.cluster import Cluster, cluster, wait_until
from tests.reliability.faults import Fault

MONITORING = REPOSITORY / "configs" / "monitoring"
DOCUMENT = REPOSITORY / "docs" / "results" / "alerts.md"
SECTION = "tried by make prove-alerts"
CALM = {"new": 0.5, "colors": 0.5}
# Taste: the factor by which every time of the rules is divided.
HASTE = 10
# Taste: the longest wait for an alert, and the length of the load without a fault.
WITHIN_S = 150.0
QUIET_S = 30.0
PLAIN = layouts.layout(1)
PATIENT = layouts.with_user_config(PLAIN, budgets=layouts.AMPLE)


@dataclass(frozen=True, slots=True)
class Trial:
    """A fault and the alerts that it must raise, under a load of per_s requests per second."""

    what: str
    alerts: tuple[str, ...]
    inject: Callable[[Cluster], None]
    repair: Callable[[Cluster], None]
    per_s: float = 1.0
    kinds: dict[str, float] = field(default_factory=lambda: CALM)
    config: layouts.Config | None = None


def _fault(phase: str, fault: Fault) -> Callable[[Cluster], None]:
    return lambda at: at.faults.put(phase, fault)


def _heal(at: Cluster) -> None:
    at.faults.heal()


def _nothing(_at: Cluster) -> None:
    return


def _revoke(at: Cluster) -> None:
    path = at.folder / "dev/keys.json"
    write_keys(path, [replace(record, scopes=("advice",)) for record in read_keys(path)])


def _allow(at: Cluster) -> None:
    path = at.folder / "dev/keys.json"
    write_keys(path, [replace(record, scopes=("advice", "uploads", "metrics")) for record in read_keys(path)])


def _damage(at: Cluster) -> None:
    """Overwrites the cache's values, as another writer could."""
    with redis.Redis.from_url(at.cache.url) as client:
        for key in client.scan_iter("segmentation:*"):
            client.set(key, b"not ours", keepttl=True)


def _hang_network(at: Cluster) -> None:
    """Stops the replica's process, so that it neither answers nor dies."""
    for replica in at.replicas("Segmentation"):
        replica.suspend()


def _kill_network(at: Cluster) -> None:
    for replica in at.replicas("Segmentation"):
        replica.kill()


TRIALS = {
    "broken": Trial(
        "the harmony phase raises an error at every call",
        ("ColorMatchDegraded", "ColorMatchBreakerOpen"),
        _fault("harmony", Fault(error="KeyError")),
        _heal,
    ),
    "slow": Trial(
        "a network that takes two seconds, with a budget that allows it",
        ("ColorMatchSlow",),
        _fault("segmentation", Fault(delay_s=2.0)),
        _heal,
        config=PATIENT,
    ),
    "queue": Trial(
        "more photos than the machine can do, with budgets that let them queue",
        ("ColorMatchQueues",),
        _nothing,
        _nothing,
        per_s=25.0,
        kinds={"new": 1.0},
        config=PATIENT,
    ),
    "hung": Trial(
        "SIGSTOP of the only segmentation replica, SIGKILL in the end",
        ("ColorMatchPhaseNotReady",),
        _hang_network,
        _kill_network,
    ),
    "store": Trial(
        "SIGKILL of the cache's server, a new one in the end",
        ("ColorMatchStoreDown",),
        Cluster.kill_cache,
        Cluster.restart_cache,
    ),
    "damaged": Trial(
        "values in the cache overwritten by somebody else",
        ("ColorMatchCacheDamaged",),
        _damage,
        _nothing,
        kinds={"again": 1.0},
    ),
    "metrics": Trial(
        "the scraping key loses its scope",
        ("ColorMatchNoMetrics",),
        _revoke,
        _allow,
    ),
    "overload": Trial(
        "far more photos than the machine can do",
        ("ColorMatchErrorBudgetBurnsFast", "ColorMatchErrorBudgetBurns", "ColorMatchSheds"),
        _nothing,
        _nothing,
        per_s=25.0,
        kinds={"new": 1.0},
    ),
}


# --- Prometheus -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus server."""

    port: int

    def firing(self) -> set[str]:
        """The names of the alerts that fire, without the one that always does."""
        answer = httpx.get(f"http://{HOST}:{self.port}/api/v1/alerts", trust_env=False).raise_for_status().json()
        firing = {alert["labels"]["alertname"] for alert in answer["data"]["alerts"] if alert["state"] == "firing"}
        return firing - {"ColorMatchWatchdog"}

    def is_up(self) -> bool:
        """Whether the server is ready."""
        try:
            return httpx.get(f"http://{HOST}:{self.port}/-/ready", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False


def hurried(text: str) -> str:
    """Divides every time in PromQL and YAML by HASTE: `5m` becomes `30s`."""
    units = {"s": 1, "m": 60, "h": 3600}
    return re.sub(
        r"(?<=[\[ ])(\d+)([smh])(?=[\]\s])", lambda found: f"{int(found[1]) * units[found[2]] // HASTE}s", text
    )


@contextmanager
def prometheus(program: str, at: Cluster, folder: Path) -> Iterator[Prometheus]:
    """Runs Prometheus with the shipped configuration and shortened times, on a free port."""
    config = yaml.safe_load(hurried((MONITORING / "prometheus.yaml").read_text()))
    # What lies beside the service is not here: its alerts have promtool's cases alone.
    config["scrape_configs"] = config["scrape_configs"][:1]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"{HOST}:{at.port}"]
    del config["alerting"]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (folder / "alerts.yaml").write_text(hurried((MONITORING / "alerts.yaml").read_text()))
    (folder / "metrics.key").write_text(at.key)
    made = Prometheus(free_port())
    command = [program, f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={HOST}:{made.port}"], stdout=log, stderr=log)
    try:
        wait_until(lambda: made.is_up() or process.poll() is not None)
        if process.poll() is not None:
            raise RuntimeError((folder / "log").read_text()[-2000:])
        yield made
    finally:
        process.terminate()
        process.wait()


# --- trials -----------------------------------------------------------------------------------------------------
def tried(at: Cluster, prom: Prometheus, trial: Trial, *, seed: int) -> tuple[str, bool]:
    """Tries one fault. Describes which alerts fired, and says whether each fired and ended as it must."""
    at.deploy(trial.config or PLAIN)
    wait_until(lambda: not set(trial.alerts) & prom.firing(), within_s=2 * WITHIN_S)
    seen = dict[str, float]()
    running = load.start(at.load(for_s=3600, per_s=trial.per_s, kinds=trial.kinds, seed=seed))
    try:
        # Without an injected fault, the load itself is the fault.
        if trial.inject is not _nothing:
            # The rules compare with a time before the fault.
            time.sleep(QUIET_S / HASTE)
        trial.inject(at)
        began_s = time.monotonic()
        while not set(trial.alerts) <= set(seen) and time.monotonic() - began_s < WITHIN_S:
            for name in prom.firing() - set(seen):
                seen[name] = time.monotonic() - began_s
            time.sleep(0.5)
    finally:
        running.end()
        running.shots()
        trial.repair(at)
    # A breaker closes only by the calls that it lets through, so the load must continue.
    running = load.start(at.load(for_s=3600, per_s=1.0, kinds=CALM, seed=62))
    try:
        over_s = wait_until(lambda: not set(trial.alerts) & prom.firing(), within_s=2 * WITHIN_S)
        ended = f"all over {over_s:.0f} s after the end"
    except TimeoutError:
        still = ", ".join(sorted(set(trial.alerts) & prom.firing()))
        ended = f"**still {still} {2 * WITHIN_S:.0f} s after**"
    finally:
        running.end()
        running.shots()
    missing = set(trial.alerts) - set(seen)
    told = [f"{name.removeprefix('ColorMatch')} after {seen[name]:.0f} s" for name in trial.alerts if name in seen]
    beside = sorted(name.removeprefix("ColorMatch") for name in set(seen) - set(trial.alerts))
    told += [f"**{name.removeprefix('ColorMatch')} not**" for name in sorted(missing)]
    told += [f"beside: {', '.join(beside)}"] if beside else []
    return "; ".join([*told, ended]), not missing and "still" not in ended


def main(arguments: list[str]) -> int:
    """Tries the faults. The exit status is 1 when an alert did not fire or did not end."""
    parser = argparse.ArgumentParser(prog="tests.reliability.alerts", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=TRIALS, default=list(TRIALS), help="try these faults only")
    given = parser.parse_args(arguments)
    # An exit by exception ends the cluster too. 143 is 128 + SIGTERM, as in shells.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    program = shutil.which("prometheus")
    if program is None:
        parser.error("prometheus is not installed or not on PATH: apt-get install prometheus")
    rows, passed = list[tuple[str, str]](), True
    with ExitStack() as stack:
        at = stack.enter_context(cluster("fast"))
        at.deploy(PLAIN)
        folder = at.folder / "prometheus"
        folder.mkdir()
        prom = stack.enter_context(prometheus(program, at, folder))
        shots = load.start(at.load(for_s=QUIET_S, per_s=1.0, kinds=CALM, seed=60)).shots()
        firing = prom.firing()
        rows.append((f"none: {len(shots)} requests in {QUIET_S:.0f} s", ", ".join(sorted(firing)) or "no alert"))
        passed &= not firing
        for name in given.only:
            print(f"{name}: {TRIALS[name].what}", file=sys.stderr, flush=True)
            seen, good = tried(at, prom, TRIALS[name], seed=len(rows))
            print(f"  {'pass' if good else 'SHORT'}: {seen}", file=sys.stderr, flush=True)
            rows.append((TRIALS[name].what, seen))
            passed &= good
    table = "\n".join(["| fault | alerts |", "|---|---|", *(f"| {what} | {seen} |" for what, seen in rows)])
    print(table)
    if set(given.only) == set(TRIALS):
        write_section(SECTION, table, DOCUMENT)
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
