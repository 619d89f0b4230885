"""The upload that a client asks for."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from msgspec import Meta

from serve.vocabulary import TENANT

# Taste: a key of ours has 105 characters at most.
MAX_OBJECT_KEY_CHARS: Final = 512
# One form of key exists, so no other bucket, host or path can be named: uploads/<tenant>/<32 hex digits>.
OBJECT_KEY: Final = f"^uploads/{TENANT}/[0-9a-f]{{32}}$"


@dataclass(frozen=True, slots=True)
class WantedUpload:
    """One image to upload, exactly as it will be sent."""

    content_type: Annotated[
        Literal[
            "image/jpeg",
            "image/png",
            "image/webp",
            "image/avif",
            "image/heic",
            "image/heif",
            "image/jpg",
            "image/pjpeg",
            "image/x-png",
        ],
        Meta(description="The media type that the upload will be sent with. What the file is, its bytes say."),
    ]
    content_length: Annotated[int, Meta(ge=1, description="Bytes.")]
    sha256: (
        Annotated[
            str,
            Meta(
                pattern="^[0-9a-f]{64}$",
                max_length=64,
                description="Of the bytes, as 64 hex digits; checked when read.",
            ),
        ]
        | None
    ) = None
    method: Annotated[
        Literal["POST", "PUT"], Meta(description="`POST`: a form with a policy; `PUT`: the bytes as the body.")
    ] = "POST"
