"""Tests what the built application carries to Ray's store: no secret, and a pepper only where there is no other."""

from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle

from serve import app
from serve.settings import Settings

SECRETS = {
    "REDIS_URL": "redis://:cache-password@10.0.0.7",
    "STATE_REDIS_URL": "redis://:state-password@10.0.0.8",
    "S3_BUCKET": "photos-of-shop",
    "S3_ACCESS_KEY_ID": "access-key-id",
    "S3_SECRET_ACCESS_KEY": "secret-access-key",
}
PEPPERS = {"STYLESYNC_SECRET_FILE": "current-pepper", "STYLESYNC_PREVIOUS_SECRET_FILE": "previous-pepper"}


def _arguments() -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments that Serve pickles into its checkpoint."""
    deployment: Any = app.build(Settings())._bound_deployment
    return deployment.init_args, deployment.init_kwargs


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every secret of an environment that has all of them."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    for name, value in PEPPERS.items():
        (tmp_path / name).write_text(value)
        monkeypatch.setenv(name, str(tmp_path / name))
    return [*SECRETS.values(), *PEPPERS.values()]


def test_the_built_application_carries_no_secret(secrets: list[str]) -> None:
    """Serve keeps the bound arguments in Ray's store in clear. They hold neither pepper, address nor credential."""
    pickled: bytes = cloudpickle.dumps(_arguments())  # type: ignore[no-untyped-call]
    assert b"Settings" in pickled
    assert [secret for secret in secrets if secret.encode() in pickled] == []
    assert _arguments()[0] == (Settings(), None)


def test_the_pepper_is_not_read_where_the_application_is_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the nodes that run Advice need the file."""
    monkeypatch.setenv("STYLESYNC_SECRET_FILE", str(tmp_path / "nowhere"))
    assert _arguments()[0] == (Settings(), None)


def test_a_throwaway_pepper_is_bound_when_there_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """All replicas of the application share it, and the next application has another one."""
    monkeypatch.delenv("STYLESYNC_SECRET_FILE", raising=False)
    (_, first), (_, second) = _arguments()[0], _arguments()[0]
    assert len(bytes.fromhex(first.decode())) == 32
    assert first != second
