"""Tests what sets up a replica's process."""

import gc
from types import SimpleNamespace
from typing import cast

import pytest

from serve.deployments import Advice
from serve.replica.loading import INGRESS_KEPT_BYTES, freeze


def test_frozen_objects_are_left_out_of_collections() -> None:
    """What exists at the call is no longer the collector's, and what comes later is."""
    kept = [[] for _ in range(1000)]  # type: ignore[var-annotated]
    try:
        freeze()
        assert gc.get_freeze_count() >= len(kept)
        assert not any(one is kept for one in gc.get_objects())
        later = [kept]
        assert any(one is later for one in gc.get_objects())
    finally:
        gc.unfreeze()


def test_an_ingress_replica_keeps_little_when_its_app_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of the phases, which the import has set, is lowered."""
    kept_bytes: list[int] = []
    monkeypatch.setattr("serve.api.create_app", lambda service: service)
    monkeypatch.setattr("serve.replica.loading.freeze", lambda: None)
    monkeypatch.setattr("serve.replica.loading.keep_freed", kept_bytes.append)
    Advice.__serve_build_asgi_app__(cast(Advice, SimpleNamespace(_service="app")))
    assert kept_bytes == [INGRESS_KEPT_BYTES]
