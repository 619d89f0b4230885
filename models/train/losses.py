"""What a step minimises: the distance from a network's answers to labels, and to other networks' answers."""

import torch
from torch import Tensor

from models.train.recipe import Recipe
from pipeline.garments.kinds import HAIR, SKIN
from pipeline.types import CLASSES


def shares_of(labels: Tensor) -> Tensor:
    """The share of each class in each 2×2 cell of labels (B, H, W), as (B, 9, H/2, W/2); UNKNOWN counts as no class.

    The network's outputs lie at the centres of such cells.
    """
    count, height, width = labels.shape
    found = torch.zeros((count, len(CLASSES) + 1, height // 2, width // 2), device=labels.device)
    quarter = torch.full((1, 1, 1, 1), 0.25, device=labels.device)
    named = labels.clamp(max=len(CLASSES)).long()
    for row in (0, 1):
        for column in (0, 1):
            corner = named[:, None, row::2, column::2]
            found.scatter_add_(1, corner, quarter.expand_as(corner))
    return found[:, : len(CLASSES)]


def loss_of(recipe: Recipe, logits: Tensor, labels: Tensor) -> Tensor:
    """Weighted cross-entropy plus soft Dice over the classes of the batch; both ignore UNKNOWN.

    logits: (B, 9, H/2, W/2). labels: (B, H, W).
    """
    truth = shares_of(labels)
    weights = torch.tensor([recipe.class_weights.get(name, 1.0) for name in CLASSES], device=logits.device)
    weighted = truth * weights[:, None, None]
    entropy = -(weighted * logits.log_softmax(dim=1)).sum() / weighted.sum().clamp(min=1.0)
    found = logits.softmax(dim=1) * truth.sum(dim=1, keepdim=True)
    overlap, total = (found * truth).sum(dim=(0, 2, 3)), (found + truth).sum(dim=(0, 2, 3))
    present = truth.sum(dim=(0, 2, 3)) > 0
    missed = (1 - (2 * overlap + 1) / (total + 1))[present]
    return entropy + recipe.dice * missed.sum() / max(1, len(missed))


def known_of(answers: Tensor, labels: Tensor) -> Tensor:
    """Teachers' posteriors (B, 9, H/2, W/2) without the garments that a photo's labels (B, H, W) do not name.

    What is left out weighs nothing in `distance_to`: a pixel teaches as much as the teachers agree with the labels'
    kinds. Where a pixel has no label, its posterior stays whole.
    """
    shares = shares_of(labels)
    named = shares.sum(dim=(2, 3), keepdim=True) > 0
    named[:, [0, SKIN, HAIR]] = True
    return torch.where(named | (shares.sum(dim=1, keepdim=True) == 0), answers, 0.0)


def distance_to(answers: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy with the teachers' posteriors (B, 9, H/2, W/2), over all pixels (Hinton et al. 2015)."""
    return -(answers * logits.log_softmax(dim=1)).sum(dim=1).mean()
