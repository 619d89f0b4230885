"""An open-loop load generator: it sends requests on a schedule, whatever became of the earlier ones.

A latency counts from the moment when the request was due, not from when it was sent. So a server that stalls, or a
generator that cannot keep up, cannot hide the waiting (coordinated omission). `start` runs the generator in a process
of its own, so that the rest of the kit does not disturb its clock.
"""

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import IO, Any, cast

from serve.local.plan import REPOSITORY
from tests.reliability.messages import Request, request_maker

# Taste: the time after which a request counts as lost.
GIVE_UP_S = 15.0
# Taste: the pause of a closed-loop client after a refusal.
PAUSE_S = 0.1
# The status of a lost request: its connection broke, or it took longer than its plan allows.
LOST = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """One load. per_s: arrivals per second. kinds: the share of each kind of request (messages.py).

    seed: the seed of times and kinds. clients: the number of clients that each wait for their answers; they replace
    the schedule, to measure capacity. photo: a photo, or a folder of photos, of which `first` is the first to be sent.
    give_up_s: the time after which a request counts as lost.
    """

    port: int
    key: str
    for_s: float
    per_s: float = 0.0
    kinds: dict[str, float] = field(default_factory=lambda: {"new": 1.0})
    arrivals: str = "poisson"
    seed: int = 1
    clients: int = 0
    photo: str = "docs/samples/astronaut.jpg"
    first: int = 0
    give_up_s: float = GIVE_UP_S


@dataclass(frozen=True, slots=True)
class Shot:
    """One request and its answer.

    due_s: when it was due, after the load's start. took_s: the time from then to the answer. degraded: the phases that
    the answer names as degraded. code and detail: those of a problem document.
    """

    due_s: float
    took_s: float
    kind: str
    status: int
    degraded: tuple[str, ...] = ()
    retry_after: bool = False
    problem: bool = False
    code: str = ""
    detail: str = ""

    @property
    def good(self) -> bool:
        """Whether the answer is whole."""
        return self.status == 200 and not self.degraded


def due_times(plan: Plan) -> Iterator[float]:
    """When requests are due, s after the start: exponential gaps (Poisson arrivals), or equal ones."""
    rng, due_s = random.Random(plan.seed), 0.0
    while True:
        due_s += rng.expovariate(plan.per_s) if plan.arrivals == "poisson" else 1 / plan.per_s
        if due_s >= plan.for_s:
            return
        yield due_s


class Connections:
    """Keep-alive connections. A request takes an idle one or opens another."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """Sends a request. Gives the answer's status, headers and body.

        Raises OSError or EOFError when the connection breaks.
        """
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                break
            writer.close()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(request.raw)
            answer = await read_answer(reader)
        except BaseException:
            writer.close()
            raise
        self._idle.append((reader, writer))
        return answer

    async def close(self) -> None:
        """Closes the idle connections."""
        for _, writer in self._idle:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Reads one HTTP/1.1 answer that states its length."""
    head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    if headers.get("connection", "").lower() == "close":
        reader.feed_eof()
    return int(head.split(" ", 2)[1]), headers, body


async def fire(
    connections: Connections, request: Request, *, due_s: float, start_s: float, give_up_s: float = GIVE_UP_S
) -> Shot:
    """Sends one request and records its outcome."""
    status, headers, body = LOST, dict[str, str](), b""
    with suppress(OSError, EOFError, TimeoutError):
        async with asyncio.timeout(give_up_s):
            status, headers, body = await connections.send(request)
    took_s = time.perf_counter() - start_s - due_s
    degraded = tuple(json.loads(body).get("degraded", ())) if status == 200 and request.kind != "health" else ()
    problem = headers.get("content-type", "") == "application/problem+json"
    if status >= 500 and not problem:
        print(f"{status} after {took_s:.2f} s: {headers} {body[:300]!r}", file=sys.stderr)
    document = json.loads(body) if problem else {"code": "", "detail": ""}
    shed = "retry-after" in headers
    return Shot(due_s, took_s, request.kind, status, degraded, shed, problem, document["code"], document["detail"])


async def run(plan: Plan, on_start: Callable[[], None] = lambda: None) -> list[Shot]:
    """Sends what the plan says, until its end or SIGTERM. on_start is called before the first request."""
    make, connections, stopped = request_maker(plan), Connections(plan.port), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    on_start()
    try:
        if plan.clients:
            return await _closed_loop(plan, make, connections, stopped)
        tasks, start_s = [], time.perf_counter()
        for due_s in due_times(plan):
            request = next(make)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), max(0.0, start_s + due_s - time.perf_counter()))
                break
            shot = fire(connections, request, due_s=due_s, start_s=start_s, give_up_s=plan.give_up_s)
            tasks.append(asyncio.ensure_future(shot))
        return list(await asyncio.gather(*tasks))
    finally:
        await connections.close()


async def _closed_loop(
    plan: Plan, make: Iterator[Request], connections: Connections, stopped: asyncio.Event
) -> list[Shot]:
    start_s, shots = time.perf_counter(), list[Shot]()

    async def client() -> None:
        while (due_s := time.perf_counter() - start_s) < plan.for_s and not stopped.is_set():
            shots.append(await fire(connections, next(make), due_s=due_s, start_s=start_s))
            if shots[-1].status != 200:
                await asyncio.sleep(PAUSE_S)

    await asyncio.gather(*(client() for _ in range(plan.clients)))
    return shots


def once(plan: Plan, times: int) -> list[Shot]:
    """Sends this many requests one after the other, from this process."""

    async def send() -> list[Shot]:
        make, connections = request_maker(plan), Connections(plan.port)
        try:
            return [await fire(connections, next(make), due_s=0.0, start_s=time.perf_counter()) for _ in range(times)]
        finally:
            await connections.close()

    return asyncio.run(send())


def burst(plan: Plan, times: int) -> list[Shot]:
    """Sends this many requests at the same moment, from this process. All are equal if the first is `new`."""

    async def send() -> list[Shot]:
        make, connections = request_maker(plan), Connections(plan.port)
        first = next(make)
        requests = [first if first.kind == "new" else next(make) for _ in range(times)]
        start_s = time.perf_counter()
        try:
            shots = (fire(connections, request, due_s=0.0, start_s=start_s) for request in requests)
            return list(await asyncio.gather(*shots))
        finally:
            await connections.close()

    return asyncio.run(send())


@dataclass(frozen=True, slots=True)
class Load:
    """A load that runs in a process of its own."""

    process: subprocess.Popen[str]

    @property
    def over(self) -> bool:
        """Whether the load has ended."""
        return self.process.poll() is not None

    def shots(self) -> list[Shot]:
        """Waits for the end of the load. Raises RuntimeError when the generator itself failed."""
        text, _ = self.process.communicate()
        if self.process.returncode != 0:
            raise RuntimeError("The load generator failed.")
        return [Shot(**{**shot, "degraded": tuple(shot["degraded"])}) for shot in json.loads(text)]

    def end(self) -> None:
        """Stops sending. The load still waits for its open requests."""
        self.process.send_signal(signal.SIGTERM)


def start(plan: Plan) -> Load:
    """Starts a load and returns once it runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.reliability.load", json.dumps(asdict(plan))],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    # The first line says that the load runs and handles SIGTERM.
    cast(IO[str], process.stdout).readline()
    return Load(process)


def main(text: str) -> None:
    """Runs a plan, given as JSON, and prints its shots."""
    given: dict[str, Any] = json.loads(text)
    shots = asyncio.run(run(Plan(**given), on_start=lambda: print("ready", flush=True)))
    json.dump([asdict(shot) for shot in shots], sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
