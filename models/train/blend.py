"""Blends a trained network with the one that its training started from, weight by weight.

    python -m models.train.blend RUN --start BEFORE/run.pt --share 0.5

A network trained further on other photos gains there and forgets a little; the mean of the weights before and after
keeps most of both (WiSE-FT: Wortsman et al., CVPR 2022). The command writes blended.pt beside RUN.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from models.train.steps import weights_of


def blend(before: Mapping[str, Tensor], after: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """The weights `after` with this share and `before` with the rest. Raises ValueError when they do not fit."""
    if before.keys() != after.keys() or any(before[name].shape != after[name].shape for name in before):
        raise ValueError("The two networks are not of one architecture, or one of them has batch norms.")
    return {name: torch.lerp(before[name].float(), after[name].float(), share) for name in before}


def main(arguments: list[str] | None = None) -> int:
    """Runs `python -m models.train.blend RUN …`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.train.blend", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="OUT/run.pt of the training")
    parser.add_argument(
        "--start",
        type=Path,
        required=True,
        metavar="FILE",
        help="what the training started from: a run.pt or a .safetensors",
    )
    parser.add_argument("--share", type=float, default=0.5, help="of the trained network; default: %(default)s")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        state = torch.load(options.run, map_location="cpu", weights_only=True)
        state["average"] = blend(weights_of(options.start), state["average"], options.share)
    except (OSError, ValueError) as error:
        console.print(f"[red]{error}[/red]")
        return 1
    torch.save(state, options.run.with_name("blended.pt"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
