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
    """One network. weights: a file beside the card. classes: its outputs, in order, in our names. input_px: (w, h)."""

    id: str
    version: str
    architecture: str
    weights: str
    sha256: str
    bytes: int
    parameters: int
    classes: tuple[str, ...]
    input_px: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    licence: str
    non_commercial: bool
    provenance: str
    training: str
    metrics: dict[str, float]


def list_cards(folder: Path = WEIGHTS_DIR) -> tuple[ModelCard, ...]:
    """Every card of a folder, by id. Raises ModelError for a card that cannot be read."""
    return tuple(_read(path) for path in sorted(folder.glob("*.json")))


def load_card(model_id: str, folder: Path = WEIGHTS_DIR) -> ModelCard:
    """One card. Raises ModelError naming the known ids when there is none."""
    path = folder / f"{model_id}.json"
    known = sorted(found.stem for found in folder.glob("*.json"))
    if model_id not in known:
        raise ModelError(f"There is no model '{model_id}'; known are: {', '.join(known)}.")
    return _read(path)


def verified_weights(card: ModelCard, folder: Path = WEIGHTS_DIR) -> Path:
    """The card's weights file, its size and sha256 checked. Raises ModelError for a missing, cut or wrong file."""
    path = folder / card.weights
    if not path.is_file():
        raise ModelError(f"The weights of '{card.id}' are missing: {path.name} is not in {folder}.")
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
    unknown = sorted(set(card.classes) - set(CLASSES))
    if unknown:
        raise ModelError(f"The card {path.name} names classes that are not ours: {', '.join(unknown)}.")
    return card


def main(arguments: list[str] | None = None) -> int:
    """`python -m models.registry list | verify [ID …]`; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.registry", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the networks, with size, licence and figures")
    verify = commands.add_parser("verify", help="checks weights against their cards")
    verify.add_argument("ids", nargs="*", metavar="ID", help="default: all")
    asked = parser.parse_args(arguments)
    console = Console()
    try:
        if asked.command == "list":
            console.print(_table())
            return 0
        for card in [load_card(one) for one in asked.ids] or list_cards():
            verified_weights(card)
            console.print(f"{card.id}: {card.bytes} bytes, sha256 {card.sha256[:12]}…, as its card says")
    except ModelError as error:
        console.print(f"[red]{error}[/red]")
        return 1
    return 0


def _table() -> Table:
    table = Table("id", "architecture", "input", "parameters", "licence", "clothes IoU")
    for card in list_cards():
        width, height = card.input_px
        iou = f"{card.metrics.get('clothes_iou_full_body', float('nan')):.3f}"
        table.add_row(card.id, card.architecture, f"{width}×{height}", f"{card.parameters:,}", card.licence, iou)
    return table


if __name__ == "__main__":
    sys.exit(main())
