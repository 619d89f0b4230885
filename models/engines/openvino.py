"""Runs a network in OpenVINO on a CPU, from its ONNX file: no torch, and two to four times as fast as torch.

OpenVINO sizes its threads from the processors that it sees, not from a container's quota, and pins every process to the
same cores, unless it is told otherwise.
"""

import io
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from openvino import CompiledModel, Core, Layout, Model, Output, Type
from openvino import opset13 as operators
from openvino.preprocess import PrePostProcessor
from PIL import Image

from models.cards import EXACT, ModelCard, ModelError, label_of, verified_onnx
from models.label_map import label_map
from models.segmenter import Dtype, SegmentationInput, Segmenter
from pipeline.types import RgbImage, Segmentation

# OpenVINO's names of ours.
PRECISIONS: dict[Dtype, str] = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoSegmenter(Segmenter):
    """A network on the CPU, one photo at a time.

    threads: of this network. Raises ModelError when the ONNX file does not match the card or cannot be read, and when
    the processor does not compute in the dtype.
    """

    def __init__(self, card: ModelCard, *, dtype: Dtype, threads: int = 2) -> None:
        if dtype not in best_dtypes():
            names = ", ".join(best_dtypes())
            raise ModelError(f"OpenVINO does not compute in {dtype} on this processor; use one of: {names}.")
        *exact, rest = _parts(verified_onnx(card), card)
        compiled = [*(_compiled(part, "fp32", threads) for part in exact), _compiled(rest, dtype, threads)]
        self._requests = [part.create_infer_request() for part in compiled]
        for before, after in pairwise(self._requests):
            after.set_input_tensor(before.get_output_tensor())
        self._ours = np.array([label_of(name) for name in card.classes.values()], np.uint8)
        self.input_px = card.input_px
        self.threads = threads
        self.version = version(card, dtype)

    def whole(self, items: Sequence[SegmentationInput]) -> list[Segmentation]:
        """Segments photos one by one: several at a time are no faster on a CPU, and could round differently."""
        return [self._one(item) for item in items]

    def _one(self, item: SegmentationInput) -> Segmentation:
        photo = np.ascontiguousarray(self._resized(item.pixels))[None]
        first, *others = self._requests
        logits = first.infer([photo], share_inputs=True, share_outputs=True)[0]
        for request in others:
            logits = request.infer(share_outputs=True)[0]
        best, confidence = label_map(logits[0], item.width_px, item.height_px)
        return Segmentation(self._ours[best], confidence, self.version)

    def _resized(self, photo: RgbImage) -> RgbImage:
        """Resizes a photo (h, w, 3) to the input size, by area as in training."""
        width_px, height_px = self.input_px
        if photo.shape[:2] == (height_px, width_px):
            return photo
        return np.asarray(Image.fromarray(photo).resize((width_px, height_px), Image.Resampling.BOX))


def version(card: ModelCard, dtype: Dtype) -> str:
    """The segmenter's version: the hash is the ONNX file's. Raises ModelError for a card without one."""
    if card.onnx is None:
        raise ModelError(f"'{card.id}' has no ONNX file for OpenVINO; the engine for it is torch.")
    return f"{card.id}:{card.onnx.sha256[:12]}:{dtype}:cpu-openvino"


def best_dtypes() -> tuple[Dtype, ...]:
    """What this processor computes in, the fastest first. bf16 without instructions for it is slower than fp32."""
    found = Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("bf16", "fp32") if "BF16" in found else ("fp32",)


def _compiled(model: Model, dtype: Dtype, threads: int) -> CompiledModel:
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": PRECISIONS[dtype],
    }
    return Core().compile_model(model, "CPU", settings)


def _parts(data: bytes, card: ModelCard) -> list[Model]:
    """The network of an ONNX file, with the card's normalisation in front: it takes photos (1, H, W, 3) of uint8.

    Where the graph marks how far it is computed in fp32, these are two models, one after the other.
    """
    try:
        model = Core().read_model(io.BytesIO(data))
        steps = PrePostProcessor(model)
        steps.input().tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
        steps.input().model().set_layout(Layout("NCHW"))
        steps.input().preprocess().convert_element_type(Type.f32)
        steps.input().preprocess().mean([255 * value for value in card.mean])
        steps.input().preprocess().scale([255 * value for value in card.std])
        model = steps.build()
    except RuntimeError as error:
        first = str(error).strip().splitlines()[0]
        raise ModelError(f"The ONNX file of '{card.id}' cannot be read: {first}") from error
    outputs = [op.output(k) for op in model.get_ops() for k in range(op.get_output_size())]
    marked = [output for output in outputs if EXACT in output.get_names()]
    return _cut(model, marked[0]) if marked else [model]


def _cut(model: Model, at: Output) -> list[Model]:
    """The model up to one of its tensors, and from there on."""
    users = list(at.get_target_inputs())
    head = Model([at], model.get_parameters(), "exact")
    handed_over = operators.parameter(at.get_shape(), Type.f32)
    for user in users:
        user.replace_source_output(handed_over.output(0))
    return [head, Model(model.get_results(), [handed_over], "rest")]
