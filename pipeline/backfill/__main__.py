"""The command `stylesync backfill`: reads its arguments, builds the parts of a run, and runs it."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import inf, isfinite, nan
from pathlib import Path
from types import FrameType
from typing import get_args

from models.cards import DEFAULT_MODEL, ModelError
from pipeline.backfill.errors import EXIT_DONE, EXIT_TOO_MANY_FAILURES, BackfillError, BadRequest, Stopped
from pipeline.backfill.estimate import estimate
from pipeline.backfill.network import segmenter_choice
from pipeline.backfill.plan import Dtype, Engine, Identity, Job, Parameters, Resources, needs_network, versions_of
from pipeline.backfill.run import Pool, Run, run
from pipeline.backfill.screen import Screen
from pipeline.backfill.stores.uris import Stores, absolute
from pipeline.errors import InvalidOptions
from pipeline.options import parse_options, shaping

EPILOG = """
examples:
  a folder, on this machine
    stylesync backfill --input photos/ --output out/advice
  a bucket, as a low-priority job on a Ray cluster that also serves requests
    ray job submit --working-dir . -- python -m pipeline.backfill \\
      --input s3://shop/catalogue --output s3://shop/advice --workers 2 --cpus-per-worker 0.5 --nice 19
  a table of ids and URIs; its other columns are copied to the answers
    stylesync backfill --input items.parquet --id-column sku --uri-column image_url --output out/advice
  beside a service that holds most of a small machine, with half a core
    ray job submit --working-dir . -- python -m pipeline.backfill --input photos/ --output out --cpus-per-worker 0.5
  an estimate for one image in a hundred, which writes nothing
    stylesync backfill --input s3://shop/catalogue --output s3://shop/trial --sample 0.01 --dry-run

To resume a run that was killed or stopped, or whose disk was full, give the same command again.

exit codes:
  0    done
  1    unexpected error
  2    unusable arguments or input
  3    the output belongs to another run
  4    the storage failed; give the same command again to resume
  5    done, but with more dead letters than --max-failures allows
  130  stopped; give the same command again to resume
"""


PROG = "python -m pipeline.backfill"
# Of Ctrl-C and of `ray job stop`.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main(
    arguments: Sequence[str] | None = None,
    *,
    prog: str = PROG,
    make_pool: Callable[[], Pool] | None = None,
    screen: Screen | None = None,
    stores: Stores | None = None,
) -> int:
    """Runs the command, and returns its exit code."""
    args = parser(prog).parse_args(arguments)
    screen = screen or Screen(log_every_s=args.log_every)
    try:
        given = stores or Stores(_endpoint_url(args), tuple(args.allow_host))
        return _run(args, given, make_pool or partial(_ray_pool, screen), screen)
    except BackfillError as error:
        screen.line(f"{'Stopped' if isinstance(error, Stopped) else 'Failed'}: {error}")
        return error.exit_code
    except ModelError as error:
        # Such as a device that this machine does not have, or weights that are missing.
        screen.line(f"Failed: {error}")
        return BadRequest.exit_code


def _run(args: argparse.Namespace, stores: Stores, make_pool: Callable[[], Pool], screen: Screen) -> int:
    (parameters, segmenter), resources = _settled(_parameters(args)), _resources(args)
    identity = Identity(parameters, versions_of(segmenter))
    output = absolute(args.output)
    _refuse_overlap(parameters.input, output)
    if args.dry_run:
        fitted = resources.fitted(cpus=os.cpu_count() or 1, gpus=resources.gpus)
        estimated = estimate(Job(output, _endpoint_url(args), parameters, identity.versions, fitted))
        for line in estimated.lines(fitted):
            screen.line(line)
        return EXIT_DONE
    with _stopped_by_signals():
        summary = run(Run(output, _endpoint_url(args), identity, resources), stores, make_pool, screen)
    screen.summary(summary, output)
    if summary.dead_letters > args.max_failures * summary.rows:
        screen.line(f"More than {args.max_failures:.0%} of the images are dead letters. Their codes say why.")
        if summary.failures.get("UNSUPPORTED_MEDIA_TYPE"):
            screen.line("Some files are no photos: --match '*.jpg' lists those of one name alone.")
        return EXIT_TOO_MANY_FAILURES
    return EXIT_DONE


def _ray_pool(screen: Screen) -> Pool:
    # Ray takes seconds to import, so only a run that needs it imports it.
    from pipeline.backfill.ray_pool import RayPool

    pool = RayPool(say=screen.line)
    # Ray has installed handlers of its own.
    _stop_on_signals()
    return pool


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Inside, the signals that stop a run end it in order. Afterwards they do what they did before."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    _stop_on_signals()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_on_signals() -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped("give the same command again to resume.")

    for number in STOP_SIGNALS:
        signal.signal(number, stop)


# --- arguments ------------------------------------------------------------------------------------------------
def parser(prog: str = PROG) -> argparse.ArgumentParser:
    """The command's parser."""
    made = argparse.ArgumentParser(
        prog=prog,
        description="Write the service's colour advice for every image of a catalogue into Parquet files.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add(
        "--input",
        required=True,
        metavar="URI",
        help="read this folder, s3://bucket/prefix, .parquet or .csv of URIs, or folder of .parquet files",
    )
    add(
        "--output",
        required=True,
        metavar="URI",
        help="write to this folder or s3://bucket/prefix, which is empty or of the same run",
    )
    add("--endpoint-url", metavar="URL", help="use this S3 server instead of Amazon's (default: AWS_ENDPOINT_URL)")
    _add_selection(made)
    _add_processing(made)
    _add_resources(made)
    return made


def _add_selection(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("choose the images").add_argument
    add("--id-column", default="id", metavar="NAME", help="take unique ids from this column of a table (default: id)")
    add("--uri-column", default="uri", metavar="NAME", help="take URIs from this column of a table (default: uri)")
    add(
        "--match",
        action="append",
        default=[],
        metavar="GLOB",
        help="take only names that match, such as '*.jpg'; repeatable",
    )
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST",
        help="read https:// addresses of this host, such as images.example.com or '*.example.com'; repeatable",
    )
    add(
        "--sample",
        type=_share,
        default=1.0,
        metavar="SHARE",
        help="take this share of the images, 0 to 1, chosen by their ids",
    )
    add("--limit", type=_positive, metavar="N", help="take the first N images")


def _add_processing(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("choose how they are processed").add_argument
    add("--options", default="{}", metavar="JSON", help="set the options of a request, or read them from @FILE")
    add(
        "--model",
        default=DEFAULT_MODEL,
        help=f"use this network; `stylesync models list` shows them (default: {DEFAULT_MODEL})",
    )
    add("--device", choices=("cpu", "cuda"), default="cpu", help="run the network here (default: cpu)")
    add("--engine", choices=get_args(Engine), help="run it in this engine (default: the fastest for the device)")
    add("--dtype", choices=get_args(Dtype), help="compute in these numbers (default: the fastest for the device)")
    add(
        "--rows-per-part",
        type=_positive,
        default=1000,
        metavar="N",
        help="put N images into each output file (default: 1000)",
    )
    add("--dry-run", action="store_true", help="count the images, process a few, print an estimate, and write nothing")
    add(
        "--max-failures",
        type=_share,
        default=0.2,
        metavar="SHARE",
        help="exit with 5 above this share of dead letters (default: 0.2)",
    )


def _add_resources(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("choose the resources").add_argument
    add(
        "--workers",
        type=_whole,
        default=0,
        metavar="N",
        help="start N processes with a network (default: as many as fit)",
    )
    add(
        "--cpus-per-worker",
        type=_above_zero,
        metavar="N",
        help="reserve N of Ray's CPUs per worker (default: 1, or what is free)",
    )
    add(
        "--gpus-per-worker",
        type=float,
        metavar="N",
        help="with --device cuda: reserve N of Ray's GPUs per worker (default: 1)",
    )
    add(
        "--helpers",
        type=_whole,
        default=0,
        metavar="N",
        help="with --device cuda: start at most N CPU processes that read, and N that advise",
    )
    add(
        "--photos-per-forward",
        type=_positive,
        default=16,
        metavar="N",
        help="put N photos into a GPU batch (default: 16)",
    )
    add(
        "--fetches", type=_positive, default=8, metavar="N", help="download N photos at a time per process (default: 8)"
    )
    add(
        "--nice",
        type=_niceness,
        default=0,
        metavar="N",
        help="run at this niceness, 0 to 19; 19 uses only otherwise idle CPU time on Linux (default: 0)",
    )
    add(
        "--checkpoint-rows",
        type=_positive,
        metavar="N",
        help="save after every N images (default: by the input's size)",
    )
    add(
        "--log-every",
        type=_seconds,
        default=10.0,
        metavar="S",
        help="without a terminal, print a line of progress every S seconds (default: 10)",
    )


def _parameters(args: argparse.Namespace) -> Parameters:
    text = args.options
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text()
        options = shaping(parse_options(text))
    except OSError as error:
        raise BadRequest(f"The file of options cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadRequest("The file of options cannot be read: it is not UTF-8.") from error
    except InvalidOptions as error:
        raise BadRequest(error.detail) from error
    return Parameters(
        input=absolute(args.input),
        id_column=args.id_column,
        uri_column=args.uri_column,
        match=tuple(args.match),
        hosts=tuple(args.allow_host),
        sample=args.sample,
        limit=args.limit,
        options=options,
        model=args.model,
        device=args.device,
        engine=args.engine,
        dtype=args.dtype,
        rows_per_part=args.rows_per_part,
    )


def _resources(args: argparse.Namespace) -> Resources:
    gpus = (1.0 if args.gpus_per_worker is None else args.gpus_per_worker) if args.device == "cuda" else 0.0
    if args.device == "cuda" and gpus <= 0:
        raise BadRequest("--device cuda needs --gpus-per-worker above 0.")
    return Resources(
        workers=args.workers,
        cpus=args.cpus_per_worker or 1.0,
        cpus_open=args.cpus_per_worker is None,
        gpus=gpus,
        helpers=args.helpers,
        photos_per_forward=args.photos_per_forward,
        fetches=args.fetches,
        nice=args.nice,
        checkpoint_rows=args.checkpoint_rows,
    )


def _endpoint_url(args: argparse.Namespace) -> str | None:
    return args.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def _settled(parameters: Parameters) -> tuple[Parameters, str | None]:
    """The parameters with the engine and dtype that all workers use, and the segmenter's version."""
    if not needs_network(parameters.options):
        return parameters, None
    try:
        chosen = segmenter_choice(parameters)
    except ModelError as error:
        raise BadRequest(str(error)) from error
    return replace(parameters, engine=chosen.engine, dtype=chosen.dtype), chosen.version


def _refuse_overlap(source: str, output: str) -> None:
    """Raises BadRequest when the output lies inside the input, where the next listing would find it."""
    if f"{output}/".startswith(f"{source.rstrip('/')}/"):
        raise BadRequest(f"The output {output} lies inside the input {source}; choose another.")


def _share(text: str) -> float:
    return _number(text, least=0, most=1)


def _whole(text: str) -> int:
    return _integer(text, least=0)


def _niceness(text: str) -> int:
    return _integer(text, least=0, most=19)


def _seconds(text: str) -> float:
    return _number(text, least=0)


def _above_zero(text: str) -> float:
    value = _number(text, least=0)
    if value == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed: a number above 0")
    return value


def _positive(text: str) -> int:
    return _integer(text, least=1)


def _integer(text: str, *, least: int, most: float = inf) -> int:
    """A whole number from a text. Raises ArgumentTypeError, which names what is allowed."""
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed: a whole number {_range(least, most)}")
    return int(text)


def _number(text: str, *, least: float, most: float = inf) -> float:
    """A number from a text. Raises ArgumentTypeError, which names what is allowed."""
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not (least <= value <= most and isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed: a number {_range(least, most)}")
    return value


def _range(least: float, most: float) -> str:
    return f"from {least:g}" if most == inf else f"from {least:g} to {most:g}"


if __name__ == "__main__":
    sys.exit(main())
