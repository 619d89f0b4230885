"""What Schemathesis cannot make from a schema: images that are images; loaded by SCHEMATHESIS_HOOKS."""

from typing import Any

import schemathesis
from hypothesis import strategies as st

from pipeline.limits import MAX_ID_CHARS
from tests.serve.application import mask_bytes, photo_bytes

FRAMING = ("content-length", "transfer-encoding")

schemathesis.openapi.media_type("image/jpeg", st.just(photo_bytes("JPEG")))
schemathesis.openapi.media_type("image/png", st.just(mask_bytes()))
schemathesis.openapi.media_type("image/webp", st.just(photo_bytes("WEBP")))


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Numbers the pieces of a wardrobe while a body is made: an edited form would be judged anew, photos as strings."""
    fields = getattr(body, "body", body)  # a form's fields come with their parts' types
    _number(fields)
    return body


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """The same for the bodies that are made of boundary values, which pass no other hook.

    No header says where the request ends: one that does so wrongly is no HTTP, and the server's own parser refuses it.
    """
    for name in [name for name in case.headers if name.lower() in FRAMING]:
        del case.headers[name]
    if case.media_type == "application/json":
        _number(case.body)


def _number(body: Any) -> None:
    """No schema can say that the ids of a wardrobe differ: those that come twice are numbered, in place.

    Only where each id is sound by itself: a body that must be refused may be wrong by just such an id.
    """
    options = body.get("options") if isinstance(body, dict) else None
    items = options.get("wardrobe") if isinstance(options, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) and _sound(item.get("id")) for item in items):
        return
    if len({item["id"] for item in items}) < len(items):
        items[:] = [{**item, "id": f"w{number}"} for number, item in enumerate(items)]


def _sound(identifier: Any) -> bool:
    return isinstance(identifier, str) and 1 <= len(identifier) <= MAX_ID_CHARS
