"""Decodes photos in a child process that can be killed, so that a hostile photo can do no harm.

`python -m pipeline.backfill.decoder MEMORY_BYTES` is the child, of pipeline.image.child.  A request is msgpack of
(photo, network_px), an answer that of the image or of an error's (code, detail).
"""

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Protocol, cast

import msgspec
import numpy as np
import psutil

from pipeline.errors import BadInput, ImageTooComplex, ImageUndecodable
from pipeline.image.child import ANSWER_HEAD, CRASHES, DECODED, REFUSED, REQUEST_HEAD, confine, converse
from pipeline.image.decode import decode_image
from pipeline.types import DecodedImage, RgbImage

MEMORY_BYTES = 1024**3
START_CPU_S = 20.0  # for its imports
WALL_S = 60.0  # however loaded the machine is
POLL_S = 0.5
PIPE_BYTES = 1024 * 1024  # Linux's default of 64 KiB makes a photo cross in a dozen turns
MAX_ANSWER_BYTES = 16 * 1024 * 1024
ROOT = Path(__file__).parents[2]

Pixels = tuple[tuple[int, int, int], bytes]


class DecoderDied(Exception):
    """The child ended before its answer was whole; exit_code as subprocess gives it."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class _Answer(msgspec.Struct, frozen=True, array_like=True):
    """A decoded image, as it crosses."""

    width: int
    height: int
    pixels: Pixels
    network: Pixels | None


class Decoder:
    """One child, started when it is first needed and again after its death, and ended with the thread that starts it.

    cpu_s: the CPU time that one photo may take. CPU time, because on a loaded machine a good photo would overrun any
    other.
    """

    command: tuple[str, ...] = (sys.executable, "-m", "pipeline.backfill.decoder")

    def __init__(self, *, cpu_s: float, memory_bytes: int = MEMORY_BYTES) -> None:
        self._cpu_s = cpu_s
        self._memory_bytes = memory_bytes
        self._child: subprocess.Popen[bytes] | None = None

    def decode(self, data: bytes, network_px: tuple[int, int] | None) -> DecodedImage:
        """The photo, as pipeline.image.decode decodes it.

        Raises its errors; ImageTooComplex for one that takes too much time or memory; ImageUndecodable for one that
        crashes two children; DecoderDied when two died of something else.
        """
        request = msgspec.msgpack.encode((data, network_px))
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
        kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PATH") if name in os.environ}
        paths = os.pathsep.join((str(ROOT), *filter(None, sys.path)))
        return subprocess.Popen(  # noqa: S603 - our own module
            (*self.command, str(self._memory_bytes)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pipesize=PIPE_BYTES,
            # Only what imports need: no secret of ours is in reach of a photo that takes the child over.
            env={**kept, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
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
    if status == DECODED:
        answer = msgspec.msgpack.decode(body, type=_Answer)
        network = None if answer.network is None else _array(answer.network)
        return DecodedImage(_array(answer.pixels), answer.width, answer.height, network)
    code, detail = msgspec.msgpack.decode(body, type=tuple[str, str])
    raise _BY_CODE[code](detail)


def _array(pixels: Pixels) -> RgbImage:
    shape, data = pixels
    return np.frombuffer(data, np.uint8).reshape(shape)


def _plain(image: RgbImage) -> Pixels:
    return cast("tuple[int, int, int]", image.shape), image.tobytes()


def _leaves(kind: type[BadInput]) -> list[type[BadInput]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in _leaves(child))]


_BY_CODE = {kind.code: kind for kind in _leaves(BadInput)}


# --- the child ------------------------------------------------------------------------------------------------
class Decode(Protocol):
    """What the child does: pipeline.image.decode.decode_image."""

    def __call__(self, data: bytes, *, network_px: tuple[int, int] | None) -> DecodedImage:
        """Raises BadInput."""


def _answer(decode: Decode, request: tuple[bytes, tuple[int, int] | None]) -> tuple[int, bytes]:
    data, network_px = request
    try:
        image = decode(data, network_px=network_px)
    except BadInput as error:
        return REFUSED, msgspec.msgpack.encode((error.code, error.detail))
    network = None if image.network is None else _plain(image.network)
    return DECODED, msgspec.msgpack.encode(_Answer(image.width, image.height, _plain(image.pixels), network))


def main(decode: Decode = decode_image) -> None:
    """Serves until stdin closes."""
    confine(int(sys.argv[1]))
    decoder = msgspec.msgpack.Decoder(tuple[bytes, tuple[int, int] | None])
    converse(lambda request: _answer(decode, decoder.decode(request)))


if __name__ == "__main__":
    main()
