"""The limits of requests and answers, which the OpenAPI document publishes."""

# Contract: colours of a request, of a palette and of a garment.
MAX_COLORS = 12
# Taste: the longest text of one colour; CSS functions with many digits fit.
MAX_COLOR_CHARS = 64
# Contract.
MAX_SUGGESTIONS = 24
MAX_WARDROBE = 500
MAX_OBJECT_BYTES = 50 * 1024 * 1024
# Taste: as many as suggestions.
MAX_MATCHES = 24
# Contract: wardrobe items of an outfit.
MAX_OUTFIT_ITEMS = 4
# Taste: more outfits than anybody compares.
MAX_OUTFITS = 6
# Taste: more than any client needs, and less than an attack would like.
MAX_ID_CHARS = 128
# pipeline.garments.grouping drops a garment below a fiftieth of all garments' pixels.
MAX_GARMENTS = 50
# No photo has more pixels (pipeline.image.limits.ImageLimits).
MAX_SIDE_PX = 110_000_000
