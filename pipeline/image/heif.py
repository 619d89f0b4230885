"""Reads what an AVIF or HEIC file declares from its boxes, without decoding it (ISO/IEC 23008-12, ISO/IEC 14496-12)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.errors import ImageTooComplex, ImageTruncated, ImageUndecodable

# Taste: the most boxes, properties and associations that are looked at. A phone's photo of 48 tiles has some hundreds.
MAX_BOXES = 4096
# Standard: brands of image sequences, whose frames are a track.
SEQUENCE_BRANDS = frozenset((b"avis", b"msf1", b"hevc", b"hevx", b"hevm", b"hevs"))


@dataclass(frozen=True, slots=True)
class Boxes:
    """What the primary item declares. cicp: the codes of its primaries and its transfer function, where it has them."""

    width_px: int
    height_px: int
    cicp: tuple[int, int] | None = None


@dataclass(slots=True)
class _Found:
    primary: int | None = None
    properties: list[tuple[bytes, int, int]] = field(default_factory=list)
    of_item: dict[int, list[int]] = field(default_factory=dict)


def is_sequence(data: bytes) -> bool:
    """Whether the file is an animation by its major brand."""
    return data[8:12] in SEQUENCE_BRANDS


def read_boxes(data: bytes) -> Boxes:
    """What the file's primary item declares.

    Raises struct.error for a file that ends within its boxes, ImageUndecodable without a primary item or its size, and
    ImageTooComplex beyond MAX_BOXES.
    """
    found, budget = _Found(), _Budget()
    meta = _meta(data, budget)
    if meta is None:
        raise ImageUndecodable("The file names no picture.")
    _read_meta(data, meta[0] + 4, meta[1], found, budget)
    size: tuple[int, int] | None = None
    cicp: tuple[int, int] | None = None
    for index in found.of_item.get(-1 if found.primary is None else found.primary, ()):
        if not 0 < index <= len(found.properties):
            continue
        name, start, _ = found.properties[index - 1]
        if name == b"ispe" and size is None:
            size = struct.unpack_from(">II", data, start + 4)
        if name == b"colr" and data[start : start + 4] == b"nclx" and cicp is None:
            cicp = struct.unpack_from(">HH", data, start + 4)
    if size is None:
        raise ImageUndecodable("The file's picture has no size.")
    return Boxes(size[0], size[1], cicp)


def _meta(data: bytes, budget: "_Budget") -> tuple[int, int] | None:
    """Where the content of the box `meta` begins and ends. Raises ImageTruncated when the pixels go beyond the file."""
    at, meta = 0, None
    while at + 8 <= len(data):
        budget.take()
        name, start, stop = _box(data, at, len(data))
        if stop > len(data):
            if name in (b"meta", b"mdat"):
                raise ImageTruncated(f"The file declares {stop} bytes and has {len(data)}.")
            break
        if name == b"meta" and meta is None:
            meta = start, stop
        at = stop
    return meta


class _Budget:
    """Counts down from MAX_BOXES."""

    def __init__(self) -> None:
        self._left = MAX_BOXES

    def take(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ImageTooComplex(f"The file has more than {MAX_BOXES} boxes.")


def _boxes(data: bytes, at: int, end: int, budget: _Budget) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between two places: the name, and where the content begins and ends."""
    while at + 8 <= end:
        budget.take()
        name, start, stop = _box(data, at, end)
        if stop > end:
            raise struct.error("a box goes beyond its parent")
        yield name, start, stop
        at = stop


def _box(data: bytes, at: int, end: int) -> tuple[bytes, int, int]:
    """The name of a box, and where its content begins and ends."""
    length, name = struct.unpack_from(">I4s", data, at)
    start = at + 8
    if length == 1:
        (length,) = struct.unpack_from(">Q", data, start)
        start += 8
    stop = end if length == 0 else at + length
    if stop < start:
        raise struct.error("a box is shorter than its own head")
    return name, start, stop


def _read_meta(data: bytes, start: int, end: int, found: _Found, budget: _Budget) -> None:
    for name, at, stop in _boxes(data, start, end, budget):
        if name == b"pitm":
            (found.primary,) = struct.unpack_from(">I" if data[at] else ">H", data, at + 4)
        if name == b"iprp":
            for inner, first, last in _boxes(data, at, stop, budget):
                if inner == b"ipco":
                    found.properties = list(_boxes(data, first, last, budget))
                if inner == b"ipma":
                    _read_associations(data, first, found, budget)


def _read_associations(data: bytes, at: int, found: _Found, budget: _Budget) -> None:
    """Reads which properties each item has."""
    version, flags = data[at], int.from_bytes(data[at + 1 : at + 4])
    (entries,) = struct.unpack_from(">I", data, at + 4)
    at += 8
    for _ in range(entries):
        budget.take()
        item, count = struct.unpack_from(">IB" if version else ">HB", data, at)
        at += 5 if version else 3
        indices: list[int] = found.of_item.setdefault(item, [])
        for _ in range(count):
            (raw,) = struct.unpack_from(">H" if flags & 1 else ">B", data, at)
            at += 2 if flags & 1 else 1
            indices.append(raw & (0x7FFF if flags & 1 else 0x7F))
