"""Tests the second network: which photos it gets, what happens when it fails, and what a comparison tells."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from pipeline import codec
from pipeline.errors import Overloaded, PhaseFailed
from pipeline.types import Segmentation
from serve.settings import AdviceConfig, Budgets, CanaryConfig
from serve.walk import canary as module
from serve.walk.admission import START
from serve.walk.canary import share_of
from tests.serve.fakes import (
    CANARY_PX,
    CANARY_VERSION,
    NETWORK_PX,
    NETWORK_VERSION,
    FakePhase,
    Walk,
    ask,
    colours,
    photo,
    segment_otherwise,
    until,
)
from tests.serve.observe.test_metrics import of

PHOTOS = [photo(f"photo {number}".encode()) for number in range(400)]


def config(share: float, mode: Any = "split") -> AdviceConfig:
    """A live config with a canary."""
    return AdviceConfig(canary=CanaryConfig(share=share, mode=mode))


@pytest_asyncio.fixture
async def walk() -> AsyncIterator[Walk]:
    """An advisor with a second network that gets every photo."""
    made = Walk(canary=FakePhase(segment_otherwise), config=config(1.0))
    yield made
    await made.advisor.close()


def second(walk: Walk) -> FakePhase:
    """The second network."""
    assert walk.canary is not None
    return walk.canary


def counted(walk: Walk, name: str, **labels: str) -> float:
    """The sum of a metric's samples."""
    return of(walk.metrics.text(), f"colormatch_{name}", **labels)


# --- the share ------------------------------------------------------------------------------------------------
def test_the_share_of_the_photos_is_as_large_as_asked() -> None:
    """The places of photos are spread evenly, so that a share of a tenth gets a tenth."""
    places = sorted(share_of(one) for one in PHOTOS)
    assert sum(place < 0.1 for place in places) == pytest.approx(40, abs=15)
    assert sum(place < 0.5 for place in places) == pytest.approx(200, abs=30)
    assert 0 <= places[0] <= places[-1] < 1


def test_a_clients_photo_has_one_place_when_asked_again() -> None:
    """The place depends on client and photo alone: neither on the options, nor on the mask, nor on the process."""
    one = photo(b"a")
    assert share_of(one) == share_of(photo(b"a", max_colors=3)) == share_of(photo(b"a", mask=b"mask"))
    assert share_of(one) == pytest.approx(0.1171766, abs=1e-6)
    assert len({share_of(one), share_of(photo(b"b")), share_of(replace(one, tenant="other"))}) == 3


# --- split ----------------------------------------------------------------------------------------------------
async def test_a_photo_meets_the_network_of_its_place_when_the_traffic_is_split() -> None:
    """Below the share the second network answers, above it the first, each time the same."""
    walk = Walk(canary=FakePhase(segment_otherwise), config=config(0.3))
    for one in PHOTOS[:20] * 2:
        body, _ = await ask(walk, replace(one, options=photo(cache="bypass").options))
        assert body["versions"]["segmenter"] == (CANARY_VERSION if share_of(one) < 0.3 else NETWORK_VERSION)
    below = 2 * sum(share_of(one) < 0.3 for one in PHOTOS[:20])
    assert 0 < below < 40
    assert (len(second(walk).calls), len(walk.segmentation.calls)) == (below, 40 - below)
    assert counted(walk, "canary_calls_total", mode="split", outcome="ok") == below
    await walk.advisor.close()


async def test_the_photo_is_decoded_for_the_network_that_answers(walk: Walk) -> None:
    """Each network gets the photo at its own input size."""
    await ask(walk, photo())
    walk.advisor.reconfigure(config(0.0))
    await ask(walk, photo())
    assert [network_px for _, _, network_px in walk.decoder.asked] == [CANARY_PX, NETWORK_PX]


async def test_no_cache_mixes_the_networks(walk: Walk) -> None:
    """A photo has an answer and a label map of each network in the caches, and each network finds its own again."""
    first, _ = await ask(walk, photo())
    assert [garment["category"] for garment in first["garments"]] == ["top"]
    walk.advisor.reconfigure(config(0.0))
    main, answer = await ask(walk, photo())
    assert answer.progress.cache["advice"] == answer.progress.cache["segmentation"] == "miss"
    assert [garment["category"] for garment in main["garments"]] == ["top", "bottom"]
    assert walk.store.layers().count("segmentation") == walk.store.layers().count("advice") == 2
    again, answer = await ask(walk, photo())
    assert (again, answer.progress.cache["advice"]) == (main, "hit")
    walk.advisor.reconfigure(config(1.0))
    again, answer = await ask(walk, photo())
    assert (again, answer.progress.cache["advice"]) == (first, "hit")


async def test_what_needs_no_network_meets_no_canary(walk: Walk) -> None:
    """Colours, masks and whole images are answered as ever."""
    for question in (colours(), photo(mask=b"mask"), photo(segment="none", category="shoes")):
        await ask(walk, question)
    assert second(walk).calls == []
    assert counted(walk, "canary_calls_total") == 0


@pytest.mark.parametrize("error", [PhaseFailed("Broken."), Overloaded("Full."), KeyError("a bug")])
async def test_the_main_network_answers_when_the_canary_fails(walk: Walk, error: Exception) -> None:
    """The answer is whole, is the main network's, and is cached as such."""
    second(walk).error = error
    body, answer = await ask(walk, photo())
    assert (body["degraded"], body["versions"]["segmenter"]) == ([], NETWORK_VERSION)
    assert counted(walk, "canary_calls_total", mode="split", outcome="ok") == 0
    assert counted(walk, "canary_calls_total", mode="split") == 1
    assert counted(walk, "degraded_answers_total", phase="segmentation") == 0
    # The main network gets the photo at its own size.
    assert [network_px for _, _, network_px in walk.decoder.asked] == [CANARY_PX, NETWORK_PX]
    walk.advisor.reconfigure(config(0.0))
    again, answer = await ask(walk, photo())
    assert (again, answer.progress.cache["advice"]) == (body, "hit")


async def test_the_main_networks_cache_serves_when_the_canary_fails(walk: Walk) -> None:
    """A label map that the main network made before is found again under its own version."""
    walk.advisor.reconfigure(config(0.0))
    await ask(walk, photo())
    walk.advisor.reconfigure(config(1.0))
    second(walk).error = PhaseFailed("Broken.")
    body, answer = await ask(walk, photo())
    assert (answer.progress.cache["advice"], answer.progress.cache["segmentation"]) == ("miss", "hit")
    assert body["versions"]["segmenter"] == NETWORK_VERSION
    assert len(walk.segmentation.calls) == 1


async def test_the_main_network_answers_in_time_when_the_canary_hangs(walk: Walk) -> None:
    """The canary has half of segmentation's budget. Once its breaker is open, no photo waits for it."""
    budgets = Budgets(segmentation_ms=100)
    walk.advisor.reconfigure(AdviceConfig(budgets=budgets, canary=CanaryConfig(share=1.0)))
    second(walk).hangs = True
    for number in range(12):
        body, _ = await ask(walk, photo(bytes([number])))
        assert (body["degraded"], body["versions"]["segmenter"]) == ([], NETWORK_VERSION)
    assert len(second(walk).calls) == 10
    assert all(call.cancelled for call in second(walk).calls)
    assert counted(walk, "canary_calls_total", mode="split", outcome="timeout") == 10
    assert counted(walk, "canary_calls_total", mode="split", outcome="refused") == 2
    assert set(walk.advisor.breaker_states().values()) == {"closed"}
    # While the breaker is open the photo is the main network's, and its cached answers serve it.
    assert (await ask(walk, photo(bytes([11]))))[1].progress.cache["advice"] == "hit"


async def test_the_main_network_answers_at_once_when_the_canary_has_no_replica(walk: Walk) -> None:
    """Nothing is sent to a canary without a replica; the metric says that its photos go to the main network."""
    second(walk).running = 0
    body, _ = await ask(walk, photo())
    assert body["versions"]["segmenter"] == NETWORK_VERSION
    assert second(walk).calls == []
    assert not walk.advisor.canary.ready
    assert counted(walk, "canary_calls_total", mode="split", outcome="absent") == 1


@pytest.mark.parametrize("mode", ["split", "shadow"])
async def test_a_share_without_a_canary_is_counted_and_harms_nobody(mode: str) -> None:
    """A config that gives photos to a canary that the application lacks changes no answer."""
    walk = Walk(config=config(1.0, mode))
    body, _ = await ask(walk, photo())
    assert (body["degraded"], body["versions"]["segmenter"]) == ([], NETWORK_VERSION)
    assert counted(walk, "canary_calls_total", mode=mode, outcome="absent") == 1


# --- shadow ---------------------------------------------------------------------------------------------------
@pytest_asyncio.fixture
async def shadowed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Walk]:
    """An advisor that compares every photo with the second network's answer, at once."""
    monkeypatch.setattr(module, "SHADOW_AFTER_S", 0.0)
    made = Walk(canary=FakePhase(segment_otherwise), config=config(1.0, "shadow"))
    yield made
    await made.advisor.close()


async def test_a_comparison_tells_labels_palette_garments_and_time(shadowed: Walk) -> None:
    """The main network answers. The second one misses the trousers, which are 0.1875 of the photo."""
    answer = await shadowed.advisor.advise(photo())
    assert NETWORK_VERSION.encode() in answer.body
    await until(lambda: counted(shadowed, "shadow_garments_total") > 0)
    of_canary = {"segmenter": CANARY_VERSION}
    trousers = 30 * 40 / (96 * 64)
    assert counted(shadowed, "shadow_label_agreement_sum", **of_canary) == pytest.approx(1 - trousers, abs=1e-6)
    assert counted(shadowed, "shadow_palette_de00_count", **of_canary) == 1
    assert counted(shadowed, "shadow_palette_de00_sum", **of_canary) < 0.5
    assert counted(shadowed, "shadow_garments_total", **of_canary, found_by="both") == 1
    assert counted(shadowed, "shadow_garments_total", **of_canary, found_by="main") == 1
    assert counted(shadowed, "shadow_garments_total", **of_canary, found_by="canary") == 0
    for role in ("main", "canary"):
        assert counted(shadowed, "shadow_seconds_count", **of_canary, role=role) == 1
    assert counted(shadowed, "canary_calls_total", mode="shadow", outcome="ok") == 1
    assert (len(shadowed.extraction.calls), len(shadowed.canary_extraction.calls)) == (1, 1)


async def test_no_answer_waits_for_a_comparison(shadowed: Walk) -> None:
    """Answers come while the second network hangs. Two photos are compared at a time, and the others are counted."""
    second(shadowed).hangs = True
    began_s = time.monotonic()
    for one in PHOTOS[:6]:
        assert b'"degraded":[]' in (await shadowed.advisor.advise(one)).body
    assert time.monotonic() - began_s < 5
    await until(lambda: len(second(shadowed).calls) == module.MOST_SHADOWS)
    assert counted(shadowed, "canary_calls_total", mode="shadow", outcome="shed") == 4
    await shadowed.advisor.close()
    assert all(call.cancelled for call in second(shadowed).calls)


async def test_no_photo_is_compared_when_the_replica_is_busy(shadowed: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    """While more than half of the slots are taken, comparisons are left out."""
    monkeypatch.setattr(module, "MOST_SHADOWS", START)
    shadowed.harmony.gate.clear()
    busy = [asyncio.ensure_future(shadowed.advisor.advise(one)) for one in PHOTOS[:START]]
    await until(lambda: len(shadowed.harmony.calls) == START)
    shadowed.harmony.gate.set()
    await asyncio.gather(*busy)
    assert counted(shadowed, "canary_calls_total", mode="shadow", outcome="shed") >= START / 2 - 1


@pytest.mark.parametrize("error", [PhaseFailed("Broken."), KeyError("a bug")])
async def test_a_failed_comparison_harms_nobody(shadowed: Walk, error: Exception) -> None:
    """It is counted, and neither a breaker of the answers nor the degraded answers know of it."""
    second(shadowed).error = error
    for one in PHOTOS[:12]:
        assert b'"degraded":[]' in (await shadowed.advisor.advise(one)).body
        await until(lambda: not shadowed.advisor.canary._shadows)
    assert counted(shadowed, "canary_calls_total", mode="shadow", outcome="failed") == 10
    assert counted(shadowed, "canary_calls_total", mode="shadow", outcome="refused") == 2
    assert set(shadowed.advisor.breaker_states().values()) == {"closed"}
    assert counted(shadowed, "degraded_answers_total") == 0
    assert counted(shadowed, "phase_calls_total", outcome="failed") == 0


async def test_an_answer_of_another_size_is_a_failed_comparison(shadowed: Walk) -> None:
    """A network whose label map does not fit the photo is counted as failed."""
    smaller = Segmentation(np.zeros((9, 9), np.uint8), None, CANARY_VERSION)
    second(shadowed)._work = lambda _: codec.encode(smaller)
    await shadowed.advisor.advise(photo())
    await until(lambda: counted(shadowed, "canary_calls_total", mode="shadow", outcome="failed") == 1)


@pytest.mark.parametrize("question", [photo(store=False), photo(mask=b"mask"), colours()])
async def test_a_photo_is_compared_only_if_it_may_be_kept_and_needs_a_network(shadowed: Walk, question: Any) -> None:
    """A client that wants nothing stored has no photo that outlives its answer."""
    await shadowed.advisor.advise(question)
    assert not shadowed.advisor.canary._shadows
    assert counted(shadowed, "canary_calls_total") == 0


async def test_a_label_map_from_the_cache_is_not_compared(shadowed: Walk) -> None:
    """A comparison of times needs a network that has just worked."""
    await ask(shadowed, photo())
    before = counted(shadowed, "canary_calls_total")
    await ask(shadowed, photo(max_colors=3))
    assert counted(shadowed, "canary_calls_total") == before


# --- quality --------------------------------------------------------------------------------------------------
async def test_what_a_network_finds_is_counted_by_its_version(walk: Walk) -> None:
    """Kinds, garments per photo and empty answers, of new photos, each under the network that answered."""
    await ask(walk, photo())
    await ask(walk, photo())
    walk.advisor.reconfigure(config(0.0))
    await ask(walk, photo())
    for version, kinds in ((CANARY_VERSION, ["top"]), (NETWORK_VERSION, ["top", "bottom"])):
        found = {"segmenter": version}
        assert counted(walk, "photos_total", **found, result="garments") == 1
        assert counted(walk, "garments_per_photo_sum", **found) == len(kinds)
        assert [
            kind for kind in ("top", "bottom", "shoes") if counted(walk, "garments_total", **found, kind=kind)
        ] == kinds
        assert counted(walk, "segmentation_seconds_count", **found) == 1


async def test_an_empty_answer_is_counted(walk: Walk) -> None:
    """A photo in which a network finds nothing is an empty answer."""
    walk.advisor.reconfigure(config(0.0))
    walk.decoder.image = replace(walk.decoder.image, pixels=walk.decoder.image.pixels * 0 + 240)
    body, _ = await ask(walk, photo())
    assert body["garments"] == []
    assert counted(walk, "photos_total", segmenter=NETWORK_VERSION, result="empty") == 1


async def test_a_degraded_answer_is_counted_by_the_network_that_failed() -> None:
    """The fallback's garments say nothing of a network, so only the fact is counted."""
    walk = Walk()
    walk.segmentation.error = PhaseFailed("Broken.")
    await ask(walk, photo())
    assert counted(walk, "photos_total", segmenter=NETWORK_VERSION, result="degraded") == 1
    assert counted(walk, "garments_total") == counted(walk, "garments_per_photo_count") == 0
