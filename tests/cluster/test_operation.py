"""The running application under load, under a changed config and after a killed replica."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

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


def test_a_bad_config_is_refused_when_the_service_runs(
    application: Application, client: httpx.Client, deployer: Deployer
) -> None:
    """The same replicas serve on, and /v1/readyz says what is wrong until a good config comes."""
    before = {name: application.replicas(name) for name in ("Advice", "Segmentation")}

    def break_both(deployments: dict[str, dict[str, Any]]) -> None:
        deployments["Advice"]["user_config"]["budgets"]["segmentation_ms"] = -5
        deployments["Segmentation"]["user_config"] = {"max_photo": 3}

    def told() -> tuple[str, str]:
        answer = client.get("/v1/readyz").raise_for_status().json()
        client.post("/v1/advice", json={"colors": ["navy"]}).raise_for_status()
        return str(answer["refused_config"]), str(answer["phases"]["segmentation"]["refused_config"])

    deployer.put(break_both)
    wait_until(lambda: "None" not in told())
    assert told()[0] == "budgets.segmentation_ms is -5: should be greater than 0"
    assert told()[1].startswith("max_photo is no field; the fields here are max_photos,")
    deployer.put(lambda deployments: None)
    wait_until(lambda: told() == ("None", "None"))
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
