"""The walk of one request with fake phases: order, caches, coalescing, degraded answers, deadlines."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from itertools import chain, combinations
from typing import Any

import pytest
import pytest_asyncio

from pipeline import extraction
from pipeline.errors import (
    BadInput,
    ColorMatchError,
    ImageTruncated,
    MaskEmpty,
    NotReady,
    Overloaded,
    PhaseFailed,
    PhaseTimeout,
)
from pipeline.types import ColorShare, Options, PhaseName
from serve import wire
from serve.question import Answer, Question
from serve.settings import AdviceConfig, Budgets
from tests.serve.fakes import NETWORK_PX, NETWORK_VERSION, PHASES, FakePhase, Walk, descriptions

NAVY = (ColorShare("#1f2a44"),)
SHORT = AdviceConfig(budgets=Budgets(segmentation_ms=20, extraction_ms=20, harmony_ms=20))


@pytest_asyncio.fixture
async def walk() -> AsyncIterator[Walk]:
    """An advisor on three phases that work, with an empty cache."""
    made = Walk()
    yield made
    await made.advisor.close()


def photo(image: bytes = b"photo", mask: bytes | None = None, **options: Any) -> Question:
    """A question about a photo."""
    return Question(
        "image", Options(**{"subject": "worn", "schemes": ("neutral",), **options}), "tenant", image=image, mask=mask
    )


def colours(**options: Any) -> Question:
    """A question about navy."""
    return Question("colors", Options(**{"schemes": ("neutral",), **options}), "tenant", colors=NAVY)


async def ask(walk: Walk, question: Question) -> tuple[dict[str, Any], Answer]:
    """The answer's body and the answer, once its cache writes have ended."""
    answer = await walk.advisor.advise(question)
    await walk.advisor.close()
    body: dict[str, Any] = json.loads(answer.body)
    return body, answer


def _statuses(advice: str, phases: str) -> dict[str, str]:
    return {"advice": advice, **dict.fromkeys(PHASES, phases)}


# --- the phases in order --------------------------------------------------------------------------------------
async def test_a_photo_walks_all_phases_when_nothing_is_cached(walk: Walk) -> None:
    """Decode, segmentation, extraction and harmony, once each; the answer names their versions."""
    body, answer = await ask(walk, photo())
    assert walk.calls() == {"segmentation": 1, "extraction": 1, "harmony": 1}
    assert walk.decoder.asked == [(b"photo", None, NETWORK_PX)]
    assert [garment["category"] for garment in body["garments"]] == ["top", "bottom"]
    assert body["suggestions"]
    assert body["degraded"] == []
    assert body["versions"]["segmenter"] == NETWORK_VERSION
    assert answer.trace.cache == _statuses("miss", "miss")
    assert set(answer.trace.timing_ms) == {"decode", *PHASES, "total"}


async def test_the_network_is_skipped_when_a_mask_is_given(walk: Walk) -> None:
    """A mask is the garment: no network image is decoded, and no network asked."""
    body, answer = await ask(walk, photo(mask=b"mask"))
    assert walk.calls() == {"segmentation": 0, "extraction": 1, "harmony": 1}
    assert walk.decoder.asked == [(b"photo", b"mask", None)]
    assert [garment["category"] for garment in body["garments"]] == ["unknown"]
    assert body["versions"]["segmenter"] == "mask"
    assert answer.trace.cache["segmentation"] == "skipped"


async def test_the_network_is_skipped_when_the_whole_image_is_the_garment(walk: Walk) -> None:
    """`segment: none` takes the whole image, of the kind that the hint names."""
    body, _ = await ask(walk, photo(segment="none", category="shoes"))
    assert walk.calls()["segmentation"] == 0
    assert [(garment["category"], garment["area"]) for garment in body["garments"]] == [("shoes", 1.0)]
    assert body["versions"]["segmenter"] == "whole"


async def test_colours_need_harmony_alone_when_there_is_no_image(walk: Walk) -> None:
    """Colours mode decodes, segments and extracts nothing; its harmony bypasses the phase cache."""
    body, answer = await ask(walk, colours())
    assert walk.calls() == {"segmentation": 0, "extraction": 0, "harmony": 1}
    assert walk.decoder.asked == []
    assert (body["mode"], body["image"]) == ("colors", None)
    assert [garment["id"] for garment in body["garments"]] == ["g1"]
    assert body["suggestions"]
    assert answer.trace.cache == {
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
    """A one-phase view calls the phases up to its own, and shows that phase's part."""
    body, _ = await ask(walk, replace(photo(), view=view))
    assert tuple(walk.calls().values()) == calls
    assert shown <= set(body)
    assert not hidden & set(body)


# --- the caches -----------------------------------------------------------------------------------------------
async def test_no_phase_is_called_when_the_answer_is_cached(walk: Walk) -> None:
    """The second equal question is answered from the advice cache, byte for byte, all phases skipped."""
    first = await walk.advisor.advise(photo())
    await walk.advisor.close()
    assert walk.store.layers() == ["advice", "extraction", "harmony", "segmentation"]
    second = await walk.advisor.advise(photo())
    assert second.body == first.body
    assert walk.calls() == {"segmentation": 1, "extraction": 1, "harmony": 1}
    assert len(walk.decoder.asked) == 1
    assert second.trace.cache == _statuses("hit", "skipped")
    assert set(second.trace.timing_ms) == {"total"}


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({"max_suggestions": 3}, (0, 0, 1)),
        ({"max_colors": 4}, (0, 1, 0)),  # the garments have one colour each: harmony's question stays the same
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
    """Each phase's cache is split by what shapes that phase, and by nothing else."""
    await ask(walk, photo())
    before = walk.calls()
    await ask(walk, photo(**options))
    after = walk.calls()
    assert tuple(after[name] - before[name] for name in PHASES) == calls


async def test_caches_are_not_touched_when_bypassed(walk: Walk) -> None:
    """`cache: bypass` neither reads nor writes."""
    _, answer = await ask(walk, photo(cache="bypass"))
    assert walk.store.reads == []
    assert walk.store.values == {}
    assert answer.trace.cache == _statuses("bypass", "bypass")


async def test_caches_are_only_written_when_refreshed(walk: Walk) -> None:
    """`cache: refresh` reads nothing and replaces everything."""
    await ask(walk, photo())
    kept = dict(walk.store.values)
    walk.store.values = dict.fromkeys(kept, b"stale")
    walk.store.reads = []
    _, answer = await ask(walk, photo(cache="refresh"))
    assert walk.store.reads == []
    assert walk.store.values == kept
    assert answer.trace.cache == _statuses("refresh", "refresh")


@pytest.mark.parametrize("question", [photo(store=False), photo(store=False, cache="refresh"), colours(store=False)])
async def test_nothing_is_kept_when_storing_is_forbidden(question: Question) -> None:
    """`store: false` leaves no value behind, neither in the store nor in the process."""
    walk = Walk(memory_bytes=1_000_000)
    await ask(walk, question)
    assert walk.store.values == {}
    _, answer = await ask(walk, replace(question, options=replace(question.options, store=True, cache="default")))
    assert answer.trace.cache["advice"] == "miss"


async def test_answers_are_the_same_when_they_come_from_caches_or_not(walk: Walk) -> None:
    """Fresh, cached by phase, and with the store down: the same bytes."""
    fresh = (await ask(walk, photo(cache="bypass")))[1].body
    await ask(walk, photo())
    walk.store.values = {key: value for key, value in walk.store.values.items() if not key.startswith("advice:")}
    body, answer = await ask(walk, photo())
    assert answer.trace.cache == _statuses("miss", "hit")
    walk.store.down = True
    _, without = await ask(walk, photo())
    assert without.trace.cache == _statuses("unavailable", "unavailable")
    assert answer.body == fresh == without.body
    assert body["garments"]


async def test_tenants_share_nothing_when_they_ask_the_same(walk: Walk) -> None:
    """Another tenant's equal question hits no cache."""
    await ask(walk, photo())
    _, answer = await ask(walk, replace(photo(), tenant="other"))
    assert answer.trace.cache == _statuses("miss", "miss")


async def test_a_hit_follows_when_the_very_first_question_came_before_any_description(walk: Walk) -> None:
    """A replica that has heard of no version yet still writes under the versions that answered."""
    fresh = walk.replica()
    first = await fresh.advise(colours())
    await fresh.close()
    assert first.trace.cache["advice"] == "miss"
    assert (await fresh.advise(colours())).trace.cache["advice"] == "hit"


async def test_answers_are_new_when_a_phase_has_a_new_version(walk: Walk) -> None:
    """After a model change the old answers and the old labels are misses; what did not change is a hit."""
    await ask(walk, photo())
    walk.advisor.learn(wire.Description("segmentation", "painted:1:fp32:cpu", NETWORK_PX))
    _, answer = await ask(walk, photo())
    assert answer.trace.cache["advice"] == "miss"
    assert answer.trace.cache["segmentation"] == "miss"
    assert walk.calls()["segmentation"] == 2


async def test_an_answer_is_kept_under_the_version_that_gave_it_when_a_rollout_is_under_way(walk: Walk) -> None:
    """The phases' replies say their versions; what the caller had heard before does not count."""
    walk.advisor.learn(wire.Description("segmentation", "painted:old:fp32:cpu", NETWORK_PX))
    body, _ = await ask(walk, photo())
    assert body["versions"]["segmenter"] == NETWORK_VERSION
    assert (await ask(walk, photo()))[1].trace.cache["advice"] == "hit"
    other = walk.replica(walk.store)
    for description in descriptions():
        other.learn(description)
    assert (await other.advise(photo())).trace.cache["advice"] == "hit"


async def test_a_phase_is_asked_again_when_its_cached_value_cannot_be_read(walk: Walk) -> None:
    """A rightly tagged value of another version's form is a miss, not an error."""
    await ask(walk, photo())
    for key in list(walk.store.values):
        if key.startswith(("advice:", "extraction:")):
            del walk.store.values[key]
    (key,) = [key for key in walk.store.reads if key.startswith("extraction:")]
    await walk.advisor._cache.set(key, b"\x81\xa3old\x01")
    body, answer = await ask(walk, photo())
    assert answer.trace.cache["segmentation"] == "hit"
    assert answer.trace.cache["extraction"] == "miss"
    assert body["degraded"] == []


# --- equal questions at the same time -------------------------------------------------------------------------
async def test_one_walk_serves_all_when_equal_questions_come_together(walk: Walk) -> None:
    """Of twenty equal questions one walks; the others get its answer and say so."""
    walk.segmentation.gate.clear()
    asked = [asyncio.create_task(walk.advisor.advise(photo())) for _ in range(20)]
    await _until(lambda: bool(walk.segmentation.calls))
    walk.segmentation.gate.set()
    answers = await asyncio.gather(*asked)
    assert walk.calls() == {"segmentation": 1, "extraction": 1, "harmony": 1}
    assert len({answer.body for answer in answers}) == 1
    statuses = sorted(answer.trace.cache["advice"] for answer in answers)
    assert statuses == ["coalesced"] * 19 + ["miss"]
    assert all("total" in answer.trace.timing_ms for answer in answers)


@pytest.mark.parametrize("other", [photo(b"other"), photo(max_colors=2), photo(store=False), photo(cache="bypass")])
async def test_two_walks_go_on_when_questions_differ(walk: Walk, other: Question) -> None:
    """Questions with another answer, or that must not be kept, walk by themselves."""
    walk.segmentation.gate.clear()
    asked = [asyncio.create_task(walk.advisor.advise(question)) for question in (photo(), other)]
    await _until(lambda: len(walk.segmentation.calls) == 2)
    walk.segmentation.gate.set()
    assert "coalesced" not in [answer.trace.cache["advice"] for answer in await asyncio.gather(*asked)]


@pytest.mark.parametrize("leaves", [0, 1])
async def test_the_walk_goes_on_when_one_of_two_askers_leaves(walk: Walk, leaves: int) -> None:
    """Whoever leaves, the first asker or one who joined, the other still gets the answer."""
    walk.segmentation.gate.clear()
    asked = [asyncio.create_task(walk.advisor.advise(photo())) for _ in range(2)]
    await _until(lambda: bool(walk.segmentation.calls))
    asked[leaves].cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked[leaves]
    walk.segmentation.gate.set()
    assert json.loads((await asked[1 - leaves]).body)["degraded"] == []
    assert walk.calls()["segmentation"] == 1


async def test_nothing_is_left_over_when_every_asker_leaves(walk: Walk) -> None:
    """A walk that nobody waits for ends by itself, gives its seat back, and may fail without a word."""
    walk.extraction.error = Overloaded("Full.")
    walk.segmentation.gate.clear()
    asked = [asyncio.create_task(walk.advisor.advise(photo())) for _ in range(2)]
    await _until(lambda: bool(walk.segmentation.calls))
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    walk.segmentation.gate.set()
    await walk.advisor.close()
    assert (walk.advisor._flights, walk.advisor._photos_in_flight) == ({}, 0)


async def test_the_next_walks_anew_when_a_shared_one_failed(walk: Walk) -> None:
    """A refusal is shared by those who waited together, and forgotten afterwards."""
    walk.decoder.error = ImageTruncated("Cut.")
    found = await asyncio.gather(*(walk.advisor.advise(photo()) for _ in range(3)), return_exceptions=True)
    assert {type(one) for one in found} == {ImageTruncated}
    assert len(walk.decoder.asked) == 1
    walk.decoder.error = None
    assert json.loads((await walk.advisor.advise(photo())).body)["garments"]


# --- degraded answers -----------------------------------------------------------------------------------------
FAILURES = list(chain.from_iterable(combinations(PHASES, count) for count in (1, 2, 3)))


def _break(walk: Walk, failing: tuple[PhaseName, ...]) -> None:
    for name in failing:
        walk.phase(name).error = PhaseFailed("Broken.")


@pytest.mark.parametrize("failing", FAILURES, ids="+".join)
async def test_the_answer_is_degraded_when_phases_fail(walk: Walk, failing: tuple[PhaseName, ...]) -> None:
    """The failed phases are named in order, their parts replaced by fallbacks, and the rest stays real."""
    _break(walk, failing)
    body, _ = await ask(walk, photo())
    assert body["degraded"] == list(failing)
    assert (body["versions"]["segmenter"] == "fallback") == ("segmentation" in failing)
    categories = [garment["category"] for garment in body["garments"]]
    assert categories == (["unknown"] if "segmentation" in failing else ["top", "bottom"])
    swatches = [swatch for garment in body["garments"] for swatch in garment["colors"]]
    assert swatches
    assert all((swatch["confidence"] is None) == ("extraction" in failing) for swatch in swatches)
    assert body["suggestions"]


@pytest.mark.parametrize("failing", FAILURES, ids="+".join)
async def test_nothing_is_kept_after_a_failure_when_the_answer_is_degraded(
    walk: Walk, failing: tuple[PhaseName, ...]
) -> None:
    """Only what ran before the first failure is cached; once the phases heal, the answer has full quality."""
    _break(walk, failing)
    await ask(walk, photo())
    real = PHASES[: PHASES.index(failing[0])]
    assert walk.store.layers() == sorted(real)
    for name in failing:
        walk.phase(name).error = None
    body, answer = await ask(walk, photo())
    assert body["degraded"] == []
    assert answer.trace.cache["advice"] == "miss"
    assert answer.body == (await ask(walk, photo(cache="bypass")))[1].body


async def test_the_hint_names_the_garment_when_the_network_fails(walk: Walk) -> None:
    """The fallback mask's garment is of the kind that the client hinted at."""
    _break(walk, ("segmentation",))
    body, _ = await ask(walk, photo(category="top"))
    assert [garment["category"] for garment in body["garments"]] == ["top"]


async def test_harmony_is_as_good_when_it_runs_in_the_ingress(walk: Walk) -> None:
    """The fallback of harmony is the same function: the same suggestions, but marked."""
    whole, _ = await ask(walk, photo())
    _break(walk, ("harmony",))
    body, _ = await ask(walk, photo(cache="bypass"))
    assert body["degraded"] == ["harmony"]
    assert body["suggestions"] == whole["suggestions"]


async def test_the_classics_are_suggested_when_harmony_itself_is_broken(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the function broken in the ingress too, the neutral classics are left, and the version says so."""
    monkeypatch.setattr("pipeline.harmony.harmonise", _raise)
    body, _ = await ask(walk, photo())
    assert body["degraded"] == ["harmony"]
    assert body["versions"]["harmony"].endswith("-classics")
    assert {suggestion["scheme"] for suggestion in body["suggestions"]} == {"neutral"}


async def test_no_colour_is_invented_when_extraction_itself_is_broken(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the histogram broken too, the garments stand without colours."""
    _break(walk, ("extraction",))
    monkeypatch.setattr(extraction, "histogram_palette", _raise)
    body, _ = await ask(walk, photo())
    assert body["degraded"] == ["extraction"]
    assert [(garment["category"], garment["colors"]) for garment in body["garments"]] == [("top", []), ("bottom", [])]


def _raise(*_: object, **__: object) -> None:
    raise RuntimeError("broken")


async def test_colours_are_advised_when_harmony_is_down(walk: Walk) -> None:
    """Colours mode degrades too, and is not cached then."""
    _break(walk, ("harmony",))
    body, _ = await ask(walk, colours())
    assert body["degraded"] == ["harmony"]
    assert body["suggestions"]
    assert walk.store.values == {}


async def test_the_answer_is_degraded_when_a_phase_writes_what_nobody_can_read(walk: Walk) -> None:
    """A reply of another version's form counts as a failure of that phase."""
    walk.extraction = FakePhase(lambda _: b"\x81\xa3old\x01")
    walk.advisor = walk.replica()
    walk.advisor.learn(descriptions()[0])
    body, _ = await ask(walk, photo())
    assert body["degraded"] == ["extraction"]


@pytest.mark.parametrize("view", ["segment", "extract", "harmony"])
async def test_one_phase_views_are_degraded_when_their_phases_fail(walk: Walk, view: Any) -> None:
    """The one-phase endpoints degrade as the whole advice does."""
    _break(walk, PHASES)
    body, _ = await ask(walk, replace(photo(), view=view))
    expected = {"segment": ["segmentation"], "extract": ["segmentation", "extraction"], "harmony": list(PHASES)}
    assert body["degraded"] == expected[view]


# --- what is no degradation -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PHASES)
@pytest.mark.parametrize("error", [Overloaded("Full."), BadInput("No."), ImageTruncated("Cut.")])
async def test_an_error_is_raised_when_it_is_not_the_phases_failure(
    walk: Walk, name: PhaseName, error: ColorMatchError
) -> None:
    """A full queue and a bad input are answered as such: no fallback runs."""
    walk.phase(name).error = error
    with pytest.raises(type(error)):
        await walk.advisor.advise(photo())


@pytest.mark.parametrize("error", [ImageTruncated("Cut."), MaskEmpty("Empty."), Overloaded("Busy.")])
async def test_no_phase_is_called_when_decoding_refuses(walk: Walk, error: ColorMatchError) -> None:
    """What the decoder refuses goes to the client, and no phase sees it."""
    walk.decoder.error = error
    with pytest.raises(type(error)):
        await walk.advisor.advise(photo())
    assert walk.calls() == {"segmentation": 0, "extraction": 0, "harmony": 0}


async def test_a_photo_must_wait_when_the_network_has_not_reported(walk: Walk) -> None:
    """Until the input size is known nothing can be decoded for the network; a given mask needs none."""
    walk.advisor = walk.replica()
    with pytest.raises(NotReady):
        await walk.advisor.advise(photo())
    assert json.loads((await walk.advisor.advise(photo(mask=b"mask"))).body)["garments"]


async def test_photos_are_shed_when_too_many_are_under_way(walk: Walk) -> None:
    """Above the limit a photo is refused at once, colours still get in, and seats come free again."""
    walk.advisor.reconfigure(AdviceConfig(max_photos_in_flight=2))
    walk.segmentation.gate.clear()
    under_way = [asyncio.create_task(walk.advisor.advise(photo(bytes([k])))) for k in range(2)]
    await _until(lambda: len(walk.segmentation.calls) == 2)
    with pytest.raises(Overloaded, match="2 photos are being worked on"):
        await walk.advisor.advise(photo(b"third"))
    assert json.loads((await walk.advisor.advise(colours())).body)["suggestions"]
    walk.segmentation.gate.set()
    await asyncio.gather(*under_way)
    assert json.loads((await walk.advisor.advise(photo(b"third"))).body)["garments"]


# --- time -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("hanging", FAILURES, ids="+".join)
async def test_the_answer_comes_within_its_budgets_when_phases_hang(hanging: tuple[PhaseName, ...]) -> None:
    """A hung phase costs its budget, is cancelled, and is degraded as a failed one."""
    walk = Walk(config=AdviceConfig(budgets=Budgets(segmentation_ms=30, extraction_ms=30, harmony_ms=30)))
    healthy = Walk(config=AdviceConfig(budgets=Budgets()))
    await ask(healthy, photo())  # so that nothing is loaded for the first time within a budget
    for name in PHASES:
        if name in hanging:
            walk.phase(name).hangs = True
    body, answer = await ask(walk, photo())
    assert set(hanging) <= set(body["degraded"])
    for name in hanging:
        assert answer.trace.timing_ms[name] >= 29
        assert walk.phase(name).calls[0].cancelled
        assert walk.phase(name).calls[0].ended


async def test_the_whole_has_a_deadline_when_every_phase_hangs() -> None:
    """A phase gets what remains of the request's time; with nothing left it is not even called."""
    budgets = Budgets(segmentation_ms=10_000, extraction_ms=10_000, harmony_ms=10_000, total_ms=250)
    walk = Walk(config=AdviceConfig(budgets=budgets))
    for name in PHASES:
        walk.phase(name).hangs = True
    body, answer = await ask(walk, photo())
    assert body["degraded"] == list(PHASES)
    assert walk.calls() == {"segmentation": 1, "extraction": 0, "harmony": 0}
    assert 30 <= answer.trace.timing_ms["segmentation"] < 2000


async def test_a_phase_is_told_its_deadline_when_it_is_called(walk: Walk) -> None:
    """The message carries the Unix time after which nobody waits: now and the phase's budget."""
    walk.advisor.reconfigure(AdviceConfig(budgets=Budgets(segmentation_ms=60_000, total_ms=30_000)))
    before_s = time.time()
    await ask(walk, photo())
    (payload,) = walk.segmentation.payloads
    deadline_s = wire.decode(payload, wire.SegmentRequest).deadline_s
    assert before_s + 29 < deadline_s <= time.time() + 30
    (payload,) = walk.harmony.payloads
    assert wire.decode(payload, wire.HarmoniseRequest).deadline_s <= time.time() + 0.1


async def test_decoding_gets_its_budget_when_less_remains_it_gets_that(walk: Walk) -> None:
    """The decode budget is its own or the request's, whichever is less."""
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
    assert answer.trace.timing_ms["harmony"] >= 19


async def test_a_late_phase_is_refused_when_it_raises_that_itself(walk: Walk) -> None:
    """A replica that finds the deadline passed before it began counts as late."""
    walk.extraction.error = PhaseTimeout("The deadline had passed before the work began.")
    body, _ = await ask(walk, photo())
    assert body["degraded"] == ["extraction"]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)
