"""Runs a network in torch, on a GPU or a CPU, in three steps: prepare, infer, answer. It is the reference."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.cards import ModelCard, ModelError, label_of
from models.loading import load_network
from models.segmenter import CompileMode, Device, Dtype, SegmentationInput, Segmenter, bucket
from models.streams import Event, Lane
from pipeline.types import RgbImage, Segmentation

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch between two steps.

    sizes_px: (width, height) of each label map. planes: normalised photos (B, 3, H, W) on the device, and after
    inference their logits (B, classes, h, w).
    """

    sizes_px: tuple[tuple[int, int], ...]
    planes: Tensor
    ready: Event


class TorchSegmenter(Segmenter):
    """A network with its weights on a device.

    threads: torch's threads on a CPU, for the whole process. photos_per_forward: how many photos go through the network
    at once. The default is the whole batch on an accelerator and one photo on a CPU, where more at a time are slower
    and could round differently. compile_mode: torch.compile's; batches are then padded to a power of two, since each
    size is compiled separately. Raises ModelError when the weights do not match the card, or the device is missing.
    """

    def __init__(
        self,
        card: ModelCard,
        *,
        device: Device = "cpu",
        dtype: Dtype = "fp32",
        threads: int = 2,
        photos_per_forward: int | None = None,
        compile_mode: CompileMode = "off",
    ) -> None:
        self._device = _usable(device)
        if self._device.type == "cpu":
            torch.set_num_threads(threads)
        self.input_px = card.input_px
        self.threads = threads
        self.version = f"{card.id}:{card.sha256[:12]}:{dtype}:{self._device.type}"
        self._at_once = photos_per_forward or (1 if self._device.type == "cpu" else None)
        self._dtype = DTYPES[dtype]
        network = load_network(card).to(self._device, self._dtype).to(memory_format=torch.channels_last)
        self._compiled = compile_mode != "off"
        self._network: Callable[[Tensor], Tensor] = (
            torch.compile(network, mode=compile_mode, dynamic=False) if self._compiled else network
        )
        # These are torchvision's ToDtype and Normalize (a test compares). Importing it costs 2.4 s of CPU per start.
        self._mean, self._std = (
            torch.tensor(values, device=self._device).view(1, 3, 1, 1) for values in (card.mean, card.std)
        )
        ours = [label_of(name) for name in card.classes.values()]
        self._ours = torch.tensor(ours, dtype=torch.uint8, device=self._device)
        self._copy, self._compute, self._reply = (Lane(self._device) for _ in range(3))
        self._short_of_memory = False

    @property
    def stages(self) -> tuple[Callable[[Any], Any], ...]:
        """The steps of a batch, each for its own thread. On a CPU they are one step; elsewhere they overlap."""
        if self._device.type == "cpu":
            return (self.whole,)
        return self._noting_memory(self.prepare), self._noting_memory(self.infer), self._noting_memory(self.answer)

    def lost(self, error: Exception) -> bool:
        """Whether CUDA's error stays with this process."""
        return device_is_lost(error)

    def device_memory_bytes(self) -> dict[str, int]:
        """The device's memory: `used` by all processes, and `total`. Empty for a CPU."""
        if self._device.type != "cuda":
            return {}
        free, total = torch.cuda.mem_get_info(self._device)
        return {"used": total - free, "total": total}

    def whole(self, items: Sequence[SegmentationInput]) -> list[Segmentation]:
        """Runs all steps of a batch, as many photos at a time as suit the device."""
        at_once = self._at_once or max(1, len(items))
        found: list[Segmentation] = []
        for start in range(0, len(items), at_once):
            found += self.answer(self.infer(self.prepare(items[start : start + at_once])))
        return found

    # --- the steps --------------------------------------------------------------------------------------------
    def prepare(self, items: Sequence[SegmentationInput]) -> Batch:
        """Turns photos into a normalised batch on the device."""
        if self._short_of_memory:
            torch.cuda.empty_cache()
            self._short_of_memory = False
        with self._copy.work():
            planes = self.preprocess([item.pixels for item in items])
        return Batch(tuple((item.width_px, item.height_px) for item in items), planes, self._copy.mark())

    def infer(self, batch: Batch) -> Batch:
        """Turns a normalised batch into its logits."""
        with self._compute.work(batch.ready, batch.planes):
            logits = self.forward(batch.planes)[: len(batch.sizes_px)]
        return Batch(batch.sizes_px, logits, self._compute.mark())

    @torch.inference_mode()
    def preprocess(self, photos: Sequence[RgbImage]) -> Tensor:
        """Turns photos (h, w, 3) into a normalised batch (B, 3, H, W) on the device, through pinned memory on a GPU."""
        width_px, height_px = self.input_px
        count = bucket(len(photos)) if self._compiled else len(photos)
        host = torch.zeros((count, height_px, width_px, 3), dtype=torch.uint8, pin_memory=self._device.type == "cuda")
        for row, photo in zip(host.numpy(), photos, strict=False):
            row[:] = self._resized(photo)
        planes = host.to(self._device, non_blocking=True).permute(0, 3, 1, 2).float() * (1 / 255)
        planes = (planes - self._mean) / self._std
        return planes.to(self._dtype, memory_format=torch.channels_last)

    def _resized(self, photo: RgbImage) -> RgbImage:
        """Resizes a photo (h, w, 3) to the input size, by area as in training: a smoothing filter moves outlines."""
        width_px, height_px = self.input_px
        if photo.shape[:2] == (height_px, width_px):
            return photo
        plane = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None].float()
        sized = F.interpolate(plane, size=(height_px, width_px), mode="area")[0].round().to(torch.uint8)
        return sized.permute(1, 2, 0).numpy()

    @torch.inference_mode()
    def forward(self, batch: Tensor) -> Tensor:
        """Turns a normalised batch (B, 3, H, W) into logits (B, classes, h, w), fp32."""
        # A compiled network's output is copied, because the next replay of its CUDA graph overwrites it.
        return self._network(batch).to(torch.float32, copy=self._compiled)

    @torch.inference_mode()
    def answer(self, batch: Batch) -> list[Segmentation]:
        """Turns logits into labels at each photo's size and a confidence map at the logits' size."""
        with self._reply.work(batch.ready, batch.planes):
            planes = batch.planes.contiguous()
            # (B, h, w)
            confidence = (planes.softmax(dim=1).amax(dim=1) * 255).to(torch.uint8)
            confidence = confidence.to("cpu", non_blocking=True)
            labels: dict[int, Tensor] = {}
            for (width_px, height_px), members in _by_size(batch.sizes_px).items():
                large = F.interpolate(planes[members], (height_px, width_px), mode="bilinear", align_corners=False)
                # (b, H, W). On a CPU argmax takes nine times as long.
                best = large.max(dim=1).indices
                of_size = self._ours[best].to("cpu", non_blocking=True)
                labels.update(zip(members, of_size, strict=True))
        self._reply.wait()
        return [Segmentation(labels[k].numpy(), confidence[k].numpy(), self.version) for k in range(len(labels))]

    def _noting_memory(self, stage: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The stage. When it runs out of memory, the next batch first frees what the allocator keeps."""

        def run(value: Any) -> Any:
            try:
                return stage(value)
            except torch.OutOfMemoryError:
                self._short_of_memory = True
                raise

        return run


def device_is_lost(error: Exception) -> bool:
    """Whether a device is unusable in this process after an error.

    CUDA's errors stay with the process. Running out of memory does not; cuBLAS and cuDNN report it in their own way.
    """
    if isinstance(error, torch.OutOfMemoryError) or "ALLOC_FAILED" in str(error):
        return False
    return isinstance(error, torch.AcceleratorError) or (isinstance(error, RuntimeError) and "CUDA error" in str(error))


def cuda_dtype() -> Dtype:
    """What CUDA devices here compute in, the fastest. Where CUDA is missing, opening the segmenter says so."""
    return "bf16" if not torch.cuda.is_available() or torch.cuda.is_bf16_supported() else "fp16"


def _by_size(sizes_px: Sequence[tuple[int, int]]) -> dict[tuple[int, int], list[int]]:
    members: dict[tuple[int, int], list[int]] = {}
    for k, size_px in enumerate(sizes_px):
        members.setdefault(size_px, []).append(k)
    return members


def _usable(device: str) -> torch.device:
    found = torch.device(device)
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"The device is '{device}', but no CUDA device is available here; use 'cpu'.")
    return found
