"""Draws one photo's advice as a printed page: photo, overlay, palettes, suggestions, warnings."""

from collections.abc import Sequence

from PIL import Image

from pipeline.contract import AdviceBody, Match, Suggestion
from pipeline.garments.kinds import label_of
from pipeline.options import Options
from pipeline.parts import Garment, Swatch
from pipeline.picture.blocks import (
    AMBER,
    LINE,
    SOFT,
    Picture,
    apart,
    bar,
    card,
    chip,
    flow,
    line,
    padded,
    paragraph,
    rounded,
    row,
    stack,
    tag,
)
from pipeline.picture.overlay import TINTS, WORDS, fitted, legend, overlay
from pipeline.types import DecodedImage

# The sizes and thresholds of the page are taste.
# The width between the margins.
WIDTH_PX = 1488
MARGIN_PX = 56
PAGE_PX = WIDTH_PX + 2 * MARGIN_PX
GAP_PX = 28
# The room (width, height) for photo and overlay: side by side, or one below the other.
BESIDE_PX, BELOW_PX = (760, 640), (520, 800)
# Photo and overlay stand one below the other when that shows them this many times larger.
MUCH_LARGER = 1.3
LEAST_LEGEND_PX = 360
# The light is described from this confidence on.
SURE_OF_LIGHT = 0.3
COLUMNS = 3
CARD_PX, INSET_PX = (WIDTH_PX - (COLUMNS - 1) * GAP_PX) // COLUMNS, 22
TITLE, HEAD, BODY, SMALL = 34, 24, 19, 17  # px
MOST_MATCHES = 8


def page(title: str, image: DecodedImage, advice: AdviceBody, options: Options) -> Picture:
    """The whole page, RGB. The advice must include masks. options: those that the advice was made with."""
    looks = _looks(image, advice.garments)
    room_px = WIDTH_PX - looks.width - 2 * GAP_PX
    palettes = stack([_palette(garment, room_px) for garment in advice.garments], 32)
    blocks = [_header(title, advice), *_notes(advice), row([looks, palettes], 2 * GAP_PX)]
    if advice.suggestions:
        cards = _suggestions(advice.suggestions, advice.garments)
        blocks += [line("Goes well with it", HEAD, bold=True), cards]
    if advice.matches:
        blocks += [line("From the wardrobe", HEAD, bold=True), _matches(advice.matches, options)]
    blocks.append(_footer(advice))
    return padded(stack(blocks, GAP_PX), MARGIN_PX)


# --- head and foot --------------------------------------------------------------------------------------------
def _header(title: str, advice: AdviceBody) -> Picture:
    about = []
    if advice.image is not None:
        about.append(f"{advice.image.width} × {advice.image.height} px")
        light = advice.image.lighting
        if light is not None and light.confidence >= SURE_OF_LIGHT:
            cast = "neutral light" if light.cast == "none" else f"{light.cast} light ({light.confidence:.0%} sure)"
            about.append(f"{cast}, corrected" if light.corrected else cast)
    count = len(advice.garments)
    about.append(f"{count} garment{'' if count == 1 else 's'}")
    name = line(title, TITLE, bold=True, width_px=WIDTH_PX - 320)
    brand = line("StyleSync ColorMatch", BODY, color=SOFT)
    return stack([apart(name, brand, WIDTH_PX), line("  ·  ".join(about), BODY, color=SOFT)], 4)


def _notes(advice: AdviceBody) -> list[Picture]:
    texts = [warning.text for warning in advice.warnings]
    if advice.degraded:
        texts.append(f"Some of this is a fallback: {', '.join(advice.degraded)}.")
    blocks = []
    for text in texts:
        words = paragraph(text, BODY, WIDTH_PX - 60)
        note = Image.new("RGBA", (WIDTH_PX, words.height + 20), "#fdf6ea")
        note.paste(AMBER, (0, 0, 8, note.height))
        note.alpha_composite(words, (28, 10))
        blocks.append(rounded(note, 6))
    return blocks


def _footer(advice: AdviceBody) -> Picture:
    rule = Image.new("RGBA", (WIDTH_PX, 2), LINE)
    harmony = advice.versions.harmony and f"harmony-{advice.versions.harmony}"
    versions = (advice.versions.segmenter, advice.versions.palette, harmony)
    text = "Versions: " + ", ".join(version for version in versions if version)
    return stack([rule, line(text, SMALL, color=SOFT, width_px=WIDTH_PX)], 8)


# --- the photo ------------------------------------------------------------------------------------------------
def _looks(image: DecodedImage, garments: Sequence[Garment]) -> Picture:
    """The photo and its overlay side by side, or one below the other when that shows them much larger."""
    height_px, width_px = image.pixels.shape[:2]
    beside = min((BESIDE_PX[0] - GAP_PX) / 2 / width_px, BESIDE_PX[1] / height_px)
    below = min(BELOW_PX[0] / width_px, (BELOW_PX[1] - GAP_PX) / 2 / height_px)
    scale = below if below > MUCH_LARGER * beside else beside
    size = max(1, round(width_px * scale)), max(1, round(height_px * scale))
    looks = [rounded(look, 10) for look in (fitted(image.pixels, size), overlay(image.pixels, garments, size))]
    both = row(looks, GAP_PX) if scale == beside else stack(looks, GAP_PX)
    return stack([both, legend(garments, max(both.width, LEAST_LEGEND_PX), SMALL)], 14)


# --- palettes -------------------------------------------------------------------------------------------------
def _palette(garment: Garment, width_px: int) -> Picture:
    about = [garment.pattern.kind.replace("_", " ")] if garment.pattern else []
    if garment.confidence is not None:
        about.append(f"{garment.confidence:.0%} sure")
    if garment.area is not None:
        about.append(f"{garment.area:.0%} of the photo")
    name = line(_kind(garment).capitalize(), HEAD, bold=True)
    head = row([tag(garment.id, TINTS[label_of(garment.category)], SMALL), name], 12, middle=True)
    title = apart(head, line("  ·  ".join(about), SMALL, color=SOFT), width_px)
    if not garment.colors:
        return stack([title, line("No colours could be read.", BODY, color=SOFT)], 8)
    strip = bar([(color.hex, color.share) for color in garment.colors], (width_px, 64))
    names = flow([_named(color, (width_px - GAP_PX) // 2) for color in garment.colors], width_px, (GAP_PX, 4))
    return stack([title, strip, names], 10)


def _named(color: Swatch, width_px: int) -> Picture:
    detail = line(f"{color.hex}  {color.share:.0%}", SMALL, color=SOFT)
    name = line(color.names.fashion.name, BODY, width_px=width_px - detail.width - 40)
    return apart(row([chip(color.hex, 20), name], 10, middle=True), detail, width_px)


def _kind(garment: Garment) -> str:
    return WORDS[garment.category]


# --- suggestions ----------------------------------------------------------------------------------------------
def _suggestions(suggestions: Sequence[Suggestion], garments: Sequence[Garment]) -> Picture:
    kinds = {garment.id: _kind(garment) for garment in garments}
    contents = [_suggestion(suggestion, kinds) for suggestion in suggestions]
    rows = [contents[k : k + COLUMNS] for k in range(0, len(contents), COLUMNS)]
    return stack([_cards(contents) for contents in rows], GAP_PX)


def _cards(contents: Sequence[Picture]) -> Picture:
    height_px = max(content.height for content in contents) + 2 * INSET_PX
    return row([card(content, (CARD_PX, height_px), inset_px=INSET_PX) for content in contents], GAP_PX)


def _suggestion(suggestion: Suggestion, kinds: dict[str, str]) -> Picture:
    width_px = CARD_PX - 2 * INSET_PX
    worn = 1 - sum(color.share for color in suggestion.colors)
    target = [(code, worn / len(suggestion.target.colors)) for code in suggestion.target.colors]
    strip = bar([*target, *((color.hex, color.share) for color in suggestion.colors)], (width_px, 52))
    scheme = line(suggestion.scheme.replace("_", " ").capitalize(), BODY + 2, bold=True)
    score = line(suggestion.rating, BODY + 2, bold=True, color=SOFT)
    ids = suggestion.target.garment_ids
    whom = "with the whole look" if len(ids) > 1 else f"with the {kinds.get(ids[0], 'garment')}"
    names = []
    for color in suggestion.colors:
        name = row([chip(color.hex, 20), line(color.name, BODY)], 10, middle=True)
        names.append(apart(name, line(f"{color.hex}  {color.role}", SMALL, color=SOFT), width_px))
    title = stack([apart(scheme, score, width_px), line(whom, SMALL, color=SOFT)], 0)
    why = [paragraph(suggestion.summary, SMALL, width_px)]
    how = [paragraph(advice.text, SMALL, width_px, color=SOFT) for advice in suggestion.how_to_wear]
    return stack([strip, title, stack(names, 4), *why, stack(how, 6)], 10)


def _matches(matches: Sequence[Match], options: Options) -> Picture:
    owned = {item.id: item for item in options.wardrobe}
    entries = []
    for match in matches[:MOST_MATCHES]:
        colors = [(color.hex, color.share or 1.0) for color in owned[match.item_id].colors]
        name = line(match.item_id, BODY, width_px=160)
        entries.append(row([bar(colors, (72, 32)), name, line(match.rating, SMALL, color=SOFT)], 10, middle=True))
    return flow(entries, WIDTH_PX, (GAP_PX, 10))
