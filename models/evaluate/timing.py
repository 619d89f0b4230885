"""Times networks per photo, in torch and in OpenVINO where that is installed."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from models.cards import ModelCard
from models.loading import load_network
from models.segmenter import Segmenter
from pipeline.image.decode import decode_image

# Taste: enough photos for a stable median time.
TIMED_PHOTOS = 20
# Contract: the budget of the default network holds for one thread.
ENGINE = "OpenVINO, one thread"


def timed(
    segmenters: dict[str, Segmenter], cards: Sequence[ModelCard], photos: Sequence[bytes]
) -> dict[str, dict[str, float]]:
    """Each network's median time per photo, ms, by engine.

    The networks take turns, so that other load on the machine hits all alike. Torch includes the whole segmentation,
    OpenVINO the network alone.
    """
    rounds = []
    for data in photos[:TIMED_PHOTOS]:
        images = [decode_image(data, network_px=one.input_px) for one in segmenters.values()]
        pairs = zip(segmenters.items(), images, strict=True)
        rounds.append([(name, partial(one.segment_photo, image)) for (name, one), image in pairs])
    times = {name: {"torch": value} for name, value in _medians(rounds).items()}
    if find_spec("openvino"):
        compiled = {card.id: _openvino(card) for card in cards}
        for name, value in _medians([list(compiled.items())] * TIMED_PHOTOS).items():
            times[name][ENGINE] = value
    return times


def _medians(rounds: Sequence[Sequence[tuple[str, Callable[[], object]]]]) -> dict[str, float]:
    taken: dict[str, list[float]] = {}
    for calls in rounds:
        for name, call in calls:
            begin = time.perf_counter()
            call()
            taken.setdefault(name, []).append(time.perf_counter() - begin)
    return {name: float(np.median(seconds) * 1e3) for name, seconds in taken.items()}


def _openvino(card: ModelCard) -> Callable[[], object]:
    """A call of the network in OpenVINO on one thread, with a blank photo; its precision is the engine's choice."""
    openvino: Any = import_module("openvino")
    width_px, height_px = card.input_px
    blank = torch.zeros(1, 3, height_px, width_px)
    model = openvino.convert_model(load_network(card), example_input=blank, input=[1, 3, height_px, width_px])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1})
    return lambda: compiled(blank.numpy())
