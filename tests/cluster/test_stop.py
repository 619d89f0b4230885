"""Tests that an interruption ends everything within ten seconds. test_canary.py has the one of a whole group."""

from pathlib import Path

from tests.cluster.application import Application, interrupt_group, launch, must_be_clean, stop
from tests.cluster.conftest import House
from tests.cluster.contract import must_be_answer
from tests.cluster.pasted import send_curl


def test_nothing_is_left_when_interrupted_while_starting(tmp_path: Path) -> None:
    """Ctrl-C works before the application is ready, too."""
    launched = launch(tmp_path)
    launched.wait_for_line("Ray")
    remains = stop(launched, interrupt_group)
    assert remains.exit_status == 0
    assert "is ready" not in launched.rest_of_output()
    must_be_clean(remains, tmp_path)


def test_nothing_is_left_when_make_alone_is_interrupted(house: House, application: Application) -> None:
    """`make serve` prints a curl line that works, and a SIGINT to make alone ends all processes. It runs last."""
    (line,) = (line for line in application.launch.output if line.startswith("curl "))
    answer = must_be_answer(send_curl(line), "AdviceAnswer")
    assert answer["garments"]
    assert answer["suggestions"]
    key_file = application.launch.dev_folder / "api_key"
    assert key_file.read_text().strip() in line
    assert key_file.stat().st_mode & 0o077 == 0
    remains = house.stop()
    # Make reports its own interruption.
    assert remains.exit_status != 0
    must_be_clean(remains, application.run_folder, application.launch.dev_folder)
