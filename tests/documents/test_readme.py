"""Tests that README.md works as written. tests/cluster/test_readme.py runs what needs the service."""

import os
import shlex
import subprocess
import sys

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from serve.local.plan import REPOSITORY
from tests.documents.readme import blocks, commands

# These run everything, so they are only parsed here.
LONG = {"make install", "make serve", "make test"}
TRY = [command for command in commands("Try") if command not in LONG]


def _bare(command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command line in a shell that knows the folder and nothing else."""
    environment = {"PATH": os.defpath, "HOME": os.environ["HOME"]}
    return subprocess.run(
        ["bash", "-c", command], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module", autouse=True)
def _command() -> None:
    """The environment has the command, as `make serve` installs it."""
    if not (REPOSITORY / ".venv" / "bin" / "stylesync").exists():
        pytest.skip("this environment was not made by make")


def test_the_long_commands_exist() -> None:
    """`make install` installs the command, `make serve` runs the launcher, and `make test` runs pytest."""
    assert set(commands("Try")) >= LONG
    assert "-m serve.local" in _bare("make -n serve").stdout
    assert "-m pytest" in _bare("make -n test").stdout
    assert ".venv/bin/stylesync" in _bare("make -n install").stdout


@pytest.mark.parametrize("command", TRY)
def test_a_line_to_try_works_in_a_bare_shell(command: str) -> None:
    """Each line gives advice with three suggestions, in any shell, without a server."""
    done = _bare(command)
    assert done.returncode == 0, done.stderr
    assert "Goes with it" in done.stdout
    assert all(mood in done.stdout for mood in ("safe", "tonal", "daring"))


def test_the_library_works_as_shown() -> None:
    """The block prints each garment with its colours, and a sentence."""
    (block,) = blocks("Try", "python")
    done = subprocess.run([sys.executable, "-c", block], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    *garments, sentence = done.stdout.strip().splitlines()
    assert garments
    assert sentence.endswith(".")


def test_every_line_to_deploy_names_a_good_file() -> None:
    """Each command names a file of the repository that its tool accepts."""
    lines = [shlex.split(command) for command in commands("Deploy")]
    assert [line[:2] for line in lines] == [
        [".venv/bin/stylesync", "check"], ["serve", "deploy"], ["kubectl", "apply"], ["ray", "up"]
    ]  # fmt: skip
    paths = [REPOSITORY / line[-1] for line in lines]
    files = [path / "kustomization.yaml" if path.is_dir() else path for path in paths]
    assert all(list(yaml.safe_load_all(file.read_text())) for file in files)
    assert ServeDeploySchema.model_validate(yaml.safe_load(files[1].read_text()))
    assert _bare(shlex.join(lines[0])).returncode == 0
