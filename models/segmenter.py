"""Runs a clothes-parsing network: prepare, infer, answer, in batches, on a device and dtype; torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.cards import ModelCard, ModelError, label_of
from models.loading import load_network
from models.streams import Event, Lane
from pipeline.errors import ColorMatchError, PhaseFailed
from pipeline.types import DecodedImage, RgbImage, Segmentation

Dtype = Literal["fp32", "bf16", "fp16"]
CompileMode = Literal["off", "default", "reduce-overhead", "max-autotune"]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class SegmentationInput:
    """One photo, best squeezed to the network's input size; width_px and height_px are the label map's."""

    pixels: RgbImage
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Photos on their way: on the device, normalised (B, 3, H, W), then their logits (B, classes, h, w)."""

    sizes_px: tuple[tuple[int, int], ...]  # of the label maps, (width, height)
    planes: Tensor
    ready: Event


class Segmenter:
    """A network with its weights on a device.

    version: `id:weights-hash:dtype:device`. input_px: (width, height) that it wants its photos in. threads: of torch,
    for the whole process, on a CPU. photos_per_forward: how many of a batch go through the network at once; by default
    all on an accelerator, and one on a CPU, where more at a time are slower and could round differently. compile_mode:
    torch.compile's; batches are then filled up to a power of two, since each size is compiled by itself.
    Raises ModelError when the weights are not what the card says, or the device is not there.
    """

    def __init__(
        self,
        card: ModelCard,
        *,
        device: str = "cpu",
        dtype: Dtype = "fp32",
        threads: int = 2,
        photos_per_forward: int | None = None,
        compile_mode: CompileMode = "off",
    ) -> None:
        self._device = _usable(device)
        if self._device.type == "cpu":
            torch.set_num_threads(threads)
        self.input_px = card.input_px
        self.version = f"{card.id}:{card.sha256[:12]}:{dtype}:{self._device.type}"
        self._at_once = photos_per_forward or (1 if self._device.type == "cpu" else None)
        self._dtype = DTYPES[dtype]
        network = load_network(card).to(self._device, self._dtype).to(memory_format=torch.channels_last)
        self._compiled = compile_mode != "off"
        self._network: Callable[[Tensor], Tensor] = (
            torch.compile(network, mode=compile_mode, dynamic=False) if self._compiled else network
        )
        # torchvision's ToDtype and Normalize in two lines (a test compares): importing it costs 2.4 s of CPU per start.
        self._mean, self._std = (
            torch.tensor(values, device=self._device).view(1, 3, 1, 1) for values in (card.mean, card.std)
        )
        ours = [label_of(name) for name in card.classes.values()]
        self._ours = torch.tensor(ours, dtype=torch.uint8, device=self._device)
        self._copy, self._compute, self._reply = (Lane(self._device) for _ in range(3))
        self._short_of_memory = False

    @property
    def stages(self) -> tuple[Callable[[Any], Any], ...]:
        """The steps of a batch, each for a thread of its own: on a CPU all is one; elsewhere they overlap."""
        if self._device.type == "cpu":
            return (self._whole,)
        return self._noting(self.prepare), self._noting(self.infer), self._noting(self.answer)

    def warm_up(self) -> None:
        """One forward on a blank photo, so that the first request does not pay for lazy initialisation."""
        self.segment(self.blank(1))

    def device_memory_bytes(self) -> dict[str, int]:
        """The device's memory, `used` by whomever and `total`; empty for a CPU."""
        if self._device.type != "cuda":
            return {}
        free, total = torch.cuda.mem_get_info(self._device)
        return {"used": total - free, "total": total}

    def blank(self, count: int) -> list[SegmentationInput]:
        """So many black photos, to warm up with."""
        width_px, height_px = self.input_px
        return [SegmentationInput(np.zeros((height_px, width_px, 3), np.uint8), width_px, height_px)] * count

    def segment(self, items: Sequence[SegmentationInput]) -> list[Segmentation | ColorMatchError]:
        """The answers of a batch, in its order; an item that is no photo gets its own error and harms no other."""
        results: list[Segmentation | ColorMatchError] = [_refusal(item) for item in items]
        sound = [k for k, item in enumerate(items) if _is_photo(item)]
        for k, found in zip(sound, self._whole([items[k] for k in sound]), strict=True):
            results[k] = found
        return results

    def segment_photo(self, image: DecodedImage) -> Segmentation:
        """One decoded photo, best decoded with `network_px=self.input_px`. Raises PhaseFailed when it is none."""
        height_px, width_px = image.pixels.shape[:2]
        pixels = image.pixels if image.network is None else image.network
        (found,) = self.segment([SegmentationInput(pixels, width_px, height_px)])
        if isinstance(found, ColorMatchError):
            raise found
        return found

    def _whole(self, items: Sequence[SegmentationInput]) -> list[Segmentation]:
        """All steps of a batch, so many photos at a time as suits the device."""
        at_once = self._at_once or max(1, len(items))
        found: list[Segmentation] = []
        for start in range(0, len(items), at_once):
            found += self.answer(self.infer(self.prepare(items[start : start + at_once])))
        return found

    # --- the steps --------------------------------------------------------------------------------------------
    def prepare(self, items: Sequence[SegmentationInput]) -> Batch:
        """Photos to a normalised batch on the device."""
        if self._short_of_memory:
            torch.cuda.empty_cache()
            self._short_of_memory = False
        with self._copy.work():
            planes = self.preprocess([item.pixels for item in items])
        return Batch(tuple((item.width_px, item.height_px) for item in items), planes, self._copy.mark())

    def infer(self, batch: Batch) -> Batch:
        """A normalised batch to its logits."""
        with self._compute.work(batch.ready, batch.planes):
            logits = self.forward(batch.planes)[: len(batch.sizes_px)]
        return Batch(batch.sizes_px, logits, self._compute.mark())

    @torch.inference_mode()
    def preprocess(self, photos: Sequence[RgbImage]) -> Tensor:
        """Photos (h, w, 3) to a normalised batch (B, 3, H, W) on the device, through pinned memory on a GPU."""
        width_px, height_px = self.input_px
        count = bucket(len(photos)) if self._compiled else len(photos)
        host = torch.zeros((count, height_px, width_px, 3), dtype=torch.uint8, pin_memory=self._device.type == "cuda")
        for row, photo in zip(host.numpy(), photos, strict=False):
            row[:] = self._resized(photo)
        planes = host.to(self._device, non_blocking=True).permute(0, 3, 1, 2).float() * (1 / 255)
        planes = (planes - self._mean) / self._std
        return planes.to(self._dtype, memory_format=torch.channels_last)

    def _resized(self, photo: RgbImage) -> RgbImage:
        """A photo (h, w, 3) at the input size, by area as in training: a smoothing filter moves outlines."""
        width_px, height_px = self.input_px
        if photo.shape[:2] == (height_px, width_px):
            return photo
        plane = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None].float()
        sized = F.interpolate(plane, size=(height_px, width_px), mode="area")[0].round().to(torch.uint8)
        return sized.permute(1, 2, 0).numpy()

    @torch.inference_mode()
    def forward(self, batch: Tensor) -> Tensor:
        """A normalised batch (B, 3, H, W) to logits (B, classes, h, w), fp32."""
        # A copy where it was compiled: the next replay of its CUDA graph overwrites what it returned.
        return self._network(batch).to(torch.float32, copy=self._compiled)

    @torch.inference_mode()
    def answer(self, batch: Batch) -> list[Segmentation]:
        """Logits to labels at each photo's analysed size and a confidence map at theirs."""
        with self._reply.work(batch.ready, batch.planes):
            planes = batch.planes.contiguous()
            certain = (planes.softmax(dim=1).amax(dim=1) * 255).to(torch.uint8)  # (B, h, w)
            certain = certain.to("cpu", non_blocking=True)
            labels: dict[int, Tensor] = {}
            for (width_px, height_px), members in _by_size(batch.sizes_px).items():
                large = F.interpolate(planes[members], (height_px, width_px), mode="bilinear", align_corners=False)
                best = large.max(dim=1).indices  # (b, H, W); on CPU argmax takes nine times as long
                of_size = self._ours[best].to("cpu", non_blocking=True)
                labels.update(zip(members, of_size, strict=True))
        self._reply.wait()
        return [Segmentation(labels[k].numpy(), certain[k].numpy(), self.version) for k in range(len(labels))]

    def _noting(self, stage: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The stage; when memory runs out in it, the next batch begins with what the allocator keeps being freed."""

        def run(value: Any) -> Any:
            try:
                return stage(value)
            except torch.OutOfMemoryError:
                self._short_of_memory = True
                raise

        return run


def bucket(count: int) -> int:
    """The size that a batch of so many photos is filled up to: the next power of two."""
    return 1 << (count - 1).bit_length()


def device_is_lost(error: Exception) -> bool:
    """Whether a device will do no more work in this process after such an error.

    CUDA's errors stick to the process; being out of memory, which cuBLAS and cuDNN report in their own way, does not.
    """
    if isinstance(error, torch.OutOfMemoryError) or "ALLOC_FAILED" in str(error):
        return False
    return isinstance(error, torch.AcceleratorError) or (isinstance(error, RuntimeError) and "CUDA error" in str(error))


def check_photo(item: SegmentationInput) -> None:
    """Raises PhaseFailed for an item that is no photo."""
    if not _is_photo(item):
        raise _refusal(item)


def _by_size(sizes_px: Sequence[tuple[int, int]]) -> dict[tuple[int, int], list[int]]:
    members: dict[tuple[int, int], list[int]] = {}
    for k, size_px in enumerate(sizes_px):
        members.setdefault(size_px, []).append(k)
    return members


def _usable(device: str) -> torch.device:
    found = torch.device(device)
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"The device is '{device}', but no CUDA device can be used here; 'cpu' can.")
    return found


def _is_photo(item: SegmentationInput) -> bool:
    pixels = item.pixels
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or min(item.width_px, item.height_px) < 1:
        return False
    return pixels.ndim == 3 and pixels.shape[2] == 3 and min(pixels.shape) > 0


def _refusal(item: SegmentationInput) -> ColorMatchError:
    found = (
        f"{np.shape(item.pixels)} of {np.asarray(item.pixels).dtype} for a {item.width_px}×{item.height_px} label map"
    )
    return PhaseFailed(f"The photo has the shape {found}; (h, w, 3) of uint8 and sides of 1 px or more are needed.")
