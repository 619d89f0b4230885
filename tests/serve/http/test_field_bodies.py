"""Tests bodies as mail tools, Windows tools and scripts write them: line feeds, base64, BOMs, compression, photos."""

import base64
import json

import pytest

from pipeline.errors import TooLarge, Unparsable, UnsupportedEncoding
from serve.http import body
from serve.http.multipart import Part
from tests.serve.http.test_body import FORM, LIMITS, PHOTO
from tests.serve.http.test_body import _form as whole_form
from tests.serve.http.test_body import _part as part
from tests.serve.http.test_body import _parts as parts
from tests.serve.http.test_body import _request as request


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_a_form_is_read_when_its_lines_end_with_a_line_feed_alone(size: int) -> None:
    """Mail tools and scripts write such bodies; the contents stay as they are, line feeds and returns in them too."""
    photo = PHOTO + b"\n\r\n--X\n"
    unix = [
        b'--XX\nContent-Disposition: form-data; name="image"; filename="a"\nContent-Type: image/png\n\n' + photo,
        b'\n--XX\nContent-Disposition: form-data; name="options"\n\n{}\n--XX--\n',
    ]
    found = await parts(b"".join(unix), size=size)
    assert found == {"image": Part(photo, "image/png"), "options": Part(b"{}")}
    with pytest.raises(Unparsable):
        await parts(unix[0], size=size)


async def test_a_part_is_decoded_when_a_mail_tool_sent_it_as_base64() -> None:
    """A part may say that it is base64 (RFC 2045)."""
    sent = part("image", base64.encodebytes(PHOTO), "Content-Transfer-Encoding: base64")
    assert (await parts(whole_form(sent)))["image"].content == PHOTO
    with pytest.raises(Unparsable, match="'image' is not the base64"):
        await parts(whole_form(part("image", b"!", "Content-Transfer-Encoding: BASE64")))


def test_a_byte_order_mark_is_passed_over() -> None:
    """Windows tools write one before JSON; UTF-16 is named."""
    assert body.parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    with pytest.raises(Unparsable, match="The part 'options' is in UTF-16; JSON is sent in UTF-8"):
        body.parse_json('{"a": 1}'.encode("utf-16"), what="part 'options'")


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "GZIP"])
async def test_a_body_is_refused_unread_when_it_is_compressed(encoding: str) -> None:
    """The error names the encoding. `identity` is none."""
    for read in (body.read_json, body.read_parts):
        with pytest.raises(UnsupportedEncoding, match="Content-Encoding is"):
            await read(request([], ends=False, content_type=FORM, content_encoding=encoding), LIMITS)
    assert await body.read_json(request([b"{}"], content_encoding="identity"), LIMITS) == {}


async def test_json_may_be_long_when_it_holds_a_photo() -> None:
    """A photo as base64 may have the length of a photo; what stands beside it keeps the limit of JSON."""
    text = json.dumps({"image": {"base64": base64.b64encode(PHOTO * 4).decode()}}).encode()
    assert len(text) > LIMITS.max_json_bytes
    chunks = [text[k : k + 300] for k in range(0, len(text), 300)]
    assert "image" in await body.read_json(request(chunks), LIMITS, photos=True)
    escaped = text.replace(b"/", b"\\/")
    assert "image" in await body.read_json(request([escaped]), LIMITS, photos=True)
    with pytest.raises(TooLarge):
        await body.read_json(request(chunks), LIMITS)
    with pytest.raises(TooLarge, match="beside its photo"):
        await body.read_json(request([text[:-1] + b', "x": "' + b"y" * 1000 + b'"}']), LIMITS, photos=True)
    with pytest.raises(TooLarge, match="more than the 1000 bytes"):
        await body.read_json(request([b'{"x": "' + b"y" * 2000], ends=False), LIMITS, photos=True)
