"""Tests that a start that cannot work says why at once and starts nothing."""

import os
import socket
from pathlib import Path

import pytest

from tests.cluster.application import LAUNCHER, launch

REFUSED = 2


def test_start_is_refused_when_the_port_is_in_use(tmp_path: Path) -> None:
    """The message names the port, its owner and the remedy. The exit status is 2, and no folder is left."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        launched = launch(tmp_path, PORT=str(port))
        output = launched.rest_of_output()
    assert launched.process.returncode == REFUSED
    assert output.strip() == (
        f"Port {port} is in use by process {os.getpid()}. Stop it, or choose another port: make serve PORT={port + 1}"
    )


@pytest.mark.parametrize(
    ("variables", "part"),
    [
        ({"PORT": "http"}, "PORT is 'http'"),
        ({"PORT": "70000"}, "from 1 to 65535"),
        ({"CONFIG": "configs/nowhere.yaml"}, "configs/nowhere.yaml does not exist"),
        ({"CONFIG": "README.md"}, "README.md"),
    ],
    ids=str,
)
def test_start_is_refused_when_a_variable_is_wrong(tmp_path: Path, variables: dict[str, str], part: str) -> None:
    """One line names a bad port or config, without a stack trace."""
    launched = launch(tmp_path, LAUNCHER, **variables)
    output = launched.rest_of_output()
    assert launched.process.returncode == REFUSED
    assert part in output
    assert len(output.strip().splitlines()) == 1
