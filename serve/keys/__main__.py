"""API keys by command: `python -m serve.keys create|list|revoke`, in the state store or in a file."""

import argparse
import asyncio
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from serve.keys.keyring import KeyStore
from serve.keys.quota import SCOPES
from serve.keys.records import KeyRecord, new_key, read_keys, write_keys
from serve.stores.redis import StoreError, state_pool
from serve.stores.timeouts import KEYS_COMMAND_TIMEOUT_S

T = TypeVar("T")
DAY_S = 86_400
EXAMPLES = """examples:
  python -m serve.keys create --tenant shop --scopes advice uploads --per-minute 600 --concurrent 8 --days 90
  python -m serve.keys list
  python -m serve.keys revoke 014bed3f0a73

Where keys are kept: with --file in that file; else in the state store, when STATE_REDIS_URL names one; else in the
file STYLESYNC_KEYS_FILE (.dev/keys.json). A service takes keys from both places. The pepper is the service's own,
STYLESYNC_SECRET_FILE (.dev/secret). A key is shown once, when it is made; only its keyed hash is kept. A revoked key
is shut out by every replica within 2 s."""


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0, or 2 when refused."""
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.run(asked, _place(asked)))
    except StoreError:
        sys.stderr.write("The state store at STATE_REDIS_URL cannot be asked.\n")
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"The keys cannot be used: {error}\n")
    return 2


class FilePlace:
    """Keys in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def records(self) -> list[KeyRecord]:
        return read_keys(self._path)

    def add(self, record: KeyRecord) -> None:
        write_keys(self._path, [*(self.records() if self._path.exists() else []), record])

    def remove(self, key_id: str) -> bool:
        found = self.records()
        kept = [record for record in found if record.id != key_id]
        write_keys(self._path, kept)
        return len(kept) < len(found)


class StorePlace:
    """Keys in the state store."""

    def __init__(self, url: str, pepper: bytes) -> None:
        self._url = url
        self._pepper = pepper

    def records(self) -> list[KeyRecord]:
        return self._run(lambda store: store.records())

    def add(self, record: KeyRecord) -> None:
        self._run(lambda store: store.add(record))

    def remove(self, key_id: str) -> bool:
        return self._run(lambda store: store.remove(key_id))

    def _run(self, ask: Callable[[KeyStore], Awaitable[T]]) -> T:
        async def run() -> T:
            pool = state_pool(self._url, timeout_s=KEYS_COMMAND_TIMEOUT_S)
            store = KeyStore(pool, self._pepper, timeout_s=KEYS_COMMAND_TIMEOUT_S)
            try:
                return await ask(store)
            finally:
                await store.close()

        return asyncio.run(run())


Place = FilePlace | StorePlace


def _place(asked: argparse.Namespace) -> Place:
    url = os.environ.get("STATE_REDIS_URL")
    if asked.file is None and url:
        return StorePlace(url, _pepper(asked))
    return FilePlace(asked.file or Path(os.environ.get("STYLESYNC_KEYS_FILE", ".dev/keys.json")))


def _pepper(asked: argparse.Namespace) -> bytes:
    secret: Path = asked.secret
    return secret.read_text().strip().encode()


def _create(asked: argparse.Namespace, place: Place) -> int:
    key, record = new_key(tenant=asked.tenant, scopes=tuple(asked.scopes), pepper=_pepper(asked))
    expires_s = None if asked.days is None else time.time() + asked.days * DAY_S
    place.add(replace(record, expires_s=expires_s, per_minute=asked.per_minute, concurrent=asked.concurrent))
    sys.stdout.write(key + "\n")
    return 0


def _list(asked: argparse.Namespace, place: Place) -> int:
    row = "{:<14} {:<20} {:<24} {:>10} {:>10}  {}\n"
    sys.stdout.write(row.format("id", "tenant", "scopes", "per minute", "concurrent", "expires"))
    for record in sorted(place.records(), key=lambda one: (one.tenant, one.id)):
        ends = "never" if record.expires_s is None else time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(record.expires_s))
        limits = (str(limit or "any") for limit in (record.per_minute, record.concurrent))
        sys.stdout.write(row.format(record.id, record.tenant, ",".join(record.scopes), *limits, ends))
    return 0


def _revoke(asked: argparse.Namespace, place: Place) -> int:
    if not place.remove(asked.id):
        sys.stderr.write(f"There is no key with the id {asked.id!r}; `list` shows them.\n")
        return 2
    sys.stdout.write(f"Revoked {asked.id}.\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m serve.keys",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--file", type=Path, help="keep the keys in this file")
    parser.add_argument("--secret", type=Path, default=Path(os.environ.get("STYLESYNC_SECRET_FILE", ".dev/secret")))
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a key and print it")
    create.add_argument("--tenant", type=_tenant, required=True, help="whose key it is: caches and uploads are apart")
    create.add_argument("--scopes", nargs="+", choices=SCOPES, default=["advice"])
    create.add_argument("--per-minute", type=_positive, help="requests a minute; without: any number")
    create.add_argument("--concurrent", type=_positive, help="requests at a time; without: any number")
    create.add_argument("--days", type=_positive, help="valid for so many days; without: for ever")
    create.set_defaults(run=_create)
    commands.add_parser("list", help="show the keys, never their secrets").set_defaults(run=_list)
    revoke = commands.add_parser("revoke", help="end a key at once")
    revoke.add_argument("id", help="the part of the key between its underscores")
    revoke.set_defaults(run=_revoke)
    return parser


def _tenant(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 63 of a-z, 0-9 and -")
    return text


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
