"""Tests that the backfill's answers are the service's, byte for byte, with the same network."""

import json
from pathlib import Path
from typing import Any

import pytest

from models.cards import DEFAULT_MODEL, load_card
from models.engines.choice import open_segmenter
from models.segmenter import SegmentationInput
from pipeline import codec
from pipeline.errors import ColorMatchError
from pipeline.image.decode import decode_image
from pipeline.options import parse_options
from pipeline.types import DecodedImage
from serve import wire
from serve.walk.question import Question
from tests.pipeline.backfill.catalogue import Result, backfill
from tests.serve.fakes import FakePhase, Walk

SAMPLES = Path(__file__).parents[3] / "docs/samples"
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {
        "include": ["masks", "vector", "alternatives"],
        "max_colors": 3,
        "intent": "bold",
        "white_balance": "apply",
        "subject": "worn",
        "wardrobe": [{"id": "w1", "hex": "navy"}, {"id": "w2", "colors": ["#c19a6b", "white"], "category": "bottom"}],
    },
)


class Decoder:
    """A decoder that calls the core's decoder in this process."""

    async def decode(
        self, image: bytes, *, mask: bytes | None, network_px: tuple[int, int] | None, budget_s: float
    ) -> DecodedImage:
        return decode_image(image, network_px=network_px)


@pytest.fixture(scope="module")
def service() -> Walk:
    """The service's walk with its phases and codecs, and the real network with the service's two threads."""
    segmenter = open_segmenter(load_card(DEFAULT_MODEL), threads=2)

    def segment(payload: bytes) -> bytes:
        request = codec.decode(payload, wire.SegmentRequest)
        (found,) = segmenter.segment([SegmentationInput(request.image, request.width_px, request.height_px)])
        assert not isinstance(found, ColorMatchError)
        return codec.encode(found)

    walk = Walk(segmentation=FakePhase(segment), decoder=Decoder())  # type: ignore[arg-type]
    walk.config = walk.config.model_copy(
        update={"budgets": walk.config.budgets.model_copy(update=dict.fromkeys(PHASE_BUDGETS, 60_000.0))}
    )
    walk.advisor.config = walk.config
    walk.advisor.learn(wire.Description("segmentation", segmenter.version, segmenter.input_px))
    return walk


PHASE_BUDGETS = ("decode_ms", "segmentation_ms", "extraction_ms", "harmony_ms", "total_ms")


@pytest.fixture(scope="module", params=range(len(OPTIONS)), ids=["defaults", "many options"])
def options(request: pytest.FixtureRequest) -> str:
    """Options as JSON, for a request and for the command."""
    return json.dumps(OPTIONS[request.param])


@pytest.fixture(scope="module")
def batch(options: str, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A backfill of the samples."""
    return backfill("--input", SAMPLES, "--workers", "1", output=tmp_path_factory.mktemp("out"), options=options)


async def test_the_answer_is_the_services_when_a_photo_is_backfilled(
    service: Walk, batch: Result, options: str
) -> None:
    """The JSON without `request_id` and `meta`, which the service adds last, is equal byte for byte."""
    rows = batch.rows("answers")
    assert len(rows) == len(list(SAMPLES.glob("*.jpg")))
    for row in rows:
        question = Question("image", parse_options(options), "tenant", image=Path(row["uri"]).read_bytes())
        answer = await service.advisor.advise(question)
        assert answer.progress.degraded == []
        assert row["answer"].encode() == answer.body
    await service.advisor.close()
