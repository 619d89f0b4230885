"""Explains each error code to people: the pages at /docs/errors/… that the `type` of a problem document names."""

from html import escape

from pipeline.errors import ColorMatchError
from serve.http.problems import PROBLEMS, TITLES, slug_of, status_of

# By code: what happened, and what the client does about it.
EXPLAINED: dict[str, tuple[str, str]] = {
    "INTERNAL": (
        "The service met an error that nobody foresaw. Your request is not the cause.",
        "Send the request again. If the error stays, report the `request_id`: the service's log names the cause.",
    ),
    "BAD_INPUT": ("The request cannot be used as it is.", "Read `detail`: it says what to change."),
    "UNPARSABLE": (
        "The request has no body, its JSON or its form cannot be parsed, or its Host header is wrong.",
        "Send valid JSON with `Content-Type: application/json`, or a form as an HTTP library makes it. Leave the "
        "boundary to that library.",
    ),
    "UNSUPPORTED_MEDIA_TYPE": (
        "The content type is not one that this route reads, the body is compressed, or the first bytes of the file "
        "are not those of a photo.",
        "Send a photo as JPEG, PNG, WebP or AVIF. The service looks at the bytes, not at the file's name. HEIC works "
        "where the server has `pi-heif`; else export the photo as JPEG.",
    ),
    "NOT_ACCEPTABLE": (
        "The Accept header excludes every format that this route can answer with.",
        "Leave the header out, or accept `application/json` (a palette: the type of its format).",
    ),
    "TOO_LARGE": (
        "The body has too many bytes, or the photo has too many pixels.",
        "Scale the photo down to about 2,000 pixels on its longer side; the answer stays the same. Photos of up to "
        "50 MiB can be uploaded: ask `POST /v1/uploads/presign`, upload, then send the `object_key`.",
    ),
    "SLOW_BODY": (
        "The body came more slowly than the service waits for.",
        "Send it again over a faster connection, or send a smaller photo.",
    ),
    "REFUSED": ("The request is well formed, but the service refuses it.", "Read `detail`: it says what to change."),
    "INVALID_OPTIONS": (
        "A field is unknown, or its value is not allowed.",
        "Read `errors`: each entry has a JSON pointer to the field, and what is allowed there. A colour that is not "
        "known comes with the nearest names.",
    ),
    "IMAGE_UNDECODABLE": (
        "The file begins like a photo, but it cannot be decoded.",
        "Open it in a viewer, save it again as JPEG or PNG, and send that.",
    ),
    "IMAGE_TRUNCATED": ("The file ends before the photo does.", "Copy or download the file again and send it whole."),
    "IMAGE_ANIMATED": ("The file is an animation.", "Send one frame of it as a still photo."),
    "IMAGE_BOMB": (
        "The file has far more pixels than its size in bytes allows.",
        "Save the photo again as a plain JPEG. Files like this are used to exhaust a server's memory.",
    ),
    "IMAGE_TOO_SMALL": (
        "A side of the photo has fewer than 8 pixels.",
        "Send a larger photo; 400 pixels on the longer side are enough.",
    ),
    "IMAGE_ASPECT": (
        "One side of the photo is more than 50 times as long as the other.",
        "Crop the photo around the clothes.",
    ),
    "IMAGE_TOO_COMPLEX": (
        "Decoding the photo takes more time than one photo may take.",
        "Save it again as a plain JPEG, not progressive, and send that.",
    ),
    "MASK_INVALID": (
        "The mask is not an 8-bit PNG, or its aspect ratio differs from the photo's.",
        "Send a PNG of the photo's shape in which non-zero pixels are the garment, or leave the mask out.",
    ),
    "MASK_EMPTY": ("No pixel of the mask is set.", "Mark the garment with non-zero pixels, or leave the mask out."),
    "CHECKSUM_MISMATCH": (
        "The uploaded object does not have the SHA-256 that was announced for it.",
        "Ask for a new permission with the right checksum and upload the file again.",
    ),
    "ACCESS_DENIED": (
        "The service does not allow this request: its page's origin, or plain HTTP.",
        "Use HTTPS. A page of another origin needs the operator to name that origin in `cors_origins`.",
    ),
    "UNAUTHENTICATED": (
        "The request has no API key, or the key is wrong or revoked.",
        "Send the key as `X-API-Key: ssk_…` or as `Authorization: Bearer ssk_…`. `make serve` writes one to "
        "`.dev/api_key`.",
    ),
    "FORBIDDEN": (
        "The key is valid but lacks the scope for this route.",
        "Use a key with the scope that `detail` names: `advice`, `uploads` or `metrics`.",
    ),
    "NOT_FOUND": (
        "Nothing answers at this address, or the uploaded object is not there or is another tenant's.",
        "Check the path. Object keys are valid only for the tenant that asked for them, until the bucket deletes them.",
    ),
    "METHOD_NOT_ALLOWED": ("The address exists, but not for this method.", "Use a method of the `Allow` header."),
    "CONFLICT": ("The request conflicts with the current state.", "Read `detail`, then send a new request."),
    "OBJECT_CHANGED": (
        "The uploaded object was replaced while the service read it.",
        "Send the request again when the upload is complete.",
    ),
    "IDEMPOTENCY_KEY_REUSED": (
        "This Idempotency-Key came before with another body.",
        "Use a new key for a new request. The same key and body give the same answer.",
    ),
    "RATE_LIMITED": (
        "The key has used up its requests for this minute, or has too many requests open at once.",
        "Wait as long as `Retry-After` says, in seconds. `RateLimit` tells what is left before it runs out.",
    ),
    "UNAVAILABLE": ("The service cannot answer now.", "Wait as long as `Retry-After` says, then send it again."),
    "NOT_READY": (
        "A part of the service has not started, or a store does not answer.",
        "Wait as long as `Retry-After` says. `GET /v1/readyz` tells which part is missing.",
    ),
    "OVERLOADED": (
        "The service has as many requests as it can answer in time.",
        "Wait as long as `Retry-After` says, and send fewer requests at a time.",
    ),
    "PHASE_TIMEOUT": (
        "A phase took longer than its budget and no fallback could replace it.",
        "Send the request again after `Retry-After`.",
    ),
    "PHASE_FAILED": (
        "A phase failed and no fallback could replace it.",
        "Send the request again after `Retry-After`. If the error stays, report the `request_id`.",
    ),
    "PHASE_LOST": (
        "The process that worked on the request ended.",
        "Send the request again: another process answers.",
    ),
}
_BY_SLUG = {slug_of(kind.code): kind for kind in PROBLEMS}


def index_page() -> str:
    """The list of all errors, as HTML."""
    kinds = sorted(PROBLEMS, key=lambda kind: (PROBLEMS[kind][0], kind.code))
    rows = "".join(
        f'<tr><td>{PROBLEMS[kind][0]}<td><a href="errors/{slug_of(kind.code)}"><code>{kind.code}</code></a>'
        f"<td>{escape(TITLES[kind.code])}"
        for kind in kinds
    )
    text = (
        "<p class=lead>Every error is a problem document (RFC 9457). Decide by <code>code</code>; "
        "<code>detail</code> is for people.</p>"
    )
    head = "<tr><th scope=col>Status<th scope=col>Code<th scope=col>Meaning"
    return _page("Errors", f"<h1>Errors</h1>{text}<table><thead>{head}<tbody>{rows}</table>", root="../")


def error_page(slug: str) -> str | None:
    """The page of one error, as HTML; None when no error has this name."""
    kind = _BY_SLUG.get(slug)
    if kind is None:
        return None
    meaning, remedy = EXPLAINED[kind.code]
    status = status_of(kind())
    body = (
        f"<p class=crumb><a href='../errors'>Errors</a></p><h1>{escape(TITLES[kind.code])}</h1>"
        f"<p class=facts><b>{status}</b> <code>{kind.code}</code></p>"
        f"<h2>What happened</h2><p>{_text(meaning)}</p><h2>What to do</h2><p>{_text(remedy)}</p>"
        f"<h2>What it looks like</h2><pre tabindex=0>{escape(_example(kind, status))}</pre>"
    )
    return _page(TITLES[kind.code], body, root="../../")


def _example(kind: type[ColorMatchError], status: int) -> str:
    code = kind.code
    return (
        f"HTTP/1.1 {status}\nContent-Type: application/problem+json\n\n"
        f'{{\n  "type": "/docs/errors/{slug_of(code)}",\n  "title": "{TITLES[code]}",\n  "status": {status},\n'
        f'  "detail": "…",\n  "code": "{code}",\n  "request_id": "609b5442a1594f69abbe34224ed18006"\n}}'
    )


def _text(text: str) -> str:
    """Escapes a text and sets what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if k % 2 else part for k, part in enumerate(parts))


def _page(title: str, body: str, *, root: str) -> str:
    """A page in the style of the playground. root: the way to the service's address."""
    sheets = ("look.css", "page.css", "text.css")
    style = "".join(f'<link rel="stylesheet" href="{root}assets/{name}">' for name in sheets)
    icon = f'<link rel="icon" href="{root}assets/icon.svg" type="image/svg+xml">'
    top = (
        f'<header class="top"><a class="brand" href="{root}">StyleSync <i>ColorMatch</i></a>'
        f'<nav aria-label="Pages"><a href="{root}docs">API reference</a></nav></header>'
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · StyleSync ColorMatch</title>{style}{icon}</head>"
        f'<body>{top}<main class="text">{body}</main></body></html>\n'
    )
