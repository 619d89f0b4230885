"""The version of everything that shapes an answer: a change of values for the same input raises one of them."""

API_VERSION = "1"
# Of decoded pixels and their sizes: cache keys have it. Answers name the palette, which is raised with it.
DECODING_VERSION = "2"
EXTRACTION_VERSION = "palette-8"
HARMONY_VERSION = "9"
VECTOR_VERSION = "palette-sets-64-1"
