"""An application for test_transports.py: a phase that does what its payload says, behind real `Phase` calls."""

import asyncio
import os
import time
from functools import partial
from typing import Any

from fastapi import FastAPI
from ray import serve as ray_serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from pipeline import errors
from pipeline.errors import ColorMatchError
from serve.deployments import OneThread, replica_has, running_replicas, translate
from serve.observe.metrics import Metrics
from serve.walk.breaker import Breaker
from serve.walk.phase_call import Phase, Replicas

MAX_ONGOING, MAX_QUEUED = 4, 6
app = FastAPI()


class Told:
    """A phase whose payload says what to do: `work SECONDS`, `raise CLASS`, `hang`, `die` or `seen`."""

    def __init__(self) -> None:
        self._thread = OneThread("harmony", Metrics())
        self._seen = {"arrived": 0, "ongoing": 0, "worked": 0}

    async def run(self, payload: bytes) -> bytes:
        """Does what the payload says. `seen` answers what happened in this replica so far."""
        command, _, rest = payload.decode().partition(" ")
        if command == "seen":
            return repr(self._seen).encode()
        self._seen["arrived"] += 1
        self._seen["ongoing"] += 1
        try:
            return await self._obey(command, rest)
        finally:
            self._seen["ongoing"] -= 1

    async def _obey(self, command: str, rest: str) -> bytes:
        if command == "die":
            os._exit(1)
        if command == "hang":
            await asyncio.Event().wait()
        if command == "raise":
            kind: type[Exception] = getattr(errors, rest, KeyError)
            raise kind("/secret/path")
        return await self._thread.run(time.time() + 60, lambda: self._work(float(rest)))

    def _work(self, seconds: float) -> bytes:
        self._seen["worked"] += 1
        time.sleep(seconds)
        return b"done"


@ray_serve.ingress(app)
class Caller:
    """Calls the phase as the walk does, and reports the outcomes."""

    def __init__(self, told: DeploymentHandle[Told]) -> None:
        self._told = told

    @app.get("/call")
    async def call(self, payload: str, budget_s: float, times: int = 1) -> list[Any]:
        """Makes calls. Gives each one's answer, or its error's class and detail."""
        return await asyncio.gather(*(self._outcome(payload, budget_s) for _ in range(times)))

    @app.get("/late")
    async def late(self, budget_s: float) -> float:
        """Times a call of a phase that hangs, ms."""
        began_s = time.perf_counter()
        await self._outcome("hang", budget_s)
        return (time.perf_counter() - began_s) * 1000

    @app.get("/tasks")
    async def tasks(self) -> int:
        """The number of tasks in this replica's event loop."""
        return len(asyncio.all_tasks())

    async def _outcome(self, payload: str, budget_s: float) -> list[str]:
        run = self._told.run
        replicas = Replicas(partial(running_replicas, run), replica_has)
        phase = Phase("segmentation", run.remote, translate, Breaker(), replicas=replicas)
        try:
            return [(await phase.call(payload.encode(), budget_s=budget_s)).decode()]
        except ColorMatchError as error:
            return [type(error).__name__, error.detail]


def build() -> Application:
    """Builds the graph of caller and phase."""
    few = {"num_cpus": 0.3}
    told = ray_serve.deployment(max_ongoing_requests=MAX_ONGOING, max_queued_requests=MAX_QUEUED, ray_actor_options=few)
    return ray_serve.deployment(ray_actor_options=few)(Caller).bind(told(Told).bind())
