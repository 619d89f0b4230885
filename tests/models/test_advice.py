"""Tests advice as a library: what it takes, what it gives, and what importing it loads."""

import inspect
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest
from PIL import Image

from models import advice, advise
from pipeline.contract import AdviceBody
from pipeline.errors import BadInput, InvalidOptions
from pipeline.options import Options
from tests.serve.fakes import painted

ROOT = Path(__file__).parents[2]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo of a navy shirt over camel trousers."""
    path = tmp_path / "photo.png"
    Image.fromarray(painted()).save(path)
    return path


def test_importing_models_loads_no_network_when_only_cards_are_needed() -> None:
    """`import models` loads nothing else, and naming `advise` loads no torch; the first photo does."""
    program = (
        "import sys, models; assert 'pipeline' not in sys.modules, 'eager'\n"
        "from models import advise\n"
        "advise(colors=['navy'])\n"
        "found = {'torch', 'openvino', 'ray', 'fastapi'} & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_a_photo_gives_the_same_advice_when_given_as_path_or_bytes(photo: Path) -> None:
    """A text, a path and the file's bytes are one photo; the answer is the contract's."""
    answers = [advise(given, segment="none") for given in (str(photo), photo, photo.read_bytes())]
    assert answers[0] == answers[1] == answers[2]
    assert isinstance(answers[0], AdviceBody)
    assert answers[0].suggestions


def test_a_mask_marks_the_garment_when_given(photo: Path, tmp_path: Path) -> None:
    """Only the masked part is the garment."""
    mask = tmp_path / "mask.png"
    Image.fromarray((painted()[..., 0] < 90).astype("uint8") * 255).save(mask)
    (garment,) = advise(photo, mask=mask, max_colors=1).garments
    assert garment.colors[0].hex == "#1f2a44"


def test_colours_give_advice_with_their_shares_and_names() -> None:
    """Texts and objects mix; a wardrobe is matched."""
    answer = advise(colors=["camel", {"hex": "#1f2a44", "share": 0.7}], wardrobe=[{"id": "w", "hex": "white"}])
    assert [round(color.share, 1) for color in answer.garments[0].colors] == [0.7, 0.3]
    assert [match.item_id for match in answer.matches] == ["w"]


def test_bad_input_says_what_is_allowed() -> None:
    """A bad option, colour, combination or file is an error of ours with a sentence."""
    with pytest.raises(InvalidOptions, match="one of subtle, balanced, bold"):
        advise(colors=["navy"], intent="loud")  # type: ignore[arg-type]
    with pytest.raises(InvalidOptions, match="Did you mean"):
        advise(colors=["blurple"])
    with pytest.raises(InvalidOptions, match="either a photo or colors"):
        advise()
    with pytest.raises(BadInput):
        advise(b"not a photo")
    with pytest.raises(FileNotFoundError):
        advise("gone.jpg")


def test_every_option_can_be_chosen_when_the_options_grow() -> None:
    """The typed choices are a request's options, apart from those about caches."""
    assert set(get_type_hints(advice.Choices)) == {field.name for field in fields(Options)} - {"cache", "store"}
    assert "choices" in inspect.signature(advise).parameters
