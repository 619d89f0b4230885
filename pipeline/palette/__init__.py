"""Phase 2, extraction: the pixels of each garment to a described palette."""
