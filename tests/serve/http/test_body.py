"""Tests request bodies: limits of size and time, strict JSON, and hostile multipart."""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from pipeline.errors import InvalidFields, SlowBody, TooLarge, Unparsable, UnsupportedMedia
from serve.http import body
from serve.http.multipart import Part
from serve.settings import Settings

LIMITS = Settings(max_image_bytes=5000, max_mask_bytes=500, max_json_bytes=1000, body_timeout_s=0.05)
FORM = "multipart/form-data; boundary=XX"
PHOTO = bytes(range(256)) * 4


def _request(chunks: Iterable[bytes], *, ends: bool = True, **headers: str) -> Request:
    """A request whose body comes in chunks. Unless it `ends`, it then waits for more."""
    waiting = iter(chunks)

    async def receive() -> Message:
        chunk = next(waiting, None)
        if chunk is None and not ends:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw}, receive)


def _part(name: str, content: bytes, *headers: str, filename: str | None = "a.jpg") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    return "\r\n".join(["--XX", disposition, *headers, "", ""]).encode() + content + b"\r\n"


def _form(*parts: bytes, end: bytes = b"--XX--\r\n") -> bytes:
    return b"".join(parts) + end


async def _parts(data: bytes, *, content_type: str = FORM, size: int = 10_000) -> dict[str, Part]:
    chunks = [data[k : k + size] for k in range(0, len(data), size)]
    return await body.read_parts(_request(chunks, content_type=content_type), LIMITS)


# --- sizes and times ------------------------------------------------------------------------------------------
async def test_a_body_is_refused_unread_when_its_declared_length_is_too_large() -> None:
    """A Content-Length above the limit is refused before a byte is read."""
    request = _request([], ends=False, content_length="1001")
    with pytest.raises(TooLarge, match="1001 bytes; at most 1000"):
        await body.read_json(request, LIMITS)


@pytest.mark.parametrize("declared", ["", "3", "²"])
async def test_a_body_is_refused_when_it_is_too_large(declared: str) -> None:
    """Without a length, or with a false one, the bytes are counted as they come, and the rest is not read."""
    request = _request([b" " * 600, b" " * 401], ends=False, content_length=declared)
    with pytest.raises(TooLarge, match="more than the 1000 bytes"):
        await body.read_json(request, LIMITS)


async def test_a_body_is_accepted_when_it_just_fits() -> None:
    """A body of exactly the limit is accepted."""
    text = b'"' + b"x" * 998 + b'"'
    assert await body.read_json(_request([text], content_length="1000"), LIMITS) == "x" * 998


@pytest.mark.parametrize("chunks", [[], [b'{"a"'], [b"x" * 7]])
async def test_a_body_is_given_up_when_it_comes_too_slowly(chunks: list[bytes]) -> None:
    """A body that stalls at its start or midway is refused after the allowed time."""
    with pytest.raises(SlowBody, match=r"within 0\.05 s"):
        await body.read_json(_request(chunks, ends=False), LIMITS)


async def test_a_form_is_given_up_when_it_comes_too_slowly() -> None:
    """The allowed time counts for multipart too."""
    with pytest.raises(SlowBody):
        await body.read_parts(_request([_part("image", PHOTO)[:200]], ends=False, content_type=FORM), LIMITS)


@pytest.mark.parametrize(("name", "limit"), [("image", 5000), ("mask", 500), ("options", 1000)])
async def test_each_part_has_its_own_limit_when_it_grows(name: str, limit: int) -> None:
    """A part at its limit is accepted. With one byte more, it is refused and named."""
    assert (await _parts(_form(_part(name, b"x" * limit))))[name].content == b"x" * limit
    with pytest.raises(TooLarge, match=f"'{name}' has more than the {limit} bytes"):
        await _parts(_form(_part(name, b"x" * (limit + 1))))


# --- JSON -----------------------------------------------------------------------------------------------------
BAD_JSON = {
    "not JSON": b"hello",
    "truncated": b'{"colors": ["navy"',
    "two values": b"{} {}",
    "comment": b"{} // hi",
    "single quotes": b"{'a': 1}",
    "NaN": b'{"share": NaN}',
    "Infinity": b"[Infinity]",
    "-Infinity": b"[-Infinity]",
    "duplicate keys": b'{"colors": [], "colors": ["navy"]}',
    "duplicate keys deep down": b'{"options": {"lang": "en", "lang": "en"}}',
    "latin-1": '{"a": "é"}'.encode("latin-1"),
    "UTF-16": '{"a": "b"}'.encode("utf-16"),
    "a surrogate alone": b'{"id": "\\ud800"}',
    "a surrogate as a key": b'{"\\uDBFF": 1}',
    "a surrogate in UTF-8": b'{"id": "\xed\xa0\x80"}',
    "a number beyond every float": b"[-1e400]",
    "an integer of 5,000 digits": b"[" + b"9" * 5000 + b"]",
    "deep arrays": b"[" * 10_000,
    "deep closed arrays": b"[" * 10_000 + b"]" * 10_000,
    "deep objects": b'{"a":' * 10_000,
}


@pytest.mark.parametrize("data", BAD_JSON.values(), ids=BAD_JSON.keys())
def test_json_is_refused_when_it_is_not_strictly_json(data: bytes) -> None:
    """JSON that RFC 8259 or I-JSON forbids, or that is nested too deeply, is unparsable."""
    with pytest.raises(Unparsable, match=r"not valid JSON|nested too deeply|in UTF-16"):
        body.parse_json(data)


COSTLY_JSON = {
    "340,000 arrays": b"[" + b"[]," * 340_000 + b"[]]",
    "80,000 fields": json.dumps(dict.fromkeys(map(str, range(80_000)), 1)).encode(),
    "500 objects of 90 fields": json.dumps([dict.fromkeys(map(str, range(90)), 1)] * 500).encode(),
}


@pytest.mark.parametrize("data", COSTLY_JSON.values(), ids=COSTLY_JSON.keys())
def test_json_is_refused_soon_when_it_has_too_many_values(data: bytes) -> None:
    """JSON with too many values is refused before it blocks the event loop, which took half a second."""
    since_s = time.process_time()
    with pytest.raises(Unparsable, match="more than"):
        body.parse_json(data)
    assert time.process_time() - since_s < 0.1


def test_json_is_accepted_when_it_is_the_largest_valid_request() -> None:
    """A wardrobe of five hundred items with twelve colours each is accepted."""
    colors = [{"hex": "lightgoldenrodyellow", "share": 0.0833333333} for _ in range(12)]
    wardrobe = [{"id": f"piece {number}", "colors": colors, "category": "outerwear"} for number in range(500)]
    value = {"colors": colors, "options": {"wardrobe": wardrobe, "garments": ["top"], "schemes": ["triadic"]}}
    assert body.parse_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize("data", [b"", b"  \r\n"])
def test_an_empty_body_is_named_when_it_is_parsed(data: bytes) -> None:
    """An empty body, or only white space, gets an error that says so."""
    with pytest.raises(Unparsable, match="body is empty"):
        body.parse_json(data)


def test_the_place_is_named_when_json_breaks() -> None:
    """The detail names line and column, and quotes nothing of the body."""
    with pytest.raises(Unparsable) as caught:
        body.parse_json(b'{"secret": 1,\n "x" 2}')
    assert caught.value.detail == "The body is not valid JSON at line 2, column 6."


@pytest.mark.parametrize(
    ("data", "value"),
    [(b"null", None), (b'"\\ud83d\\udc57"', "👗"), ('"👗é"'.encode(), "👗é"), (b"1e300", 1e300), (b"-0", 0)],
)
def test_json_is_accepted_when_it_is_plain(data: bytes, value: object) -> None:
    """Any JSON value in UTF-8 is parsed, with escaped surrogate pairs too."""
    assert body.parse_json(data) == value


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES, st.booleans())
@settings(derandomize=True, deadline=None, max_examples=40)
def test_json_comes_back_when_it_was_written_by_a_client(value: Any, escaped: bool) -> None:
    """Any value that a client's encoder writes is read as the same value."""
    assert body.parse_json(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(st.binary(max_size=60))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_only_our_error_is_raised_when_bytes_are_random(data: bytes) -> None:
    """No bytes make the parser raise anything but Unparsable."""
    with contextlib.suppress(Unparsable):
        body.parse_json(data)


# --- multipart ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
async def test_parts_are_whole_when_chunks_are_of_any_size(size: int) -> None:
    """The parts' bytes and types do not depend on where the transport cuts the body."""
    data = _form(
        _part("image", PHOTO, "Content-Type: image/JPEG"),
        _part("options", b"{}", "Content-Type: application/json; charset=utf-8", filename=None),
    )
    assert await _parts(data, size=size) == {
        "image": Part(PHOTO, "image/jpeg"),
        "options": Part(b"{}", "application/json"),
    }


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_a_preamble_is_passed_over_when_a_mail_tool_writes_one(size: int) -> None:
    """Text may precede the first boundary's line, wherever the transport cuts the body (RFC 2046)."""
    form = _form(_part("options", b"{}"))
    for preamble in (
        b"\r\n\n",
        b"This is a multi-part message in MIME format.\r\n",
        b"--X\r\n--\r\n",
        b"--XX"[:3] + b"\n",
    ):
        assert await _parts(preamble + form, size=size) == {"options": Part(b"{}")}
    with pytest.raises(Unparsable):
        await _parts(b"\r\nhello " + form, size=size)
    with pytest.raises(Unparsable, match="does not begin with the boundary"):
        await _parts(b"x" * 9000 + b"\r\n" + form, size=size)


async def test_a_photo_is_bytes_when_its_part_has_no_filename() -> None:
    """The bytes of a part without a filename are not decoded as text."""
    assert await _parts(_form(_part("image", PHOTO, filename=None))) == {"image": Part(PHOTO)}


@given(st.binary(max_size=300), st.binary(max_size=300))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_parts_come_back_when_their_bytes_are_random(image: bytes, mask: bytes) -> None:
    """Any bytes without the boundary arrive unchanged."""
    if b"--XX" not in image + mask:
        found = asyncio.run(_parts(_form(_part("image", image), _part("mask", mask)), size=64))
        assert (found["image"].content, found["mask"].content) == (image, mask)


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; b=XX"])
async def test_a_form_is_refused_when_it_names_no_boundary(kind: str) -> None:
    """Multipart without a boundary is unparsable."""
    with pytest.raises(Unparsable, match="no boundary"):
        await _parts(_form(_part("image", PHOTO)), content_type=kind)


BROKEN_FORMS = {
    "no parts at all": b"hello",
    "another boundary": _form(_part("image", PHOTO)).replace(b"--XX", b"--YY"),
    "broken off in a part": _form(_part("image", PHOTO))[:500],
    "broken off in a header": b"--XX\r\nContent-Disp",
    "no closing boundary": _part("image", PHOTO),
    "a part without a name": b"--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XX--\r\n",
    "a part without headers": b"--XX\r\n\r\nx\r\n--XX--\r\n",
    "a huge header": _form(_part("image" * 20_000, PHOTO)),
    "many headers": _form(_part("image", PHOTO, *(f"X-{k}: 1" for k in range(50)))),
    "a header without a colon": _form(_part("image", PHOTO, "nonsense")),
    "a part twice": _form(_part("image", PHOTO), _part("image", PHOTO)),
    "another case of a duplicate": _form(_part("options", b"{}"), _part("options", b"{}", filename=None)),
    "a nested form without a name": _form(_part("", _form(_part("image", PHOTO)), "Content-Type: multipart/mixed")),
}  # fmt: skip


@pytest.mark.parametrize("data", BROKEN_FORMS.values(), ids=BROKEN_FORMS.keys())
async def test_a_form_is_refused_when_it_is_malformed(data: bytes) -> None:
    """Every malformed form is unparsable."""
    with pytest.raises(Unparsable):
        await _parts(data)


async def test_the_log_stays_empty_when_a_form_is_malformed(caplog: pytest.LogCaptureFixture) -> None:
    """The parser's own warnings, which quote what a client sent, are not written."""
    for data in BROKEN_FORMS.values():
        with pytest.raises(Unparsable):
            await _parts(data)
    assert caplog.records == []


@pytest.mark.parametrize("length", [71, 5000])
async def test_a_form_is_refused_when_its_boundary_is_too_long(length: int) -> None:
    """A boundary beyond the parser's limit is unparsable and does not crash it. RFC 2046 allows 70 characters."""
    boundary = "X" * length
    data = _form(_part("image", PHOTO)).replace(b"--XX", b"--" + boundary.encode())
    if length > 256:
        with pytest.raises(Unparsable):
            await _parts(data, content_type=f"multipart/form-data; boundary={boundary}")
    else:
        assert "image" in await _parts(data, content_type=f"multipart/form-data; boundary={boundary}")


@pytest.mark.parametrize("name", ["picture", "Image", "image[]", "a/b~c"])
async def test_an_unknown_part_is_named_when_it_comes(name: str) -> None:
    """An unknown part is refused with its pointer, at its first byte."""
    with pytest.raises(InvalidFields) as caught:
        await _parts(_form(_part(name, b"x" * 9000)))
    (field,) = caught.value.fields
    assert field.pointer == "/" + name.replace("~", "~0").replace("/", "~1")
    assert field.message == "Unknown part; allowed are image, mask, options."


async def test_ten_thousand_parts_are_refused_when_the_first_is_seen() -> None:
    """A flood of parts is refused at the first unknown or repeated one, and the rest is not read."""
    flood = b"".join(_part(f"p{k}", b"x") for k in range(10_000))
    request = _request([flood[:1000]], ends=False, content_type=FORM)
    with pytest.raises(InvalidFields):
        await body.read_parts(request, LIMITS)


# --- content types --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        (FORM, "multipart/form-data"),
        ('multipart/form-data;boundary="XX"', "multipart/form-data"),
    ],
)
def test_a_content_type_is_known_with_parameters_and_in_any_case(header: str, kind: str) -> None:
    """Parameters and case of a content type do not matter."""
    assert body.content_type(_request([], content_type=header, content_length="2")) == kind


@pytest.mark.parametrize(
    "header",
    ["text/plain", "image/jpeg", "application/x-www-form-urlencoded", "application/json5", "multipart/mixed", "x"],
)
def test_a_content_type_is_refused_when_it_is_unknown(header: str) -> None:
    """Any other type is unsupported, even if the body would parse."""
    with pytest.raises(UnsupportedMedia, match="allowed are multipart/form-data and application/json"):
        body.content_type(_request([], content_type=header, content_length="2"))


@pytest.mark.parametrize("length", ["", "0"])
def test_a_request_is_empty_when_it_has_no_type_and_no_length(length: str) -> None:
    """A request without a body gets an error about the body, not about its type."""
    request = _request([], content_length=length) if length else _request([])
    with pytest.raises(Unparsable, match="body is empty"):
        body.content_type(request)


@pytest.mark.parametrize("request_", [_request([], content_length="5"), _request([], transfer_encoding="chunked")])
def test_a_body_is_refused_when_it_has_no_content_type(request_: Request) -> None:
    """A body without a content type is unsupported."""
    with pytest.raises(UnsupportedMedia):
        body.content_type(request_)
