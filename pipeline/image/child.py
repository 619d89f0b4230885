"""The decode child: `python -m pipeline.image.child MEMORY_BYTES LIMITS` decodes hostile photos and may be killed.

The service and the backfill start it. LIMITS is an ImageLimits as JSON.
A request on standard input is a length (REQUEST_HEAD) and a DecodeRequest. An answer on standard output is a length and
a status (ANSWER_HEAD), then a DecodedImage or the code and detail of an error.
A child serves one request at a time, within its memory limit, and writes no files. It dies with its parent, or when its
standard input closes.
"""

import ctypes
import io
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import msgspec

from pipeline import codec
from pipeline.errors import BadInput, from_pair, to_pair
from pipeline.image.limits import DEFAULT_LIMITS, ImageLimits
from pipeline.memory import keep_freed
from pipeline.types import DecodedImage

REQUEST_HEAD, ANSWER_HEAD = struct.Struct(">I"), struct.Struct(">IB")
REFUSED, DECODED = 0, 1
# The signals by which a file can crash a decoder.
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)
# Taste: with Linux's default of 64 KiB, a photo crosses the pipe in a dozen context switches.
PIPE_BYTES = 1024 * 1024
# Taste: about 1 megapixel, as of a photo that was scaled down for the web.
WARM_UP_PX = (1120, 896)
# Standard: linux/prctl.h.
PR_SET_PDEATHSIG = 1
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """A photo, its mask, and the (width, height) of the extra image for the network, px."""

    image: bytes
    mask: bytes | None = None
    network_px: tuple[int, int] | None = None


# --- the parent's side ----------------------------------------------------------------------------------------
def child_command(memory_bytes: int, limits: ImageLimits = DEFAULT_LIMITS) -> tuple[str, ...]:
    """The command line of a child that may use memory_bytes of memory."""
    return (sys.executable, "-m", "pipeline.image.child", str(memory_bytes), msgspec.json.encode(limits).decode())


def child_environment() -> dict[str, str]:
    """A child's environment: only what imports need, and no secret that a hostile photo could read."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PATH") if name in os.environ}
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return kept | one_thread | {"PYTHONPATH": os.pathsep.join((str(ROOT), *filter(None, sys.path)))}


def read_answer(status: int, body: bytes) -> DecodedImage:
    """Reads the image of an answer.

    Raises the BadInput that the answer names. Raises PhaseFailed for any other answer, because a hostile photo may
    control the child.
    """
    if status == DECODED:
        return codec.decode(body, DecodedImage)
    raise from_pair(*codec.decode(body, tuple[str, str]), among=(BadInput,))


# --- the child's side -----------------------------------------------------------------------------------------
Decode = Callable[[DecodeRequest, ImageLimits], DecodedImage]


def decode(request: DecodeRequest, limits: ImageLimits) -> DecodedImage:
    """Decodes the photo and its mask. Raises the image errors of pipeline.errors."""
    from pipeline.image.decode import decode_image, decode_mask

    image = decode_image(request.image, limits=limits, network_px=request.network_px)
    if request.mask is None:
        return image
    return replace(image, mask=decode_mask(request.mask, image, limits=limits))


def main(work: Decode = decode) -> None:
    """Answers requests until standard input closes."""
    # Its parent imports this module too, and decodes nothing itself.
    import_module("pipeline.image.decode")
    confine(int(sys.argv[1]))
    keep_freed()
    _warm_up()
    limits = msgspec.json.decode(sys.argv[2], type=ImageLimits)
    requests = msgspec.msgpack.Decoder(DecodeRequest)

    def answer(request: bytes) -> tuple[int, bytes]:
        try:
            return DECODED, codec.encode(work(requests.decode(request), limits))
        except BadInput as error:
            return REFUSED, codec.encode(to_pair(error))

    _converse(answer)


def _warm_up() -> None:
    """Decodes a painted photo, so that the first real one finds memory and tables: it took twice as long without."""
    from PIL import Image

    from pipeline.image.decode import decode_image

    photo = io.BytesIO()
    Image.linear_gradient("L").resize(WARM_UP_PX).convert("RGB").save(photo, "jpeg")
    decode_image(photo.getvalue(), network_px=(384, 384))


def confine(memory_bytes: int) -> None:
    """Takes away from this process what a decoder does not need."""
    # The parent handles a terminal's Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # When memory runs out, the kernel ends a child first, because it is the cheapest process to lose.
        Path("/proc/self/oom_score_adj").write_text("1000")


def _converse(answer: Callable[[bytes], tuple[int, bytes]]) -> None:
    """Sends an empty answer as the sign that the child is ready, then answers requests."""
    source, sink = sys.stdin.buffer, io.FileIO(1, "w", closefd=False)
    _send(sink, DECODED, b"")
    while len(head := source.read(REQUEST_HEAD.size)) == REQUEST_HEAD.size:
        _send(sink, *answer(source.read(*REQUEST_HEAD.unpack(head))))


def _send(sink: io.RawIOBase, status: int, body: bytes) -> None:
    message = memoryview(ANSWER_HEAD.pack(len(body), status) + body)
    while message:
        message = message[sink.write(message) :]


if __name__ == "__main__":
    main()
