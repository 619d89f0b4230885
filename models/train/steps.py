"""A training run: its recipe, batches, steps and saved state, which are the same on every run."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from models.cards import ModelError
from models.networks.efficientnet import EfficientNetLiteParser, encoder_weights
from models.train.data import UNKNOWN, Sample, cut, tinted
from pipeline.types import CLASSES

# Standard: the published encoder was trained with these, for each channel.
MEAN, STD = 127 / 255, 128 / 255
# The architectures that can be trained, by their names in models.networks.table.
TRAINABLE = {"efficientnet_lite0_parser": EfficientNetLiteParser}


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a network is trained; configs/parser.toml explains each value."""

    seed: int
    input_px: tuple[int, int]
    long_side_px: int
    batch: int
    steps: int
    warm_up_steps: int
    learning_rate: float
    encoder_rate: float
    frozen_stages: int
    weight_decay: float
    clip_norm: float
    average: float
    product_share: float
    products_per_class: int
    teacher: str
    dice: float
    validate_every: int
    class_weights: dict[str, float] = {}
    # Runs from before this field existed are of this architecture.
    architecture: str = "efficientnet_lite0_parser"


@dataclass(frozen=True, slots=True)
class Data:
    """The samples of a run: annotated photos and product photos to train on, annotated ones to validate on."""

    annotated: list[Sample]
    products: list[Sample]
    validation: list[Sample]


@dataclass(slots=True)
class Run:
    """A training in progress: the network, its running average, the optimiser and the next step."""

    recipe: Recipe
    device: torch.device
    network: EfficientNetLiteParser
    average: EfficientNetLiteParser
    optimiser: torch.optim.Optimizer
    step: int = 0


def read_recipe(path: Path) -> Recipe:
    """The recipe of a file. Raises ValueError naming the file and what is wrong in it."""
    try:
        values = tomllib.loads(path.read_text())
        # The table [card] is for models.export.
        values.pop("card", None)
        recipe = msgspec.convert(values, Recipe)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"The recipe {path} cannot be used: {error}.") from error
    unknown = sorted(set(recipe.class_weights) - set(CLASSES))
    if unknown:
        raise ValueError(f"The recipe {path} has weights for unknown classes: {', '.join(unknown)}.")
    if recipe.architecture not in TRAINABLE:
        known = ", ".join(TRAINABLE)
        raise ValueError(f"The recipe {path} names the architecture '{recipe.architecture}'; trainable are: {known}.")
    return recipe


def begin(recipe: Recipe, encoder: Mapping[str, Tensor], device: torch.device) -> Run:
    """A run before its first step: the published encoder and a random decoder."""
    torch.manual_seed(recipe.seed)
    network = TRAINABLE[recipe.architecture](len(CLASSES), folded=False)
    missing, unexpected = network.load_state_dict(encoder_weights(encoder), strict=False)
    misfits = [name for name in missing if name.startswith(("stem.", "stages."))] + unexpected
    if misfits:
        raise ModelError(f"The encoder's weights do not fit; the first that does not is '{misfits[0]}'.")
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    for part in frozen(recipe, network):
        part.requires_grad_(False)
    old = [*network.stem.parameters(), *network.stages.parameters()]
    known = {id(one) for one in old}
    old = [one for one in old if one.requires_grad]
    new = [one for one in network.parameters() if id(one) not in known]
    optimiser = torch.optim.AdamW(
        [{"params": old, "share": recipe.encoder_rate}, {"params": new, "share": 1.0}],
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
    )
    return Run(recipe, device, network, deepcopy(network).requires_grad_(False), optimiser)


def frozen(recipe: Recipe, network: EfficientNetLiteParser) -> list[nn.Module]:
    """The parts that are not trained: the stem and the first stages, whose large maps cost half of a step's time."""
    return [network.stem, *network.stages[: recipe.frozen_stages]] if recipe.frozen_stages else []


def rate(recipe: Recipe, step: int) -> float:
    """The decoder's learning rate at a step: a linear warm-up, then half a cosine down to a hundredth of the peak."""
    if step < recipe.warm_up_steps:
        return recipe.learning_rate * (step + 1) / recipe.warm_up_steps
    done = (step - recipe.warm_up_steps) / max(1, recipe.steps - recipe.warm_up_steps)
    return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def batch(recipe: Recipe, data: Data, step: int) -> tuple[Tensor, Tensor]:
    """A step's photos (B, 3, H, W) in 0…1 and labels (B, H/2, W/2): a function of seed and step alone."""
    random = np.random.default_rng((recipe.seed, step))
    photos, labels = [], []
    for _ in range(recipe.batch):
        source = data.products if data.products and random.random() < recipe.product_share else data.annotated
        pixels, truth = cut(source[random.integers(len(source))], recipe.input_px, random)
        photos.append(torch.from_numpy(pixels.copy()).permute(2, 0, 1))
        labels.append(torch.from_numpy(truth[::2, ::2].copy()))
    return tinted(torch.stack(photos).float() / 255, random), torch.stack(labels).long()


def loss_of(recipe: Recipe, logits: Tensor, labels: Tensor) -> Tensor:
    """Weighted cross-entropy plus soft Dice over the classes of the batch; both ignore UNKNOWN."""
    weights = torch.tensor([recipe.class_weights.get(name, 1.0) for name in CLASSES], device=logits.device)
    entropy = F.cross_entropy(logits, labels, weights, ignore_index=UNKNOWN)
    asked = labels != UNKNOWN
    truth = F.one_hot(labels.where(asked, 0), len(CLASSES)).permute(0, 3, 1, 2) * asked[:, None]
    found = logits.softmax(dim=1) * asked[:, None]
    overlap, total = (found * truth).sum(dim=(0, 2, 3)), (found + truth).sum(dim=(0, 2, 3))
    present = truth.sum(dim=(0, 2, 3)) > 0
    dice = 1 - ((2 * overlap + 1) / (total + 1))[present].mean()
    return entropy + recipe.dice * dice


def learn(run: Run, photos: Tensor, labels: Tensor) -> float:
    """Trains one step on a batch and returns its loss. Raises FloatingPointError when the loss is not finite."""
    recipe = run.recipe
    for group in run.optimiser.param_groups:
        group["lr"] = rate(recipe, run.step) * group["share"]
    run.network.train()
    for part in frozen(recipe, run.network):
        part.eval()
    photos = ((photos.to(run.device, non_blocking=True) - MEAN) / STD).to(memory_format=torch.channels_last)
    with torch.autocast("cuda", dtype=torch.bfloat16, enabled=run.device.type == "cuda"):
        logits = run.network(photos)
    loss = loss_of(recipe, logits.float(), labels.to(run.device, non_blocking=True))
    if not torch.isfinite(loss):
        raise FloatingPointError(f"The loss of step {run.step} is {loss.item()}.")
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.network.parameters(), recipe.clip_norm)
    run.optimiser.step()
    run.step += 1
    _follow(run)
    return float(loss.detach())


@torch.no_grad()
def _follow(run: Run) -> None:
    """Moves the running average towards the network; early steps are larger."""
    keep = min(run.recipe.average, (1 + run.step) / (10 + run.step))
    for mean, now in zip(run.average.state_dict().values(), run.network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(now, 1 - keep)
        else:
            mean.copy_(now)


@torch.inference_mode()
def validate(run: Run, samples: Sequence[Sample]) -> NDArray[np.float64]:
    """The averaged network's IoU by class (9,) on whole photos at the training size; NaN for absent classes."""
    n = len(CLASSES)
    confusion = np.zeros((n, n))
    run.average.eval()
    for sample in samples:
        photos, labels = _plain(run.recipe, sample)
        found = run.average(((photos.to(run.device) - MEAN) / STD).to(memory_format=torch.channels_last))[0]
        codes = labels.ravel().astype(np.int64) * n + found.argmax(dim=0).cpu().numpy().ravel()
        confusion += np.bincount(codes, minlength=n * n).reshape(n, n)
    unions = confusion.sum(axis=0) + confusion.sum(axis=1) - np.diag(confusion)
    return np.where(unions > 0, np.diag(confusion) / np.maximum(1, unions), np.nan)


def _plain(recipe: Recipe, sample: Sample) -> tuple[Tensor, NDArray[np.uint8]]:
    photo = Image.fromarray(sample.pixels).resize(recipe.input_px, Image.Resampling.BOX)
    labels = Image.fromarray(sample.labels).resize(recipe.input_px, Image.Resampling.NEAREST)
    return torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None].float() / 255, np.asarray(labels)[::2, ::2]


def save(run: Run, path: Path) -> None:
    """Saves everything that the next step depends on, atomically."""
    state = {
        "recipe": msgspec.json.encode(run.recipe).decode(),
        "step": run.step,
        "network": run.network.state_dict(),
        "average": run.average.state_dict(),
        "optimiser": run.optimiser.state_dict(),
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.rename(path)


def resume(run: Run, path: Path) -> None:
    """Resumes a saved run. Raises ValueError when it began with another recipe."""
    state: dict[str, Any] = torch.load(path, map_location=run.device, weights_only=True)
    began = msgspec.json.decode(state["recipe"], type=Recipe)
    changed = [name for name in Recipe.__struct_fields__ if getattr(began, name) != getattr(run.recipe, name)]
    if changed:
        raise ValueError(
            f"{path} was begun with another {', '.join(changed)}; give another output folder, or remove this one."
        )
    run.network.load_state_dict(state["network"])
    run.average.load_state_dict(state["average"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.step = state["step"]
