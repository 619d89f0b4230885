"""An answer as a picture, drawn with Pillow; no network and no torch."""
