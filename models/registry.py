"""Model cards and verified weights: which networks exist, and that a file is the one its card names; no torch."""

import argparse
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.types import CLASSES

WEIGHTS_DIR = Path(__file__).parent / "weights"
DEFAULT_MODEL = "u2netp-parse-224"


class ModelError(Exception):
    """A card or its weights cannot be used; the message says which, what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One network.

    architecture: a name in `models.network.ARCHITECTURES`. weights: a safetensors file beside the card, or an absolute
    path; url: where it can be had when it is not packaged. classes: the network's outputs in order, each with the class
    of ours that it counts as. input_px: (width, height). non_commercial: refused unless allowed. metrics: as
    `models.evaluate` prints them.
    """

    id: str
    version: str
    architecture: str
    weights: str
    sha256: str
    bytes: int
    parameters: int
    classes: dict[str, str]
    input_px: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    licence: str
    non_commercial: bool
    provenance: str
    training: str
    metrics: dict[str, float]
    measured_on: str
    url: str | None = None


def list_cards(folder: Path = WEIGHTS_DIR) -> tuple[ModelCard, ...]:
    """Every card of a folder, by id. Raises ModelError for a card that cannot be read."""
    return tuple(_read(path) for path in sorted(folder.glob("*.json")))


def load_card(model_id: str, folder: Path = WEIGHTS_DIR, *, allow_non_commercial: bool = False) -> ModelCard:
    """One card. Raises ModelError naming the known ids when there is none, and for a licence that is not allowed."""
    path = folder / f"{model_id}.json"
    known = sorted(found.stem for found in folder.glob("*.json"))
    if model_id not in known:
        raise ModelError(f"There is no model '{model_id}'; known are: {', '.join(known)}.")
    card = _read(path)
    if card.non_commercial and not allow_non_commercial:
        raise ModelError(f"The licence of '{card.id}' ({card.licence}) is non-commercial: it must be allowed first.")
    return card


def verify(card: ModelCard, folder: Path = WEIGHTS_DIR) -> Path:
    """The path of a card's weights, size and sha256 checked. Raises ModelError for a missing, cut or wrong file."""
    path = folder / card.weights
    if not path.is_file():
        source = f"; they can be had from {card.url}" if card.url else ""
        raise ModelError(f"The weights of '{card.id}' are missing: {path.name} is not in {path.parent}{source}.")
    size = path.stat().st_size
    if size != card.bytes:
        raise ModelError(f"The weights of '{card.id}' have {size} bytes, not {card.bytes}: the file is cut or wrong.")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != card.sha256:
        raise ModelError(f"The weights of '{card.id}' have sha256 {found}, not {card.sha256}: they are not used.")
    return path


def _read(path: Path) -> ModelCard:
    try:
        card = msgspec.json.decode(path.read_bytes(), type=ModelCard)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ModelError(f"The card {path.name} cannot be read: {error}.") from error
    unknown = sorted(set(card.classes.values()) - set(CLASSES))
    if unknown:
        raise ModelError(f"The card {path.name} maps to classes that are not ours: {', '.join(unknown)}.")
    return card


def main(arguments: list[str] | None = None) -> int:
    """`python -m models.registry list | verify [ID …]`; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.registry", description="Model cards and their weights.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the networks, with size, licence and figures")
    check = commands.add_parser("verify", help="checks weights against their cards")
    check.add_argument("ids", nargs="*", metavar="ID", help="default: all")
    asked = parser.parse_args(arguments)
    console = Console()
    try:
        if asked.command == "list":
            console.print(_table())
            return 0
        for card in [load_card(one, allow_non_commercial=True) for one in asked.ids] or list_cards():
            verify(card)
            console.print(f"{card.id}: {card.bytes} bytes, sha256 {card.sha256[:12]}…, as its card says")
    except ModelError as error:
        console.print(f"[red]{error}[/red]")
        return 1
    return 0


def _table() -> Table:
    table = Table("id", "version", "input", "MB", "licence", "clothes IoU")
    table.columns[0].no_wrap = True
    for card in list_cards():
        width_px, height_px = card.input_px
        licence = f"{card.licence} (non-commercial)" if card.non_commercial else card.licence
        iou = card.metrics.get("clothes_iou")
        figure = "–" if iou is None else f"{iou:.3f}"
        table.add_row(card.id, card.version, f"{width_px}×{height_px}", f"{card.bytes / 1e6:.1f}", licence, figure)
    return table


if __name__ == "__main__":
    sys.exit(main())
