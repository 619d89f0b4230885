"""Measures bars 7 to 10 and 13: hung and late phases, what they leave behind, and the breaker."""

import subprocess
import sys
import time
from contextlib import suppress

import httpx

from serve.local.plan import REPOSITORY
from tests.bench.transport_profiles import FAST, STOCK, serving
from tests.cluster.transports_app import MAX_QUEUED
from tests.reliability import layouts, load
from tests.reliability.bars import MARGIN_MS
from tests.reliability.cluster import Cluster, wait_until
from tests.reliability.faults import HANG_S, Fault
from tests.reliability.kit import Kit, percentile

# Contract: the shipped budgets of the phases (configs/).
BUDGETS_MS = {"segmentation": 1200.0, "extraction": 300.0, "harmony": 100.0}
PROFILES = {"fast": FAST, "stock": STOCK}
APPLICATION = "tests.cluster.transports_app:build"


def hung(kit: Kit) -> None:
    """Measures bar 7, hung phases. The photo is never cached."""
    # A second ingress replica would have breakers of its own.
    at = kit.cluster(layouts.layout(1))
    # Whole answers show that all breakers are closed.
    wait_until(lambda: all(not degraded for _, degraded, _ in _photos(at, 10, strict=False)))
    said, passed = list[str](), True
    for hanging in ([phase] for phase in BUDGETS_MS):
        passed &= _hung(kit, at, hanging, said)
    passed &= _hung(kit, at, list(BUDGETS_MS), said)
    kit.row(
        "7",
        "hung phase, each of 3, then all; one client, a photo of five garments",
        "; ".join(said),
        passed,
    )


def _hung(kit: Kit, at: Cluster, hanging: list[str], said: list[str]) -> bool:
    """Measures one hang. Times healthy answers right before and after it, because the machine's pace changes."""
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
        # The breaker lets the next probe pass 5 s after it opened.
        end_s = time.monotonic() + 4.0
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
    """Sends photos one after the other. Gives time, ms, degraded phases and status.

    Raises AssertionError for an unexpected answer when strict.
    """
    shots = load.once(at.load(for_s=0, kinds={"bypass": 1.0}), times)
    if strict:
        assert all(shot.status == 200 and list(shot.degraded) == (expected or []) for shot in shots), shots
    return [(shot.took_s * 1000, list(shot.degraded), shot.status) for shot in shots]


def precise(kit: Kit) -> None:
    """Measures bars 8, budget precision, and 9, nothing left behind, on bare phase calls over the real transport."""
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
        kit.row("8", "budget precision, one client, a phase that hangs", "; ".join(said), passed)
        _leaves_nothing(kit, client)


def _leaves_nothing(kit: Kit, client: httpx.Client) -> None:
    """Measures bar 9: lets calls time out, then looks at what the caller and the replica still hold."""
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
    """Measures bar 10, the circuit breaker, by its tests."""
    _by_tests(
        kit,
        "10",
        "the breaker against a model of its rules, Hypothesis, 120 runs of 100 steps; 1,000 calls while half open",
        ["tests/serve/walk/test_breaker.py"],
    )


def full_quality(kit: Kit) -> None:
    """Measures bar 13, degraded answers and the cache, by its tests."""
    _by_tests(
        kit,
        "13",
        "degraded answers and cache keys: each phase and combination fails and heals; each input changed alone",
        [
            "tests/serve/walk/test_degraded.py",
            "tests/serve/walk/test_advice_cache.py",
            "tests/serve/stores/test_cache.py",
        ],
    )


def _by_tests(kit: Kit, bar: str, what: str, files: list[str]) -> None:
    command = ["python", "-m", "pytest", *files]
    done = subprocess.run([sys.executable, *command[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    summary = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-200:]
    kit.row(bar, what, summary.strip("= "), done.returncode == 0, command=" ".join(command))
