"""API keys: creation, storage as keyed hashes in a file, constant-time checks, scopes; limits.py alone of ours."""

import hmac
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.errors import Forbidden, NotReady, Unauthenticated
from serve.keys.quota import SCOPES, Allowance, Principal, Scope

SECRET_BYTES = 32
NO_KEY = "Send the API key as X-API-Key or as Authorization: Bearer."
_NOBODY = "0" * 64  # compared with when the id is unknown, so that both cases take the same time


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as it is kept: never the key, only its HMAC-SHA-256 under the pepper. expires_s: Unix time."""

    id: str
    digest: str
    tenant: str
    scopes: tuple[str, ...]
    expires_s: float | None = None
    per_minute: int | None = None
    concurrent: int | None = None


class KeyFile:
    """The keys of a JSON file, read again when the file changes."""

    def __init__(self, path: Path, pepper: bytes) -> None:
        self._path = path
        self._pepper = pepper
        self._seen: tuple[int, int, int] | None = None
        self._records: dict[str, KeyRecord] = {}

    def authenticate(self, key: str | None) -> Principal:
        """The owner of a key of this file; see KeyRing for the service's own door."""
        if not key:
            raise Unauthenticated(NO_KEY)
        return admit(key, self.find(key_id_of(key)), self._pepper)

    def find(self, key_id: str) -> KeyRecord | None:
        """The record of an id. Raises NotReady while no key file was ever readable."""
        self._refresh()
        return self._records.get(key_id)

    def _refresh(self) -> None:
        """Reads a changed file; while it cannot be read, the keys read last stay valid."""
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp != self._seen:
                self._records = {record.id: record for record in read_keys(self._path)}
                self._seen = stamp
        except (OSError, ValueError, KeyError, TypeError) as error:
            if self._seen is None:
                raise NotReady("The API keys cannot be read; try again shortly.") from error


def admit(key: str, record: KeyRecord | None, pepper: bytes) -> Principal:
    """The owner of a key `ssk_<id>_<secret>`, given the record under its id; the same work whether there is one.

    Raises Unauthenticated when the key is unknown, wrong or expired.
    """
    right = hmac.compare_digest(key_digest(key, pepper), record.digest if record else _NOBODY)
    if record is None or not right:
        raise Unauthenticated("The API key is not valid.")
    if record.expires_s is not None and record.expires_s <= time.time():
        raise Unauthenticated("The API key has expired.")
    return Principal(
        record.id, record.tenant, frozenset(record.scopes), Allowance(record.per_minute, record.concurrent)
    )


def require_scope(principal: Principal, scope: Scope) -> None:
    """Raises Forbidden when the principal's key lacks the scope."""
    if scope not in principal.scopes:
        raise Forbidden(f"This needs a key with the scope '{scope}'.")


def key_digest(key: str, pepper: bytes) -> str:
    """HMAC-SHA-256 of a key under the pepper, hex."""
    return hmac.digest(pepper, key.encode(), "sha256").hex()


def new_key(*, tenant: str, scopes: tuple[Scope, ...], pepper: bytes) -> tuple[str, KeyRecord]:
    """A fresh key and the record to keep of it."""
    key_id = secrets.token_hex(6)
    key = f"ssk_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    return key, KeyRecord(key_id, key_digest(key, pepper), tenant, scopes)


def read_keys(path: Path) -> list[KeyRecord]:
    """The records of a key file. Raises OSError, ValueError, KeyError or TypeError for what is none."""
    rows = json.loads(path.read_text())["keys"]
    return [KeyRecord(**{**row, "scopes": tuple(row["scopes"])}) for row in rows]


def write_keys(path: Path, records: list[KeyRecord]) -> None:
    """Replaces the key file in one step, readable by its owner alone."""
    draft = path.with_suffix(".draft")
    write_private(draft, json.dumps({"keys": [asdict(record) for record in records]}, indent=1))
    draft.replace(path)


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def ensure_development_key(folder: Path) -> str:
    """The development key of `folder` (every scope), made on the first call; also its secret and key file.

    Writes `secret` (the pepper), `keys.json` and `api_key`; the service reads the first two by
    STYLESYNC_SECRET_FILE and STYLESYNC_KEYS_FILE.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key_path, secret_path, keys_path = folder / "api_key", folder / "secret", folder / "keys.json"
    if all(path.is_file() for path in (key_path, secret_path, keys_path)):
        return key_path.read_text().strip()
    pepper = secrets.token_hex(SECRET_BYTES)
    key, record = new_key(tenant="development", scopes=SCOPES, pepper=pepper.encode())
    write_private(secret_path, pepper)
    write_keys(keys_path, [record])
    write_private(key_path, key + "\n")
    return key


def key_id_of(key: str) -> str:
    """The id within a key; empty for what has not the form of one."""
    parts = key.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == "ssk" else ""
