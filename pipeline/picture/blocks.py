"""Draws the blocks of a printed page, text and colours, and arranges them. Each block is an image."""

import unicodedata
from collections.abc import Sequence
from functools import cache

from PIL import Image, ImageDraw, ImageFont

PAPER, CARD, INK, SOFT, LINE, AMBER = "#fbfaf7", "#ffffff", "#1d2433", "#5b6475", "#dfe2e8", "#e0a458"
# Taste: the height of a line over the font's size.
LEADING = 1.35
# Taste: Pillow draws curves without smoothing, so they are first drawn this many times larger.
SMOOTH = 4

# Characters of our texts that Pillow's own font has no glyph for.
_SPELT = str.maketrans({"×": "x", "Δ": "delta ", "–": "-", "—": "-", "…": "...", "≥": "at least ", "²": "2"})

Picture = Image.Image
Color = str | tuple[int, int, int]


# --- text -----------------------------------------------------------------------------------------------------
def line(text: str, size_px: int, *, color: Color = INK, bold: bool = False, width_px: int | None = None) -> Picture:
    """One line of text on a transparent ground. With a width the text is shortened to fit."""
    shown = printable(text)
    if width_px is not None:
        shown = _shortened(shown, size_px, width_px)
    block = Image.new("RGBA", (max(1, round(_length(shown, size_px)) + 2), round(size_px * LEADING)))
    weight = size_px / 60 if bold else 0
    ImageDraw.Draw(block).text(
        (0, block.height / 2), shown, fill=color, font=_font(size_px), anchor="lm", stroke_width=weight
    )
    return block


def paragraph(text: str, size_px: int, width_px: int, *, color: Color = INK) -> Picture:
    """Text in as many lines as the width needs."""
    lines: list[str] = []
    for word in printable(text).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _length(longer, size_px) <= width_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return stack([line(text, size_px, color=color, width_px=width_px) for text in lines], 0)


def printable(text: str) -> str:
    """The text in characters that the font can draw: accents are dropped, and signs are spelt out."""
    plain = unicodedata.normalize("NFKD", text.translate(_SPELT))
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    return "".join(c if _has_glyph(c) else "?" for c in kept)


def _shortened(text: str, size_px: int, width_px: int) -> str:
    if _length(text, size_px) <= width_px:
        return text
    while text and _length(text + "...", size_px) > width_px:
        text = text[:-1]
    return text.rstrip() + "..."


def _length(text: str, size_px: int) -> float:
    return float(_font(size_px).getlength(text))


@cache
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


@cache
def _has_glyph(character: str) -> bool:
    font = _font(16)
    return character == " " or bytes(font.getmask(character)) != bytes(font.getmask("\uffff"))


# --- colours --------------------------------------------------------------------------------------------------
def bar(colors: Sequence[tuple[str, float]], size: tuple[int, int]) -> Picture:
    """A bar of colours, each as wide as its share."""
    width_px, height_px = size
    block = Image.new("RGBA", size)
    draw = ImageDraw.Draw(block)
    total = sum(share for _, share in colors)
    done = 0.0
    for code, share in colors:
        left = round(width_px * done / total)
        done += share
        draw.rectangle((left, 0, round(width_px * done / total) - 1, height_px), fill=code)
    return rounded(block, 8, strength=40)


def chip(color: Color, size_px: int) -> Picture:
    """A small square of a colour."""
    return rounded(Image.new("RGBA", (size_px, size_px), color), size_px // 4, strength=60)


def tag(text: str, color: Color, size_px: int) -> Picture:
    """A short white label on a colour."""
    label = line(text, size_px, color="white", bold=True)
    block = Image.new("RGBA", (label.width + round(size_px * 0.8), round(size_px * 1.5)), color)
    block.alpha_composite(label, ((block.width - label.width) // 2 + 1, (block.height - label.height) // 2))
    return rounded(block, block.height // 3)


def rounded(block: Picture, radius_px: int, *, edge: Color = INK, strength: int = 0) -> Picture:
    """The block with round corners and an edge. strength: the edge's opacity, 0..255; 0 draws no edge."""
    shaped = Image.new("RGBA", block.size)
    shaped.paste(block, mask=_corners(block.size, radius_px, fill=255))
    if strength:
        shaped.paste(edge, (0, 0, *block.size), mask=_corners(block.size, radius_px, outline=strength, width=SMOOTH))
    return shaped


def _corners(size: tuple[int, int], radius_px: int, **ink: int) -> Image.Image:
    mask = Image.new("L", (size[0] * SMOOTH, size[1] * SMOOTH))
    box = (0, 0, mask.width - 1, mask.height - 1)
    ImageDraw.Draw(mask).rounded_rectangle(box, radius_px * SMOOTH, **ink)  # type: ignore[arg-type]
    return mask.reduce(SMOOTH)


# --- arrangement ----------------------------------------------------------------------------------------------
def stack(blocks: Sequence[Picture], gap_px: int) -> Picture:
    """Blocks from top to bottom, aligned left."""
    width_px = max((block.width for block in blocks), default=1)
    height_px = sum(block.height for block in blocks) + gap_px * max(0, len(blocks) - 1)
    page = Image.new("RGBA", (width_px, max(1, height_px)))
    top = 0
    for block in blocks:
        page.alpha_composite(block, (0, top))
        top += block.height + gap_px
    return page


def row(blocks: Sequence[Picture], gap_px: int, *, middle: bool = False) -> Picture:
    """Blocks from left to right, aligned at the top or by their middles."""
    height_px = max((block.height for block in blocks), default=1)
    width_px = sum(block.width for block in blocks) + gap_px * max(0, len(blocks) - 1)
    page = Image.new("RGBA", (max(1, width_px), height_px))
    left = 0
    for block in blocks:
        page.alpha_composite(block, (left, (height_px - block.height) // 2 if middle else 0))
        left += block.width + gap_px
    return page


def apart(left: Picture, right: Picture, width_px: int) -> Picture:
    """One block at the left end and another at the right end, aligned by their middles."""
    page = Image.new("RGBA", (width_px, max(left.height, right.height)))
    page.alpha_composite(left, (0, (page.height - left.height) // 2))
    page.alpha_composite(right, (max(0, width_px - right.width), (page.height - right.height) // 2))
    return page


def flow(blocks: Sequence[Picture], width_px: int, gap_px: tuple[int, int]) -> Picture:
    """Blocks from left to right, in as many rows as the width needs. gap_px: (across, down)."""
    rows: list[list[Picture]] = []
    for block in blocks:
        used = sum(placed.width + gap_px[0] for placed in rows[-1]) if rows else 0
        if rows and used + block.width <= width_px:
            rows[-1].append(block)
        else:
            rows.append([block])
    return stack([row(blocks, gap_px[0]) for blocks in rows], gap_px[1])


def card(block: Picture, size: tuple[int, int], *, inset_px: int) -> Picture:
    """The block on a white card."""
    page = Image.new("RGBA", size, CARD)
    page.alpha_composite(block, (inset_px, inset_px))
    return rounded(page, 14, edge=LINE, strength=255)


def padded(block: Picture, margin_px: int) -> Picture:
    """The block on opaque paper, with a margin."""
    page = Image.new("RGBA", (block.width + 2 * margin_px, block.height + 2 * margin_px), PAPER)
    page.alpha_composite(block, (margin_px, margin_px))
    return page.convert("RGB")
