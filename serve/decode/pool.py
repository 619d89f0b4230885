"""A pool of decode workers that can be killed: a thread that decodes a hostile file could not be stopped; asyncio."""

import asyncio
import itertools
from collections import deque
from dataclasses import dataclass

from pipeline import codec
from pipeline.errors import ColorMatchError, ImageTooComplex, ImageUndecodable, Overloaded, PhaseFailed
from pipeline.image.child import CRASHES, DecodeRequest, read_answer
from pipeline.image.decode import DEFAULT_LIMITS, ImageLimits
from pipeline.types import DecodedImage
from serve.decode.process import Answer, Worker, WorkerDied
from serve.waiting import drop, ended

RESTART_PAUSES_S = (0.0, 0.1, 0.5, 2.0)  # before each new try to start a worker; the last repeats
PROMPT_SHARE = 0.1  # of its budget that a request may wait and still be the one to blame for overrunning it
BLAMED_SHARE = 0.5  # of its budget that a worker must have computed for its file to be too complex
NO_WORKER = "No decode worker came free in time; try again shortly."
CLOSING = "The service is stopping; try again shortly."


@dataclass(frozen=True, slots=True)
class _Job:
    """One request and its times on the loop's clock, s."""

    request: bytes
    asked_s: float
    budget_s: float

    @property
    def deadline_s(self) -> float:
        return self.asked_s + self.budget_s


class DecodePool:
    """Decodes photos in a bounded number of worker processes, first come, first served.

    Each worker has a keeper: a task that offers it, waits for its death, whoever caused it, and starts the next.
    """

    def __init__(self, *, workers: int = 2, memory_bytes: int = 1024**3, limits: ImageLimits = DEFAULT_LIMITS) -> None:
        self._size = workers
        self._memory_bytes = memory_bytes
        self._limits = limits
        self._idle: list[Worker] = []
        self._waiting: deque[asyncio.Future[Worker]] = deque()
        self._live: set[Worker] = set()
        self._keepers: list[asyncio.Task[None]] = []
        self._exchanges: set[asyncio.Task[Answer]] = set()
        self._closed = False

    async def start(self) -> None:
        """Starts the workers and waits until they are warm. Raises PhaseFailed when one does not start."""
        starts = (Worker.start(self._memory_bytes, self._limits) for _ in range(self._size))
        results = await asyncio.gather(*starts, return_exceptions=True)
        self._live.update(result for result in results if isinstance(result, Worker))
        for result in results:
            if isinstance(result, BaseException):
                await self.close()
                raise result
        self._keepers = [asyncio.create_task(self._keep(worker)) for worker in self._live]

    async def close(self) -> None:
        """Kills the workers; whoever still waits gets Overloaded."""
        self._closed = True
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(worker.bury() for worker in self._live))
        for turn in self._waiting:
            if not turn.done():
                turn.set_exception(Overloaded(CLOSING))

    async def decode(
        self,
        image: bytes,
        *,
        mask: bytes | None = None,
        network_px: tuple[int, int] | None = None,
        budget_s: float,
    ) -> DecodedImage:
        """The decoded photo, within the budget, which counts the wait for a worker.

        A caller that leaves costs no worker: what its worker still answers is dropped. Raises the image errors of
        pipeline.image.decode; ImageTooComplex when the file overruns time or memory; ImageUndecodable when it crashes
        two workers; Overloaded when no worker came free early enough or got no CPU; PhaseFailed when two died of
        something else.
        """
        request = codec.encode(DecodeRequest(image, mask, network_px))
        job = _Job(request, asyncio.get_running_loop().time(), budget_s)
        try:
            return read_answer(*await self._exchange(job))
        except WorkerDied:
            pass  # of a kill or of the file: a fresh worker tells which
        try:
            return read_answer(*await self._exchange(job))
        except WorkerDied as error:
            if -error.exit_code in CRASHES:
                raise ImageUndecodable("The image is damaged and cannot be decoded.") from error
            raise PhaseFailed("The decode workers died.") from error

    async def _exchange(self, job: _Job) -> Answer:
        """One worker's answer. A caller that waited too long to get the worker leaves it at its deadline."""
        worker = await self._free_worker(job)
        now_s = asyncio.get_running_loop().time()
        prompt = now_s - job.asked_s <= PROMPT_SHARE * job.budget_s
        until_s = job.deadline_s if prompt else now_s + job.budget_s
        exchange = asyncio.create_task(self._ask(worker, job, until_s))
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._forget)
        if not prompt and not await ended(exchange, job.deadline_s - now_s):
            raise Overloaded(NO_WORKER)
        return await asyncio.shield(exchange)

    async def _ask(self, worker: Worker, job: _Job, until_s: float) -> Answer:
        began_cpu_s = worker.cpu_s()
        asked = asyncio.ensure_future(worker.ask(job.request))
        if not await ended(asked, until_s - asyncio.get_running_loop().time()):
            worked_s = worker.cpu_s() - began_cpu_s
            worker.kill()
            await drop(asked)
            raise too_late(job.budget_s, worked_s=worked_s)
        answer = asked.result()
        self._offer(worker)
        return answer

    async def _free_worker(self, job: _Job) -> Worker:
        if self._closed:
            raise Overloaded(CLOSING)
        if asyncio.get_running_loop().time() >= job.deadline_s:
            raise Overloaded(NO_WORKER)
        if self._idle:
            return self._idle.pop()
        turn: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout_at(job.deadline_s):
                return await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # handed over in the same moment
                self._offer(turn.result())
            if isinstance(error, TimeoutError):
                raise Overloaded(NO_WORKER) from error
            raise

    def _offer(self, worker: Worker) -> None:
        if worker.gone.is_set():
            return  # its keeper knows
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(worker)
                return
        self._idle.append(worker)

    async def _keep(self, worker: Worker) -> None:
        while True:
            self._offer(worker)
            await worker.gone.wait()
            if worker in self._idle:
                self._idle.remove(worker)
            await worker.bury()
            self._live.discard(worker)
            worker = await self._replacement()
            self._live.add(worker)

    async def _replacement(self) -> Worker:
        for pause_s in itertools.chain(RESTART_PAUSES_S, itertools.repeat(RESTART_PAUSES_S[-1])):
            await asyncio.sleep(pause_s)
            try:
                return await Worker.start(self._memory_bytes, self._limits)
            except (PhaseFailed, OSError):
                continue
        raise AssertionError("the pauses never end")

    def _forget(self, exchange: asyncio.Task[Answer]) -> None:
        self._exchanges.discard(exchange)
        if not exchange.cancelled():
            exchange.exception()  # an exchange whose caller left has nobody else to take its error


def too_late(budget_s: float, *, worked_s: float) -> ColorMatchError:
    """Whose fault it is that a worker overran a budget, by the CPU time it had: the file's, or a busy machine's."""
    if worked_s < BLAMED_SHARE * budget_s:
        return Overloaded("The server is too busy to decode photos; try again shortly.")
    return ImageTooComplex(f"The image takes longer to decode than the {round(budget_s * 1000)} ms allowed.")
