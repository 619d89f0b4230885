"""The key command as an operator uses it, checked by the service's own reader of the file."""

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipeline.errors import Unauthenticated
from serve.keys.__main__ import main
from serve.keys.keyring import KeyRing
from serve.keys.quota import Allowance
from serve.keys.records import KeyFile
from serve.local import stores

PEPPER = "pepper"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The arguments that name the key file and the pepper."""
    (tmp_path / "secret").write_text(PEPPER + "\n")
    return ["--file", str(tmp_path / "keys.json"), "--secret", str(tmp_path / "secret")]


def made(files: list[str], capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """A key that `create` printed."""
    assert main([*files, "create", "--tenant", "shop", *arguments]) == 0
    return capsys.readouterr().out.strip()


async def test_a_key_opens_the_service_when_created(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The printed key is valid, with its tenant, scopes and limits; an earlier key stays valid."""
    first = made(files, capsys)
    second = made(files, capsys, "--scopes", "advice", "uploads", "--per-minute", "60", "--concurrent", "4")
    keys = KeyRing(PEPPER.encode(), file=KeyFile(Path(files[1])))
    principal = await keys.authenticate(second)
    assert (principal.tenant, principal.scopes) == ("shop", frozenset({"advice", "uploads"}))
    assert principal.allowance == Allowance(60, 4)
    assert (await keys.authenticate(first)).allowance == Allowance()


async def test_a_key_is_shut_out_when_revoked(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A running service refuses a revoked key at its next check and accepts the others."""
    gone, stays = made(files, capsys), made(files, capsys)
    keys = KeyRing(PEPPER.encode(), file=KeyFile(Path(files[1])))
    await keys.authenticate(gone)
    assert main([*files, "revoke", gone.split("_")[1]]) == 0
    with pytest.raises(Unauthenticated):
        await keys.authenticate(gone)
    await keys.authenticate(stays)


def test_no_secret_is_shown_when_listed(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The list has ids, tenants, limits and expiries, but neither the secret nor its hash."""
    key, lasting = made(files, capsys, "--per-minute", "60", "--days", "90"), made(files, capsys)
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 90 * 86400))
    assert main([*files, "list"]) == 0
    shown = capsys.readouterr().out
    (ends,) = (line for line in shown.splitlines() if line.startswith(key.split("_")[1]))
    (never,) = (line for line in shown.splitlines() if line.startswith(lasting.split("_")[1]))
    assert day in ends
    assert never.endswith("never")
    assert key.split("_")[1] in shown
    assert " 60 " in shown
    assert key.split("_", 2)[2] not in shown
    assert "digest" not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create"], "--tenant"),
        (["create", "--tenant", "Shop!"], "'Shop!'"),
        (["create", "--tenant", "shop", "--scopes", "all"], "'all'"),
        (["create", "--tenant", "shop", "--per-minute", "0"], "'0'"),
        (["create", "--tenant", "shop", "--days", "-1"], "'-1'"),
        ([], "command"),
    ],
)
def test_the_value_is_named_when_refused(
    files: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """A bad argument gives exit status 2 and a message that names it."""
    with pytest.raises(SystemExit) as left:
        main([*files, *arguments])
    assert left.value.code == 2
    assert message in capsys.readouterr().err


def test_nothing_is_lost_when_the_file_is_broken(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A broken key file is reported and left unchanged; an unknown id is an error."""
    assert main([*files, "revoke", "abc"]) == 2
    made(files, capsys)
    assert main([*files, "revoke", "abc"]) == 2
    Path(files[1]).write_text("{")
    assert main([*files, "create", "--tenant", "shop"]) == 2
    assert Path(files[1]).read_text() == "{"
    assert "cannot be used" in capsys.readouterr().err


@pytest.mark.server
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda url: url.replace(urlsplit(url).password or "?", "wrong"), "invalid username-password pair"),
        (lambda url: f"{url.rstrip('/')}/99", "DB index is out of range"),
        (lambda url: url.replace("redis://", "rediss://"), "does not answer within"),
        (lambda url: "redis://:secret@127.0.0.1:1", "Error 111 connecting to"),
    ],
    ids=["password", "database", "TLS", "port"],
)
def test_redis_own_reason_is_told_when_the_store_cannot_be_asked(
    change: Callable[[str], str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The message has the reason and no part of the URL, which has a password."""
    (tmp_path / "secret").write_text(PEPPER)
    server = stores.start_state(tmp_path, tmp_path / "state")
    try:
        url = change(server.url)
        monkeypatch.setenv("STATE_REDIS_URL", url)
        assert main(["--secret", str(tmp_path / "secret"), "list"]) == 2
    finally:
        stores.stop(server)
    text = capsys.readouterr().err
    assert said.lower() in text.lower()
    assert text.startswith("The state store at STATE_REDIS_URL cannot be asked: ")
    parts = urlsplit(url)
    assert not [one for one in (parts.password, parts.netloc, url) if one and one in text]


async def test_the_named_key_is_rotated_when_there_are_others(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The new key has the limits of the second one, and not of the first."""
    made(files, capsys, "--per-minute", "60")
    second = made(files, capsys, "--per-minute", "7")
    assert main([*files, "rotate", second.split("_")[1]]) == 0
    fresh = capsys.readouterr().out.strip()
    principal = await KeyRing(PEPPER.encode(), file=KeyFile(Path(files[1]))).authenticate(fresh)
    assert principal.allowance == Allowance(7)
