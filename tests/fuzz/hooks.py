"""Gives Schemathesis what it cannot make from a schema, such as real images. SCHEMATHESIS_HOOKS loads it."""

from typing import Any

import schemathesis
from hypothesis import strategies as st

from pipeline.color.words import EXAMPLES, known_words
from pipeline.limits import MAX_ID_CHARS
from tests.serve.application import mask_bytes, photo_bytes

FRAMING = ("content-length", "transfer-encoding")

schemathesis.openapi.media_type("image/jpeg", st.just(photo_bytes("JPEG")))
schemathesis.openapi.media_type("image/png", st.just(mask_bytes()))
schemathesis.openapi.media_type("image/webp", st.just(photo_bytes("WEBP")))
COLORS = st.sampled_from([*known_words(), *EXAMPLES, "1F2A44", "Navy Blue"])
schemathesis.openapi.format("color", COLORS)
schemathesis.openapi.format("colors", st.lists(COLORS, min_size=1, max_size=12).map(",".join))


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Numbers the items of a wardrobe while a body is made.

    A later change of a form would make Schemathesis check it again, with its photos as strings.
    """
    # The fields of a form come together with the types of its parts.
    fields = getattr(body, "body", body)
    _number(fields)
    return body


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Numbers the items in bodies of boundary values too, which pass no other hook, and drops framing headers.

    A wrong framing header makes the request no valid HTTP, and the server's own parser refuses it.
    """
    for name in [name for name in case.headers if name.lower() in FRAMING]:
        del case.headers[name]
    if case.media_type == "application/json":
        _number(case.body)


def _number(body: Any) -> None:
    """Makes the ids of a wardrobe unique, in place, because no schema can say that they must differ.

    A wardrobe with an invalid id stays as it is, because that id may be why the body must be refused.
    """
    options = body.get("options") if isinstance(body, dict) else None
    items = options.get("wardrobe") if isinstance(options, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) and _sound(item.get("id")) for item in items):
        return
    if len({item["id"] for item in items}) < len(items):
        items[:] = [{**item, "id": f"w{number}"} for number, item in enumerate(items)]


def _sound(identifier: Any) -> bool:
    return isinstance(identifier, str) and 1 <= len(identifier) <= MAX_ID_CHARS
