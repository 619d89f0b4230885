"""The running application under load, under a changed config and after a killed replica."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any, TypeAlias

import httpx
import psutil
import pytest

from serve.local.processes import memory_bytes
from tests.cluster.application import Application, photo_form, wait_until
from tests.cluster.conftest import AMPLE_MS, local_config
from tests.cluster.contract import must_be_answer, must_be_problem

REQUESTS = 200
CLIENTS = 8
GIB = 2**30
APPLICATIONS = "/api/serve/applications/"


def test_no_request_fails_when_eight_clients_send_200(
    application: Application, client: httpx.Client, astronaut: bytes, grace_hopper: bytes
) -> None:
    """New and cached photos, colours, phases, palettes, probes and refusals each get their expected status."""
    kinds: list[tuple[int, Callable[[], httpx.Response]]] = [
        (200, lambda: client.post("/v1/advice", **photo_form(astronaut))),
        (200, lambda: client.post("/v1/advice", **photo_form(grace_hopper, cache="bypass"))),
        (200, lambda: client.post("/v1/advice", json={"colors": ["navy", "#c19a6b"]})),
        (200, lambda: client.post("/v1/harmony", json={"colors": ["olive"], "options": {"cache": "bypass"}})),
        (200, lambda: client.post("/v1/segment", **photo_form(astronaut, cache="refresh"))),
        (200, lambda: client.post("/v1/extract", **photo_form(grace_hopper, max_colors=3))),
        (200, lambda: client.get("/v1/palette", params={"colors": "navy,ivory", "format": "svg"})),
        (200, lambda: client.get("/v1/readyz")),
        (422, lambda: client.post("/v1/advice", json={"colors": ["#zzz"]})),
        (415, lambda: client.post("/v1/advice", **photo_form(b"words"))),
    ]

    def one(number: int) -> tuple[int, int, Any]:
        expected, send = kinds[number % len(kinds)]
        response = send()
        degraded = response.json().get("degraded") if response.headers["content-type"] == "application/json" else []
        return expected, response.status_code, degraded or []

    with ThreadPoolExecutor(CLIENTS) as clients:
        outcomes = list(clients.map(one, range(REQUESTS)))
    assert [outcome for outcome in outcomes if outcome[0] != outcome[1] or outcome[2]] == []


def test_memory_is_bounded_when_the_application_has_worked(application: Application) -> None:
    """The whole stack, with launcher, stores and Ray, fits into 4 GiB."""
    launcher = psutil.Process(application.launch.process.pid)
    assert memory_bytes([launcher, *launcher.children(recursive=True)]) < 4 * GIB


class Deployer:
    """Puts configs on the running application, as `serve deploy` does."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._client = application.ray_client()

    def put(self, change: Callable[[dict[str, dict[str, Any]]], None]) -> None:
        """Deploys the running config with changed deployments, and waits until it runs."""
        config = local_config(budget_ms=AMPLE_MS)
        config["http_options"]["port"] = int(self._application.launch.port)
        # As the launcher starts it; other arguments would replace every replica.
        config["applications"][0]["args"] = {"cors_origins": ["localhost"]}
        change({one["name"]: one for one in config["applications"][0]["deployments"]})
        self._client.put(APPLICATIONS, json=config).raise_for_status()
        wait_until(self._runs)

    def close(self) -> None:
        """Puts the first config back."""
        self.put(lambda deployments: None)
        self._client.close()

    def _runs(self) -> bool:
        applications = self._client.get(APPLICATIONS).raise_for_status().json()["applications"]
        return all(one["status"] == "RUNNING" for one in applications.values())


@pytest.fixture
def deployer(application: Application) -> Iterator[Deployer]:
    """A deployer, whose changes are undone after the test."""
    deployer = Deployer(application)
    yield deployer
    deployer.close()


def test_budget_applies_live_when_the_config_changes(
    application: Application, client: httpx.Client, astronaut: bytes, deployer: Deployer
) -> None:
    """A budget of 1 ms degrades the next photo in the same replicas. The old budget makes answers whole again."""
    form = photo_form(astronaut, cache="bypass")
    before = {name: application.replicas(name) for name in ("Advice", "Segmentation", "Extraction", "Harmony")}
    assert all(before.values())
    assert must_be_answer(client.post("/v1/advice", **form), "AdviceAnswer")["degraded"] == []

    deployer.put(lambda deployments: deployments["Advice"]["user_config"]["budgets"].update(segmentation_ms=1))
    wait_until(lambda: client.post("/v1/advice", **form).json()["degraded"] == ["segmentation"])
    answer = must_be_answer(client.post("/v1/advice", **form), "AdviceAnswer")
    assert answer["versions"]["segmenter"] == "fallback"
    assert {garment["category"] for garment in answer["garments"]} <= {"unknown"}

    deployer.put(lambda deployments: None)
    wait_until(lambda: client.post("/v1/advice", **form).json()["degraded"] == [])
    assert {name: application.replicas(name) for name in before} == before


# By deployment: a user_config, and how /v1/readyz begins to say what is wrong with it.
Refusals: TypeAlias = dict[str, tuple[dict[str, Any], str]]
BAD_CONFIGS: list[Refusals] = [
    {
        "Advice": ({"budgets": {"segmentation_ms": -5}}, "budgets.segmentation_ms is -5: should be greater than 0"),
        "Segmentation": ({"max_photo": 3}, "max_photo is no field; the fields here are max_photos, max_px, in_flight"),
    },
    {
        "Advice": ({"budgets": {"harmony_ms": "fast"}}, "budgets.harmony_ms is 'fast': should be a valid number"),
        "Segmentation": ({"max_photos": 0}, "max_photos is 0: should be greater than or equal to 1"),
    },
    {
        "Advice": ({"budgets": {"harmony": 100}}, "budgets.harmony is no field; the fields here are decode_ms"),
        "Segmentation": ({"stall_s": "long"}, "stall_s is 'long': should be a valid number"),
    },
    {
        "Advice": ({"budgets": 1200}, "budgets is 1200: should be"),
        "Segmentation": ({"in_flight": 1.5}, "in_flight is 1.5: should be a valid integer"),
    },
    {"Advice": ({"max_photo_in_flight": 4}, "max_photo_in_flight is no field; the fields here are budgets")},
    {"Advice": ({"breaker": {"failure_rate": 1.5}}, "breaker.failure_rate is 1.5: should be less than or equal to 1")},
    {"Advice": ({"canary": {"share": 0.1, "mode": "both"}}, "canary.mode is 'both': should be 'split' or 'shadow'")},
]


def _with(configs: Refusals) -> Callable[[dict[str, dict[str, Any]]], None]:
    def change(deployments: dict[str, dict[str, Any]]) -> None:
        for name, (config, _) in configs.items():
            deployments[name]["user_config"] = config

    return change


def _told(client: httpx.Client) -> dict[str, str]:
    """What /v1/readyz says of each deployment's latest config."""
    answer = client.get("/v1/readyz").raise_for_status().json()
    segmentation = answer["phases"]["segmentation"]
    return {"Advice": str(answer["refused_config"]), "Segmentation": str(segmentation["refused_config"])}


def _tells(client: httpx.Client, configs: Refusals) -> bool:
    told = _told(client)
    return all(told[name].startswith(text) for name, (_, text) in configs.items())


def test_a_bad_config_is_refused_when_the_service_runs(
    application: Application, client: httpx.Client, grace_hopper: bytes, deployer: Deployer
) -> None:
    """The same replicas serve on under load, and /v1/readyz says what is wrong until a good config comes."""
    before = {name: application.replicas(name) for name in ("Advice", "Segmentation")}
    form = photo_form(grace_hopper, cache="bypass")
    over = Event()

    def load() -> list[tuple[int, Any]]:
        outcomes = []
        while not over.is_set():
            response = client.post("/v1/advice", **form)
            outcomes.append((response.status_code, response.json().get("degraded")))
        return outcomes

    with ThreadPoolExecutor(2) as clients:
        calls = [clients.submit(load) for _ in range(2)]
        try:
            for bad in BAD_CONFIGS:
                deployer.put(_with(bad))
                wait_until(partial(_tells, client, bad))
            deployer.put(lambda deployments: None)
            wait_until(lambda: set(_told(client).values()) == {"None"})
        finally:
            over.set()
        outcomes = [outcome for call in calls for outcome in call.result()]
    assert len(outcomes) > 2 * len(BAD_CONFIGS)
    assert {status for status, _ in outcomes} == {200}
    # Serve sends a replica nothing while it takes in a config, so answers do without the phase for that moment.
    assert {tuple(degraded) for _, degraded in outcomes} <= {(), ("segmentation",)}
    assert sum(not degraded for _, degraded in outcomes) > len(outcomes) / 2
    assert {name: application.replicas(name) for name in before} == before


def test_refusal_is_a_problem_when_serve_itself_is_full(
    client: httpx.Client, astronaut: bytes, deployer: Deployer
) -> None:
    """Serve's own back-pressure becomes a 503 with Retry-After and our problem document."""
    deployer.put(lambda deployments: deployments["Advice"].update(max_ongoing_requests=1, max_queued_requests=1))

    def one(_: int) -> httpx.Response:
        return client.post("/v1/advice", **photo_form(astronaut, cache="bypass"))

    refused: list[httpx.Response] = []

    def some_are_refused() -> bool:
        with ThreadPoolExecutor(CLIENTS) as clients:
            refused.extend(response for response in clients.map(one, range(2 * CLIENTS)) if response.status_code != 200)
        return bool(refused)

    wait_until(some_are_refused)
    for response in refused:
        must_be_problem(response, 503, "OVERLOADED")
        assert int(response.headers["retry-after"]) >= 1


def test_the_service_recovers_when_the_only_replica_of_a_phase_dies(
    application: Application, client: httpx.Client, astronaut: bytes
) -> None:
    """Requests during and after a kill -9 get 200. A new replica starts, and answers are whole again."""
    form = photo_form(astronaut, cache="bypass")
    (victim,) = application.replicas("Extraction")
    with ThreadPoolExecutor(4) as clients:
        calls = [clients.submit(client.post, "/v1/advice", **form) for _ in range(8)]
        wait_until(lambda: any(call.done() for call in calls))
        victim.kill()
        statuses = [call.result().status_code for call in calls]
    assert statuses == [200] * 8
    wait_until(lambda: client.post("/v1/advice", **form).json()["degraded"] == [])
    wait_until(lambda: client.get("/v1/readyz").status_code == 200)
    (successor,) = application.replicas("Extraction")
    assert successor.pid != victim.pid
