"""Paints catalogues, runs the backfill without Ray, and reads its output, for tests."""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw
from rich.console import Console

from pipeline.analysis import advise, given_segmentation, look_vector
from pipeline.backfill.__main__ import main
from pipeline.backfill.plan import Job, Resources
from pipeline.backfill.run import Pool
from pipeline.backfill.screen import Screen
from pipeline.backfill.stores.uris import Stores
from pipeline.backfill.tables.checkpoints import TABLES, Answered, Outcome, SavedShard, save_outcomes
from pipeline.backfill.tables.manifest import Shard, read_rows
from pipeline.backfill.worker import Worker
from pipeline.contract import advice_to_json
from pipeline.errors import NotFound
from pipeline.image.decode import decode_image
from pipeline.options import Options

GROUND = (236, 233, 226)
COLORS = ((31, 42, 68), (193, 154, 107), (140, 30, 45), (60, 110, 80), (90, 140, 190), (20, 20, 22))
# The whole photo is the garment. No network runs, so a run takes a moment.
WHOLE = '{"segment": "none"}'


def painted(color: tuple[int, int, int], *, kind: str = "JPEG", side_px: int = 48) -> bytes:
    """A picture of a T-shirt of this colour, encoded."""
    image = Image.new("RGB", (side_px, side_px), GROUND)
    draw, part = ImageDraw.Draw(image), side_px / 12
    draw.rectangle((3 * part, 2 * part, 9 * part, 11 * part), fill=color)
    draw.polygon([(3 * part, 2 * part), (part, 5 * part), (2 * part, 6 * part), (4 * part, 4 * part)], fill=color)
    draw.polygon([(9 * part, 2 * part), (11 * part, 5 * part), (10 * part, 6 * part), (8 * part, 4 * part)], fill=color)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def paint_catalogue(folder: Path, count: int) -> list[str]:
    """Fills a folder and one below it with painted photos. Gives their ids, sorted."""
    (folder / "more").mkdir(parents=True, exist_ok=True)
    names = [f"{'more/' if k % 3 == 0 else ''}shirt-{k:04d}.jpg" for k in range(count)]
    for k, name in enumerate(names):
        (folder / name).write_bytes(painted(COLORS[k % len(COLORS)]))
    return sorted(names)


class InlinePool:
    """A pool that does shards in this process, without Ray."""

    def fit(self, resources: Resources) -> Resources:
        return resources.fitted(cpus=2, gpus=0)

    def work(self, job: Job, shards: Sequence[Shard]) -> Iterator[SavedShard]:
        with closing(Worker(job)) as worker:
            for shard in shards:
                yield worker.work(shard)

    def close(self) -> None:
        pass


class Killed(BaseException):
    """Stands for the end of the process. Nothing catches it."""


@dataclass(slots=True)
class CannedPool:
    """A pool with a fixed answer, and a dead letter for ids with "bad". It raises Killed after `die_after` shards."""

    die_after: int | None = None
    done: list[Shard] = field(default_factory=list)

    def fit(self, resources: Resources) -> Resources:
        return resources.fitted(cpus=2, gpus=0)

    def work(self, job: Job, shards: Sequence[Shard]) -> Iterator[SavedShard]:
        output = Stores(job.endpoint_url).folder(job.output)
        for shard in shards:
            if self.die_after == len(self.done):
                raise Killed
            self.done.append(shard)
            rows = read_rows(output, shard)
            yield save_outcomes(output, shard, rows, [_canned(id) for id in rows["id"].to_pylist()])

    def close(self) -> None:
        pass


def _canned(id: str) -> Outcome:
    return NotFound("There is no such file.") if "bad" in id else canned_answer()


@cache
def canned_answer() -> Answered:
    """The answer for a painted photo."""
    photo, options = decode_image(painted(COLORS[0])), Options(segment="none")
    segmentation = given_segmentation(photo, options)
    assert segmentation is not None
    advice = advise(photo, segmentation, options)
    return Answered(advice_to_json(advice, "en").decode(), advice.versions, look_vector(advice.garments))


@dataclass(slots=True)
class Result:
    """The exit code of a command, the text that it printed, and its output."""

    exit_code: int
    said: str
    output: Path

    def table(self, name: str) -> pa.Table:
        """A published table with its parts in order."""
        return pa.concat_tables([pq.read_table(path) for path in sorted((self.output / name).glob("*.parquet"))])

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of a published table."""
        found: list[dict[str, Any]] = self.table(name).to_pylist()
        return found

    def summary(self) -> dict[str, Any]:
        """`summary.json`."""
        found: dict[str, Any] = json.loads((self.output / "summary.json").read_text())
        return found


def backfill(
    *arguments: str | Path,
    output: Path | str,
    options: str = WHOLE,
    pool: Pool | None = None,
    stores: Stores | None = None,
    arguments_last: tuple[str, ...] = (),
) -> Result:
    """Runs the command in this process, without Ray. arguments_last: these override all others."""
    text = io.StringIO()
    screen = Screen(Console(file=text, width=200, soft_wrap=True), log_every_s=0.0)
    command = [*map(str, arguments), "--output", str(output), "--options", options, *arguments_last]
    exit_code = main(command, make_pool=lambda: pool or InlinePool(), screen=screen, stores=stores)
    return Result(exit_code, text.getvalue(), Path(output))


def contents(output: Path) -> dict[str, bytes]:
    """Every file of the published tables."""
    return {
        path.relative_to(output).as_posix(): path.read_bytes()
        for table in TABLES
        for path in sorted((output / table).glob("*"))
    }
