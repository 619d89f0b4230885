"""Tests that a bad photo harms no other photo, in a batch of the network and in the analysis."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest

from models.engines.torch import device_is_lost
from models.segmenter import SegmentationInput, Segmenter
from pipeline.backfill.errors import Unexplained
from pipeline.backfill.network import Network
from pipeline.backfill.plan import Parameters
from pipeline.backfill.tables.checkpoints import Answered
from pipeline.backfill.worker import advise
from pipeline.errors import ImageTruncated
from pipeline.image.decode import decode_image
from pipeline.options import Options
from pipeline.types import DecodedImage, Segmentation
from tests.pipeline.backfill.catalogue import COLORS, painted

GOOD = decode_image(painted(COLORS[0]))
POISON = DecodedImage(np.full((48, 48, 3), 13, np.uint8), 48, 48)


class BrittleSegmenter:
    """A segmenter that fails for a whole batch with a poison photo."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def segment(self, items: Sequence[SegmentationInput]) -> list[Segmentation]:
        if any((item.pixels == 13).all() for item in items):
            raise self.error
        return [Segmentation(np.full((item.height_px, item.width_px), 3, np.uint8), None, "m") for item in items]

    def lost(self, error: Exception) -> bool:
        return device_is_lost(error)


def network(error: Exception) -> Network:
    """A network that fails with this error."""
    return Network(Options(), cast(Segmenter, BrittleSegmenter(error)))


def test_its_neighbours_are_segmented_when_a_photo_breaks_the_batch() -> None:
    """Only the poison photo has no label map, and earlier errors keep their places."""
    cut = ImageTruncated("It ends before its last pixel.")
    found = network(ValueError()).segment([GOOD, cut, POISON, GOOD])
    assert [type(one) for one in found] == [Segmentation, ImageTruncated, Unexplained, Segmentation]


def test_the_run_fails_when_the_device_is_lost() -> None:
    """The loss of a device ends the run. Otherwise every photo would become a dead letter."""
    with pytest.raises(RuntimeError, match="CUDA error"):
        network(RuntimeError("CUDA error: device-side assert triggered")).segment([GOOD, POISON])


def test_a_photo_is_a_dead_letter_when_its_analysis_breaks() -> None:
    """An unexpected error becomes INTERNAL for its photo, with a text that reveals no internals."""
    parameters = Parameters(input="photos", model="m")
    (sound,) = network(ValueError()).segment([GOOD])
    # The label map has another size than its photo.
    broken = Segmentation(np.zeros((1, 1), np.uint8), None, "m")
    assert isinstance(advise(GOOD, sound, parameters), Answered)
    found = advise(GOOD, broken, parameters)
    assert isinstance(found, Unexplained)
    assert (found.code, found.detail) == ("INTERNAL", "An unexpected error; the job's log has it.")
