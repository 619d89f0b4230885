"""Tests that Ctrl-C ends everything within ten seconds. Runs last, because it ends the application."""

from pathlib import Path

import httpx
import pytest

from tests.cluster.application import (
    STOP_TIMEOUT_S,
    Application,
    Remains,
    interrupt_alone,
    interrupt_group,
    launch,
    mentioning,
    stop,
    wait_until_ready,
)
from tests.cluster.conftest import House
from tests.cluster.contract import must_be_answer
from tests.cluster.pasted import send_curl


def must_be_clean(remains: Remains, *folders: Path) -> None:
    """Checks that no process runs or names the start's folders, and that the end was quick."""
    assert remains.processes == []
    assert remains.took_s <= STOP_TIMEOUT_S
    assert [line for folder in folders for line in mentioning(folder)] == []


def test_nothing_is_left_when_ctrl_c_reaches_the_whole_group(house: House, application: Application) -> None:
    """SIGINT to the foreground process group, as from a terminal, ends all processes."""
    must_be_clean(house.stop(), application.run_folder, application.launch.dev_folder)
    with pytest.raises(httpx.ConnectError):
        httpx.get(application.url, trust_env=False)
    assert not application.run_folder.exists()
    output = application.launch.rest_of_output()
    assert output.endswith("Stopping …\nStopped.")
    assert not (application.launch.dev_folder / f"ray-{application.launch.port}.env").exists()


def test_nothing_is_left_when_make_alone_is_interrupted(tmp_path: Path) -> None:
    """`make serve` prints a curl line that works, and a SIGINT to make alone ends all processes."""
    launched = launch(tmp_path, ("make", "serve"))
    application = wait_until_ready(launched)
    (line,) = (line for line in launched.output if line.startswith("curl "))
    answer = must_be_answer(send_curl(line), "AdviceAnswer")
    assert answer["garments"]
    assert answer["suggestions"]
    key_file = tmp_path / "api_key"
    assert key_file.read_text().strip() in line
    assert key_file.stat().st_mode & 0o077 == 0
    remains = stop(launched, interrupt_alone)
    # Make reports its own interruption.
    assert remains.exit_status != 0
    must_be_clean(remains, application.run_folder, tmp_path)


def test_nothing_is_left_when_interrupted_while_starting(tmp_path: Path) -> None:
    """Ctrl-C works before the application is ready, too."""
    launched = launch(tmp_path)
    launched.wait_for_line("Ray")
    remains = stop(launched, interrupt_group)
    assert remains.exit_status == 0
    assert "is ready" not in launched.rest_of_output()
    must_be_clean(remains, tmp_path)
