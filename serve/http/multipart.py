"""Collects the parts of a multipart/form-data body in memory, within size limits."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from pipeline.errors import FieldError, InvalidFields, TooLarge, Unparsable, pointer

# The client learns what is wrong with its form; python-multipart's plain-text lines do not belong in our log.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
MALFORMED = "The multipart body cannot be read: a boundary, header or part is malformed."


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
        self._parts: dict[str, Part] = {}
        self._begun = False
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
        if not self._begun:
            # After a leading line end the parser would skip the rest of this chunk.
            chunk = chunk.lstrip(b"\r\n")
            self._begun = bool(chunk)
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise Unparsable(MALFORMED) from error

    def finish(self) -> dict[str, Part]:
        """The parts by name. Raises Unparsable when the body is incomplete."""
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
        self._parts[self._name] = Part(b"".join(self._chunks), media_type)

    def _body_ends(self) -> None:
        self._ended = True
