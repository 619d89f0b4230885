"""A pool of decode processes, because a thread that decodes a hostile file could not be stopped."""

import asyncio
import itertools
from collections import deque
from dataclasses import dataclass

from pipeline import codec
from pipeline.errors import ColorMatchError, ImageTooComplex, ImageUndecodable, Overloaded, PhaseFailed
from pipeline.image.child import CRASHES, DecodeRequest, read_answer
from pipeline.image.limits import DEFAULT_LIMITS, ImageLimits
from pipeline.types import DecodedImage
from serve.decode.process import Answer, Worker, WorkerDied
from serve.waiting import drop, ended

# Taste: the pause before each attempt to start a worker. The last pause repeats.
RESTART_PAUSES_S = (0.0, 0.1, 0.5, 2.0)
# Taste: a request that waited for a worker for more than this share of its budget is not blamed for a timeout.
PROMPT_SHARE = 0.1
# Taste: a file is too complex when its worker used at least this share of the budget as CPU time.
BLAMED_SHARE = 0.5
NO_WORKER = "No decode worker came free in time; try again shortly."
CLOSING = "The service is stopping; try again shortly."


@dataclass(frozen=True, slots=True)
class _PendingDecode:
    """One encoded request, its budget, and when it arrived by the loop's clock, s."""

    request: bytes
    arrived_s: float
    budget_s: float

    @property
    def deadline_s(self) -> float:
        return self.arrived_s + self.budget_s


class DecodePool:
    """Decodes photos in a bounded number of worker processes, first come, first served.

    Each worker has a supervisor: a task that offers the worker, waits for its death and starts a replacement. One
    worker is there from the start, and the others start when a photo first finds no worker idle.
    """

    def __init__(self, *, workers: int = 2, memory_bytes: int = 1024**3, limits: ImageLimits = DEFAULT_LIMITS) -> None:
        self._size = workers
        self._memory_bytes = memory_bytes
        self._limits = limits
        self._idle: list[Worker] = []
        self._waiters: deque[asyncio.Future[Worker]] = deque()
        self._live: set[Worker] = set()
        self._supervisors: list[asyncio.Task[None]] = []
        self._exchanges: set[asyncio.Task[Answer]] = set()
        self._more_wanted = asyncio.Event()
        self._closed = False

    async def start(self) -> None:
        """Starts the first worker and waits until it is warm. Raises PhaseFailed when it does not start.

        The others wait for a need, so that a replica that is being started takes less of the cores before it can help.
        """
        first = await Worker.start(self._memory_bytes, self._limits)
        self._live.add(first)
        self._offer(first)
        workers = (first, *(None for _ in range(self._size - 1)))
        self._supervisors = [asyncio.create_task(self._supervise(worker)) for worker in workers]

    async def close(self) -> None:
        """Kills the workers. Callers that still wait for one get Overloaded."""
        self._closed = True
        for supervisor in self._supervisors:
            supervisor.cancel()
        await asyncio.gather(*self._supervisors, return_exceptions=True)
        await asyncio.gather(*(worker.reap() for worker in self._live))
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(Overloaded(CLOSING))

    async def decode(
        self,
        image: bytes,
        *,
        mask: bytes | None = None,
        network_px: tuple[int, int] | None = None,
        budget_s: float,
    ) -> DecodedImage:
        """Decodes a photo within the budget, s, which includes the wait for a worker.

        A caller that leaves does not cost a worker: the pool drops the answer. Raises the image errors of
        pipeline.image.decode; ImageTooComplex when the file overruns its time or memory; ImageUndecodable when it
        crashes two workers; Overloaded when no worker came free or got CPU in time; PhaseFailed when two workers died
        for another reason.
        """
        request = codec.encode(DecodeRequest(image, mask, network_px))
        pending = _PendingDecode(request, asyncio.get_running_loop().time(), budget_s)
        try:
            return read_answer(*await self._exchange(pending))
        except WorkerDied:
            # The file or a kill ended the worker. A second worker shows which.
            pass
        try:
            return read_answer(*await self._exchange(pending))
        except WorkerDied as error:
            if -error.exit_code in CRASHES:
                raise ImageUndecodable("The image is damaged and cannot be decoded.") from error
            raise PhaseFailed("The decode workers died.") from error

    async def _exchange(self, pending: _PendingDecode) -> Answer:
        """Has one worker decode the photo.

        After a long wait for the worker, the caller leaves at its deadline, and the worker gets the whole budget.
        """
        worker = await self._free_worker(pending)
        now_s = asyncio.get_running_loop().time()
        prompt = now_s - pending.arrived_s <= PROMPT_SHARE * pending.budget_s
        until_s = pending.deadline_s if prompt else now_s + pending.budget_s
        exchange = asyncio.create_task(self._ask(worker, pending, until_s))
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._forget)
        if not prompt and not await ended(exchange, pending.deadline_s - now_s):
            raise Overloaded(NO_WORKER)
        return await asyncio.shield(exchange)

    async def _ask(self, worker: Worker, pending: _PendingDecode, until_s: float) -> Answer:
        began_cpu_s = worker.cpu_s()
        answering = asyncio.ensure_future(worker.ask(pending.request))
        if not await ended(answering, until_s - asyncio.get_running_loop().time()):
            worked_s = worker.cpu_s() - began_cpu_s
            worker.kill()
            await drop(answering)
            raise too_late(pending.budget_s, worked_s=worked_s)
        answer = answering.result()
        self._offer(worker)
        return answer

    async def _free_worker(self, pending: _PendingDecode) -> Worker:
        if self._closed:
            raise Overloaded(CLOSING)
        if asyncio.get_running_loop().time() >= pending.deadline_s:
            raise Overloaded(NO_WORKER)
        if self._idle:
            return self._idle.pop()
        self._more_wanted.set()
        waiter: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout_at(pending.deadline_s):
                return await waiter
        except BaseException as error:
            # The worker may have been handed over in the moment in which the wait ended.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._offer(waiter.result())
            if isinstance(error, TimeoutError):
                raise Overloaded(NO_WORKER) from error
            raise

    def _offer(self, worker: Worker) -> None:
        if worker.gone.is_set():
            # The supervisor replaces it.
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(worker)
                return
        self._idle.append(worker)

    async def _supervise(self, worker: Worker | None) -> None:
        if worker is None:
            await self._more_wanted.wait()
        while True:
            if worker is None:
                worker = await self._started()
                self._live.add(worker)
                self._offer(worker)
            await worker.gone.wait()
            if worker in self._idle:
                self._idle.remove(worker)
            await worker.reap()
            self._live.discard(worker)
            worker = None

    async def _started(self) -> Worker:
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
            # Nobody else retrieves the error of an exchange whose caller left; asyncio would log it.
            exchange.exception()


def too_late(budget_s: float, *, worked_s: float) -> ColorMatchError:
    """The error of a worker that overran its budget.

    worked_s: the CPU time that the worker used. ImageTooComplex when it worked for long, Overloaded when a busy machine
    gave it little CPU.
    """
    if worked_s < BLAMED_SHARE * budget_s:
        return Overloaded("The server is too busy to decode photos; try again shortly.")
    allowed_ms = round(budget_s * 1000)
    return ImageTooComplex(
        f"The image takes longer to decode than the {allowed_ms} ms allowed. "
        "Scale it down, or save it as a baseline JPEG."
    )
