"""Tests the reader of AVIF's and HEIC's boxes with files that are written box by box."""

import struct

import pytest

from pipeline.errors import ImageUndecodable
from pipeline.image.heif import Boxes, read_boxes

ISPE = b"ispe", bytes(4) + struct.pack(">II", 640, 480)
PIXI = b"pixi", bytes(4) + b"\3\10\10\10"


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def _nclx(primaries: int, transfer: int) -> tuple[bytes, bytes]:
    return b"colr", b"nclx" + struct.pack(">HHHB", primaries, transfer, 6, 128)


def _file(*properties: tuple[bytes, bytes]) -> bytes:
    """A file whose primary item has these properties, in this order."""
    ipco = _box(b"ipco", b"".join(_box(*one) for one in properties))
    indices = bytes(range(1, len(properties) + 1))
    ipma = _box(b"ipma", bytes(4) + struct.pack(">IHB", 1, 1, len(properties)) + indices)
    pitm = _box(b"pitm", bytes(4) + struct.pack(">H", 1))
    meta = _box(b"meta", bytes(4) + pitm + _box(b"iprp", ipco + ipma))
    return _box(b"ftyp", b"avif" + bytes(4)) + meta


def test_a_file_has_no_cicp_when_no_property_declares_one() -> None:
    """Neither a size, nor a bit depth, nor an ICC profile is taken for the codes of a colour space."""
    profile = b"colr", b"prof" + bytes(range(40))
    assert read_boxes(_file(ISPE, PIXI, profile)) == Boxes(640, 480, None)


def test_the_first_cicp_counts_when_there_are_two() -> None:
    """A second colour property does not replace the first, wherever the size stands."""
    assert read_boxes(_file(PIXI, _nclx(12, 13), _nclx(9, 16), ISPE)) == Boxes(640, 480, (12, 13))


def test_a_file_is_refused_when_it_names_no_primary_item() -> None:
    """The properties of another item, even of one with the number 0, are not taken for the picture's."""
    ipma = _box(b"ipma", bytes(4) + struct.pack(">IHB", 1, 0, 1) + b"\1")
    meta = _box(b"meta", bytes(4) + _box(b"iprp", _box(b"ipco", _box(*ISPE)) + ipma))
    with pytest.raises(ImageUndecodable, match="no size"):
        read_boxes(_box(b"ftyp", b"avif" + bytes(4)) + meta)
