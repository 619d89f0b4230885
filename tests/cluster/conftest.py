"""Runs one application for all tests of this folder, as users start it, and starts another after a test of its stop."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from serve.local.plan import DEFAULT_CONFIG, REPOSITORY
from serve.local.stores import start_cache
from serve.local.stores import stop as stop_store
from tests.cluster.application import MAKE_SERVE, Application, Remains, interrupt_alone, launch, stop, wait_until_ready
from tests.cluster.traces import EXPORTED

# Taste: the default budgets would degrade answers on a busy machine.
AMPLE_MS = 60_000
LAST = "test_nothing_is_left_when_make_alone_is_interrupted"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of this folder. Those that share the application run last, and the test of its stop after them.

    So no other cluster starts beside the running application, and it starts once. A start may take a minute on a busy
    machine.
    """
    here = Path(__file__).parent
    items.sort(key=lambda item: ("house" in names_of(item), item.name == LAST))
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(300))


def names_of(item: pytest.Item) -> list[str]:
    """The names of the fixtures that a test uses."""
    return item.fixturenames if isinstance(item, pytest.Function) else []


@dataclass(slots=True)
class House:
    """Starts an application by `make serve` when a test needs one and none runs."""

    folder: Path
    cache_url: str
    running: Application | None = None

    def application(self) -> Application:
        """The running application."""
        before = self.running
        if before is not None and before.launch.process.poll() is not None:
            # The next test starts another.
            self.running = None
            raise AssertionError(f"The application ended by itself: {before.launch.rest_of_output()}")
        if self.running is None:
            variables = {"CONFIG": str(self.config_path), "REDIS_URL": self.cache_url, **EXPORTED}
            launched = launch(self.folder / "dev", MAKE_SERVE, **variables)
            self.running = wait_until_ready(launched)
        must_answer(self.running)
        return self.running

    def stop(self) -> Remains:
        """Ends the application by a SIGINT to make alone."""
        application, self.running = self.application(), None
        return stop(application.launch, interrupt_alone)

    @property
    def config_path(self) -> Path:
        """The local config with ample budgets."""
        path = self.folder / "serve.yaml"
        if not path.exists():
            path.write_text(yaml.safe_dump(local_config(budget_ms=AMPLE_MS)))
        return path


def must_answer(application: Application) -> None:
    """Raises AssertionError with what its proxies logged when the application takes no connection any more."""
    try:
        httpx.get(f"{application.url}/v1/healthz", trust_env=False, timeout=60.0)
    except httpx.TransportError as error:
        raise AssertionError(f"The application is gone: {error}\n{ends_of_logs(application)}") from error


def ends_of_logs(application: Application) -> str:
    """The last lines that the controller, the proxies and HAProxy logged. A stop deletes the whole logs."""
    folder = application.run_folder
    logs = [log for name in ("controller*", "proxy*") for log in folder.glob(f"session_latest/logs/serve/{name}.log")]
    logs += sorted(folder.rglob("admin.sock*.stderr.log"), key=lambda log: log.stat().st_mtime)[-3:]
    return "\n".join(f"{log.name}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-25:]) for log in logs)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds to a failed test's report what the running application logged."""
    report = yield
    application = getattr(item, "funcargs", {}).get("application")
    if report.failed and isinstance(application, Application):
        report.sections.append(("the application's logs", ends_of_logs(application)))
    return report


def local_config(*, budget_ms: float) -> dict[str, Any]:
    """The default config with one value for all budgets."""
    config: dict[str, Any] = yaml.safe_load((REPOSITORY / DEFAULT_CONFIG).read_text())
    (advice,) = (one for one in config["applications"][0]["deployments"] if one["name"] == "Advice")
    budgets = advice["user_config"]["budgets"]
    advice["user_config"]["budgets"] = dict.fromkeys(budgets, budget_ms)
    return config


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The application's owner, with a cache server of the tests' own, so that they can read it."""
    folder = tmp_path_factory.mktemp("application")
    cache = start_cache(folder)
    house = House(folder, cache.url)
    yield house
    if house.running is not None:
        house.stop()
    stop_store(cache)


@pytest.fixture
def application(house: House) -> Application:
    """The running application."""
    return house.application()


@pytest.fixture
def client(application: Application) -> Iterator[httpx.Client]:
    """A client with the development key."""
    with application.client() as client:
        yield client


@pytest.fixture(scope="session")
def astronaut() -> bytes:
    """A photo of a person in an orange suit."""
    return (REPOSITORY / "docs/samples/astronaut.jpg").read_bytes()


@pytest.fixture(scope="session")
def grace_hopper() -> bytes:
    """A photo of a person in a dark uniform."""
    return (REPOSITORY / "docs/samples/grace_hopper.jpg").read_bytes()
