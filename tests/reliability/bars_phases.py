"""Bars 7 to 10, 13: phases that hang or are late, what they leave behind, and the breaker."""

import subprocess
import sys
import time
from contextlib import suppress

import httpx

from serve.local.plan import REPOSITORY
from tests.bench.transport_profiles import FAST, STOCK, serving
from tests.cluster.transports_app import MAX_QUEUED
from tests.reliability import layouts, load
from tests.reliability.cluster import Cluster, wait_until
from tests.reliability.faults import HANG_S, Fault
from tests.reliability.kit import Kit, percentile

BUDGETS_MS = {"segmentation": 1200.0, "extraction": 300.0, "harmony": 100.0}
MARGIN_MS = 150.0
PROFILES = {"fast": FAST, "stock": STOCK}
APPLICATION = "tests.cluster.transports_app:build"


def hung(kit: Kit) -> None:
    """Bar 7: each phase hangs, then all three; one client; the photo is never cached."""
    at = kit.cluster(layouts.layout(1))  # a second ingress replica would have breakers of its own
    wait_until(lambda: all(not degraded for _, degraded, _ in _photos(at, 10, strict=False)))  # breakers have closed
    said, passed = list[str](), True
    for hanging in ([one] for one in BUDGETS_MS):
        passed &= _hung(kit, at, hanging, said)
    passed &= _hung(kit, at, list(BUDGETS_MS), said)
    kit.row(
        "7",
        "hung phase, each of 3, then all; one client, a photo of five garments",
        f"200 degraded, at most {MARGIN_MS:.0f} ms over the hung budget and a healthy answer's p50 (all: over the"
        " budgets alone); once the breaker is open, p50 no slower than healthy",
        "; ".join(said),
        passed,
    )


def _hung(kit: Kit, at: Cluster, hanging: list[str], said: list[str]) -> bool:
    """The machine's pace changes by the minute, so healthy answers are timed right before and right after."""
    healthy = _photos(at, kit.times(15))
    for phase in hanging:
        at.faults.put(phase, Fault(delay_s=HANG_S))
    budget_ms = sum(BUDGETS_MS[phase] for phase in hanging)
    until_open, opened = list[float](), list[float]()
    with at.client() as client:
        states: dict[str, str] = {}
        while any(states.get(phase) != "open" for phase in hanging):
            if len(until_open) > 40:
                break
            until_open += [took for took, _, _ in _photos(at, 1, expected=hanging)]
            states = _breakers(client)
        end_s = time.monotonic() + 4.0  # it tries again 5 s after it opened
        while time.monotonic() < end_s and len(opened) < 20:
            opened += [took for took, _, _ in _photos(at, 1, expected=hanging)]
    over_ms = max(until_open) - budget_ms
    open_ms = percentile(opened, 50)
    at.faults.heal()
    wait_until(lambda: not _photos(at, 1, strict=False)[0][1], within_s=60)
    healthy += _photos(at, kit.times(15))
    base_ms = percentile([took for took, _, _ in healthy], 50)
    name, rest_ms = ("all", 0.0) if len(hanging) > 1 else (hanging[0], base_ms)
    said.append(
        f"{name}: worst {over_ms:+.0f} ms over {budget_ms:.0f}, open p50 {open_ms:.0f} ms, healthy {base_ms:.0f} ms"
    )
    kit.say(said[-1])
    return over_ms <= MARGIN_MS + rest_ms and open_ms <= 1.05 * base_ms


def _breakers(client: httpx.Client) -> dict[str, str]:
    phases = client.get("/v1/readyz").json()["phases"]
    return {name: health["breaker"] for name, health in phases.items()}


def _photos(
    at: Cluster, times: int, *, expected: list[str] | None = None, strict: bool = True
) -> list[tuple[float, list[str], int]]:
    """Photos one after the other: ms, phases degraded, status. Raises AssertionError for an unexpected answer."""
    shots = load.once(at.load(for_s=0, kinds={"bypass": 1.0}), times)
    if strict:
        assert all(shot.status == 200 and list(shot.degraded) == (expected or []) for shot in shots), shots
    return [(shot.took_s * 1000, list(shot.degraded), shot.status) for shot in shots]


def precise(kit: Kit) -> None:
    """Bars 8 and 9 on bare phase calls over the real transport: how late a late call ends, and what it leaves."""
    kit.say(f"starting the bare phase ({kit.transport})")
    with (
        serving(PROFILES[kit.transport], APPLICATION) as url,
        httpx.Client(base_url=url, timeout=120.0, trust_env=False) as client,
    ):
        wait_until(lambda: _called(client, "work 0") == ["done"])
        said, passed = list[str](), True
        for budget_ms in BUDGETS_MS.values():
            over_ms = [_late_ms(client, budget_ms / 1000) - budget_ms for _ in range(kit.times(20))]
            p95_ms = percentile(over_ms, 95)
            said.append(f"{budget_ms:.0f} ms: p95 +{p95_ms:.1f} ms")
            passed &= p95_ms <= 25
        kit.row(
            "8", "budget precision, one client, a phase that hangs", "overshoot p95 ≤ 25 ms", "; ".join(said), passed
        )
        _leaves_nothing(kit, client)


def _leaves_nothing(kit: Kit, client: httpx.Client) -> None:
    """Bar 9: calls that all time out, as many at a time as may wait; then what caller and replica still hold."""
    idle = client.get("/tasks").json()
    outcomes = [outcome for _ in range(17) for outcome in _calls(client, "work 1.0", budget_s=0.3, times=MAX_QUEUED)]
    late = sum(outcome[0] == "PhaseTimeout" for outcome in outcomes)
    began_s = time.monotonic()
    with suppress(TimeoutError):
        wait_until(
            lambda: client.get("/tasks").json() <= idle and "'ongoing': 0" in _called(client, "seen")[0], within_s=10
        )
    took_s = time.monotonic() - began_s
    again = _called(client, "work 0", budget_s=2.0)
    kit.row(
        "9",
        f"{late} timed-out calls of {len(outcomes)}",
        "no coroutine, slot or queued item left after 2 s",
        f"nothing left after {took_s:.1f} s; the next call: {again[0]}",
        late >= 100 and took_s <= 2.0 and again == ["done"],
    )


def _late_ms(client: httpx.Client, budget_s: float) -> float:
    found: float = client.get("/late", params={"budget_s": budget_s}).raise_for_status().json()
    return found


def _calls(client: httpx.Client, payload: str, *, budget_s: float, times: int) -> list[list[str]]:
    response = client.get("/call", params={"payload": payload, "budget_s": budget_s, "times": times})
    found: list[list[str]] = response.raise_for_status().json()
    return found


def _called(client: httpx.Client, payload: str, *, budget_s: float = 30.0) -> list[str]:
    return _calls(client, payload, budget_s=budget_s, times=1)[0]


def breaker(kit: Kit) -> None:
    """Bar 10, by its tests."""
    _by_tests(
        kit,
        "10",
        "the breaker against a model of its rules, Hypothesis, 120 runs of 100 steps; 1,000 calls while half open",
        "no divergence in 10,000 steps; exactly N probes",
        ["tests/serve/walk/test_breaker.py"],
    )


def full_quality(kit: Kit) -> None:
    """Bar 13, by its tests."""
    _by_tests(
        kit,
        "13",
        "degraded answers and cache keys: each phase and combination fails and heals; each input changed alone",
        "never cached, full quality after healing; 100 % miss",
        [
            "tests/serve/walk/test_degraded.py",
            "tests/serve/walk/test_advice_cache.py",
            "tests/serve/stores/test_cache.py",
        ],
    )


def _by_tests(kit: Kit, bar: str, what: str, target: str, files: list[str]) -> None:
    command = ["python", "-m", "pytest", *files]
    done = subprocess.run([sys.executable, *command[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    summary = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-200:]
    kit.row(bar, what, target, summary.strip("= "), done.returncode == 0, command=" ".join(command))
