"""Makes API keys, keeps their keyed hashes in a file, and checks keys in constant time."""

import hmac
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.errors import Forbidden, NotReady, Unauthenticated
from serve.keys.quota import SCOPES, Allowance, Principal, Scope

# Taste: 256 bits, so that nobody can guess a key or the pepper.
SECRET_BYTES = 32
NO_KEY = "Send the API key as X-API-Key or as Authorization: Bearer."
# An unknown id is compared with this digest, so that it takes as long as a known one.
_NOBODY = "0" * 64


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is stored of a key: its HMAC-SHA-256 under the pepper, never the key itself. expires_s: Unix time."""

    id: str
    digest: str
    tenant: str
    scopes: tuple[str, ...]
    expires_s: float | None = None
    per_minute: int | None = None
    concurrent: int | None = None


class KeyFile:
    """The keys of a JSON file, read again when the file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._records: dict[str, KeyRecord] = {}

    def find(self, key_id: str) -> KeyRecord | None:
        """The record of an id, or None. Raises NotReady until the file was readable once."""
        self._refresh()
        return self._records.get(key_id)

    def _refresh(self) -> None:
        """Reads the file again when it changed. While it cannot be read, the keys read last stay valid."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._seen:
                self._records = {record.id: record for record in read_keys(self._path)}
                self._seen = stamp
        except (OSError, ValueError, KeyError, TypeError) as error:
            if self._seen is None:
                raise NotReady("The API keys cannot be read; try again shortly.") from error


def admit(key: str, record: KeyRecord | None, *peppers: bytes) -> Principal:
    """The owner of a key `ssk_<id>_<secret>`, given the record under its id.

    peppers: the key was made with one of these. It does the same work whether there is a record or not.
    Raises Unauthenticated for an unknown, wrong or expired key.
    """
    stored = record.digest if record else _NOBODY
    # Every pepper is tried, so that the time does not tell which one a key was made with.
    matches = any([hmac.compare_digest(key_digest(key, pepper), stored) for pepper in peppers])
    if record is None or not matches:
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
    """HMAC-SHA-256 of a key under the pepper, in hex."""
    return hmac.digest(pepper, key.encode(), "sha256").hex()


def new_key(*, tenant: str, scopes: tuple[Scope, ...], pepper: bytes) -> tuple[str, KeyRecord]:
    """A fresh key and the record to store for it."""
    key_id = secrets.token_hex(6)
    key = f"ssk_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    return key, KeyRecord(key_id, key_digest(key, pepper), tenant, scopes)


def read_keys(path: Path) -> list[KeyRecord]:
    """The records of a key file. Raises OSError, ValueError, KeyError or TypeError for anything else."""
    rows = json.loads(path.read_text())["keys"]
    return [KeyRecord(**{**row, "scopes": tuple(row["scopes"])}) for row in rows]


def write_keys(path: Path, records: list[KeyRecord]) -> None:
    """Replaces the key file atomically; only its owner may read it."""
    draft = path.with_suffix(".draft")
    write_private(draft, json.dumps({"keys": [asdict(record) for record in records]}, indent=1))
    draft.replace(path)


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, also while it is being written."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def ensure_development_key(folder: Path) -> str:
    """The development key of `folder`, which has every scope; the first call makes it.

    Writes `secret` (the pepper), `keys.json` and `api_key`. STYLESYNC_SECRET_FILE and STYLESYNC_KEYS_FILE name the
    first two for the service.
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
    """The id within a key; empty for text that does not have a key's form."""
    parts = key.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == "ssk" else ""
