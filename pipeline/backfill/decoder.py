"""Decodes photos in a child process that can be killed, so that a hostile photo can do no harm."""

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

MEMORY_BYTES = 1024**3
START_CPU_S = 20.0  # for its imports
WALL_S = 60.0  # however loaded the machine is
POLL_S = 0.5
MAX_ANSWER_BYTES = 16 * 1024 * 1024


class DecoderDied(Exception):
    """The child ended before its answer was whole; exit_code as subprocess gives it."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class Decoder:
    """One child, started when it is first needed and again after its death, and ended with the thread that starts it.

    cpu_s: the CPU time that one photo may take. CPU time, because on a loaded machine a good photo would overrun any
    other.
    """

    command = staticmethod(child_command)

    def __init__(self, *, cpu_s: float, memory_bytes: int = MEMORY_BYTES) -> None:
        self._cpu_s = cpu_s
        self._memory_bytes = memory_bytes
        self._child: subprocess.Popen[bytes] | None = None

    def decode(self, data: bytes, network_px: tuple[int, int] | None) -> DecodedImage:
        """The photo, as pipeline.image.decode decodes it.

        Raises its errors; ImageTooComplex for one that takes too much time or memory; ImageUndecodable for one that
        crashes two children; DecoderDied when two died of something else.
        """
        request = codec.encode(DecodeRequest(data, network_px=network_px))
        try:
            return _image(*self._ask(request))
        except DecoderDied:
            pass  # of a kill or of the photo: a fresh child tells which
        try:
            return _image(*self._ask(request))
        except DecoderDied as error:
            if -error.exit_code in CRASHES:
                raise ImageUndecodable("The image is damaged and cannot be decoded.") from error
            raise

    def close(self) -> None:
        """Ends the child."""
        if self._child is not None:
            self._bury(self._child)

    def _ask(self, request: bytes) -> tuple[int, bytes]:
        child = self._child
        if child is None:
            child = self._child = self._start()
            self._answer(child, cpu_s=START_CPU_S)
        try:
            sink = cast(IO[bytes], child.stdin)
            sink.write(REQUEST_HEAD.pack(len(request)) + request)
            sink.flush()
        except OSError as error:
            raise DecoderDied(self._bury(child)) from error
        return self._answer(child, cpu_s=self._cpu_s)

    def _answer(self, child: "subprocess.Popen[bytes]", *, cpu_s: float) -> tuple[int, bytes]:
        began_s, began_cpu_s = time.monotonic(), _cpu_s(child.pid)
        source = cast(IO[bytes], child.stdout)
        while not select.select([source], [], [], POLL_S)[0]:
            if _cpu_s(child.pid) - began_cpu_s > cpu_s or time.monotonic() - began_s > WALL_S:
                self._bury(child)
                raise ImageTooComplex(f"The image takes longer to decode than the {cpu_s:g} s allowed.")
        head = source.read(ANSWER_HEAD.size)
        length, status = ANSWER_HEAD.unpack(head) if len(head) == ANSWER_HEAD.size else (1, REFUSED)
        body = source.read(min(length, MAX_ANSWER_BYTES))
        if len(body) < length:
            raise DecoderDied(self._bury(child))
        return status, body

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603 - our own module
            self.command(self._memory_bytes),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pipesize=PIPE_BYTES,
            env=child_environment(),
        )

    def _bury(self, child: "subprocess.Popen[bytes]") -> int:
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
        raise RuntimeError("The decode child wrote what is no answer.") from error
