"""Labels photos without pixel labels: a network draws the outlines, tags or the folder's name say the kinds."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional as F

from models.cards import ModelCard
from models.engines.torch import TorchSegmenter
from models.segmenter import Device
from pipeline.garments.kinds import BY_LABEL, FIRST_GARMENT, HAIR, SKIN
from pipeline.types import CLASSES, Floats, LabelMap, RgbImage

# The loss ignores this label.
UNKNOWN = 255
# Fitted by eye on tagged photos: below this posterior the network guesses.
LEAST_POSTERIOR = 0.42
# Taste: with this share of skin and hair in the foreground, someone wears the garment.
WORN_SHARE = 0.05
# Taste: on a worn product photo, another garment is told apart from the product when the network is this sure of it.
SURE_OF_OTHER = 0.6


class Teacher:
    """A network that looks at each photo several times: at several sizes, and at the mirror image.

    sizes_px: sides of the square inputs.
    """

    def __init__(self, card: ModelCard, sizes_px: Sequence[int], *, device: Device, threads: int) -> None:
        self._passes = [
            TorchSegmenter(replace(card, input_px=(size, size)), device=device, threads=threads) for size in sizes_px
        ]
        self.version = f"{card.id}:{card.sha256[:12]}:{'+'.join(map(str, sizes_px))}"

    @torch.inference_mode()
    def posterior(self, pixels: RgbImage) -> Floats:
        """The mean posterior of all passes at the photo's size, (9, H, W)."""
        total = torch.zeros(1)
        for one in self._passes:
            for mirrored in (False, True):
                photo = np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels
                found = one.forward(one.preprocess([photo])).softmax(dim=1)
                found = found.flip(3) if mirrored else found
                large = F.interpolate(found, pixels.shape[:2], mode="bilinear", align_corners=False)[0]
                total = total.to(large.device) + large
        return np.asarray((total / (2 * len(self._passes))).cpu().numpy())


def tagged_labels(posterior: Floats, tags: Sequence[int]) -> LabelMap:
    """The most probable of the tagged classes for every pixel, (H, W); UNKNOWN where even that one is improbable.

    posterior: (9, H, W). tags: our classes on the photo. Background always counts as tagged.
    """
    allowed = np.zeros(len(CLASSES), bool)
    allowed[[0, *tags]] = True
    kept = posterior * allowed[:, None, None]
    best = kept.argmax(axis=0).astype(np.uint8)
    return np.where(kept.max(axis=0) >= LEAST_POSTERIOR, best, np.uint8(UNKNOWN))


def product_labels(posterior: Floats, label: int) -> LabelMap:
    """The outline of a product photo's garment, named by its known kind, (H, W).

    posterior: (9, H, W). label: the kind. On a garment that lies flat, skin and hair are the teacher's error, and
    become UNKNOWN when there is much of them. On a worn one they stay, and so do garments of another place on the
    body that the teacher is sure of; what it is less sure of becomes UNKNOWN.
    """
    garment = posterior[FIRST_GARMENT:].sum(axis=0)
    coarse = np.stack([posterior[0], posterior[SKIN], posterior[HAIR], garment])
    best, labels = coarse.argmax(axis=0), np.zeros(garment.shape, np.uint8)
    labels[best == 3] = label
    body = (best == 1) | (best == 2)
    if body.sum() < WORN_SHARE * max(1, int((best > 0).sum())):
        labels[body] = UNKNOWN
        return labels
    labels[best == 1], labels[best == 2] = SKIN, HAIR
    place = BY_LABEL[label].place
    elsewhere = [other for other, kind in BY_LABEL.items() if kind.place not in (place, "whole")]
    if place == "whole":
        elsewhere = [other for other in elsewhere if not BY_LABEL[other].clothing]
    share = posterior[elsewhere].sum(axis=0)
    other = np.asarray(elsewhere, np.uint8)[posterior[elsewhere].argmax(axis=0)]
    labels = np.where((best == 3) & (share > 0.5), np.uint8(UNKNOWN), labels)
    return np.where((best == 3) & (posterior[elsewhere].max(axis=0) > SURE_OF_OTHER), other, labels)
