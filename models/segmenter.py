"""Runs a clothes-parsing network: preprocess, forward, postprocess, in batches, on a device and dtype; torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from models.network import ARCHITECTURES
from models.registry import ModelCard, ModelError, verify
from pipeline.errors import ColorMatchError, PhaseFailed
from pipeline.types import CLASSES, DecodedImage, RgbImage, Segmentation

Dtype = Literal["fp32", "bf16", "fp16"]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class SegmentationInput:
    """One photo, best squeezed to the network's input size; width_px and height_px are the label map's."""

    pixels: RgbImage
    width_px: int
    height_px: int


class Segmenter:
    """A network with its weights on a device.

    version: `id:weights-hash:dtype:device`. input_px: (width, height) that it wants its photos in. threads: of torch,
    for the whole process, on a CPU. photos_per_forward: how many of a batch go through the network at once; by default
    all on an accelerator, and one on a CPU, where more at a time are slower and could round differently.
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
    ) -> None:
        self._device = _usable(device)
        if self._device.type == "cpu":
            torch.set_num_threads(threads)
        self.input_px = card.input_px
        self.version = f"{card.id}:{card.sha256[:12]}:{dtype}:{self._device.type}"
        self._at_once = photos_per_forward or (1 if self._device.type == "cpu" else None)
        self._dtype = DTYPES[dtype]
        self._network = _network(card).to(self._device, self._dtype).to(memory_format=torch.channels_last)
        # torchvision's ToDtype and Normalize in two lines (a test compares): importing it costs 2.4 s of CPU per start.
        self._mean, self._std = (
            torch.tensor(values, device=self._device).view(1, 3, 1, 1) for values in (card.mean, card.std)
        )
        ours = [CLASSES.index(name) for name in card.classes.values()]
        self._ours = torch.tensor(ours, dtype=torch.uint8, device=self._device)

    def warm_up(self) -> None:
        """One forward on a blank photo, so that the first request does not pay for lazy initialisation."""
        width_px, height_px = self.input_px
        blank = np.zeros((height_px, width_px, 3), np.uint8)
        self.segment([SegmentationInput(blank, width_px, height_px)])

    def segment(self, items: Sequence[SegmentationInput]) -> list[Segmentation | ColorMatchError]:
        """The answers of a batch, in its order; an item that is no photo gets its own error and harms no other."""
        results: list[Segmentation | ColorMatchError] = [_refusal(item) for item in items]
        sound = [k for k, item in enumerate(items) if _is_photo(item)]
        at_once = self._at_once or max(1, len(sound))
        for start in range(0, len(sound), at_once):
            chosen = sound[start : start + at_once]
            logits = self.forward(self.preprocess([items[k].pixels for k in chosen]))
            for k, of_item in zip(chosen, logits, strict=True):
                results[k] = self.postprocess(of_item, items[k].width_px, items[k].height_px)
        return results

    def segment_photo(self, image: DecodedImage) -> Segmentation:
        """One decoded photo, best decoded with `network_px=self.input_px`. Raises PhaseFailed when it is none."""
        height_px, width_px = image.pixels.shape[:2]
        pixels = image.pixels if image.network is None else image.network
        (found,) = self.segment([SegmentationInput(pixels, width_px, height_px)])
        if isinstance(found, ColorMatchError):
            raise found
        return found

    def preprocess(self, photos: Sequence[RgbImage]) -> Tensor:
        """Photos (h, w, 3) to a normalised batch (B, 3, H, W) on the device."""
        planes = [torch.from_numpy(np.array(photo)).permute(2, 0, 1) for photo in photos]
        sized = [self._resized(plane) for plane in planes]
        batch = torch.stack(sized).to(self._device).float() * (1 / 255)
        batch = (batch - self._mean) / self._std
        return batch.to(self._dtype, memory_format=torch.channels_last)

    def _resized(self, plane: Tensor) -> Tensor:
        """A photo (3, h, w) at the input size, by area as in training: a smoothing filter moves outlines."""
        width_px, height_px = self.input_px
        if plane.shape[1:] == (height_px, width_px):
            return plane
        return F.interpolate(plane[None].float(), size=(height_px, width_px), mode="area")[0].round().to(torch.uint8)

    @torch.inference_mode()
    def forward(self, batch: Tensor) -> Tensor:
        """A batch (B, 3, H, W) to logits (B, classes, H/2, W/2), fp32."""
        logits: Tensor = self._network(batch).float()
        return logits

    @torch.inference_mode()
    def postprocess(self, logits: Tensor, width_px: int, height_px: int) -> Segmentation:
        """Logits (classes, h, w) to labels at the photo's analysed size and a confidence map at theirs."""
        planes = logits.contiguous()
        confidence = planes.softmax(dim=0).amax(dim=0)  # (h, w)
        large = F.interpolate(planes[None], size=(height_px, width_px), mode="bilinear", align_corners=False)[0]
        best = large.max(dim=0).indices  # (H, W); on CPU argmax takes nine times as long
        labels = self._ours[best].cpu().numpy()
        return Segmentation(labels, (confidence * 255).to(torch.uint8).cpu().numpy(), self.version)


def _usable(device: str) -> torch.device:
    found = torch.device(device)
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"The device is '{device}', but no CUDA device can be used here; 'cpu' can.")
    return found


def _network(card: ModelCard) -> nn.Module:
    weights = load_file(verify(card))
    network = ARCHITECTURES[card.architecture](len(card.classes))
    network.load_state_dict(weights)
    return network.eval()


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
