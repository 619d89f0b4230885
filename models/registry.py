"""The command of the networks: `python -m models.registry list | verify [ID …] | fetch ID`."""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from models.cards import WEIGHTS_DIR, ModelError, list_cards, load_card, verify, weights_path


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
    sys.exit(main())
