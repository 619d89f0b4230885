"""What a segmenter is, whatever engine runs its network: photos in, label maps out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pipeline.errors import ColorMatchError, PhaseFailed
from pipeline.types import DecodedImage, RgbImage, Segmentation

Device = Literal["cpu", "cuda"]
Dtype = Literal["fp32", "bf16", "fp16"]
CompileMode = Literal["off", "default", "reduce-overhead", "max-autotune"]


@dataclass(frozen=True, slots=True)
class SegmentationInput:
    """One photo, best already at the network's input size. width_px, height_px: the size of its label map."""

    pixels: RgbImage
    width_px: int
    height_px: int


class Segmenter(ABC):
    """A network with its weights in an engine.

    version: `id:weights-hash:dtype:device[-engine]`; the hash is that of the file that runs. input_px: (width, height)
    of the network's input. threads: of the network on a CPU.
    """

    version: str
    input_px: tuple[int, int]
    threads: int

    @property
    def stages(self) -> tuple[Callable[[Any], Any], ...]:
        """The steps of a batch, each for its own thread."""
        return (self.whole,)

    @abstractmethod
    def whole(self, items: Sequence[SegmentationInput]) -> list[Segmentation]:
        """The answers of a batch of photos, in order."""

    def lost(self, error: Exception) -> bool:
        """Whether the device is unusable in this process after an error."""
        return False

    def device_memory_bytes(self) -> dict[str, int]:
        """The device's memory: `used` by all processes, and `total`. Empty for a CPU."""
        return {}

    def warm_up(self) -> None:
        """Segments a blank photo, so that the first request does not pay for lazy initialisation."""
        self.segment(self.blank(1))

    def blank(self, count: int) -> list[SegmentationInput]:
        """A number of black photos, for a warm-up."""
        width_px, height_px = self.input_px
        return [SegmentationInput(np.zeros((height_px, width_px, 3), np.uint8), width_px, height_px)] * count

    def segment(self, items: Sequence[SegmentationInput]) -> list[Segmentation | ColorMatchError]:
        """The answers of a batch, in order. An item that is not a photo gets an error of its own and harms no other."""
        results: list[Segmentation | ColorMatchError] = [_refusal(item) for item in items]
        valid = [k for k, item in enumerate(items) if _is_photo(item)]
        for k, found in zip(valid, self.whole([items[k] for k in valid]), strict=True):
            results[k] = found
        return results

    def segment_photo(self, image: DecodedImage) -> Segmentation:
        """Segments one photo, best decoded with `network_px=self.input_px`. Raises PhaseFailed for a non-photo."""
        height_px, width_px = image.pixels.shape[:2]
        pixels = image.pixels if image.network is None else image.network
        (found,) = self.segment([SegmentationInput(pixels, width_px, height_px)])
        if isinstance(found, ColorMatchError):
            raise found
        return found


def bucket(count: int) -> int:
    """The size that a batch is padded to: the next power of two."""
    return 1 << (count - 1).bit_length()


def check_photo(item: SegmentationInput) -> None:
    """Raises PhaseFailed for an item that is not a photo."""
    if not _is_photo(item):
        raise _refusal(item)


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
