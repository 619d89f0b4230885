"""What the phases answer before they are ready."""

from threading import get_ident
from typing import get_args

import numpy as np
import pytest

from pipeline.harmony.harmonise import harmonise
from pipeline.palette.extraction import extract
from pipeline.types import Mood
from serve import deployments, wire
from serve.replica import warm_up


def test_the_painted_photo_goes_the_way_of_a_photo() -> None:
    """It has two garments with colours and names, and light to judge: whatever a photo needs is loaded."""
    asked = warm_up.photo()
    found = extract(asked.image, asked.labels, asked.confidence, asked.options)
    assert [one.category for one in found.garments] == ["top", "bottom"]
    assert all(one.colors[0].names for one in found.garments)
    assert found.lighting is not None
    assert all(one.confidence is not None for one in found.garments)


def test_the_look_goes_the_way_of_a_look() -> None:
    """It gets suggestions of every mood."""
    asked = warm_up.look()
    assert {one.mood for one in harmonise(asked.garments, asked.options).suggestions} == set(get_args(Mood))


def test_warm_up_is_the_same_when_it_is_made_twice() -> None:
    """Nothing about a replica's start is random."""
    assert np.array_equal(warm_up.photo().image, warm_up.photo().image)


def test_a_phase_works_before_it_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its constructor gives the work the first request, in the thread that answers later."""
    monkeypatch.setattr(deployments, "report", lambda _metrics: None)
    monkeypatch.setattr("serve.replica.loading.freeze", lambda: None)
    seen: list[tuple[wire.HarmoniseRequest, int]] = []
    phase = deployments.PurePhase("harmony", "1", warm_up.look(), lambda asked: seen.append((asked, get_ident())))
    assert [asked for asked, _thread in seen] == [warm_up.look()]
    assert {thread for _asked, thread in seen} == {phase._thread._executor.submit(get_ident).result()}
