"""Tests what the walk reads from the caches and writes to them, and how equal questions share a walk."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from pipeline.errors import (
    ImageTruncated,
    Overloaded,
)
from serve import wire
from serve.walk.question import Question
from tests.serve.fakes import (
    NETWORK_PX,
    NETWORK_VERSION,
    PHASES,
    Walk,
    ask,
    colours,
    descriptions,
    photo,
    statuses,
    until,
)


# --- the caches -----------------------------------------------------------------------------------------------
async def test_no_phase_is_called_when_the_answer_is_cached(walk: Walk) -> None:
    """The advice cache answers the second equal question with the same bytes and calls no phase."""
    first = await walk.advisor.advise(photo())
    await walk.advisor.close()
    assert walk.store.layers() == ["advice", "extraction", "harmony", "segmentation"]
    second = await walk.advisor.advise(photo())
    assert second.body == first.body
    assert walk.calls() == {"segmentation": 1, "extraction": 1, "harmony": 1}
    assert len(walk.decoder.asked) == 1
    assert second.progress.cache == statuses("hit", "skipped")
    assert set(second.progress.timing_ms) == {"total"}


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({"max_suggestions": 3}, (0, 0, 1)),
        # The garments have one colour each, so harmony's question stays the same.
        ({"max_colors": 4}, (0, 1, 0)),
        ({"subject": "product"}, (0, 1, 1)),
        ({"max_colors": 5, "include": ("masks",)}, (0, 1, 0)),
        ({"cache": "bypass"}, (1, 1, 1)),
        ({"cache": "refresh"}, (1, 1, 1)),
        ({"store": False}, (0, 0, 0)),
        ({"include": ("timings",)}, (0, 0, 0)),
    ],
)
async def test_a_phase_is_called_only_when_an_option_of_its_own_changed(
    walk: Walk, options: dict[str, Any], calls: tuple[int, int, int]
) -> None:
    """The cache key of each phase depends on exactly what changes that phase's answer."""
    await ask(walk, photo())
    before = walk.calls()
    await ask(walk, photo(**options))
    after = walk.calls()
    assert tuple(after[name] - before[name] for name in PHASES) == calls


async def test_caches_are_not_touched_when_bypassed(walk: Walk) -> None:
    """`cache: bypass` neither reads nor writes the caches."""
    _, answer = await ask(walk, photo(cache="bypass"))
    assert walk.store.reads == []
    assert walk.store.values == {}
    assert answer.progress.cache == statuses("bypass", "bypass")


async def test_caches_are_only_written_when_refreshed(walk: Walk) -> None:
    """`cache: refresh` reads nothing and replaces everything."""
    await ask(walk, photo())
    kept = dict(walk.store.values)
    walk.store.values = dict.fromkeys(kept, b"stale")
    walk.store.reads = []
    _, answer = await ask(walk, photo(cache="refresh"))
    assert walk.store.reads == []
    assert walk.store.values == kept
    assert answer.progress.cache == statuses("refresh", "refresh")


@pytest.mark.parametrize("question", [photo(store=False), photo(store=False, cache="refresh"), colours(store=False)])
async def test_nothing_is_kept_when_storing_is_forbidden(question: Question) -> None:
    """`store: false` leaves no value behind, neither in the store nor in the process."""
    walk = Walk(memory_bytes=1_000_000)
    await ask(walk, question)
    assert walk.store.values == {}
    _, answer = await ask(walk, replace(question, options=replace(question.options, store=True, cache="default")))
    assert answer.progress.cache["advice"] == "miss"


async def test_answers_are_the_same_when_they_come_from_caches_or_not(walk: Walk) -> None:
    """A computed answer, one from phase caches and one without a store have the same bytes."""
    fresh = (await ask(walk, photo(cache="bypass")))[1].body
    await ask(walk, photo())
    walk.store.values = {key: value for key, value in walk.store.values.items() if not key.startswith("advice:")}
    body, answer = await ask(walk, photo())
    assert answer.progress.cache == statuses("miss", "hit")
    walk.store.down = True
    _, without = await ask(walk, photo())
    assert without.progress.cache == statuses("unavailable", "unavailable")
    assert answer.body == fresh == without.body
    assert body["garments"]


async def test_tenants_share_nothing_when_they_ask_the_same(walk: Walk) -> None:
    """Another tenant's equal question hits no cache."""
    await ask(walk, photo())
    _, answer = await ask(walk, replace(photo(), tenant="other"))
    assert answer.progress.cache == statuses("miss", "miss")


async def test_the_first_answer_is_cached_when_no_phase_was_described_yet(walk: Walk) -> None:
    """A replica that knows no version yet writes under the versions that the phases' replies state."""
    fresh = walk.replica()
    first = await fresh.advise(colours())
    await fresh.close()
    assert first.progress.cache["advice"] == "miss"
    assert (await fresh.advise(colours())).progress.cache["advice"] == "hit"


async def test_answers_are_new_when_a_phase_has_a_new_version(walk: Walk) -> None:
    """After a change of model, old answers and old labels are misses, and unchanged phases are hits."""
    await ask(walk, photo())
    walk.advisor.learn(wire.Description("segmentation", "painted:1:fp32:cpu", NETWORK_PX))
    _, answer = await ask(walk, photo())
    assert answer.progress.cache["advice"] == "miss"
    assert answer.progress.cache["segmentation"] == "miss"
    assert walk.calls()["segmentation"] == 2


async def test_an_answer_is_cached_under_its_own_version_during_a_rollout(walk: Walk) -> None:
    """The version in a phase's reply counts, not the one that the caller knew before."""
    walk.advisor.learn(wire.Description("segmentation", "painted:old:fp32:cpu", NETWORK_PX))
    body, _ = await ask(walk, photo())
    assert body["versions"]["segmenter"] == NETWORK_VERSION
    assert (await ask(walk, photo()))[1].progress.cache["advice"] == "hit"
    other = walk.replica(walk.store)
    for description in descriptions():
        other.learn(description)
    assert (await other.advise(photo())).progress.cache["advice"] == "hit"


async def test_a_phase_is_asked_again_when_its_cached_value_cannot_be_read(walk: Walk) -> None:
    """An authentic value in another version's format is a miss, not an error."""
    await ask(walk, photo())
    for key in list(walk.store.values):
        if key.startswith(("advice:", "extraction:")):
            del walk.store.values[key]
    (key,) = [key for key in walk.store.reads if key.startswith("extraction:")]
    await walk.advisor._flights._cache.set(key, b"\x81\xa3old\x01")
    body, answer = await ask(walk, photo())
    assert answer.progress.cache["segmentation"] == "hit"
    assert answer.progress.cache["extraction"] == "miss"
    assert body["degraded"] == []


# --- equal questions at the same time -------------------------------------------------------------------------
async def test_one_walk_serves_all_when_equal_questions_come_together(walk: Walk) -> None:
    """Twenty equal questions share one walk, and nineteen of the answers say so."""
    walk.segmentation.gate.clear()
    asked = [asyncio.create_task(walk.advisor.advise(photo())) for _ in range(20)]
    await until(lambda: bool(walk.segmentation.calls))
    walk.segmentation.gate.set()
    answers = await asyncio.gather(*asked)
    assert walk.calls() == {"segmentation": 1, "extraction": 1, "harmony": 1}
    assert len({answer.body for answer in answers}) == 1
    statuses = sorted(answer.progress.cache["advice"] for answer in answers)
    assert statuses == ["coalesced"] * 19 + ["miss"]
    assert sum(key.startswith("advice:") for key in walk.store.reads) == 1
    assert all("total" in answer.progress.timing_ms for answer in answers)


@pytest.mark.parametrize("other", [photo(b"other"), photo(max_colors=2), photo(store=False), photo(cache="bypass")])
async def test_two_questions_walk_separately_when_they_differ(walk: Walk, other: Question) -> None:
    """Questions with other answers, or with answers that must not be stored, walk separately."""
    walk.segmentation.gate.clear()
    asked = [asyncio.create_task(walk.advisor.advise(question)) for question in (photo(), other)]
    await until(lambda: len(walk.segmentation.calls) == 2)
    walk.segmentation.gate.set()
    assert "coalesced" not in [answer.progress.cache["advice"] for answer in await asyncio.gather(*asked)]


@pytest.mark.parametrize("leaves", [0, 1])
async def test_the_walk_goes_on_when_one_of_two_callers_leaves(walk: Walk, leaves: int) -> None:
    """When the first caller or one that joined leaves, the other still gets the answer."""
    walk.segmentation.gate.clear()
    asked = [asyncio.create_task(walk.advisor.advise(photo())) for _ in range(2)]
    await until(lambda: bool(walk.segmentation.calls))
    asked[leaves].cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked[leaves]
    walk.segmentation.gate.set()
    assert json.loads((await asked[1 - leaves]).body)["degraded"] == []
    assert walk.calls()["segmentation"] == 1


async def test_nothing_is_left_when_every_caller_leaves(walk: Walk) -> None:
    """A walk without callers ends by itself and frees its slot. Its failure is not logged."""
    walk.extraction.error = Overloaded("Full.")
    walk.segmentation.gate.clear()
    asked = [asyncio.create_task(walk.advisor.advise(photo())) for _ in range(2)]
    await until(lambda: bool(walk.segmentation.calls))
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    walk.segmentation.gate.set()
    await walk.advisor.close()
    assert (walk.advisor._flights._flights, walk.advisor._admission._taken) == ({}, 0)


async def test_the_next_question_walks_again_when_a_shared_walk_failed(walk: Walk) -> None:
    """The callers of one walk share its refusal, and the next question walks again."""
    walk.decoder.error = ImageTruncated("Cut.")
    found = await asyncio.gather(*(walk.advisor.advise(photo()) for _ in range(3)), return_exceptions=True)
    assert {type(one) for one in found} == {ImageTruncated}
    assert len(walk.decoder.asked) == 1
    walk.decoder.error = None
    assert json.loads((await walk.advisor.advise(photo())).body)["garments"]
