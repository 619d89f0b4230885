"""Lists, verifies and fetches networks: `python -m models.registry list | verify [ID …] | fetch ID`."""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from models.cards import WEIGHTS_DIR, ModelError, list_cards, load_card, verify, weights_path

PROG = "python -m models.registry"
EXAMPLES = """examples:
  stylesync models list
  stylesync models verify lite2-parse-384
  stylesync models fetch u2netp --sha256 HEX

exit codes: 0 done, 1 refused or failed, 2 unusable arguments"""


def main(arguments: list[str] | None = None, folder: Path = WEIGHTS_DIR, *, prog: str = PROG) -> int:
    """Runs `list | verify [ID …] | fetch ID`; returns the exit code."""
    options = parser(prog).parse_args(arguments)
    console = Console()
    try:
        if options.command == "list":
            console.print(_table(folder))
        elif options.command == "verify":
            _verify_all(options.ids, folder, console)
        else:
            _fetch(options, folder, console)
    except ModelError as error:
        console.print(f"[red]{error}[/red]", soft_wrap=True)
        return 1
    return 0


def parser(prog: str = PROG) -> argparse.ArgumentParser:
    """The command's parser."""
    made = argparse.ArgumentParser(
        prog=prog,
        description="List, verify and fetch networks.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="list the networks, with size, licence and figures")
    check = commands.add_parser("verify", help="check weights against their cards")
    check.add_argument("ids", nargs="*", metavar="ID", help="default: every network whose weights are here")
    get = commands.add_parser("fetch", help="download weights, resume a broken download, and check them")
    get.add_argument("id", metavar="ID")
    get.add_argument("--sha256", metavar="HEX", help="the hash you vouch for, when the card has none")
    get.add_argument("--url", help="replaces the card's address")
    get.add_argument(
        "--allow-non-commercial", action="store_true", help="you have read the licence and it permits your use"
    )
    return made


def _verify_all(ids: list[str], folder: Path, console: Console) -> None:
    chosen = [load_card(model_id, folder, allow_non_commercial=True) for model_id in ids]
    for card in chosen or list_cards(folder):
        if not chosen and not weights_path(card, folder).exists():
            console.print(f"{card.id}: not here")
            continue
        size = verify(card, folder).stat().st_size
        console.print(f"{card.id}: {size} bytes, sha256 {card.sha256[:12]}…, as on its card")


def _fetch(options: argparse.Namespace, folder: Path, console: Console) -> None:
    # It is imported here, because nothing that serves may download.
    from models.fetch import fetch

    card = load_card(options.id, folder, allow_non_commercial=options.allow_non_commercial)
    columns = (TextColumn(card.id), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(card.id, total=None)
        path = fetch(
            card,
            folder,
            sha256=options.sha256,
            url=options.url,
            progress=lambda here, total: bar.update(task, completed=here, total=total),
        )
    console.print(f"{card.id}: {path}", soft_wrap=True)


def _table(folder: Path) -> Table:
    table = Table("id", "input", "MB", "licence", "IoU", "here", caption="IoU: of clothes (docs/models.md)")
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
