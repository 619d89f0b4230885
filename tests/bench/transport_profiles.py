"""Starts an application behind one of Serve's transport profiles, in a process of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from serve.local.plan import REPOSITORY, ray_environment, transport_profile
from serve.local.processes import HOST, free_port

STOCK, FAST = "stock", "HAProxy + throughput-optimised"
PROFILES = (STOCK, FAST)
STOP_TIMEOUT_S = 60.0


@contextmanager
def serving(profile: str, import_path: str) -> Iterator[str]:
    """Serves the application of `module:build` behind a profile, with its own port and folder, and yields its URL."""
    folder, port = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp")), free_port()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.transport_host", import_path, str(port), str(folder)],
            cwd=REPOSITORY,
            env=_environment(profile, folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        if "ready\n" not in cast(IO[str], process.stdout):
            raise RuntimeError(f"{profile} did not start: {(folder / 'log').read_text()[-2000:]}")
        yield f"http://{HOST}:{port}"
    finally:
        process.communicate(timeout=STOP_TIMEOUT_S)
        shutil.rmtree(folder, ignore_errors=True)


def _environment(profile: str, folder: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    flags = transport_profile(folder) if profile == FAST else {}
    # The gate belongs to the application, not to the transport.
    flags.pop("RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH", None)
    # HAProxy is found by the Python that comes first here.
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**inherited, **ray_environment(folder), **flags, "PATH": programs, "PYTHONPATH": str(REPOSITORY)}
