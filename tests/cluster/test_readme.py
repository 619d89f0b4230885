"""Tests that what README.md shows under Call works on the whole application."""

import os
import subprocess
from pathlib import Path

from serve.local.plan import REPOSITORY
from tests.clients.packed import Packed
from tests.cluster.application import Application
from tests.documents.readme import blocks


def test_the_curl_lines_work_in_a_bare_shell(application: Application) -> None:
    """Both lines give advice, with the key that the launcher wrote."""
    (block,) = blocks("Call", "sh")
    script = block.replace("http://127.0.0.1:8000", application.url)
    script = script.replace(".dev/api_key", str(application.launch.dev_folder / "api_key"))
    assert script.count(application.url) == 1
    environment = {"PATH": os.defpath}
    done = subprocess.run(
        ["bash", "-euc", script], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.count('"suggestions":[{"summary"') == 2


def test_the_clients_work_as_shown(application: Application, packed: Packed, tmp_path: Path) -> None:
    """The Python block and the TypeScript block print a sentence each."""
    variables = {"BASE": application.url, "KEY": application.key}
    (python,), (typescript,) = blocks("Call", "python"), blocks("Call", "ts")
    (tmp_path / "call.py").write_text(python.replace("docs/samples", str(REPOSITORY / "docs/samples")))
    (tmp_path / "call.mts").write_text(typescript)
    assert ". " in f"{packed.run_python(tmp_path / 'call.py', variables).strip()} "
    assert "hex: '#" in packed.run_typescript(tmp_path / "call.mts", variables)
