"""Times networks per photo, in the engine of the report and in OpenVINO on one thread."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np

from models.cards import ModelCard
from models.engines.choice import open_segmenter
from models.segmenter import Segmenter
from pipeline.image.decode import decode_image

# Taste: enough photos for a stable median time.
TIMED_PHOTOS = 20
# Contract: the budget of the default network holds for one thread.
ENGINE = "OpenVINO, one thread"
REPORTED = "the report's engine"


def timed(
    segmenters: Mapping[str, Segmenter], cards: Sequence[ModelCard], photos: Sequence[bytes]
) -> dict[str, dict[str, float]]:
    """Each network's median time per photo, ms, by engine, decoding left out.

    The networks take turns, so that other load on the machine hits all alike.
    """
    on_one_thread = {card.id: open_segmenter(card, engine="openvino", threads=1) for card in cards if card.onnx}
    times = {name: {REPORTED: ms} for name, ms in _medians(_rounds(segmenters, photos)).items()}
    for name, ms in _medians(_rounds(on_one_thread, photos)).items():
        times[name][ENGINE] = ms
    return times


Round: TypeAlias = list[tuple[str, Callable[[], object]]]


def _rounds(segmenters: Mapping[str, Segmenter], photos: Sequence[bytes]) -> list[Round]:
    rounds: list[Round] = []
    for data in photos[:TIMED_PHOTOS]:
        images = [decode_image(data, network_px=one.input_px) for one in segmenters.values()]
        pairs = zip(segmenters.items(), images, strict=True)
        rounds.append([(name, partial(one.segment_photo, image)) for (name, one), image in pairs])
    return rounds


def _medians(rounds: Sequence[Round]) -> dict[str, float]:
    taken: dict[str, list[float]] = {}
    for calls in rounds:
        for name, call in calls:
            begin = time.perf_counter()
            call()
            taken.setdefault(name, []).append(time.perf_counter() - begin)
    return {name: float(np.median(seconds) * 1e3) for name, seconds in taken.items()}
