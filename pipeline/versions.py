"""The version of everything that shapes an answer: a change of values for the same input raises one of them."""

API_VERSION = "1"
EXTRACTION_VERSION = "palette-4"
HARMONY_VERSION = "4"
VECTOR_VERSION = "palette-sets-64-1"
