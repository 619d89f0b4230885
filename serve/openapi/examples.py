"""Examples of requests, answers and errors for the OpenAPI document.

Tests send every request to the application, and check every answer against the document's schemas.
"""

from typing import Any

from pipeline import errors
from pipeline.errors import ColorMatchError, FieldError, InvalidFields

REQUEST_ID = "0f8fad5bd9cb469fa16570867728950e"
PALETTE_COLORS = "1f2a44,c19a6b"

REQUESTS: dict[str, Any] = {
    "colours": {"summary": "Colours to advice", "value": {"colors": ["#1f2a44", "#c19a6b"]}},
    "shares": {
        "summary": "With shares and options",
        "value": {"colors": [{"hex": "#1f2a44", "share": 0.7}, "ivory"], "options": {"max_suggestions": 3}},
    },
    "wardrobe": {
        "summary": "Matches from a wardrobe",
        "value": {
            "colors": ["navy"],
            "options": {
                "max_suggestions": 2,
                "intent": "bold",
                "wardrobe": [
                    {"id": "w17", "hex": "#c19a6b", "category": "bottom"},
                    {"id": "w3", "colors": ["white", {"hex": "#9caf88", "share": 0.2}], "category": "shoes"},
                ],
            },
        },
    },
}

# A red square of 8×8 px.
_PNG = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFElEQVR4nGM8IafBgA0wYRUdtBIA2HwBHmyUUMcAAAAASUVORK5CYII="
PHOTO_REQUESTS: dict[str, Any] = {
    "photo": {"summary": "A photo as base64", "value": {"image": {"base64": _PNG}, "options": {"segment": "none"}}},
}
PRESIGN_REQUESTS: dict[str, Any] = {
    "form": {"summary": "A form", "value": {"content_type": "image/jpeg", "content_length": 300000}},
    "body": {
        "summary": "The bytes as the body, and their checksum",
        "value": {"content_type": "image/png", "content_length": 2048, "sha256": "5e" * 32, "method": "PUT"},
    },
}

BAD_FIELD = FieldError("/options/max_colors", "Input should be less than or equal to 12. Given: 13.")
# For each status, an error of each code. The document of each error is an example.
ERRORS: dict[int, tuple[ColorMatchError, ...]] = {
    400: (errors.Unparsable("The body is not valid JSON at line 1, column 12."),),
    401: (errors.Unauthenticated("The API key is not valid."),),
    403: (errors.Forbidden("This needs a key with the scope 'advice'."),),
    404: (errors.NotFound("There is no such object."),),
    405: (errors.MethodNotAllowed("PUT is not allowed here; allowed: POST", allowed=("POST",)),),
    406: (errors.NotAcceptable("This answers with application/json; the Accept header does not allow it."),),
    408: (errors.SlowBody("The body did not arrive within 10 s."),),
    413: (
        errors.TooLarge(
            "The image is 5712×4284 px, 24470208 pixels; at most 16000000 are allowed for PNG. Scale it down, or save "
            "it as a baseline JPEG, which may have 110000000 pixels."
        ),
    ),
    415: (
        errors.UnsupportedMedia(
            "The file is a GIF image, not a JPEG, PNG, WebP, AVIF or HEIC image by its first bytes. "
            "Save one frame as PNG or JPEG."
        ),
    ),
    422: (InvalidFields((BAD_FIELD,)),),
    429: (errors.RateLimited("At most 60 requests a minute are allowed; try again in 12 s."),),
    500: (ColorMatchError(),),
    503: (
        errors.Overloaded("16 photos are being worked on, the most at a time; try again shortly."),
        errors.NotReady("The segmentation phase has not reported yet; try again shortly."),
    ),
}
KEY_REUSED = errors.IdempotencyKeyReused("This Idempotency-Key came with another request before; use a new one.")
IMAGE_ERRORS = (
    errors.ObjectChanged("The object changed while it was being read."),
    errors.ImageUndecodable("The image is damaged and cannot be decoded."),
    errors.ImageTruncated("The image ends before its last pixel."),
    errors.ImageAnimated("The image has 12 frames; it must have 1."),
    errors.ImageBomb("The image is 60000×60000 px in 4096 bytes; at most 16000000 pixels are allowed for PNG."),
    errors.ImageTooSmall("The image is 3×3 px; each side must be 8 px or more."),
    errors.ImageAspect("The image is 8×408 px; the long side may be at most 50 times the short one."),
    errors.ImageTooComplex(
        "The image takes longer to decode than the 400 ms allowed. Scale it down, or save it as a baseline JPEG."
    ),
    errors.ChecksumMismatch("The object's SHA-256 is not the one that was announced for the upload."),
    errors.MaskInvalid("The mask is a JPEG file; it must be an 8-bit PNG."),
    errors.MaskEmpty("The mask has no non-zero pixel; it must mark the garment with non-zero pixels."),
)

_SEGMENTER = "lite2-parse-384:1a2b3c4d:fp32:cpu"
_IMAGE = {"width": 1200, "height": 1600, "analysed_width": 384, "analysed_height": 512}
_LIGHTING = {"cast": "warm", "confidence": 0.6, "expected_shift_de00": 4.1, "corrected": False}
_COMPONENTS = {"hue": 0.929, "lightness": 1.0, "separation": 1.0, "vividness": 1.0}
_CONTRAST = {
    "code": "LIGHT_CONTRAST",
    "value": 0.42,
    "text": "A clear step between light and dark defines the outfit.",
}
_SEGMENT = {"id": "g1", "category": "top", "confidence": 0.93, "bbox": [0.1, 0.2, 0.5, 0.6], "area": 0.23}
_SWATCH = {
    "role": "main",
    "hex": "#1f2a44",
    "oklch": [0.2883, 0.0503, 265.9],
    "lab": [17.3, 3.9, -17.8],
    "share": 1.0,
    "confidence": 0.9,
    "spread_de00": 5.2,
    "temperature": "cool",
    "neutral": True,
    "names": {
        "basic": {"name": "blue", "de00": 0.0},
        "iscc_nbs": {"name": "dark purplish blue", "de00": 5.2},
        "fashion": {"name": "navy", "de00": 0.0},
    },
    "text_color": "#ffffff",
    "contrast": 14.3,
}
_NO_PLACE = {"confidence": None, "bbox": None, "area": None, "pattern": None}
_GARMENT = {**_SEGMENT, "pattern": {"class": "solid", "color_count": 1, "confidence": 1.0}, "colors": [_SWATCH]}
_SUGGESTION = {
    "summary": "Camel trousers warm up the navy top.",
    "mood": "safe",
    "scheme": "neutral",
    "intent": "balanced",
    "score": 0.812,
    "rating": "great",
    "for": {"garment_ids": ["g1"], "colors": ["#1f2a44"]},
    "components": _COMPONENTS,
    "colors": [{"hex": "#c19a6b", "name": "camel", "role": "secondary", "share": 0.3}],
    "reasons": [{"code": "NEUTRAL_ANCHOR", "text": "Camel goes with almost anything."}, _CONTRAST],
    "how_to_wear": [{"code": "WEAR_BELOW", "text": "Wear camel below: trousers or a skirt."}],
    "cvd": {"protan_min_de00": 38.2, "deutan_min_de00": 37.9, "tritan_min_de00": 36.4, "distinct": True},
}
_HARMONY = {
    "suggestions": [_SUGGESTION],
    "common": [{"code": "CALM_CHROMA", "text": "Every colour is muted, so nothing competes."}],
    "matches": [
        {
            "item_id": "w17",
            "score": 0.812,
            "rating": "great",
            "for": {"garment_ids": ["g1"]},
            "components": _COMPONENTS,
            "reasons": [_CONTRAST],
        }
    ],
    "outfits": [
        {
            "item_ids": ["w17", "w3"],
            "score": 0.79,
            "rating": "great",
            "missing": ["shoes"],
            "components": _COMPONENTS,
            "reasons": [_CONTRAST],
        }
    ],
}


def _answer(phases: int, **parts: Any) -> dict[str, Any]:
    """The answer to a photo that ran through the first `phases` phases."""
    ran = ["miss"] * phases + ["skipped"] * (3 - phases)
    return {
        "request_id": REQUEST_ID,
        "mode": "image",
        "degraded": [],
        "warnings": [{"code": "LOW_LIGHT", "text": "The photo is dark: colours may look different in daylight."}],
        "versions": {
            "api": "1",
            "segmenter": _SEGMENTER,
            "palette": "palette-1" if phases > 1 else None,
            "harmony": "1" if phases > 2 else None,
        },
        **parts,
        "meta": {"cache": {"advice": "miss", **dict(zip(("segmentation", "extraction", "harmony"), ran, strict=True))}},
    }


ADVICE = _answer(3, image={**_IMAGE, "lighting": _LIGHTING}, garments=[_GARMENT], **_HARMONY)
SEGMENT = _answer(
    1,
    image={**_IMAGE, "lighting": None},
    labels={
        "format": "png",
        "data": "iVBORw0KGgoAAAANSUhEUgAAAAQAAAAECAAAAACMmsGiAAAAFUlEQVR4nGNgYGBgYGBgZmZgYoABAABzAAkrxHUSAAAAAElF"
        "TkSuQmCC",
    },
    garments=[_SEGMENT],
)
EXTRACT = _answer(2, image={**_IMAGE, "lighting": _LIGHTING}, garments=[_GARMENT])
HARMONY = _answer(3, **_HARMONY)
COLORS_ADVICE = {
    **_answer(3, image=None, garments=[{**_GARMENT, "category": "unknown", **_NO_PLACE}], **_HARMONY),
    "mode": "colors",
    "warnings": [],
}

_READY = {"ready": True, "version": "1", "breaker": "closed", "replicas": 2, "refused_config": None}
_PHASES = {"segmentation": {**_READY, "version": _SEGMENTER}, "extraction": _READY, "harmony": _READY}
HEALTH = {"status": "ok", "version": "0.1.0"}
READY = {"ready": True, "phases": _PHASES, "cache": "up", "objects": "up", "refused_config": None}
NOT_READY = {
    "ready": False,
    "phases": {**_PHASES, "segmentation": {**_READY, "ready": False, "version": None, "replicas": 0}},
    "cache": "up",
    "objects": "up",
    "refused_config": None,
}
PRESIGNED = {
    "method": "POST",
    "url": "https://s3.eu-central-1.amazonaws.com/photos",
    "fields": {
        "key": "uploads/shop/0f8fad5bd9cb469fa16570867728950e",
        "Content-Type": "image/jpeg",
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": "AKIDEXAMPLE/20261125/eu-central-1/s3/aws4_request",
        "x-amz-date": "20261125T080000Z",
        "policy": "eyJleHBpcmF0aW9uIjogIjIwMjYtMTEtMjVUMDg6MTA6MDBaIn0=",
        "x-amz-signature": "5e" * 32,
    },
    "object_key": "uploads/shop/0f8fad5bd9cb469fa16570867728950e",
    "expires_at": "2026-11-25T08:10:00Z",
    "max_bytes": 300000,
}
PALETTE = {
    "colors": [
        {"hex": "#1f2a44", "name": "navy", "rgb": [31, 42, 68]},
        {"hex": "#c19a6b", "name": "camel", "rgb": [193, 154, 107]},
    ]
}
