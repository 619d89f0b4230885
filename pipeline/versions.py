"""The version of everything that shapes an answer: a change of values for the same input raises one of them."""

from dataclasses import dataclass

API_VERSION = "1"
EXTRACTION_VERSION = "palette-3"
HARMONY_VERSION = "3"
VECTOR_VERSION = "palette-sets-64-1"


@dataclass(frozen=True, slots=True)
class Versions:
    """Everything that shapes an answer; None where that phase had no part in it."""

    api: str
    segmenter: str | None
    palette: str
    harmony: str | None
