"""A pool of decode workers that can be killed: a thread that decodes a hostile file could not be stopped."""

import asyncio
import fcntl
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import msgspec

from pipeline.errors import ImageTooComplex, Overloaded, PhaseFailed
from pipeline.types import DecodedImage
from serve import wire
from serve.decode_worker import LENGTH, DecodeRefusal, DecodeRequest, refusal_to_error

ROOT = Path(__file__).parent.parent
PIPE_BYTES = 1024 * 1024  # Linux's default of 64 KiB makes a photo cross in a dozen turns
START_TIMEOUT_S = 30.0


class _Worker:
    """One worker process. It serves one request at a time; after any doubt it is killed, never reused."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, memory_bytes: int) -> "_Worker":
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "serve.decode_worker",
            str(memory_bytes),
            stdin=PIPE,
            stdout=PIPE,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            limit=PIPE_BYTES,
        )
        worker = cls(process)
        worker._widen_pipes()
        async with asyncio.timeout(START_TIMEOUT_S):
            await worker._receive()
        return worker

    async def ask(self, request: bytes) -> bytes:
        assert self._process.stdin is not None  # noqa: S101 - a PIPE by construction
        self._process.stdin.write(LENGTH.pack(len(request)) + request)
        await self._process.stdin.drain()
        return await self._receive()

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._process._transport.close()  # type: ignore[attr-defined]

    async def _receive(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - a PIPE by construction
        (length,) = LENGTH.unpack(await self._process.stdout.readexactly(LENGTH.size))
        return await self._process.stdout.readexactly(length)

    def _widen_pipes(self) -> None:
        transport = self._process._transport  # type: ignore[attr-defined]
        for fd in (0, 1):
            pipe = transport.get_pipe_transport(fd).get_extra_info("pipe")
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)


class DecodePool:
    """Decodes photos in a bounded number of worker processes, first come, first served."""

    def __init__(self, *, workers: int = 2, memory_bytes: int = 1024**3) -> None:
        self._size = workers
        self._memory_bytes = memory_bytes
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._starting: set[asyncio.Task[None]] = set()
        self._busy: set[_Worker] = set()

    async def start(self) -> None:
        """Starts the workers and waits until they are warm."""
        await asyncio.gather(*(self._hire() for _ in range(self._size)))

    async def close(self) -> None:
        """Kills the workers."""
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        while not self._idle.empty():
            await self._idle.get_nowait().kill()
        await asyncio.gather(*(worker.kill() for worker in self._busy))

    async def decode(
        self,
        image: bytes,
        *,
        mask: bytes | None = None,
        network_px: tuple[int, int] | None = None,
        budget_s: float,
    ) -> DecodedImage:
        """The decoded photo, within the budget, which counts the wait for a worker.

        Raises the image errors of pipeline.image; ImageTooComplex when the file overruns time or memory; Overloaded
        when no worker came free in time; PhaseFailed when two workers in a row died.
        """
        deadline_s = asyncio.get_running_loop().time() + budget_s
        request = msgspec.msgpack.encode(DecodeRequest(image, mask, network_px))
        for _ in range(2):
            worker = await self._free_worker(deadline_s)
            try:
                return await self._ask(worker, request, deadline_s, budget_s)
            except (asyncio.IncompleteReadError, ConnectionError):
                continue  # the worker died under it, of a kill or of the file: a fresh one tells which
        raise PhaseFailed("The decode workers died.")

    async def _ask(self, worker: _Worker, request: bytes, deadline_s: float, budget_s: float) -> DecodedImage:
        self._busy.add(worker)
        sound = False
        try:
            async with asyncio.timeout_at(deadline_s):
                reply = await worker.ask(request)
            sound = True
        except TimeoutError as error:
            raise ImageTooComplex(f"The image takes longer than {budget_s * 1000:.0f} ms to decode.") from error
        finally:
            self._busy.discard(worker)
            if sound:
                self._idle.put_nowait(worker)
            else:  # over its budget, dead, or its asker left: what it still says must reach nobody
                self._replace(worker)
        if reply[0]:
            return wire.decode(reply[1:], DecodedImage)
        raise refusal_to_error(msgspec.msgpack.decode(reply[1:], type=DecodeRefusal))

    async def _free_worker(self, deadline_s: float) -> _Worker:
        try:
            async with asyncio.timeout_at(deadline_s):
                return await self._idle.get()
        except TimeoutError as error:
            raise Overloaded("No decode worker came free in time; try again shortly.") from error

    def _replace(self, worker: _Worker) -> None:
        task = asyncio.ensure_future(self._dismiss_and_hire(worker))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _dismiss_and_hire(self, worker: _Worker) -> None:
        await worker.kill()
        await self._hire()

    async def _hire(self) -> None:
        self._idle.put_nowait(await _Worker.start(self._memory_bytes))
