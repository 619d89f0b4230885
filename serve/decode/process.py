"""One decode child as its parent sees it: it is started, asked and killed."""

import asyncio
import fcntl
import subprocess
from typing import TypeAlias

import psutil

from pipeline.errors import PhaseFailed
from pipeline.image.child import ANSWER_HEAD, PIPE_BYTES, REQUEST_HEAD, ROOT, child_command, child_environment
from pipeline.image.limits import ImageLimits

START_TIMEOUT_S = 30.0

Answer: TypeAlias = tuple[int, bytes]  # status, body


class WorkerDied(Exception):
    """The worker's pipe closed before its answer was whole; exit_code as subprocess gives it."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class _Answers(asyncio.Protocol):
    """Cuts what a worker writes into answers; `gone` is set when it will write no more."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self._awaited: asyncio.Future[Answer | None] | None = None
        self._parts: list[bytes] = []
        self._bytes = 0

    async def next(self) -> Answer | None:
        """The next answer, or None when the worker died."""
        if self.gone.is_set():
            return None
        self._awaited = asyncio.get_running_loop().create_future()
        return await self._awaited

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._bytes += len(data)
        head = self._parts[0]
        if len(head) < ANSWER_HEAD.size:
            head = self._parts[0] = b"".join(self._parts)
            del self._parts[1:]
        if len(head) >= ANSWER_HEAD.size and self._bytes >= ANSWER_HEAD.size + ANSWER_HEAD.unpack_from(head)[0]:
            _, status = ANSWER_HEAD.unpack_from(head)
            self._parts[0] = head[ANSWER_HEAD.size :]
            self._resolve((status, b"".join(self._parts)))
            self._parts, self._bytes = [], 0

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        self._resolve(None)

    def _resolve(self, answer: Answer | None) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(answer)


class Worker:
    """One worker process. It serves one request at a time; after any doubt it is killed, never reused."""

    def __init__(
        self, process: subprocess.Popen[bytes], requests: asyncio.WriteTransport, answers: asyncio.ReadTransport
    ) -> None:
        self._process = process
        self._requests = requests
        self._source = answers
        self._answers: _Answers = answers.get_protocol()  # type: ignore[assignment]

    @classmethod
    async def start(cls, memory_bytes: int, limits: ImageLimits) -> "Worker":
        """A worker that is ready. Raises PhaseFailed when it dies or is not ready in time."""
        worker = await cls._launch(memory_bytes, limits)
        ready = None
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                ready = await worker._answers.next()
        except TimeoutError:
            pass
        finally:
            if ready is None:
                await worker.reap()
        if ready is None:
            raise PhaseFailed("A decode worker does not start.")
        return worker

    @classmethod
    async def _launch(cls, memory_bytes: int, limits: ImageLimits) -> "Worker":
        # Popen on this thread: the kernel kills the worker when the thread that started it ends.
        process = subprocess.Popen(  # noqa: S603 - our own module
            child_command(memory_bytes, limits),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd=ROOT,
            env=child_environment(),
        )
        try:
            return await cls._connect(process)
        except BaseException:
            process.kill()
            process.communicate()  # closes the pipes; a killed process is not long in dying
            raise

    @classmethod
    async def _connect(cls, process: "subprocess.Popen[bytes]") -> "Worker":
        loop = asyncio.get_running_loop()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None and hasattr(fcntl, "F_SETPIPE_SZ"):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        requests, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, process.stdin)
        try:
            answers, _ = await loop.connect_read_pipe(_Answers, process.stdout)
        except BaseException:
            requests.abort()
            raise
        return cls(process, requests, answers)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def gone(self) -> asyncio.Event:
        """Set once the worker died."""
        return self._answers.gone

    async def ask(self, request: bytes) -> Answer:
        """Its answer. Raises WorkerDied."""
        self._requests.writelines((REQUEST_HEAD.pack(len(request)), request))
        answer = await self._answers.next()
        if answer is None:
            raise WorkerDied(await self.reap())
        return answer

    def cpu_s(self) -> float:
        """The CPU time that it has had so far, s; 0 of a dead one."""
        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)

    def kill(self) -> None:
        self._process.kill()

    async def reap(self) -> int:
        """Kills it where it still lives, frees what it held, and gives its exit code; a second time is no harm."""
        self._process.kill()
        if not self._requests.is_closing():  # the transport of a dead worker has closed itself
            self._requests.abort()
        exit_code = await asyncio.to_thread(self._process.wait)
        self._source.close()
        await self.gone.wait()
        return exit_code
