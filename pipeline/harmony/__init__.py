"""Phase 3, harmony: palettes to suggestions, wardrobe matches and outfits."""
