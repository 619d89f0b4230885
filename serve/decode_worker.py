"""A decode worker: `python -m serve.decode_worker MEMORY_BYTES LIMITS`; pipeline.image, numpy and msgspec only.

Requests come on stdin, a length (REQUEST_HEAD) and msgpack each; answers go to stdout, a length and a status
(ANSWER_HEAD) and msgpack each. LIMITS is an ImageLimits as JSON. A worker does one request at a time, may use only
so much memory, writes no files, and dies with its parent or when its stdin closes. Whatever a file does to it,
killing it harms nobody.
"""

import ctypes
import io
import resource
import signal
import struct
import sys
from dataclasses import replace
from pathlib import Path

import msgspec

from pipeline import errors
from pipeline.errors import BadInput, ColorMatchError
from pipeline.image import ImageLimits, decode_image, decode_mask
from pipeline.types import DecodedImage
from serve import wire

PR_SET_PDEATHSIG = 1
REQUEST_HEAD = struct.Struct(">I")
ANSWER_HEAD = struct.Struct(">IB")
REFUSED, DECODED = 0, 1

# What may cross back, by name: an answer of a worker that a file has taken over must not choose among all classes.
REFUSALS: dict[str, type[ColorMatchError]] = {
    kind.__name__: kind
    for kind in (
        errors.UnsupportedMedia,
        errors.TooLarge,
        errors.ImageUndecodable,
        errors.ImageTruncated,
        errors.ImageAnimated,
        errors.ImageBomb,
        errors.ImageTooSmall,
        errors.ImageAspect,
        errors.ImageTooComplex,
        errors.MaskInvalid,
        errors.MaskEmpty,
    )
}


class DecodeRequest(msgspec.Struct, frozen=True, array_like=True):
    """What to decode; network_px: (w, h) of the extra squeezed image."""

    image: bytes
    mask: bytes | None
    network_px: tuple[int, int] | None


class DecodeRefusal(msgspec.Struct, frozen=True, array_like=True):
    """One of REFUSALS, by its name."""

    name: str
    detail: str


def answer(request: DecodeRequest, limits: ImageLimits) -> tuple[int, bytes]:
    """DECODED or REFUSED, and the DecodedImage or DecodeRefusal in wire form."""
    try:
        image: DecodedImage = decode_image(request.image, limits=limits, network_px=request.network_px)
        if request.mask is not None:
            image = replace(image, mask=decode_mask(request.mask, image, limits=limits))
    except BadInput as error:
        return REFUSED, msgspec.msgpack.encode(DecodeRefusal(type(error).__name__, error.detail))
    return DECODED, wire.encode(image)


def read_answer(status: int, body: bytes) -> DecodedImage:
    """The image that an answer carries. Raises the error that it names instead, PhaseFailed when it makes no sense."""
    if status == DECODED:
        return wire.decode(body, DecodedImage)
    refusal = wire.decode(body, DecodeRefusal)
    raise REFUSALS.get(refusal.name, errors.PhaseFailed)(refusal.detail)


def main() -> None:
    """Serves until stdin closes."""
    _confine(int(sys.argv[1]))
    limits = msgspec.json.decode(sys.argv[2], type=ImageLimits)
    source, sink = sys.stdin.buffer, io.FileIO(1, "w", closefd=False)
    decoder = msgspec.msgpack.Decoder(DecodeRequest)
    _send(sink, DECODED, b"")  # imported and ready
    while len(head := source.read(REQUEST_HEAD.size)) == REQUEST_HEAD.size:
        request = source.read(*REQUEST_HEAD.unpack(head))
        _send(sink, *answer(decoder.decode(request), limits))


def _confine(memory_bytes: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the parent's matter
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    for nothing in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(nothing, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # before the parent, should memory run out: a worker is the cheapest process to lose
        Path("/proc/self/oom_score_adj").write_text("1000")


def _send(sink: io.RawIOBase, status: int, body: bytes) -> None:
    message = memoryview(ANSWER_HEAD.pack(len(body), status) + body)
    while message:
        message = message[sink.write(message) :]


if __name__ == "__main__":
    main()
