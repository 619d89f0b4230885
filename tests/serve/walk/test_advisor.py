"""Tests the walk of one request with fake phases: their order, their errors and their time."""

import asyncio
import json
import time
from dataclasses import replace
from itertools import chain, combinations
from typing import Any

import pytest

from pipeline import codec
from pipeline.errors import (
    BadInput,
    ColorMatchError,
    ImageTruncated,
    MaskEmpty,
    NotReady,
    Overloaded,
    PhaseTimeout,
)
from pipeline.types import PhaseName
from serve import wire
from serve.settings import AdviceConfig, Budgets
from serve.walk.admission import BURST, START
from tests.serve.fakes import (
    NETWORK_PX,
    NETWORK_VERSION,
    PHASES,
    Walk,
    ask,
    colours,
    photo,
    statuses,
    until,
)

PATIENT = Budgets(segmentation_ms=60_000, total_ms=60_000)
SHORT = AdviceConfig(budgets=Budgets(segmentation_ms=20, extraction_ms=20, harmony_ms=20))
FAILURES = list(chain.from_iterable(combinations(PHASES, count) for count in (1, 2, 3)))


# --- the phases in order --------------------------------------------------------------------------------------
async def test_a_photo_walks_all_phases_when_nothing_is_cached(walk: Walk) -> None:
    """Decoding and the three phases run once each, and the answer names their versions."""
    body, answer = await ask(walk, photo())
    assert walk.calls() == {"segmentation": 1, "extraction": 1, "harmony": 1}
    assert walk.decoder.asked == [(b"photo", None, NETWORK_PX)]
    assert [garment["category"] for garment in body["garments"]] == ["top", "bottom"]
    assert body["suggestions"]
    assert body["degraded"] == []
    assert body["versions"]["segmenter"] == NETWORK_VERSION
    assert answer.progress.cache == statuses("miss", "miss")
    assert set(answer.progress.timing_ms) == {"decode", *PHASES, "total"}


async def test_the_network_is_skipped_when_a_mask_is_given(walk: Walk) -> None:
    """A mask is the garment, so no network image is decoded and no network is called."""
    body, answer = await ask(walk, photo(mask=b"mask"))
    assert walk.calls() == {"segmentation": 0, "extraction": 1, "harmony": 1}
    assert walk.decoder.asked == [(b"photo", b"mask", None)]
    assert [garment["category"] for garment in body["garments"]] == ["unknown"]
    assert body["versions"]["segmenter"] == "mask"
    assert answer.progress.cache["segmentation"] == "skipped"


async def test_the_network_is_skipped_when_the_whole_image_is_the_garment(walk: Walk) -> None:
    """`segment: none` makes the whole image one garment of the hinted kind."""
    body, _ = await ask(walk, photo(segment="none", category="shoes"))
    assert walk.calls()["segmentation"] == 0
    assert [(garment["category"], garment["area"]) for garment in body["garments"]] == [("shoes", 1.0)]
    assert body["versions"]["segmenter"] == "whole"


async def test_colours_need_harmony_alone_when_there_is_no_image(walk: Walk) -> None:
    """Colours mode calls harmony only, and bypasses its phase cache."""
    body, answer = await ask(walk, colours())
    assert walk.calls() == {"segmentation": 0, "extraction": 0, "harmony": 1}
    assert walk.decoder.asked == []
    assert (body["mode"], body["image"]) == ("colors", None)
    assert [garment["id"] for garment in body["garments"]] == ["g1"]
    assert body["suggestions"]
    assert answer.progress.cache == {
        "advice": "miss",
        "segmentation": "skipped",
        "extraction": "skipped",
        "harmony": "bypass",
    }
    assert walk.store.layers() == ["advice"]


@pytest.mark.parametrize(
    ("view", "calls", "shown", "hidden"),
    [
        ("segment", (1, 0, 0), {"labels", "garments", "image"}, {"suggestions", "matches", "outfits"}),
        ("extract", (1, 1, 0), {"garments", "image"}, {"labels", "suggestions", "matches", "outfits"}),
        ("harmony", (1, 1, 1), {"suggestions", "matches", "outfits"}, {"labels", "garments", "image"}),
    ],
)
async def test_the_walk_ends_early_when_one_phase_is_asked_for(
    walk: Walk, view: Any, calls: tuple[int, int, int], shown: set[str], hidden: set[str]
) -> None:
    """A one-phase view calls the phases up to its own, and answers that phase's part."""
    body, _ = await ask(walk, replace(photo(), view=view))
    assert tuple(walk.calls().values()) == calls
    assert shown <= set(body)
    assert not hidden & set(body)


# --- what is no degradation -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PHASES)
@pytest.mark.parametrize("error", [Overloaded("Full."), BadInput("No."), ImageTruncated("Cut.")])
async def test_an_error_is_raised_when_the_phase_did_not_fail(
    walk: Walk, name: PhaseName, error: ColorMatchError
) -> None:
    """A full queue and a bad input raise their own errors. No fallback runs."""
    walk.phase(name).error = error
    with pytest.raises(type(error)):
        await walk.advisor.advise(photo())


@pytest.mark.parametrize("error", [ImageTruncated("Cut."), MaskEmpty("Empty."), Overloaded("Busy.")])
async def test_no_phase_is_called_when_decoding_refuses(walk: Walk, error: ColorMatchError) -> None:
    """The decoder's refusal goes to the client, and no phase is called."""
    walk.decoder.error = error
    with pytest.raises(type(error)):
        await walk.advisor.advise(photo())
    assert walk.calls() == {"segmentation": 0, "extraction": 0, "harmony": 0}


async def test_a_photo_must_wait_when_the_network_has_not_reported(walk: Walk) -> None:
    """A photo needs the network's input size to be known. A photo with a mask does not."""
    walk.advisor = walk.replica()
    with pytest.raises(NotReady):
        await walk.advisor.advise(photo())
    assert json.loads((await walk.advisor.advise(photo(mask=b"mask"))).body)["garments"]


async def test_photos_are_refused_when_too_many_are_in_progress(walk: Walk) -> None:
    """A full queue refuses the next photo at once. Colours are still answered, and the queue moves on."""
    walk.advisor.reconfigure(AdviceConfig(max_photos_in_flight=2, budgets=PATIENT))
    walk.segmentation.gate.clear()
    under_way = [asyncio.create_task(walk.advisor.advise(photo(bytes([k])))) for k in range(2 + BURST)]
    await until(lambda: len(walk.advisor._admission._queue) == BURST)
    await until(lambda: len(walk.segmentation.calls) == 2)
    with pytest.raises(Overloaded, match="2 photos are being worked on"):
        await asyncio.wait_for(walk.advisor.advise(photo(b"third")), 1)
    assert json.loads((await walk.advisor.advise(colours())).body)["suggestions"]
    walk.segmentation.gate.set()
    await asyncio.gather(*under_way)
    assert json.loads((await walk.advisor.advise(photo(b"third"))).body)["garments"]


# --- time -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("hanging", FAILURES, ids="+".join)
async def test_the_answer_comes_within_its_budgets_when_phases_hang(hanging: tuple[PhaseName, ...]) -> None:
    """A hung phase costs its budget, is cancelled and is degraded like a failed one."""
    walk = Walk(config=AdviceConfig(budgets=Budgets(segmentation_ms=30, extraction_ms=30, harmony_ms=30)))
    healthy = Walk(config=AdviceConfig(budgets=Budgets()))
    # A first request loads everything, so that no budget pays for it.
    await ask(healthy, photo())
    for name in PHASES:
        if name in hanging:
            walk.phase(name).hangs = True
    body, answer = await ask(walk, photo())
    assert set(hanging) <= set(body["degraded"])
    for name in hanging:
        assert answer.progress.timing_ms[name] >= 29
        assert walk.phase(name).calls[0].cancelled
        assert walk.phase(name).calls[0].ended


async def test_the_request_has_a_deadline_when_every_phase_hangs() -> None:
    """A phase gets what remains of the request's time. With nothing left it is not called."""
    budgets = Budgets(segmentation_ms=10_000, extraction_ms=10_000, harmony_ms=10_000, total_ms=250)
    walk = Walk(config=AdviceConfig(budgets=budgets))
    for name in PHASES:
        walk.phase(name).hangs = True
    body, answer = await ask(walk, photo())
    assert body["degraded"] == list(PHASES)
    assert walk.calls() == {"segmentation": 1, "extraction": 0, "harmony": 0}
    assert 30 <= answer.progress.timing_ms["segmentation"] < 2000


async def test_a_phase_is_told_its_deadline_when_it_is_called(walk: Walk) -> None:
    """The message carries the Unix time of the deadline: now plus the phase's budget."""
    walk.advisor.reconfigure(AdviceConfig(budgets=Budgets(segmentation_ms=60_000, total_ms=30_000)))
    before_s = time.time()
    await ask(walk, photo())
    (payload,) = walk.segmentation.payloads
    deadline_s = codec.decode(payload, wire.SegmentRequest).deadline_s
    assert before_s + 29 < deadline_s <= time.time() + 30
    (payload,) = walk.harmony.payloads
    assert codec.decode(payload, wire.HarmoniseRequest).deadline_s <= time.time() + 0.1


async def test_decoding_gets_what_remains_when_that_is_less_than_its_budget(walk: Walk) -> None:
    """Decoding gets its own budget or what remains of the request's, whichever is less."""
    await walk.advisor.advise(photo())
    walk.advisor.reconfigure(AdviceConfig(budgets=Budgets(total_ms=300)))
    await walk.advisor.advise(photo(b"other"))
    own, remaining = walk.decoder.budgets_s
    assert own == 0.4
    assert 0 < remaining <= 0.3


async def test_budgets_change_when_the_configuration_does(walk: Walk) -> None:
    """A new configuration applies to the next request."""
    walk.harmony.hangs = True
    walk.advisor.reconfigure(SHORT)
    body, answer = await ask(walk, colours())
    assert body["degraded"] == ["harmony"]
    assert answer.progress.timing_ms["harmony"] >= 19


async def test_a_late_phase_is_refused_when_it_raises_that_itself(walk: Walk) -> None:
    """A phase that reports a passed deadline counts as late."""
    walk.extraction.error = PhaseTimeout("The deadline had passed before the work began.")
    body, _ = await ask(walk, photo())
    assert body["degraded"] == ["extraction"]


@pytest.mark.parametrize("name", PHASES)
async def test_fewer_photos_are_admitted_when_a_phase_was_slow(name: PhaseName) -> None:
    """The walk records for its slot how much of its budget each step took."""
    walk = Walk(config=AdviceConfig(budgets=Budgets(segmentation_ms=60_000, extraction_ms=60_000, harmony_ms=60_000)))
    await ask(walk, photo())
    assert walk.advisor._admission.limit == START
    walk.advisor.reconfigure(AdviceConfig(budgets=Budgets(**{f"{name}_ms": 30})))
    walk.phase(name).hangs = True
    await ask(walk, photo(cache="bypass"))
    assert walk.advisor._admission.limit < START
