"""A decode worker: `python -m serve.decode_worker MEMORY_BYTES`; requests on stdin, answers on stdout; pipeline.image.

A message is a 4-byte big-endian length and msgpack. A worker does one request at a time, may use only so much memory,
and dies with its parent or when its stdin closes. Whatever a file does to it, killing it harms nobody.
"""

import ctypes
import os
import resource
import signal
import struct
import sys
from dataclasses import replace
from typing import BinaryIO

import msgspec

from pipeline import errors
from pipeline.errors import BadInput
from pipeline.image import decode_image, decode_mask
from pipeline.types import DecodedImage
from serve import wire

PR_SET_PDEATHSIG = 1
LENGTH = struct.Struct(">I")


class DecodeRequest(msgspec.Struct, frozen=True, array_like=True):
    """What to decode; network_px: (w, h) of the extra squeezed image."""

    image: bytes
    mask: bytes | None
    network_px: tuple[int, int] | None


class DecodeRefusal(msgspec.Struct, frozen=True, array_like=True):
    """An error of pipeline.errors by its class name."""

    name: str
    detail: str


def refusal_to_error(refusal: DecodeRefusal) -> BadInput:
    """The error that a refusal names."""
    kind = getattr(errors, refusal.name)
    error: BadInput = kind(refusal.detail)
    return error


def answer(request: DecodeRequest) -> bytes:
    """A status byte (1 decoded, 0 refused) and the DecodedImage or DecodeRefusal in wire form."""
    try:
        image: DecodedImage = decode_image(request.image, network_px=request.network_px)
        if request.mask is not None:
            image = replace(image, mask=decode_mask(request.mask, image))
    except BadInput as error:
        return b"\0" + msgspec.msgpack.encode(DecodeRefusal(type(error).__name__, error.detail))
    return b"\1" + wire.encode(image)


def main() -> None:
    """Serves until stdin closes."""
    memory_bytes = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the parent's matter
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    decoder = msgspec.msgpack.Decoder(DecodeRequest)
    _send(sink, b"\1")  # imported and ready
    while (length := source.read(LENGTH.size)) and len(length) == LENGTH.size:
        _send(sink, answer(decoder.decode(source.read(*LENGTH.unpack(length)))))


def _send(sink: BinaryIO, message: bytes) -> None:
    sink.write(LENGTH.pack(len(message)))
    sink.write(message)
    sink.flush()


if __name__ == "__main__":
    main()
