"""Phase 3, harmony: turns palettes into suggestions, wardrobe matches and outfits."""
