"""Tests the playground's samples and the README's photo: the shipped network reads each one rightly."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.segmenter import Segmenter
from pipeline.analysis import advise
from pipeline.image.decode import decode_image
from pipeline.options import Options
from serve.http.pages import PLAYGROUND
from tests.bench.sample_photos import render, scenes

SAMPLES = scenes()
PHOTO = Path(__file__).parents[2] / "docs/samples/grace_hopper.jpg"
# Taste: a person who looks at the answer should not have to doubt it.
LEAST_CONFIDENCE = 0.9
# Measured: her face is near 0.1, and every cloth of this photo below 0.05.
LEAST_CHROMA_OF_SKIN = 0.06


def _path(name: str) -> Path:
    return PLAYGROUND / f"sample-{name}.webp"


def test_the_shipped_photo_is_read_rightly(segmenter: Segmenter) -> None:
    """The README's photo: a uniform jacket in one piece and a hat, both black, and no skin among their colours."""
    image = decode_image(PHOTO.read_bytes(), network_px=segmenter.input_px)
    advice = advise(image, segmenter.segment_photo(image), Options())
    found = [(garment.category, garment.colors[0].names.fashion.name) for garment in advice.garments]
    assert found == [("outerwear", "black"), ("accessory", "black")]
    chroma = max(color.oklch[1] for garment in advice.garments for color in garment.colors)
    assert chroma < LEAST_CHROMA_OF_SKIN
    assert advice.suggestions


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_read_rightly_by_the_shipped_network(segmenter: Segmenter, name: str) -> None:
    """Each garment has its kind and its colour's name, nothing else is found, and there is no warning."""
    image = decode_image(_path(name).read_bytes(), network_px=segmenter.input_px)
    advice = advise(image, segmenter.segment_photo(image), Options())
    found = tuple((garment.category, garment.colors[0].names.fashion.name) for garment in advice.garments)
    assert found == SAMPLES[name].garments
    assert min(garment.confidence or 0.0 for garment in advice.garments) >= LEAST_CONFIDENCE
    assert advice.warnings == ()
    assert len(advice.suggestions) >= 4


def test_a_sample_is_what_its_command_paints() -> None:
    """The shipped picture is the painted one, so that a change of the painter shows; WebP changes it a little."""
    shipped = np.asarray(Image.open(_path("jacket")).convert("RGB")).astype(int)
    assert np.abs(shipped - render(SAMPLES["jacket"])).mean() < 3.0


def test_every_sample_has_a_button() -> None:
    """The page names each sample, and each one has a small picture."""
    page = (PLAYGROUND / "samples.js").read_text()
    for name in SAMPLES:
        assert f'"{name}"' in page
        assert (PLAYGROUND / f"sample-{name}-small.webp").stat().st_size < 10_000
