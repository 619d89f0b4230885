"""Advice for a whole catalogue, as a Ray job: `python -m pipeline.backfill --input … --output …`; the only wiring."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from models.cards import DEFAULT_MODEL, ModelError
from pipeline.backfill.errors import EXIT_DONE, EXIT_TOO_MANY_FAILURES, BackfillError, BadRequest, Stopped
from pipeline.backfill.estimate import estimate
from pipeline.backfill.network import segmenter_version
from pipeline.backfill.plan import Identity, Job, Parameters, Resources, needs_network, versions_of
from pipeline.backfill.run import Pool, Run, run
from pipeline.backfill.screen import Screen
from pipeline.backfill.stores.uris import Stores, absolute
from pipeline.errors import InvalidOptions
from pipeline.options import parse_options, shaping

EPILOG = """
examples:
  a folder, on this machine alone
    python -m pipeline.backfill --input photos/ --output out/advice
  a bucket, as a job of a Ray cluster that also serves, out of its way
    ray job submit --working-dir . -- python -m pipeline.backfill \\
      --input s3://shop/catalogue --output s3://shop/advice --workers 2 --cpus-per-worker 0.5 --nice 19
  a table of URIs with ids; its other columns are carried into the answers
    python -m pipeline.backfill --input items.parquet --id-column sku --uri-column image_url --output out/advice
  first a look, then one image in a hundred
    python -m pipeline.backfill --input s3://shop/catalogue --output s3://shop/trial --sample 0.01 --dry-run

A run that was killed, stopped or that ran out of disk goes on when the same command is given again.

exit codes:
  0 done   1 unexpected error   2 arguments or input   3 the output is another run's
  4 storage failed, the same command goes on   5 done, but more dead letters than --max-failures   130 stopped
"""


def main(
    arguments: Sequence[str] | None = None,
    *,
    make_pool: Callable[[], Pool] | None = None,
    screen: Screen | None = None,
    stores: Stores | None = None,
) -> int:
    """Runs a backfill; gives the exit code."""
    asked = _parser().parse_args(arguments)
    screen = screen or Screen(log_every_s=asked.log_every)
    try:
        return _run(asked, stores or Stores(_endpoint_url(asked)), make_pool or _ray_pool, screen)
    except BackfillError as error:
        screen.line(f"{'Stopped' if isinstance(error, Stopped) else 'Not done'}: {error}")
        return error.exit_code


def _run(asked: argparse.Namespace, stores: Stores, make_pool: Callable[[], Pool], screen: Screen) -> int:
    parameters, resources = _parameters(asked), _resources(asked)
    identity = Identity(parameters, versions_of(_segmenter_version(parameters)))
    output = absolute(asked.output)
    _refuse_overlap(parameters.input, output)
    if asked.dry_run:
        fitted = resources.fitted(cpus=os.cpu_count() or 1, gpus=resources.gpus)
        found = estimate(Job(output, _endpoint_url(asked), parameters, identity.versions, fitted))
        for line in found.lines(fitted):
            screen.line(line)
        return EXIT_DONE
    _stop_when_asked()
    summary = run(Run(output, _endpoint_url(asked), identity, resources), stores, make_pool, screen)
    screen.summary(summary, output)
    if summary.dead_letters > asked.max_failures * summary.rows:
        screen.line(f"More than {asked.max_failures:.0%} of the images are dead letters: see their codes.")
        return EXIT_TOO_MANY_FAILURES
    return EXIT_DONE


def _ray_pool() -> Pool:
    from pipeline.backfill.ray_pool import RayPool  # here, because Ray takes seconds to import

    pool = RayPool()
    _stop_when_asked()  # Ray has put its own handlers in place
    return pool


def _stop_when_asked() -> None:
    """Ctrl-C, and the signal of `ray job stop`, end the run in order."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped("give the same command again to go on.")

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


# --- arguments ------------------------------------------------------------------------------------------------
def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.backfill",
        description="Colour advice for every image of a catalogue, as the service gives it, into Parquet.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--input", required=True, metavar="URI", help="a folder, s3://bucket/prefix, or a .parquet or .csv of URIs")
    add("--output", required=True, metavar="URI", help="a folder or s3://bucket/prefix, empty or of the same run")
    add("--endpoint-url", metavar="URL", help="of another S3 than Amazon's (also AWS_ENDPOINT_URL)")
    _add_choice(parser)
    _add_work(parser)
    _add_resources(parser)
    return parser


def _add_choice(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("which images").add_argument
    add("--id-column", default="id", metavar="NAME", help="of a table; its values must be unique (default: id)")
    add("--uri-column", default="uri", metavar="NAME", help="of a table (default: uri)")
    add(
        "--match",
        action="append",
        default=[],
        metavar="GLOB",
        help="of a folder: only such names, as '*.jpg'; repeatable",
    )
    add("--sample", type=_share, default=1.0, metavar="SHARE", help="this share of the images, 0 to 1, chosen by id")
    add("--limit", type=_positive, metavar="N", help="the first N images")


def _add_work(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what is done").add_argument
    add("--options", default="{}", metavar="JSON", help="as in a request; @FILE reads them from a file")
    add("--model", default=DEFAULT_MODEL, help=f"the network (default: {DEFAULT_MODEL})")
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--dtype", choices=("fp32", "bf16", "fp16"), default="fp32")
    add("--rows-per-part", type=_positive, default=1000, metavar="N", help="images in an output file (default: 1000)")
    add("--dry-run", action="store_true", help="count, try a few photos, estimate; write nothing")
    add("--max-failures", type=_share, default=0.2, metavar="SHARE", help="more dead letters: exit 5 (default: 0.2)")


def _add_resources(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("with what").add_argument
    add("--workers", type=int, default=0, metavar="N", help="processes with a network (default: all there is room for)")
    add("--cpus-per-worker", type=float, default=1.0, metavar="N", help="Ray's logical CPUs of one (default: 1)")
    add("--gpus-per-worker", type=float, metavar="N", help="Ray's GPUs of one, with --device cuda (default: 1)")
    add("--helpers", type=int, default=0, metavar="N", help="with a GPU: CPU processes to read, and to advise, at most")
    add("--photos-per-forward", type=_positive, default=16, metavar="N", help="of a GPU batch (default: 16)")
    add("--fetches", type=_positive, default=8, metavar="N", help="downloads at a time in a process (default: 8)")
    add(
        "--nice",
        type=int,
        default=0,
        metavar="N",
        help="lower priority, 0 to 19; 19: only time that nobody else wants (default: 0)",
    )
    add("--checkpoint-rows", type=_positive, metavar="N", help="images saved together (default: by the input's size)")
    add("--log-every", type=float, default=10.0, metavar="S", help="seconds between lines where there is no terminal")


def _parameters(asked: argparse.Namespace) -> Parameters:
    text = asked.options
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text()
        options = shaping(parse_options(text))
    except OSError as error:
        raise BadRequest(f"The options' file cannot be read: {error.strerror}.") from error
    except InvalidOptions as error:
        raise BadRequest(error.detail) from error
    return Parameters(
        input=absolute(asked.input),
        id_column=asked.id_column,
        uri_column=asked.uri_column,
        match=tuple(asked.match),
        sample=asked.sample,
        limit=asked.limit,
        options=options,
        model=asked.model,
        device=asked.device,
        dtype=asked.dtype,
        rows_per_part=asked.rows_per_part,
    )


def _resources(asked: argparse.Namespace) -> Resources:
    gpus = (1.0 if asked.gpus_per_worker is None else asked.gpus_per_worker) if asked.device == "cuda" else 0.0
    if asked.device == "cuda" and gpus <= 0:
        raise BadRequest("--device cuda needs --gpus-per-worker above 0.")
    return Resources(
        workers=asked.workers,
        cpus=asked.cpus_per_worker,
        gpus=gpus,
        helpers=asked.helpers,
        photos_per_forward=asked.photos_per_forward,
        fetches=asked.fetches,
        nice=asked.nice,
        checkpoint_rows=asked.checkpoint_rows,
    )


def _endpoint_url(asked: argparse.Namespace) -> str | None:
    return asked.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def _segmenter_version(parameters: Parameters) -> str | None:
    try:
        return segmenter_version(parameters) if needs_network(parameters.options) else None
    except ModelError as error:
        raise BadRequest(str(error)) from error


def _refuse_overlap(source: str, output: str) -> None:
    """Raises BadRequest when the output would be listed as input."""
    if f"{output}/".startswith(f"{source}/"):
        raise BadRequest(f"The output {output} lies inside the input {source}; choose another.")


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
