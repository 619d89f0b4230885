"""Records answers for the browser tests: `python -m tests.browser.record`.

It asks the analysis itself, with the shipped network, as the service does. Run it when answers change.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from models.cards import DEFAULT_MODEL, load_card
from models.engines.choice import open_segmenter
from models.segmenter import Segmenter
from pipeline.analysis import Advice, advise, colors_extraction, compose, fallback_segmentation
from pipeline.color.words import parse_color
from pipeline.contract import advice_to_json
from pipeline.harmony import harmonise
from pipeline.image.decode import decode_image
from pipeline.options import Options, color_share, parse_options
from pipeline.types import DecodedImage, Segmentation
from serve.http.pages import PLAYGROUND
from tests.bench.sample_cloth import linear_of
from tests.bench.sample_photos import render, scenes

ANSWERS = Path(__file__).parent / "answers"
PAGE_OPTIONS = '"max_suggestions": 4, "include": ["alternatives", "masks", "timings"]'
WARDROBE = (
    '"wardrobe": [{"id": "Camel coat", "colors": ["camel"], "category": "outerwear"}, '
    '{"id": "White sneakers", "colors": ["#f4f4f0"], "category": "shoes"}, '
    '{"id": "Brown belt", "colors": ["#6b4428"], "category": "accessory"}]'
)
TIMING = {"decode": 6.1, "segmentation": 61.4, "extraction": 11.9, "harmony": 3.2, "total": 86.3}


def main() -> None:
    """Writes every answer."""
    segmenter = open_segmenter(load_card(DEFAULT_MODEL), device="cpu")

    def of_photo(name: str, options: Options) -> Advice:
        image = decode_image((PLAYGROUND / f"sample-{name}.webp").read_bytes(), network_px=segmenter.input_px)
        return advise(image, segmenter.segment_photo(image), options)

    plain = parse_options(f"{{{PAGE_OPTIONS}}}")
    for name in scenes():
        _write(name, of_photo(name, plain))
    _write("wardrobe", of_photo("knit", parse_options(f"{{{PAGE_OPTIONS}, {WARDROBE}}}")))
    _write("warm", _warm(segmenter, plain))
    grey = DecodedImage(np.full((320, 256, 3), 190, np.uint8), 256, 320)
    _write("nothing", advise(grey, Segmentation(np.zeros((320, 256), np.uint8), None, "mask"), plain))
    image = decode_image((PLAYGROUND / "sample-dress.webp").read_bytes(), network_px=segmenter.input_px)
    _write("degraded", advise(image, fallback_segmentation(image), plain), degraded=["segmentation"])
    colors = tuple(color_share(parse_color(text)) for text in ("camel", "navy"))
    extracted = colors_extraction(colors, plain)
    harmonised = harmonise.harmonise(extracted.garments, plain)
    _write("colors", compose("colors", None, segmenter=None, extracted=extracted, harmonised=harmonised, options=plain))


def _warm(segmenter: Segmenter, options: Options) -> Advice:
    """The knit in the light of a lamp."""
    lit = render(scenes()["knit"]) / 255 * (linear_of("#fff0cf") ** 0.4)
    image = DecodedImage(np.rint(lit * 255).astype(np.uint8), lit.shape[1], lit.shape[0])
    return advise(image, segmenter.segment_photo(image), options)


def _write(name: str, advice: Advice, *, degraded: list[str] | None = None) -> None:
    body: dict[str, Any] = json.loads(advice_to_json(advice, "en"))
    cache = dict.fromkeys(("advice", "segmentation", "extraction", "harmony"), "miss")
    answer = {
        "request_id": "609b5442a1594f69abbe34224ed18006",
        **body,
        "degraded": degraded or [],
        "meta": {"cache": cache, "timing_ms": TIMING},
    }
    ANSWERS.mkdir(exist_ok=True)
    (ANSWERS / f"{name}.json").write_text(json.dumps(answer, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
