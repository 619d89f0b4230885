"""Phase 2, extraction: turns the pixels of each garment into a described palette."""
