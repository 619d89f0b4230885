"""Model cards and verified weights: which networks exist, and that a file is the one its card names; no torch."""

import argparse
import hashlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from pipeline.types import CLASSES, UNKNOWN

WEIGHTS_DIR = Path(__file__).parent / "weights"
DEFAULT_MODEL = "lite0-parse-320"


class ModelError(Exception):
    """A card or its weights cannot be used; the message says which, what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One network.

    architecture: a name in `models.networks.u2net_parser.ARCHITECTURES` or `models.loading.FOREIGN`. weights: a file
    of tensors, below the card's folder or by an absolute path; url: where it can be had when it is not packaged.
    sha256, bytes: of that file; empty and 0 where whoever wrote the card never had it: its user then vouches for it,
    in a file `….sha256` beside the weights. classes: the network's outputs in order, each with the class of ours that
    it counts as, or "unknown" for a garment whose kind it does not tell. input_px: (width, height). non_commercial:
    refused unless allowed. metrics: as `models.evaluate` prints them.
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


def label_of(name: str) -> int:
    """The label of one of our classes, or of "unknown". Raises ValueError for any other name."""
    return UNKNOWN if name == "unknown" else CLASSES.index(name)


def weights_path(card: ModelCard, folder: Path = WEIGHTS_DIR) -> Path:
    """Where a card's weights lie, or would lie."""
    return folder / card.weights


def sha256_of(path: Path) -> str:
    """A file's sha256, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(card: ModelCard, folder: Path = WEIGHTS_DIR) -> Path:
    """The path of a card's weights, size and sha256 checked. Raises ModelError for a missing, cut or wrong file."""
    path = weights_path(card, folder)
    if not path.is_file():
        get = f"; get them with: python -m models.registry fetch {card.id}" if card.url else ""
        raise ModelError(f"The weights of '{card.id}' are missing: {path.name} is not in {path.parent}{get}")
    size = path.stat().st_size
    if card.bytes and size != card.bytes:
        raise ModelError(f"The weights of '{card.id}' have {size} bytes, not {card.bytes}: the file is cut or wrong.")
    if not card.sha256:
        raise ModelError(
            f"Nobody vouches for the weights of '{card.id}': their card knows no sha256. Once you know that they are "
            f"the right ones, write it down: sha256sum {path.name} > {path.name}.sha256, in {path.parent}."
        )
    found = sha256_of(path)
    if found != card.sha256:
        raise ModelError(f"The weights of '{card.id}' have sha256 {found}, not {card.sha256}: they are not used.")
    return path


def _read(path: Path) -> ModelCard:
    try:
        card = msgspec.json.decode(path.read_bytes(), type=ModelCard)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ModelError(f"The card {path.name} cannot be read: {error}.") from error
    unknown = sorted(set(card.classes.values()) - {*CLASSES, "unknown"})
    if unknown:
        raise ModelError(f"The card {path.name} maps to classes that are not ours: {', '.join(unknown)}.")
    return card if card.sha256 else replace(card, sha256=_vouched_for(weights_path(card, path.parent)))


def _vouched_for(weights: Path) -> str:
    """The sha256 that a user wrote beside weights, as the command sha256sum does; empty where there is none."""
    note = weights.with_name(f"{weights.name}.sha256")
    return note.read_text().partition(" ")[0].strip().lower() if note.is_file() else ""


# --- the command ----------------------------------------------------------------------------------------------
def main(arguments: list[str] | None = None, folder: Path = WEIGHTS_DIR) -> int:
    """`python -m models.registry list | verify [ID …] | fetch ID`; gives the exit code."""
    asked = _parser().parse_args(arguments)
    console = Console()
    try:
        if asked.command == "list":
            console.print(_table(folder))
        elif asked.command == "verify":
            _verify_all(asked.ids, folder, console)
        else:
            _fetch(asked, folder, console)
    except ModelError as error:
        console.print(f"[red]{error}[/red]", soft_wrap=True)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.registry", description="Model cards and their weights.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the networks, with size, licence and figures")
    check = commands.add_parser("verify", help="checks weights against their cards")
    check.add_argument("ids", nargs="*", metavar="ID", help="default: all whose weights are here")
    get = commands.add_parser("fetch", help="downloads weights, going on where it broke off, and checks them")
    get.add_argument("id", metavar="ID")
    get.add_argument("--sha256", metavar="HEX", help="what you vouch for, where the card knows none")
    get.add_argument("--url", help="in place of the card's address")
    get.add_argument("--allow-non-commercial", action="store_true", help="the licence has been read and fits")
    return parser


def _verify_all(ids: list[str], folder: Path, console: Console) -> None:
    asked = [load_card(one, folder, allow_non_commercial=True) for one in ids]
    for card in asked or list_cards(folder):
        if not asked and not weights_path(card, folder).exists():
            console.print(f"{card.id}: not here")
            continue
        size = verify(card, folder).stat().st_size
        console.print(f"{card.id}: {size} bytes, sha256 {card.sha256[:12]}…, as its card says")


def _fetch(asked: argparse.Namespace, folder: Path, console: Console) -> None:
    from models.fetch import fetch  # here, because nothing that serves may fetch

    card = load_card(asked.id, folder, allow_non_commercial=asked.allow_non_commercial)
    columns = (TextColumn(card.id), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(card.id, total=None)
        path = fetch(
            card,
            folder,
            sha256=asked.sha256,
            url=asked.url,
            progress=lambda here, total: bar.update(task, completed=here, total=total),
        )
    console.print(f"{card.id}: {path}", soft_wrap=True)


def _table(folder: Path) -> Table:
    table = Table("id", "input", "MB", "licence", "IoU", "here", caption="IoU: of clothes, as docs/models.md has it")
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    for card in list_cards(folder):
        width_px, height_px = card.input_px
        licence = f"{card.licence}, non-commercial" if card.non_commercial else card.licence
        iou = card.metrics.get("clothes_iou")
        figure = "–" if iou is None else f"{iou:.3f}"
        size = f"{card.bytes / 1e6:.1f}" if card.bytes else "–"
        here = "yes" if weights_path(card, folder).exists() else "no"
        table.add_row(card.id, f"{width_px}×{height_px}", size, licence, figure, here)
    return table


if __name__ == "__main__":
    from models import registry  # itself, imported: its errors are then those that models.fetch raises

    sys.exit(registry.main())
