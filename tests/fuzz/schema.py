"""Runs all checks of Schemathesis against the application: `python -m tests.fuzz.schema [CASES] [SEED]`.

The phases are the tests' fakes, everything else is real: keys, uploads on an S3 server, the state store, decoding.
"""

import asyncio
import os
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from pydantic import SecretStr
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.local import stores
from serve.local.objects import BUCKET
from serve.local.plan import REPOSITORY
from tests.s3_server import S3Server, s3_server
from tests.serve.application import Application, app_of, listening, running

HOOKS = "tests.fuzz.hooks"


def main(cases: int, seed: int) -> int:
    """Runs Schemathesis. The exit status is 0 when no check failed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = stores.start_state(folder, folder / "state")
        try:
            with s3_server(folder / "s3") as s3:
                return asyncio.run(_tested(folder, s3, store.url, cases=cases, seed=seed))
        finally:
            stores.stop(store)


class _Counted:
    """An ASGI application that counts its answers by (method, path) and status."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.answers: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.answers[scope["method"], scope["path"]][message["status"]] += 1
            await send(message)

        await self._app(scope, receive, counted)


async def _tested(folder: Path, s3: S3Server, state_url: str, *, cases: int, seed: int) -> int:
    config = s3.started.config(BUCKET)
    async with running(folder, s3=config, state_url=SecretStr(state_url), object_timeout_s=30) as application:
        return await _run(application, folder, cases=cases, seed=seed)


async def _run(application: Application, folder: Path, *, cases: int, seed: int) -> int:
    app = _Counted(app_of(application))
    async with listening(app) as url:
        tester = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("st")),
            *("run", f"{url}/openapi.json", "--checks", "all", "-n", str(cases), "--seed", str(seed)),
            *("-H", f"X-API-Key: {application.keys['whole']}", "--continue-on-failure", "--no-color"),
            *("--generation-database", "none", "--request-timeout", "60", "--wait-for-schema", "30"),
            cwd=folder,
            env={**os.environ, "NO_PROXY": "*", "PYTHONPATH": str(REPOSITORY), "SCHEMATHESIS_HOOKS": HOOKS},
        )
        status = await tester.wait()
    print("Answers by operation and status:")
    for path, item in application.document["paths"].items():
        for method in item:
            found = app.answers[method.upper(), path]
            print(f"  {method.upper():4} {path:20} {found.total():5}  {dict(sorted(found.items()))}")
    return status


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    sys.exit(main(*given, *(100, 1)[len(given) :]))
