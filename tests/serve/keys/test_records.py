"""API keys: keyed hashes in a file that may change at any time, constant-time comparison, scopes and expiry."""

import hashlib
import hmac
import json
import os
import re
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import Forbidden, NotReady, Unauthenticated
from serve.keys.keyring import KeyRing
from serve.keys.quota import SCOPES, Principal
from serve.keys.records import (
    KeyFile,
    KeyRecord,
    ensure_development_key,
    key_digest,
    new_key,
    require_scope,
    write_keys,
)

PEPPER = b"pepper"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of the key file."""
    return tmp_path / "keys.json"


async def opened(path: Path, key: str | None) -> Principal:
    """The owner of a key, by the key file alone."""
    return await KeyRing(PEPPER, file=KeyFile(path)).authenticate(key)


def _key(path: Path, **changes: object) -> str:
    """A fresh key, the only one in the file, with a changed record."""
    key, record = new_key(tenant="shop", scopes=("advice",), pepper=PEPPER)
    write_keys(path, [replace(record, **changes)])  # type: ignore[arg-type]
    return key


async def test_the_owner_is_known_when_the_key_is_right(path: Path) -> None:
    """A valid key names its id, tenant and scopes."""
    key = _key(path)
    assert await opened(path, key) == Principal(key.split("_")[1], "shop", frozenset({"advice"}))


def test_a_key_has_the_agreed_form_when_made() -> None:
    """Keys have the form `ssk_<id>_<secret>` with a secret of 256 bits, and all differ."""
    keys = [new_key(tenant="shop", scopes=("advice",), pepper=PEPPER)[0] for _ in range(50)]
    assert len({key.split("_", 2)[2] for key in keys}) == len({key.split("_", 2)[1] for key in keys}) == 50
    assert all(re.fullmatch(r"ssk_[0-9a-f]{12}_[A-Za-z0-9_-]{43,}", key) for key in keys)


def _wrong_keys(key: str) -> dict[str, str | None]:
    prefix, key_id, secret = key.split("_", 2)
    return {
        "none": None,
        "empty": "",
        "no form": "hello",
        "a secret alone": secret,
        "no prefix": f"{key_id}_{secret}",
        "another prefix": f"sk_{key_id}_{secret}",
        "another id": f"{prefix}_{key_id[::-1]}0_{secret}",
        "first character": f"{prefix}_{key_id}_{'A' if secret[0] != 'A' else 'B'}{secret[1:]}",
        "last character": f"{key[:-1]}{'A' if key[-1] != 'A' else 'B'}",
        "shorter": key[:-1],
        "longer": key + "A",
        "a blank": key + " ",
        "another case": key.upper(),
        "not ASCII": key[:-1] + "é",
        "very long": key + "A" * 100_000,
    }


@pytest.mark.parametrize("case", _wrong_keys("ssk_0_0"))
async def test_nobody_is_known_when_the_key_is_wrong(path: Path, case: str) -> None:
    """Every wrong key gets the same answer, which reveals nothing about the key."""
    key = _key(path)
    wrong = _wrong_keys(key)[case]
    with pytest.raises(Unauthenticated) as caught:
        await opened(path, wrong)
    expected = "The API key is not valid." if wrong else "Send the API key as X-API-Key or as Authorization: Bearer."
    assert caught.value.detail == expected


async def test_nobody_is_known_when_the_pepper_is_another(path: Path) -> None:
    """A stolen key file is of no use with another pepper."""
    with pytest.raises(Unauthenticated):
        await KeyRing(b"another", file=KeyFile(path)).authenticate(_key(path))


@pytest.mark.parametrize(("ends_in_s", "valid"), [(60, True), (0, False), (-60, False)])
async def test_a_key_ends_when_its_time_has_come(path: Path, ends_in_s: float, valid: bool) -> None:
    """A key is valid until its expiry; only the holder of the full key learns that it expired."""
    key = _key(path, expires_s=time.time() + ends_in_s)
    if valid:
        assert (await opened(path, key)).tenant == "shop"
        return
    with pytest.raises(Unauthenticated, match="has expired"):
        await opened(path, key)
    with pytest.raises(Unauthenticated, match="is not valid"):
        await opened(path, key + "A")


def test_a_scope_is_needed_when_required() -> None:
    """A key permits what its scopes name and nothing else."""
    principal = Principal("k", "shop", frozenset({"advice"}))
    require_scope(principal, "advice")
    for scope in ("uploads", "metrics"):
        with pytest.raises(Forbidden, match=f"scope '{scope}'"):
            require_scope(principal, scope)


# --- how keys are kept ----------------------------------------------------------------------------------------
def test_the_key_is_not_kept_when_it_is_written(path: Path) -> None:
    """The file holds the HMAC-SHA-256 under the pepper, never the secret, and only its owner may read it."""
    key = _key(path)
    text = path.read_text()
    assert key.split("_", 2)[2] not in text
    assert hmac.new(PEPPER, key.encode(), hashlib.sha256).hexdigest() == json.loads(text)["keys"][0]["digest"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


async def test_the_same_comparison_is_made_when_the_id_is_unknown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A right key, a wrong secret and an unknown id all cost one comparison in constant time of 64 characters."""
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def compare(first: str, second: str) -> bool:
        compared.append((len(first), len(second)))
        return real(first, second)

    key = _key(path)
    keys = KeyRing(PEPPER, file=KeyFile(path))
    monkeypatch.setattr(hmac, "compare_digest", compare)
    await keys.authenticate(key)
    for wrong in (key[:-1], "ssk_unknown_secret", "hello"):
        with pytest.raises(Unauthenticated):
            await keys.authenticate(wrong)
    assert compared == [(64, 64)] * 4


# --- the file changes -----------------------------------------------------------------------------------------
async def test_a_new_key_is_known_when_the_file_is_replaced(path: Path) -> None:
    """A replaced file is noticed without a restart, even with the same time and size."""
    keys = KeyRing(PEPPER, file=KeyFile(path))
    old = _key(path)
    assert (await keys.authenticate(old)).tenant == "shop"
    times = path.stat()
    new = _key(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == times.st_size
    assert (await keys.authenticate(new)).tenant == "shop"
    with pytest.raises(Unauthenticated):
        await keys.authenticate(old)


async def test_the_file_is_read_once_when_it_does_not_change(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request reads the file's status, not its contents."""
    key = _key(path)
    keys = KeyRing(PEPPER, file=KeyFile(path))
    await keys.authenticate(key)
    monkeypatch.setattr(Path, "read_text", _fail)
    assert (await keys.authenticate(key)).tenant == "shop"


def _fail(*_: object) -> str:
    raise AssertionError("read again")


@pytest.mark.parametrize("broken", [None, "", "{", "[]", '{"keys": [{"id": "x"}]}', '{"keys": [5]}'])
async def test_known_keys_stay_valid_when_the_file_is_broken(path: Path, broken: str | None) -> None:
    """With a lost or half-written file the known keys stay valid, and no other key becomes valid."""
    key = _key(path)
    keys = KeyRing(PEPPER, file=KeyFile(path))
    await keys.authenticate(key)
    path.unlink()
    if broken is not None:
        path.write_text(broken)
    assert (await keys.authenticate(key)).tenant == "shop"
    with pytest.raises(Unauthenticated):
        await keys.authenticate(key[:-1])


async def test_nobody_is_let_in_when_the_file_was_never_readable(path: Path) -> None:
    """Without a readable key file the service answers NotReady."""
    with pytest.raises(NotReady):
        await opened(path, "ssk_a_b")


# --- development ----------------------------------------------------------------------------------------------
async def test_the_development_key_opens_everything_when_made(tmp_path: Path) -> None:
    """Every scope, private files, and the same key at the next start."""
    folder = tmp_path / "dev"
    key = ensure_development_key(folder)
    pepper = (folder / "secret").read_text().encode()
    principal = await KeyRing(pepper, file=KeyFile(folder / "keys.json")).authenticate(key)
    assert principal.scopes == frozenset(SCOPES)
    assert (folder / "api_key").read_text().strip() == key
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert ensure_development_key(folder) == key


@pytest.mark.parametrize("lost", ["api_key", "secret", "keys.json"])
async def test_the_development_key_is_made_anew_when_a_file_is_lost(tmp_path: Path, lost: str) -> None:
    """An incomplete set of files is replaced by a new one that fits together."""
    ensure_development_key(tmp_path)
    (tmp_path / lost).unlink()
    key = ensure_development_key(tmp_path)
    pepper = (tmp_path / "secret").read_text().encode()
    principal = await KeyRing(pepper, file=KeyFile(tmp_path / "keys.json")).authenticate(key)
    assert principal.tenant == "development"


async def test_a_record_is_what_was_written_when_read_back(path: Path) -> None:
    """A record read back equals the one written."""
    key, record = new_key(tenant="shop", scopes=("advice", "metrics"), pepper=PEPPER)
    write_keys(path, [replace(record, expires_s=4e9)])
    assert record == KeyRecord(key.split("_")[1], key_digest(key, PEPPER), "shop", ("advice", "metrics"))
    assert (await opened(path, key)).scopes == frozenset({"advice", "metrics"})
