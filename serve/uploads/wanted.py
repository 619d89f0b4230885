"""What a client wants to upload."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class WantedUpload:
    """What a client wants to upload; sha256: hex."""

    content_type: str
    content_length: int
    sha256: str | None = None
    method: Literal["POST", "PUT"] = "POST"
