"""Collects the parts of a multipart/form-data body in memory, within size limits."""

import base64
import binascii
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from pipeline.errors import FieldError, InvalidFields, TooLarge, Unparsable, pointer

# The client learns what is wrong with its form; python-multipart's plain-text lines do not belong in our log.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
MALFORMED = "The multipart body cannot be read: a boundary, header or part is malformed."
# Taste: the longest text before the first boundary. Mail tools write a sentence there (RFC 2046, 5.1.1).
MAX_PREAMBLE_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Part:
    """One part. media_type: from its own header, in lower case and without parameters; empty without a header."""

    content: bytes
    media_type: str = ""


class PartCollector:
    """Takes a body's chunks one by one and keeps its parts as bytes. A photo never touches the disk.

    content_type: the request's header. limits: the allowed parts, by name, with the most bytes of each.
    """

    def __init__(self, content_type: str, limits: Mapping[str, int]) -> None:
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise Unparsable("The Content-Type multipart/form-data has no boundary.")
        self._limits = limits
        self._delimiter = b"--" + boundary
        self._parts: dict[str, Part] = {}
        # The preamble and what may be the beginning of the first boundary; None once the parser has begun.
        self._preamble: bytearray | None = bytearray()
        # The body so far, when its lines end without a carriage return.
        self._unix: bytearray | None = None
        self._ended = False
        # The name and the value of the header that is being read.
        self._header = [bytearray(), bytearray()]
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._chunks: list[bytes] = []
        self._bytes = 0
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._more_data,
                    "on_part_end": self._part_ends,
                    "on_end": self._body_ends,
                },
            )
        except FormParserError as error:
            raise Unparsable(MALFORMED) from error

    def write(self, chunk: bytes) -> None:
        """Takes the next chunk.

        Raises Unparsable for a malformed body or a repeated part, InvalidFields for an unknown part, TooLarge.
        """
        if self._preamble is not None:
            chunk = self._after_preamble(chunk)
        if self._unix is not None:
            self._unix += chunk
            return
        self._parse(chunk)

    def _parse(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise Unparsable(MALFORMED) from error

    def _after_preamble(self, chunk: bytes) -> bytes:
        """What the parser may read of the chunks so far: the body from its first boundary on."""
        assert self._preamble is not None  # noqa: S101 - the caller has looked
        self._preamble += chunk
        at = _line_start(self._preamble, self._delimiter)
        after = len(self._delimiter) + at + 2
        if max(at, len(self._preamble) - len(self._delimiter) if at < 0 else 0) > MAX_PREAMBLE_BYTES:
            raise Unparsable("The multipart body does not begin with the boundary that Content-Type names.")
        if at < 0 or len(self._preamble) < after:
            return b""
        body, before = bytes(self._preamble[at:]), bytes(self._preamble[:at])
        self._preamble = None
        if before.strip() and body[len(self._delimiter) :].startswith(b"--"):
            raise Unparsable(MALFORMED)
        if body[len(self._delimiter) : len(self._delimiter) + 1] == b"\n":
            self._unix = bytearray()
        return body

    def finish(self) -> dict[str, Part]:
        """The parts by name. Raises Unparsable when the body is incomplete."""
        if self._unix is not None:
            self._parse(_with_carriage_returns(bytes(self._unix), self._delimiter))
        if not self._ended:
            raise Unparsable("The multipart body ends before its closing boundary.")
        return self._parts

    def _part_begins(self) -> None:
        self._headers = {}
        self._chunks, self._bytes = [], 0

    def _header_ends(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = [bytearray(), bytearray()]

    def _headers_end(self) -> None:
        options = parse_options_header(self._headers.get(b"content-disposition"))[1]
        self._name = options.get(b"name", b"").decode(errors="replace")
        if not self._name:
            raise Unparsable("A part has no name; each needs Content-Disposition: form-data; name=….")
        if self._name not in self._limits:
            message = f"Unknown part; allowed are {', '.join(self._limits)}."
            raise InvalidFields((FieldError(pointer(self._name), message),))
        if self._name in self._parts:
            raise Unparsable(f"The part '{self._name}' comes twice.")

    def _more_data(self, data: bytes, start: int, end: int) -> None:
        self._bytes += end - start
        if self._bytes > (limit := self._limits[self._name]):
            raise TooLarge(f"The part '{self._name}' has more than the {limit} bytes allowed.")
        self._chunks.append(data[start:end])

    def _part_ends(self) -> None:
        media_type = parse_options_header(self._headers.get(b"content-type"))[0].decode("latin-1").lower()
        content = b"".join(self._chunks)
        if self._headers.get(b"content-transfer-encoding", b"").strip().lower() == b"base64":
            content = _decoded(content, self._name)
        self._parts[self._name] = Part(content, media_type)

    def _body_ends(self) -> None:
        self._ended = True


def _line_start(data: bytearray, delimiter: bytes) -> int:
    """Where the delimiter begins a line; -1: nowhere."""
    if data.startswith(delimiter):
        return 0
    at = data.find(b"\n" + delimiter)
    return at + 1 if at >= 0 else -1


def _with_carriage_returns(body: bytes, delimiter: bytes) -> bytes:
    """A body whose lines end with a line feed alone, with the line ends of RFC 2046. Contents stay as they are."""
    found = []
    for number, section in enumerate(body.split(b"\n" + delimiter)):
        section = section.removeprefix(delimiter) if number == 0 else section
        if section.startswith(b"--"):
            found.append(b"--\r\n")
            break
        head, _, content = section.removeprefix(b"\n").partition(b"\n\n")
        found.append(b"\r\n" + head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + content)
    return delimiter + (b"\r\n" + delimiter).join(found)


def _decoded(content: bytes, name: str) -> bytes:
    """A part that a mail tool has written as base64 (RFC 2045)."""
    try:
        return base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error as error:
        raise Unparsable(f"The part '{name}' is not the base64 that its Content-Transfer-Encoding names.") from error
