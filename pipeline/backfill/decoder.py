"""Decodes photos in a child process that can be killed, so that a hostile photo harms nothing else."""

import select
import subprocess
import time
from typing import IO, cast

import psutil

from pipeline import codec
from pipeline.errors import ImageTooComplex, ImageUndecodable, PhaseFailed
from pipeline.image.child import (
    ANSWER_HEAD,
    CRASHES,
    PIPE_BYTES,
    REFUSED,
    REQUEST_HEAD,
    DecodeRequest,
    child_command,
    child_environment,
    read_answer,
)
from pipeline.types import DecodedImage

# The constants below are taste.
# The address space that a child may use.
MEMORY_BYTES = 1024**3
# The CPU time that a child may take for its imports.
START_CPU_S = 20.0
# The wall-clock time after which a child is killed, however loaded the machine is.
WALL_S = 60.0
# How often the child's CPU time is checked.
POLL_S = 0.5
# A decoded photo is smaller; a hostile child might announce more.
MAX_ANSWER_BYTES = 16 * 1024 * 1024


class DecoderDied(Exception):
    """The child ended before its answer was complete. exit_code: as subprocess gives it."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class Decoder:
    """A decode child. The first photo starts it; after its death the next photo starts another.

    The child ends with the thread that started it. cpu_s: the CPU time that one photo may take. A limit in wall-clock
    time would refuse good photos on a loaded machine.
    """

    command = staticmethod(child_command)

    def __init__(self, *, cpu_s: float, memory_bytes: int = MEMORY_BYTES) -> None:
        self._cpu_s = cpu_s
        self._memory_bytes = memory_bytes
        self._child: subprocess.Popen[bytes] | None = None

    def decode(self, data: bytes, network_px: tuple[int, int] | None) -> DecodedImage:
        """The photo, as pipeline.image.decode decodes it.

        Raises the errors of pipeline.image.decode; ImageTooComplex for a photo that takes too much time or memory;
        ImageUndecodable for a photo that crashes two children; DecoderDied when two children die of something else.
        """
        request = codec.encode(DecodeRequest(data, network_px=network_px))
        try:
            return _image(*self._request(request))
        except DecoderDied:
            # Either the photo crashed the child or something else killed it: a second child tells which.
            pass
        try:
            return _image(*self._request(request))
        except DecoderDied as error:
            if -error.exit_code in CRASHES:
                raise ImageUndecodable("The image is damaged and cannot be decoded.") from error
            raise

    def close(self) -> None:
        """Ends the child."""
        if self._child is not None:
            self._kill(self._child)

    def _request(self, request: bytes) -> tuple[int, bytes]:
        child = self._child
        if child is None:
            child = self._child = self._start()
            self._read_answer(child, cpu_s=START_CPU_S)
        try:
            sink = cast(IO[bytes], child.stdin)
            sink.write(REQUEST_HEAD.pack(len(request)) + request)
            sink.flush()
        except OSError as error:
            raise DecoderDied(self._kill(child)) from error
        return self._read_answer(child, cpu_s=self._cpu_s)

    def _read_answer(self, child: "subprocess.Popen[bytes]", *, cpu_s: float) -> tuple[int, bytes]:
        began_s, began_cpu_s = time.monotonic(), _cpu_s(child.pid)
        source = cast(IO[bytes], child.stdout)
        while not select.select([source], [], [], POLL_S)[0]:
            if _cpu_s(child.pid) - began_cpu_s > cpu_s or time.monotonic() - began_s > WALL_S:
                self._kill(child)
                raise ImageTooComplex(f"The image takes longer to decode than the {cpu_s:g} s allowed.")
        head = source.read(ANSWER_HEAD.size)
        length, status = ANSWER_HEAD.unpack(head) if len(head) == ANSWER_HEAD.size else (1, REFUSED)
        body = source.read(min(length, MAX_ANSWER_BYTES))
        if len(body) < length:
            raise DecoderDied(self._kill(child))
        return status, body

    def _start(self) -> "subprocess.Popen[bytes]":
        # The command runs our own module.
        return subprocess.Popen(  # noqa: S603
            self.command(self._memory_bytes),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pipesize=PIPE_BYTES,
            env=child_environment(),
        )

    def _kill(self, child: "subprocess.Popen[bytes]") -> int:
        self._child = None
        child.kill()
        child.communicate()
        return child.returncode


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _image(status: int, body: bytes) -> DecodedImage:
    try:
        return read_answer(status, body)
    except PhaseFailed as error:
        raise RuntimeError("The decode child wrote an unreadable answer.") from error
