"""Tests the command `stylesync`: its help, its answers, its refusals, its completion and its launcher."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from models import advise
from serve.cli.command import app, main
from serve.local.plan import REPOSITORY

LAUNCHER = REPOSITORY / "serve" / "cli" / "stylesync.sh"
SUBCOMMANDS = {"advise", "serve", "mcp", "check", "backfill", "keys", "models", "erase"}


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Runs the command in this process; returns its exit code."""
    monkeypatch.setattr(sys, "argv", ["stylesync", *arguments])
    return main()


def test_every_subcommand_has_a_sentence_when_help_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The help lists all subcommands, says what each does, and lists the exit codes."""
    assert run(monkeypatch, "--help") == 0
    text = capsys.readouterr().out
    names = {str(command.name) for command in app.registered_commands}
    assert names == SUBCOMMANDS
    assert all(f" {name} " in text for name in names)
    assert "Exit codes: 0 done" in text


# --- advise ---------------------------------------------------------------------------------------------------
def test_advise_gives_the_librarys_answer_when_asked_for_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The JSON is the answer of `from models import advise`, options included."""
    assert run(monkeypatch, "advise", "navy", "#c19a6b", "--intent", "bold", "--suggestions", "2", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    expected = advise(colors=["navy", "#c19a6b"], intent="bold", max_suggestions=2)
    assert [one["summary"] for one in answer["suggestions"]] == [one.summary for one in expected.suggestions]
    assert answer["garments"][0]["colors"][0]["given"] == "navy"


def test_advise_prints_a_table_when_asked_for_colours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table has the colours, three suggestions with their sentences, and no escape codes without a terminal."""
    monkeypatch.setenv("COLUMNS", "200")
    assert run(monkeypatch, "advise", "navy", "#c19a6b") == 0
    text = capsys.readouterr().out
    expected = advise(colors=["navy", "camel"], max_suggestions=3)
    assert "navy #1f2a44 50%" in text
    assert "camel #c19a6b 50%" in text
    assert all(one.summary in text for one in expected.suggestions)
    assert "\x1b" not in text


def test_advise_draws_a_picture_when_asked_for_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A photo gives a table and the picture that `make picture` draws. Its folder is made."""
    photo, picture = tmp_path / "shirt.jpg", tmp_path / "new" / "advice.png"
    Image.new("RGB", (96, 96), "#1f2a44").save(photo)
    options = '{"segment": "none"}'
    assert run(monkeypatch, "advise", str(photo), "--options", options, "--picture", str(picture)) == 0
    with Image.open(picture) as drawn:
        assert drawn.width > 1000
    assert "navy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("navy", "blurple"), "'blurple' is not a known colour. Did you mean purple"),
        (("gone.jpg",), "gone.jpg: No such file"),
        (("a.jpg", "b.jpg"), "Give one photo, or colours"),
        (("a.jpg", "navy"), "Give one photo, or colours"),
        (("navy", "--picture", "out.png"), "--picture needs a photo"),
        (("navy", "--options", "{"), "--options is not a JSON object"),
        (("navy", "--options", '{"max_colours": 3}'), "/max_colours: Unknown field."),
        (("navy", "--suggestions", "99"), "/max_suggestions"),
        (("navy", "--intent", "loud"), "'loud' is not one of"),
        (("README.md",), "README.md"),
        (("--frob",), "--frob"),
    ],
)
def test_advise_says_what_is_allowed_when_it_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    """A wrong command ends with exit code 2 and one sentence that names what is wrong; nothing is written."""
    monkeypatch.chdir(REPOSITORY)
    assert run(monkeypatch, "advise", *arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said.removeprefix("README.md") in printed.err
    assert "Traceback" not in printed.err


# --- commands that are forwarded ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("backfill", "--help"), "usage: stylesync backfill"),
        (("keys", "create", "--help"), "usage: stylesync keys create"),
        (("models", "verify", "--help"), "usage: stylesync models verify"),
        (("erase", "--help"), "usage: stylesync erase"),
    ],
)
def test_a_forwarded_command_speaks_of_itself_as_stylesync(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    """The usage names the command that was typed."""
    assert run(monkeypatch, *arguments) == 0
    assert said in capsys.readouterr().out


def test_a_forwarded_command_keeps_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A backfill without its input is refused with 2, at once."""
    assert run(monkeypatch, "backfill", "--input", str(tmp_path / "gone"), "--output", str(tmp_path / "out")) == 2
    assert "does not exist" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text"), [("--limit", "abc"), ("--sample", "2"), ("--nice", "20"), ("--fetches", "0")]
)
def test_a_number_is_refused_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    """The message names the option, what came and what may come, and no function of ours."""
    assert run(monkeypatch, "backfill", "--input", "a", "--output", "b", name, text) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"argument {name}: '{text}' is not allowed; allowed: a " in said


# --- completion and start -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("stylesync ad", "advise"),
        ("stylesync advise --in", "--intent"),
        ("stylesync keys cr", "create"),
        ("stylesync keys create --te", "--tenant"),
        ("stylesync backfill --che", "--checkpoint-rows"),
    ],
)
def test_a_shell_completes_commands_and_options(typed: str, offered: str) -> None:
    """Bash completes subcommands and options, also those of commands that are forwarded."""
    variables = {"_STYLESYNC_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    done = subprocess.run(
        [sys.executable, "-m", "serve.cli"],
        cwd=REPOSITORY, env={**os.environ, **variables}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [offered]


def test_the_launcher_finds_its_tree_when_started_elsewhere(tmp_path: Path) -> None:
    """The file that `make serve` installs works in a bare shell, from any folder, and through a link."""
    programs = tmp_path / "tree" / ".venv" / "bin"
    programs.mkdir(parents=True)
    for package in ("serve", "models", "pipeline", "pyproject.toml"):
        (tmp_path / "tree" / package).symlink_to(REPOSITORY / package)
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    shutil.copy(LAUNCHER, programs / "stylesync")
    for program in programs.iterdir():
        program.chmod(0o755)
    (tmp_path / "linked").symlink_to(programs / "stylesync")
    for command in (programs / "stylesync", tmp_path / "linked"):
        done = subprocess.run(
            [command, "advise", "navy"],
            cwd=tmp_path,
            env={"PATH": os.defpath},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "navy #1f2a44" in done.stdout


def test_another_python_is_told_what_to_do(tmp_path: Path) -> None:
    """Without the packages of the environment the command names the one that is missing, and the way out."""
    command = [sys.executable, "-S", "-m", "serve.cli"]
    done = subprocess.run(
        command, cwd=REPOSITORY, env={"PATH": os.defpath}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "The package typer is not installed here. Run `make install`, then .venv/bin/stylesync.\n"
