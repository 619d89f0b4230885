"""Generates the sample catalogue of the shop page: `PYTHONPATH=. python docs/examples/shop/make_catalogue.py`.

Fifty articles: ten kinds of garments in five colours each, from the fashion vocabulary. shop.js draws the pictures.
"""

import json
import sys
from pathlib import Path

from pipeline.color.words import parse_color

OUT = Path(__file__).with_name("catalogue.json")
# Kind, drawing, category of the API, price, and five colours.
KINDS = (
    ("crew-neck jumper", "top", "top", 59, ("navy", "camel", "ecru", "forest green", "burgundy")),
    ("Oxford shirt", "top", "top", 49, ("white", "sky blue", "pale pink", "butter", "lavender")),
    ("T-shirt", "top", "top", 19, ("white", "black", "heather grey", "coral", "olive")),
    ("wool coat", "outerwear", "outerwear", 199, ("camel", "charcoal", "navy", "bottle green", "stone")),
    ("trucker jacket", "outerwear", "outerwear", 89, ("denim", "black", "indigo", "ecru", "rust")),
    ("chinos", "bottom", "bottom", 59, ("sand", "khaki", "navy", "olive", "brick")),
    ("jeans", "bottom", "bottom", 79, ("denim", "indigo", "black", "graphite", "white")),
    ("midi dress", "full_body", "full_body", 99, ("emerald", "terracotta", "teal", "mustard", "plum")),
    ("leather shoes", "shoes", "shoes", 119, ("black", "brown", "tan", "burgundy", "white")),
    ("scarf", "accessory", "accessory", 29, ("mustard", "cobalt", "petrol", "cream", "raspberry")),
)


def catalogue() -> list[dict[str, object]]:
    """The articles, each with an id, a name, a drawing, and what the API needs: its category and its colour."""
    return [
        {
            "id": f"{kind.replace(' ', '-').lower()}-{color.replace(' ', '-')}",
            "name": f"{color.capitalize()} {kind}",
            "drawing": drawing,
            "category": category,
            "color": color,
            "hex": parse_color(color).hex,
            "price": price,
        }
        for kind, drawing, category, price, colors in KINDS
        for color in colors
    ]


if __name__ == "__main__":
    OUT.write_text(json.dumps(catalogue(), indent=1) + "\n")
    sys.stdout.write(f"{OUT}: {len(catalogue())} articles\n")
