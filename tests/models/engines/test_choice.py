"""Which engine and dtype run a network where."""

import os
from dataclasses import replace
from importlib.machinery import ModuleSpec

import pytest

from models.cards import DEFAULT_MODEL, ModelError, load_card
from models.engines import choice
from models.engines.choice import choose, open_segmenter
from models.engines.openvino import best_dtypes

CARD = load_card(DEFAULT_MODEL)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> "pytest.MonkeyPatch":
    """Makes torch look as if it were not installed."""
    monkeypatch.setattr(choice, "find_spec", lambda name: None if name == "torch" else ModuleSpec(name, None))
    return monkeypatch


def test_openvino_runs_when_the_device_is_a_cpu() -> None:
    """On a CPU the network's ONNX file runs in OpenVINO, in the fastest dtype of the processor."""
    chosen = choose(CARD)
    assert (chosen.engine, chosen.device, chosen.dtype) == ("openvino", "cpu", best_dtypes()[0])
    assert chosen.version == open_segmenter(CARD, threads=1).version


def test_a_network_gets_a_second_thread_unless_it_runs_on_amx(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bf16 on AMX a second one gains nothing; one processor has none to give; a caller's number holds."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(choice, "instruction_sets", lambda: {"avx512_bf16"})
    assert (choice.default_threads("fp32"), choice.default_threads("bf16")) == (2, 2)
    monkeypatch.setattr(choice, "instruction_sets", lambda: {"avx512_bf16", "amx_bf16"})
    assert (choice.default_threads("fp32"), choice.default_threads("bf16")) == (2, 1)
    assert open_segmenter(CARD, dtype="fp32").threads == 2
    assert open_segmenter(CARD, dtype="fp32", threads=3).threads == 3
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert choice.default_threads("fp32") == 1


def test_torch_runs_when_it_is_asked_for_or_alone_can() -> None:
    """Torch runs networks without an ONNX file, GPUs, and whatever names it; on a CPU in fp32."""
    for chosen in (choose(CARD, engine="torch"), choose(replace(CARD, onnx=None))):
        assert (chosen.engine, chosen.dtype) == ("torch", "fp32")
        assert chosen.version == f"{CARD.id}:{CARD.sha256[:12]}:fp32:cpu"
    assert choose(CARD, device="cuda", dtype="fp16").engine == "torch"


def test_torch_need_not_be_installed_when_openvino_runs(without: pytest.MonkeyPatch) -> None:
    """The default network on a CPU asks nothing of torch."""
    assert choose(CARD).engine == "openvino"


def test_the_way_out_is_named_when_torch_is_missing(without: pytest.MonkeyPatch) -> None:
    """A network without an ONNX file, and a GPU, need torch; the error says how to get it, and what runs without."""
    with pytest.raises(ModelError, match=rf"TORCH=1 make serve \(without torch run: .*{DEFAULT_MODEL}"):
        choose(replace(CARD, onnx=None))
    with pytest.raises(ModelError, match="on 'cuda' is torch, which is not installed; install it with: TORCH=1"):
        choose(CARD, device="cuda")


def test_what_does_not_go_together_is_refused_when_chosen() -> None:
    """OpenVINO on a GPU, and OpenVINO without an ONNX file, are named."""
    with pytest.raises(ModelError, match="OpenVINO runs on 'cpu' here, not on 'cuda'"):
        choose(CARD, device="cuda", engine="openvino")
    with pytest.raises(ModelError, match="has no ONNX file for OpenVINO"):
        choose(replace(CARD, onnx=None), engine="openvino")
