"""Tests degraded answers: every combination of failed phases, the fallbacks, and that none is cached."""

from dataclasses import replace
from itertools import chain, combinations
from typing import Any

import pytest

from pipeline.errors import (
    PhaseFailed,
)
from pipeline.palette import extraction
from pipeline.types import PhaseName
from tests.serve.fakes import (
    PHASES,
    FakePhase,
    Walk,
    ask,
    colours,
    descriptions,
    photo,
)

FAILURES = list(chain.from_iterable(combinations(PHASES, count) for count in (1, 2, 3)))


def _break(walk: Walk, failing: tuple[PhaseName, ...]) -> None:
    for name in failing:
        walk.phase(name).error = PhaseFailed("Broken.")


@pytest.mark.parametrize("failing", FAILURES, ids="+".join)
async def test_the_answer_is_degraded_when_phases_fail(walk: Walk, failing: tuple[PhaseName, ...]) -> None:
    """The answer names the failed phases in order and replaces only their parts by fallbacks."""
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
async def test_nothing_is_cached_after_a_failed_phase(walk: Walk, failing: tuple[PhaseName, ...]) -> None:
    """Only phases before the first failure are cached. After recovery the answer has full quality."""
    _break(walk, failing)
    await ask(walk, photo())
    real = PHASES[: PHASES.index(failing[0])]
    assert walk.store.layers() == sorted(real)
    for name in failing:
        walk.phase(name).error = None
    body, answer = await ask(walk, photo())
    assert body["degraded"] == []
    assert answer.progress.cache["advice"] == "miss"
    assert answer.body == (await ask(walk, photo(cache="bypass")))[1].body


async def test_the_hint_names_the_garment_when_the_network_fails(walk: Walk) -> None:
    """The garment of the fallback mask has the kind that the client hinted at."""
    _break(walk, ("segmentation",))
    body, _ = await ask(walk, photo(category="top"))
    assert [garment["category"] for garment in body["garments"]] == ["top"]


async def test_harmony_is_as_good_when_it_runs_in_the_ingress(walk: Walk) -> None:
    """Harmony's fallback is the same function, so the suggestions are the same, but marked."""
    whole, _ = await ask(walk, photo())
    _break(walk, ("harmony",))
    body, _ = await ask(walk, photo(cache="bypass"))
    assert body["degraded"] == ["harmony"]
    assert body["suggestions"] == whole["suggestions"]


async def test_the_classics_are_suggested_when_harmony_itself_is_broken(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the function fails in the ingress too, the neutral classics are suggested, and the version says so."""
    monkeypatch.setattr("pipeline.harmony.harmonise.harmonise", _raise)
    body, _ = await ask(walk, photo())
    assert body["degraded"] == ["harmony"]
    assert body["versions"]["harmony"].endswith("-classics")
    assert {suggestion["scheme"] for suggestion in body["suggestions"]} == {"neutral"}


async def test_no_colour_is_invented_when_extraction_itself_is_broken(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the fallback histogram fails too, the garments have no colours."""
    _break(walk, ("extraction",))
    monkeypatch.setattr(extraction, "histogram_palette", _raise)
    body, _ = await ask(walk, photo())
    assert body["degraded"] == ["extraction"]
    assert [(garment["category"], garment["colors"]) for garment in body["garments"]] == [("top", []), ("bottom", [])]


def _raise(*_: object, **__: object) -> None:
    raise RuntimeError("broken")


async def test_colours_are_advised_when_harmony_is_down(walk: Walk) -> None:
    """Colours mode degrades too, and its degraded answer is not cached."""
    _break(walk, ("harmony",))
    body, _ = await ask(walk, colours())
    assert body["degraded"] == ["harmony"]
    assert body["suggestions"]
    assert walk.store.values == {}


async def test_the_answer_is_degraded_when_a_phase_replies_unreadably(walk: Walk) -> None:
    """A reply in another version's format counts as a failure of the phase."""
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


@pytest.mark.parametrize("absent", PHASES)
async def test_the_answer_is_degraded_at_once_when_a_phase_has_no_replica(walk: Walk, absent: PhaseName) -> None:
    """Its part comes from the fallback, without a wait. The others stay real, and the next replica makes it whole."""
    whole, _ = await ask(walk, photo(cache="bypass"))
    walk.phase(absent).running = 0
    sent = walk.calls()
    for _ in range(30):
        body, answer = await ask(walk, photo(cache="bypass"))
        assert body["degraded"] == [absent]
        # The budget of segmentation alone is 1,200 ms.
        assert answer.progress.timing_ms[absent] < 1000
    assert walk.calls() == {name: sent[name] + (0 if name == absent else 30) for name in PHASES}
    assert walk.store.values == {}
    walk.phase(absent).running = 1
    body, _ = await ask(walk, photo(cache="bypass"))
    assert (body["degraded"], body["garments"]) == ([], whole["garments"])
