"""A training run: its batches, steps and saved state, which are the same on every run."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from models.cards import ModelError
from models.networks.efficientnet import EfficientNetLiteParser, encoder_weights
from models.train import kernels
from models.train.data import Material, Sample, cut, tinted, varied
from models.train.losses import distance_to, known_of, loss_of
from models.train.recipe import TRAINABLE, Recipe
from models.train.teacher import UNKNOWN
from pipeline.types import CLASSES

# Taste: enough batches for stable statistics.
SETTLING_BATCHES = 40
# Standard: the published encoders were trained with these, for each channel.
MEAN, STD = 127 / 255, 128 / 255
# Of maps in memory: convolutions of bfloat16 are faster in it, on a CPU and on a GPU.
FORMAT = torch.channels_last


@dataclass(frozen=True, slots=True)
class Data:
    """What a run learns from, and the photos that were kept aside to choose by."""

    material: Material
    aside: list[Sample]


@dataclass(slots=True)
class Run:
    """A training in progress: the network, its running average, the optimiser and the next step.

    bfloat16: whether the network's maps are, which depends on the device. teachers: fixed networks, whose mean
    answer is learned beside the labels.
    """

    recipe: Recipe
    device: torch.device
    network: EfficientNetLiteParser
    average: EfficientNetLiteParser
    optimiser: torch.optim.Optimizer
    bfloat16: bool
    teachers: tuple[nn.Module, ...] = ()
    step: int = 0


def network_of(architecture: str, weights: Mapping[str, Tensor]) -> EfficientNetLiteParser:
    """The network of a run's weights, or of the registry's, which have no batch norms any more."""
    network = TRAINABLE[architecture].build(len(CLASSES), folded="stem.norm.weight" not in weights)
    network.load_state_dict(weights)
    return network


def weights_of(path: Path) -> dict[str, Tensor]:
    """The averaged weights of a run.pt, or those of a .safetensors of the registry."""
    if path.suffix == ".safetensors":
        return {name: value.float() for name, value in load_file(path).items()}
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)["average"]
    return weights


def begin(
    recipe: Recipe,
    encoder: Mapping[str, Tensor],
    device: torch.device,
    start: Mapping[str, Tensor] | None = None,
    teachers: Sequence[nn.Module] = (),
) -> Run:
    """A run before its first step: the published encoder and a random decoder, or the weights `start`.

    start: of another run, or of the registry. teachers: networks with our classes and the same normalisation.
    """
    torch.manual_seed(recipe.seed)
    trainable = TRAINABLE[recipe.architecture]
    if start is not None:
        network = network_of(recipe.architecture, start)
    else:
        network = trainable.build(len(CLASSES), folded=False)
        _take_encoder(network, encoder_weights(encoder, trainable.encoder))
    network = network.to(device, memory_format=FORMAT)  # type: ignore[call-overload]
    old = [*network.stem.parameters(), *network.stages.parameters()]
    known = {id(one) for one in old}
    new = [one for one in network.parameters() if id(one) not in known]
    optimiser = torch.optim.AdamW(
        [{"params": old, "share": recipe.encoder_rate}, {"params": new, "share": 1.0}],
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        fused=device.type == "cuda",
    )
    average = deepcopy(network).requires_grad_(False)
    bfloat16 = device.type == "cuda" or kernels.use(network)
    return Run(recipe, device, network, average, optimiser, bfloat16, tuple(_fixed(one, device) for one in teachers))


def _fixed(network: nn.Module, device: torch.device) -> nn.Module:
    """A network that does not learn, on a device."""
    network = network.to(device, memory_format=FORMAT)  # type: ignore[call-overload]
    kernels.use(network)
    return network.requires_grad_(False).eval()


def _take_encoder(network: EfficientNetLiteParser, encoder: Mapping[str, Tensor]) -> None:
    missing, unexpected = network.load_state_dict(encoder, strict=False)
    misfits = [name for name in missing if name.startswith(("stem.", "stages."))] + unexpected
    if misfits:
        raise ModelError(f"The encoder's weights do not fit; the first that does not is '{misfits[0]}'.")


def prepare(run: Run) -> None:
    """Sets which parts learn in the next step.

    The stem and the first stages stay as published: their large maps cost half of a step's time. At the start the
    decoder learns alone.
    """
    recipe, network = run.recipe, run.network
    _let_learn(network)
    network.stem.requires_grad_(False)
    for k, stage in enumerate(network.stages):
        stage.requires_grad_(run.step >= recipe.decoder_steps and k >= recipe.frozen_stages)


def _let_learn(network: EfficientNetLiteParser) -> None:
    """Lets the decoder's norms follow its batches. The encoder's keep their published statistics: batches are small."""
    network.train()
    network.stem.eval()
    network.stages.eval()


def rate(recipe: Recipe, step: int) -> float:
    """The decoder's learning rate at a step: a linear warm-up, a plateau, then a line down to a hundredth of the peak.

    A run can be prolonged from any checkpoint of its plateau (Hägele et al., NeurIPS 2024).
    """
    if step < recipe.warm_up_steps:
        return recipe.learning_rate * (step + 1) / recipe.warm_up_steps
    left = (recipe.steps - step) / max(1, recipe.cool_down_steps)
    return recipe.learning_rate * (0.01 + 0.99 * min(1.0, max(0.0, left)))


def batch(recipe: Recipe, data: Data, step: int) -> tuple[Tensor, Tensor]:
    """A step's photos (B, 3, H, W) and labels (B, H, W), both of bytes: a function of seed and step alone."""
    random = np.random.default_rng((recipe.seed, step))
    side_px = recipe.side_at(step)

    def draw() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return cut(data.material.draw(random), side_px, random)

    items = [varied(*draw(), draw, recipe.chances, random) for _ in range(recipe.batch)]
    photos = torch.stack([torch.from_numpy(pixels.copy()).permute(2, 0, 1) for pixels, _labels in items])
    labels = torch.stack([torch.from_numpy(labels.copy()) for _pixels, labels in items])
    return photos, labels


def _inputs(run: Run, photos: Tensor, step: int) -> Tensor:
    """A batch of bytes as the network reads it, under a light of its own; the run's device does the work."""
    random = np.random.default_rng((run.recipe.seed, step, 1))
    lit = tinted(photos.to(run.device, non_blocking=True).float() / 255, random)
    return ((lit - MEAN) / STD).to(memory_format=FORMAT)


def learn(run: Run, photos: Tensor, labels: Tensor) -> float:
    """Trains one step on a batch and returns its loss. Raises FloatingPointError when the loss is not finite."""
    recipe = run.recipe
    for group in run.optimiser.param_groups:
        group["lr"] = rate(recipe, run.step) * group["share"]
    prepare(run)
    photos = _inputs(run, photos, run.step)
    labels = labels.to(run.device, non_blocking=True)
    with torch.autocast(run.device.type, dtype=torch.bfloat16, enabled=run.bfloat16):
        with torch.no_grad():
            answers = [teacher(photos).float().softmax(dim=1) for teacher in run.teachers]
        logits = run.network(photos).float()
    loss = loss_of(recipe, logits, labels)
    if answers:
        loss = loss + recipe.distil * distance_to(known_of(torch.stack(answers).mean(dim=0), labels), logits)
    if not torch.isfinite(loss):
        raise FloatingPointError(f"The loss of step {run.step} is {loss.item()}.")
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.network.parameters(), recipe.clip_norm)
    run.optimiser.step()
    run.step += 1
    _follow(run)
    return float(loss.detach())


def dead_parts(network: nn.Module) -> list[str]:
    """The parts that learn, but got no gradient in the last step: an activation before them is saturated for good."""
    found: dict[str, bool] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad and parameter.grad is not None:
            part = ".".join(name.split(".")[: 2 if name.startswith(("stages", "lateral", "merge")) else 1])
            found[part] = found.get(part, False) or bool(parameter.grad.any())
    return [part for part, alive in found.items() if not alive]


@torch.no_grad()
def _follow(run: Run) -> None:
    """Moves the running average towards the network; early steps are larger."""
    keep = min(run.recipe.average, (1 + run.step) / (10 + run.step))
    for mean, now in zip(run.average.state_dict().values(), run.network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(now, 1 - keep)
        else:
            mean.copy_(now)


@torch.no_grad()
def settle_norms(run: Run, later: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Measures the statistics of the averaged network's norms anew, over later batches, that no step learned from.

    The mean of the statistics along a run is not that of the averaged weights (Izmailov et al., UAI 2018): in a run of
    the larger parser one norm's mean was off by 0.65 standard deviations.
    """
    network = run.average
    _let_learn(network)
    norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d) and one.training]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    for k, (photos, _labels) in enumerate(later if norms else ()):
        network(_inputs(run, photos, run.recipe.steps + k))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


@torch.inference_mode()
def validate(run: Run, samples: Sequence[Sample]) -> NDArray[np.float64]:
    """The averaged network's confusion of whole photos, pixels by truth and prediction (9, 9)."""
    n = len(CLASSES)
    confusion = np.zeros((n, n))
    run.average.eval()
    for sample in samples:
        side = (run.recipe.side_px, run.recipe.side_px)
        photo = np.array(Image.fromarray(sample.pixels).resize(side, Image.Resampling.BOX))
        photos = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
        logits = run.average(((photos.to(run.device) - MEAN) / STD).to(memory_format=FORMAT))
        large = F.interpolate(logits, sample.labels.shape, mode="bilinear", align_corners=False)[0]
        asked = sample.labels != UNKNOWN
        found = large.max(dim=0).indices.cpu().numpy()
        codes = sample.labels[asked].astype(np.int64) * n + found[asked]
        confusion += np.bincount(codes, minlength=n * n).reshape(n, n)
    return confusion


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
    if set(changed) <= {"steps", "cool_down_steps"} and all(
        state["step"] <= one.steps - one.cool_down_steps for one in (began, run.recipe)
    ):
        # On the plateau of the learning rate, a step does not depend on how many follow.
        changed = []
    if changed:
        raise ValueError(
            f"{path} was begun with another {', '.join(changed)}; give another output folder, or remove this one."
        )
    run.network.load_state_dict(state["network"])
    run.average.load_state_dict(state["average"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.step = state["step"]
