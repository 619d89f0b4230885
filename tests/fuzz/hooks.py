"""What Schemathesis cannot make from a schema: images that are images; loaded by SCHEMATHESIS_HOOKS."""

from typing import Any

import schemathesis
from hypothesis import strategies as st

from tests.serve.application import mask_bytes, photo_bytes

schemathesis.openapi.media_type("image/jpeg", st.just(photo_bytes("JPEG")))
schemathesis.openapi.media_type("image/png", st.just(mask_bytes()))
schemathesis.openapi.media_type("image/webp", st.just(photo_bytes("WEBP")))


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    """No schema can say that the ids of a wardrobe differ."""
    options = body.get("options") if isinstance(body, dict) else None
    wardrobe = options.get("wardrobe") if isinstance(options, dict) else None
    items = wardrobe if isinstance(wardrobe, list) else []
    ids = [str(item.get("id")) for item in items if isinstance(item, dict)]
    return len(set(ids)) == len(ids)
