"""Bytes between processes: msgpack of the frozen values, and canonical JSON."""

import math
import zlib
from functools import cache
from typing import Any, TypeVar, get_args

import msgspec
import numpy as np

from pipeline.errors import PhaseFailed

T = TypeVar("T")
MAX_PLANE_PX = 16_000_000
_PLANE_LEVEL = 1  # zlib level of label maps: 196 kB to about 2 kB in a millisecond


def encode(value: object) -> bytes:
    """Any of the frozen values as msgpack; images travel raw, planes (label maps) deflated."""
    return _ENCODER.encode(value)


def decode(data: bytes, kind: type[T]) -> T:
    """The value of `kind` that `encode` wrote. Raises PhaseFailed for anything else: it may be another version's."""
    try:
        decoded: T = _decoder(kind).decode(data)  # type: ignore[arg-type]  # a class is hashable
    except (msgspec.MsgspecError, ValueError, TypeError, zlib.error) as error:
        raise PhaseFailed("What a phase wrote cannot be read.") from error
    return decoded


def _encode_array(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()  # numpy's float64 is a float to every type checker
    if not isinstance(value, np.ndarray) or value.dtype not in (np.uint8, np.bool_):
        raise NotImplementedError(f"cannot send a {type(value).__name__}")
    plain = np.ascontiguousarray(value)
    packed = zlib.compress(plain.data, _PLANE_LEVEL) if value.ndim == 2 else plain.tobytes()
    return (list(value.shape), packed)


def _decode_array(kind: Any, value: Any) -> Any:
    shape, packed = value
    if not all(isinstance(length, int) and 0 <= length <= MAX_PLANE_PX for length in shape):
        raise ValueError("not a shape")
    if len(shape) == 2:  # no more than it says: what a decode worker writes may be a hostile file's
        packed = zlib.decompressobj().decompress(packed, min(math.prod(shape), MAX_PLANE_PX) or 1)
    (element,) = get_args(get_args(kind)[1])  # of NDArray[element]
    return np.frombuffer(packed, np.uint8).reshape(shape).astype(element, copy=False)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_encode_array)


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind, dec_hook=_decode_array)


canonical = msgspec.json.Encoder(order="deterministic").encode
