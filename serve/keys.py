"""API keys by command: `python -m serve.keys create|list|revoke`; a running service sees a change at once."""

import argparse
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

from serve.security import SCOPES, KeyRecord, new_key, read_keys, write_keys

DAY_S = 86_400
EXAMPLES = """examples:
  python -m serve.keys create --tenant shop --scopes advice --per-minute 600 --concurrent 8 --days 90
  python -m serve.keys list
  python -m serve.keys revoke 014bed3f0a73

The file and the pepper are those of the service: STYLESYNC_KEYS_FILE and STYLESYNC_SECRET_FILE (in development
.dev/keys.json and .dev/secret). A key is shown once, when it is made; only its keyed hash is kept."""


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0, or 2 when refused."""
    asked = _parser().parse_args(arguments)
    try:
        records = list(read_keys(asked.file)) if asked.file.is_file() or asked.command != "create" else []
        return int(asked.run(asked, records))
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"The key file {asked.file} cannot be used: {error}\n")
        return 2


def _create(asked: argparse.Namespace, records: list[KeyRecord]) -> int:
    pepper = asked.secret.read_text().strip().encode()
    key, record = new_key(tenant=asked.tenant, scopes=tuple(asked.scopes), pepper=pepper)
    expires_s = None if asked.days is None else time.time() + asked.days * DAY_S
    record = replace(record, expires_s=expires_s, per_minute=asked.per_minute, concurrent=asked.concurrent)
    write_keys(asked.file, [*records, record])
    sys.stdout.write(key + "\n")
    return 0


def _list(asked: argparse.Namespace, records: list[KeyRecord]) -> int:
    row = "{:<14} {:<20} {:<24} {:>10} {:>10}  {}\n"
    sys.stdout.write(row.format("id", "tenant", "scopes", "per minute", "concurrent", "expires"))
    for record in sorted(records, key=lambda one: (one.tenant, one.id)):
        ends = "never" if record.expires_s is None else time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(record.expires_s))
        limits = (str(limit or "any") for limit in (record.per_minute, record.concurrent))
        sys.stdout.write(row.format(record.id, record.tenant, ",".join(record.scopes), *limits, ends))
    return 0


def _revoke(asked: argparse.Namespace, records: list[KeyRecord]) -> int:
    kept = [record for record in records if record.id != asked.id]
    if len(kept) == len(records):
        sys.stderr.write(f"There is no key with the id {asked.id!r}; `list` shows them.\n")
        return 2
    write_keys(asked.file, kept)
    sys.stdout.write(f"Revoked {asked.id}.\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m serve.keys",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--file", type=Path, default=Path(os.environ.get("STYLESYNC_KEYS_FILE", ".dev/keys.json")))
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
