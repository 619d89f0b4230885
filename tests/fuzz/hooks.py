"""What Schemathesis cannot make from a schema: images that are images; loaded by SCHEMATHESIS_HOOKS."""

from typing import Any

import schemathesis
from hypothesis import strategies as st

from tests.serve.application import mask_bytes, photo_bytes

schemathesis.openapi.media_type("image/jpeg", st.just(photo_bytes("JPEG")))
schemathesis.openapi.media_type("image/png", st.just(mask_bytes()))
schemathesis.openapi.media_type("image/webp", st.just(photo_bytes("WEBP")))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """No schema can say that the ids of a wardrobe differ: those that come twice are numbered."""
    options = case.body.get("options") if isinstance(case.body, dict) else None
    if not isinstance(options, dict) or not isinstance(items := options.get("wardrobe"), list):
        return
    if not all(isinstance(item, dict) and isinstance(item.get("id"), str) for item in items):
        return
    if len({item["id"] for item in items}) < len(items):
        numbered = [{**item, "id": f"w{number}"} for number, item in enumerate(items)]
        case.body = {**case.body, "options": {**options, "wardrobe": numbered}}
