"""Chooses the engine and the dtype of a network for a device, and opens it.

torch runs on GPUs, trains, and is the reference.  On a CPU OpenVINO is the default, where the network has an ONNX file;
torch need not be installed there.
"""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from models.cards import ModelCard, ModelError, list_cards
from models.processor import instruction_sets
from models.segmenter import CompileMode, Device, Dtype, Segmenter

Engine = Literal["torch", "openvino"]


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine, a device and a dtype, with the version that the segmenter will have."""

    engine: Engine
    device: Device
    dtype: Dtype
    version: str


def choose(
    card: ModelCard, *, device: Device = "cpu", engine: Engine | None = None, dtype: Dtype | None = None
) -> Choice:
    """What runs a network on a device. None: the fastest that is installed, and that the device computes in.

    The network is not loaded. Raises ModelError for what does not go together or is not installed, with the way out.
    """
    chosen = engine or _engine(card, device)
    if chosen == "torch":
        if find_spec("torch") is None:
            raise ModelError(_no_torch(card, device))
        dtype = dtype or ("fp32" if device == "cpu" else _cuda_dtype())
        return Choice(chosen, device, dtype, f"{card.id}:{card.sha256[:12]}:{dtype}:{device}")
    if device != "cpu":
        raise ModelError(f"OpenVINO runs on 'cpu' here, not on '{device}'; the engine for '{device}' is torch.")
    from models.engines.openvino import best_dtypes, version

    dtype = dtype or best_dtypes()[0]
    return Choice(chosen, device, dtype, version(card, dtype))


def open_segmenter(
    card: ModelCard,
    *,
    device: Device = "cpu",
    engine: Engine | None = None,
    dtype: Dtype | None = None,
    threads: int | None = None,
    photos_per_forward: int | None = None,
    compile_mode: CompileMode = "off",
) -> Segmenter:
    """The network of a card, ready. See `choose` for the first three, TorchSegmenter for the last two.

    threads: of the network on a CPU; None: `default_threads`. Raises ModelError.
    """
    chosen = choose(card, device=device, engine=engine, dtype=dtype)
    threads = threads or default_threads(chosen.dtype)
    if chosen.engine == "openvino":
        from models.engines.openvino import OpenVinoSegmenter

        return OpenVinoSegmenter(card, dtype=chosen.dtype, threads=threads)
    from models.engines.torch import TorchSegmenter

    return TorchSegmenter(
        card,
        device=device,
        dtype=chosen.dtype,
        threads=threads,
        photos_per_forward=photos_per_forward,
        compile_mode=compile_mode,
    )


def default_threads(dtype: Dtype) -> int:
    """How many threads a network gets on a CPU, where the caller does not say.

    Fitted: make bench, on two cores. A second thread saves an eighth to a fifth of a photo's time at one client and
    costs no photos/s. In bf16 on AMX it saved nothing and cost 6 % of them.
    """
    on_amx = dtype == "bf16" and "amx_bf16" in instruction_sets()
    return 1 if on_amx else min(2, os.cpu_count() or 1)


def _engine(card: ModelCard, device: Device) -> Engine:
    return "openvino" if device == "cpu" and card.onnx is not None and find_spec("openvino") else "torch"


def _cuda_dtype() -> Dtype:
    from models.engines.torch import cuda_dtype

    return cuda_dtype()


def _no_torch(card: ModelCard, device: Device) -> str:
    others = ", ".join(one.id for one in list_cards() if one.onnx is not None)
    way_out = "install it with: TORCH=1 make serve"
    if device == "cpu" and card.onnx is None:
        return f"'{card.id}' needs torch, which is not installed; {way_out} (without torch run: {others})."
    return f"The engine for '{card.id}' on '{device}' is torch, which is not installed; {way_out}."
