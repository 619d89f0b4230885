"""Encodes values that cross processes as msgpack, and values to be hashed as canonical JSON."""

import math
import zlib
from functools import cache
from typing import Any, TypeVar, get_args

import msgspec
import numpy as np

from pipeline.errors import PhaseFailed

T = TypeVar("T")
# Taste: larger than any plane that the analysis limit allows, and small enough for a process to hold.
MAX_PLANE_PX = 16_000_000
# Taste: zlib's fastest level compresses a label map from 196 kB to about 2 kB in a millisecond.
_PLANE_LEVEL = 1


def encode(value: object) -> bytes:
    """A value as msgpack. Images are sent raw; planes (2-D arrays, such as label maps) are compressed."""
    return _ENCODER.encode(value)


def decode(data: bytes, kind: type[T]) -> T:
    """The value of `kind` that `encode` wrote. Raises PhaseFailed for other bytes, such as those of another version."""
    try:
        # A class is hashable, which mypy does not know of type[T].
        decoded: T = _decoder(kind).decode(data)  # type: ignore[arg-type]
    except (msgspec.MsgspecError, ValueError, TypeError, zlib.error) as error:
        raise PhaseFailed("A phase wrote bytes that cannot be read.") from error
    return decoded


def _encode_array(value: Any) -> Any:
    if isinstance(value, np.generic):
        # numpy's float64 passes for a float in every type check, so values may hold it.
        return value.item()
    if not isinstance(value, np.ndarray) or value.dtype not in (np.uint8, np.bool_):
        raise NotImplementedError(f"cannot send a {type(value).__name__}")
    plain = np.ascontiguousarray(value)
    packed = zlib.compress(plain.data, _PLANE_LEVEL) if value.ndim == 2 else plain.tobytes()
    return (list(value.shape), packed)


def _decode_array(kind: Any, value: Any) -> Any:
    shape, packed = value
    if not all(isinstance(length, int) and 0 <= length <= MAX_PLANE_PX for length in shape):
        raise ValueError("not a shape")
    # A decode worker's bytes may come from a hostile file, so no more is decompressed than the shape says.
    if len(shape) == 2:
        packed = zlib.decompressobj().decompress(packed, min(math.prod(shape), MAX_PLANE_PX) or 1)
    # NDArray[element] is an alias of ndarray[shape, dtype[element]].
    (element,) = get_args(get_args(kind)[1])
    return np.frombuffer(packed, np.uint8).reshape(shape).astype(element, copy=False)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_encode_array)


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind, dec_hook=_decode_array)


canonical = msgspec.json.Encoder(order="deterministic").encode
