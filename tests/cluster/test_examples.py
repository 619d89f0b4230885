"""Tests the curl examples of docs/api.md on the whole application. tests/serve tests every language."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from serve.local.plan import REPOSITORY
from tests.cluster.application import Application
from tests.serve.openapi.test_examples import EXAMPLES, MODES, RUNNERS


@pytest.mark.parametrize("title", MODES)
def test_an_example_gives_advice_from_the_whole_application(
    title: str, application: Application, tmp_path: Path
) -> None:
    """Each example works as the page shows it, with the development key."""
    run = subprocess.run(
        RUNNERS["python"](EXAMPLES[title, "python"], tmp_path),
        cwd=REPOSITORY,
        env={**os.environ, "BASE": application.url, "KEY": application.key, "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout.splitlines()[-1])
    assert (answer["mode"], answer["degraded"]) == (MODES[title], [])
    assert answer["suggestions"]
