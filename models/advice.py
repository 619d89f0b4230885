"""Colour advice in this process, without a server: `from models import advise`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, Unpack

from models.cards import DEFAULT_MODEL, load_card
from models.segmenter import Device, Segmenter
from pipeline.analysis import advise as analysed
from pipeline.analysis import colors_extraction, compose, given_segmentation
from pipeline.contract import AdviceBody, advice_in_words
from pipeline.errors import InvalidOptions
from pipeline.fields import read
from pipeline.harmony.harmonise import harmonise
from pipeline.image.decode import decode_image, decode_mask
from pipeline.options import Colors, Options, SentOptions
from pipeline.types import (
    Category,
    DecodedImage,
    GarmentClass,
    Include,
    Intent,
    Scheme,
    SegmentMode,
    Subject,
    Wheel,
    WhiteBalance,
)

Photo: TypeAlias = str | os.PathLike[str] | bytes


class ColorWithShare(TypedDict, total=False):
    """One colour: its text as `hex`, and its share, above 0 to 1, where known."""

    hex: str
    share: float


class Item(TypedDict, total=False):
    """One garment that somebody owns: `id`, and `colors` or one `hex`; `category` where known."""

    id: str
    colors: Sequence[str | ColorWithShare]
    hex: str
    category: Category


class Choices(TypedDict, total=False):
    """The options of a request, apart from those about caches. Each is optional."""

    segment: SegmentMode
    subject: Subject
    category: GarmentClass
    garments: Sequence[GarmentClass]
    max_colors: int
    white_balance: WhiteBalance
    schemes: Sequence[Scheme]
    intent: Intent
    wheel: Wheel
    max_suggestions: int
    wardrobe: Sequence[Item]
    lang: str
    include: Sequence[Include]


@dataclass(frozen=True, slots=True)
class Look:
    """A photo as it was analysed, the options, and the advice."""

    image: DecodedImage
    options: Options
    advice: AdviceBody


def advise(
    photo: Photo | None = None,
    *,
    colors: Sequence[str | ColorWithShare] | None = None,
    mask: Photo | None = None,
    model: str = DEFAULT_MODEL,
    device: Device = "cpu",
    **choices: Unpack[Choices],
) -> AdviceBody:
    """The advice for a photo or for 1 to 12 colours, as the service gives it.

    photo, mask: a path, or the bytes of a file; the mask marks the garment with non-zero pixels. colors: texts such as
    `navy`, `#c19a6b` or `rgb(31 42 68)`, or objects of `hex` and `share`. model: a network of `stylesync models list`;
    it is loaded once. choices: the options of a request, such as `intent="bold"`. Decoding runs in this process, so it
    has limits of pixels, but none of time or memory.

    Raises OSError for a file that cannot be read; ModelError for a network that cannot be used; and ColorMatchError,
    whose `detail` says what is wrong, for a bad photo, colour or option.
    """
    if (photo is None) == (colors is None):
        raise InvalidOptions("Give either a photo or colors.")
    if colors is not None:
        return advise_colors(colors, options_of(choices))
    assert photo is not None  # noqa: S101
    return look_at(photo, options_of(choices), mask=mask, model=model, device=device).advice


def options_of(choices: Choices | dict[str, Any]) -> Options:
    """The options of a mapping. Raises InvalidOptions for an unknown name or a bad value."""
    found: Options = read(_plain(choices), SentOptions)
    return found


def advise_colors(colors: Sequence[str | ColorWithShare], options: Options) -> AdviceBody:
    """The advice for colours. Raises InvalidOptions for a text that is no colour."""
    sent: Any = read({"colors": _plain(colors)}, _SentColors)
    extracted = colors_extraction(sent.colors, options)
    harmonised = harmonise(extracted.garments, options)
    advice = compose("colors", None, segmenter=None, extracted=extracted, harmonised=harmonised, options=options)
    return advice_in_words(advice, options.lang)


def look_at(
    photo: Photo,
    options: Options,
    *,
    mask: Photo | None = None,
    model: str = DEFAULT_MODEL,
    device: Device = "cpu",
) -> Look:
    """A photo and its advice. It raises what `advise` raises."""
    card = load_card(model, allow_non_commercial=True)
    image = decode_image(_bytes_of(photo), network_px=card.input_px)
    if mask is not None:
        image = replace(image, mask=decode_mask(_bytes_of(mask), image))
    segmentation = given_segmentation(image, options) or _segmenter(model, device).segment_photo(image)
    return Look(image, options, advice_in_words(analysed(image, segmentation, options), options.lang))


@dataclass(frozen=True, slots=True)
class _SentColors:
    colors: Colors


def _plain(value: Any) -> Any:
    """The value with JSON's lists and objects for any sequence and mapping."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _bytes_of(file: Photo) -> bytes:
    return file if isinstance(file, bytes) else Path(file).read_bytes()


@lru_cache(maxsize=2)
def _segmenter(model: str, device: Device) -> Segmenter:
    # Loading a network takes seconds, which advice for colours must not pay.
    from models.engines.choice import open_segmenter

    return open_segmenter(load_card(model, allow_non_commercial=True), device=device)
