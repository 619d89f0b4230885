"""Creates, lists, rotates and revokes API keys, in the state store or in a file: `stylesync keys create|list|…`."""

import argparse
import asyncio
import re
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from serve.keys.keyring import KeyStore
from serve.keys.peppers import Peppers, read_previous
from serve.keys.quota import SCOPES
from serve.keys.records import KeyRecord, new_key, read_keys, write_keys
from serve.settings import Environment
from serve.stores.redis import StoreError, state_pool
from serve.stores.timeouts import KEYS_COMMAND_TIMEOUT_S
from serve.vocabulary import TENANT

T = TypeVar("T")
DAY_S = 86_400
# The development start writes these (records.ensure_development_key).
DEVELOPMENT = Path(__file__).resolve().parents[2] / ".dev"
DEVELOPMENT_KEYS, DEVELOPMENT_SECRET = DEVELOPMENT / "keys.json", DEVELOPMENT / "secret"
PROG = "python -m serve.keys"
EXAMPLES = """examples:
  stylesync keys create --tenant shop --scopes advice uploads --per-minute 600 --concurrent 8 --days 90
  stylesync keys list
  stylesync keys rotate 014bed3f0a73
  stylesync keys revoke 014bed3f0a73

Where keys are kept: in the file given by --file; else in the state store, when STATE_REDIS_URL names one; else in the
file STYLESYNC_KEYS_FILE (.dev/keys.json). A service accepts keys from both the store and the file. The pepper is the
service's own, STYLESYNC_SECRET_FILE (.dev/secret). A key is shown once, when it is created; only its keyed hash is
kept. Every replica refuses a revoked key within 2 s. `rotate` prints a second key with the rights of the first, which
stays valid until you revoke it."""


def main(arguments: list[str] | None = None, *, prog: str = PROG) -> int:
    """Runs the command. Exit status: 0, or 2 when refused."""
    try:
        environment = Environment()
        options = parser(prog, environment).parse_args(arguments)
        return int(options.run(options, _place(options, environment)))
    except StoreError as error:
        sys.stderr.write(f"The state store at STATE_REDIS_URL cannot be asked: {_reason(error, environment)}\n")
    except FileNotFoundError as error:
        way_out = "`make serve` makes the development keys; elsewhere name it with --file or --secret"
        sys.stderr.write(f"{error.filename} does not exist. {way_out}.\n")
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"The keys cannot be used: {error}\n")
    return 2


def _reason(error: StoreError, environment: Environment) -> str:
    """Redis' own reason, without any part of the URL, which has a password."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, TimeoutError) or not str(cause):
        return f"it does not answer within {KEYS_COMMAND_TIMEOUT_S:g} s."
    text = " ".join(str(cause).split())
    url = urlsplit(environment.state_redis_url.get_secret_value() if environment.state_redis_url else "")
    for part in sorted(filter(None, (url.netloc, url.password, url.hostname)), key=len, reverse=True):
        text = text.replace(part, "…")
    hint = ""
    if text.startswith(("MOVED", "CLUSTERDOWN", "ASK ")):
        hint = " Redis Cluster is not supported; name a single server, or a replicated one's own address."
    return f"{text.rstrip('.')}.{hint}"


class FilePlace:
    """Keys in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def records(self) -> list[KeyRecord]:
        return read_keys(self._path)

    def outdated(self) -> frozenset[str]:
        """Empty: a file does not tell which pepper a key was made with."""
        return frozenset()

    def add(self, record: KeyRecord) -> None:
        write_keys(self._path, [*(self.records() if self._path.exists() else []), record])

    def remove(self, key_id: str) -> bool:
        records = self.records()
        kept = [record for record in records if record.id != key_id]
        write_keys(self._path, kept)
        return len(kept) < len(records)


class StorePlace:
    """Keys in the state store."""

    def __init__(self, url: str, peppers: Peppers, *, ca_file: Path | None = None) -> None:
        self._url = url
        self._peppers = peppers
        self._ca_file = ca_file

    def records(self) -> list[KeyRecord]:
        return self._run(lambda store: store.records())

    def outdated(self) -> frozenset[str]:
        """The ids of the keys that were made with the previous pepper."""

        async def ask(store: KeyStore) -> frozenset[str]:
            await store.records()
            return store.outdated

        return self._run(ask)

    def add(self, record: KeyRecord) -> None:
        self._run(lambda store: store.add(record))

    def remove(self, key_id: str) -> bool:
        return self._run(lambda store: store.remove(key_id))

    def _run(self, ask: Callable[[KeyStore], Awaitable[T]]) -> T:
        async def run() -> T:
            pool = state_pool(self._url, timeout_s=KEYS_COMMAND_TIMEOUT_S, ca_file=self._ca_file)
            store = KeyStore(
                pool, self._peppers.current, previous=self._peppers.previous, timeout_s=KEYS_COMMAND_TIMEOUT_S
            )
            try:
                return await ask(store)
            finally:
                await store.close()

        return asyncio.run(run())


Place = FilePlace | StorePlace


def _place(options: argparse.Namespace, environment: Environment) -> Place:
    url = environment.state_redis_url
    if options.file is None and url and url.get_secret_value():
        peppers = Peppers(_pepper(options), read_previous(environment))
        return StorePlace(url.get_secret_value(), peppers, ca_file=environment.ca_file)
    return FilePlace(options.file or environment.stylesync_keys_file or DEVELOPMENT_KEYS)


def _pepper(options: argparse.Namespace) -> bytes:
    secret: Path = options.secret
    return secret.read_text().strip().encode()


def _create(options: argparse.Namespace, place: Place) -> int:
    key, record = new_key(tenant=options.tenant, scopes=tuple(options.scopes), pepper=_pepper(options))
    expires_s = None if options.days is None else time.time() + options.days * DAY_S
    place.add(replace(record, expires_s=expires_s, per_minute=options.per_minute, concurrent=options.concurrent))
    sys.stdout.write(key + "\n")
    ends = "never expires" if options.days is None else f"expires in {options.days} days"
    sys.stderr.write(
        f"Key {record.id} of {record.tenant}, for {', '.join(record.scopes)}, {ends}. It is shown this once.\n"
        f'Try it: curl -H "X-API-Key: $KEY" "$BASE/v1/palette?colors=navy"\n'
    )
    return 0


def _rotate(options: argparse.Namespace, place: Place) -> int:
    old = next((record for record in place.records() if record.id == options.id), None)
    if old is None:
        return _no_key(options.id)
    key, record = new_key(tenant=old.tenant, scopes=(), pepper=_pepper(options))
    place.add(replace(old, id=record.id, digest=record.digest))
    sys.stdout.write(key + "\n")
    sys.stderr.write(
        f"Key {record.id} has the rights, the limits and the expiry of {old.id}. It is shown this once.\n"
        f"Give it to {old.tenant}, and end the old one then: stylesync keys revoke {old.id}\n"
    )
    return 0


def _no_key(key_id: str) -> int:
    sys.stderr.write(f"There is no key with the id {key_id!r}; `list` shows them.\n")
    return 2


def _list(options: argparse.Namespace, place: Place) -> int:
    row = "{:<14} {:<20} {:<24} {:>10} {:>10}  {}\n"
    sys.stdout.write(row.format("id", "tenant", "scopes", "per minute", "concurrent", "expires"))
    outdated = place.outdated()
    for record in sorted(place.records(), key=lambda record: (record.tenant, record.id)):
        ends = "never" if record.expires_s is None else time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(record.expires_s))
        ends += "  (previous pepper)" if record.id in outdated else ""
        limits = (str(limit or "any") for limit in (record.per_minute, record.concurrent))
        sys.stdout.write(row.format(record.id, record.tenant, ",".join(record.scopes), *limits, ends))
    return 0


def _revoke(options: argparse.Namespace, place: Place) -> int:
    if not place.remove(options.id):
        return _no_key(options.id)
    sys.stdout.write(f"Revoked {options.id}.\n")
    return 0


def parser(prog: str = PROG, environment: Environment | None = None) -> argparse.ArgumentParser:
    """The command's parser. environment: gives the defaults; None: that of this process."""
    environment = environment or Environment()
    made = argparse.ArgumentParser(
        prog=prog,
        description="Create, list, rotate and revoke API keys.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--file", type=Path, help="keep the keys in this file")
    secret = environment.stylesync_secret_file or DEVELOPMENT_SECRET
    made.add_argument(
        "--secret", type=Path, default=secret, help="read the pepper from this file; default: %(default)s"
    )
    commands = made.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="create a key and print it")
    create.add_argument(
        "--tenant", type=_tenant, required=True, help="name the owner, who has a cache and uploads of its own"
    )
    create.add_argument(
        "--scopes", nargs="+", choices=SCOPES, default=["advice"], help="grant these scopes; default: advice"
    )
    create.add_argument("--per-minute", type=_positive, help="allow this many requests per minute; default: any number")
    create.add_argument("--concurrent", type=_positive, help="allow this many requests at a time; default: any number")
    create.add_argument("--days", type=_positive, help="let the key expire after this many days; default: never")
    create.set_defaults(run=_create)
    commands.add_parser("list", help="list the keys, without their secrets").set_defaults(run=_list)
    rotate = commands.add_parser("rotate", help="print a new key with the rights of another")
    rotate.add_argument("id", help="the part of the old key between its first two underscores")
    rotate.set_defaults(run=_rotate)
    revoke = commands.add_parser("revoke", help="revoke a key")
    revoke.add_argument("id", help="the part of the key between its first two underscores")
    revoke.set_defaults(run=_revoke)
    return made


def _tenant(text: str) -> str:
    if not re.fullmatch(TENANT, text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 63 of a-z, 0-9 and -")
    return text


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
