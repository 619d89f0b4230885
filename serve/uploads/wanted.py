"""The upload that a client asks for."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class WantedUpload:
    """The upload that a client asks for; sha256: hex."""

    content_type: str
    content_length: int
    sha256: str | None = None
    method: Literal["POST", "PUT"] = "POST"
