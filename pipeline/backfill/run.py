"""Runs a backfill from its first check to `_SUCCESS`: finds what is done already, does the rest, and publishes.

_run.json                            the identity of the run, written once the input is listed
_work/                               the list of rows, checkpoints and unpublished tables, removed at the end
answers/ …                           the tables, which appear when everything is done
summary.json report.html _SUCCESS    written last
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from pipeline.backfill.errors import BackfillError, BadRequest, OtherRun
from pipeline.backfill.plan import Identity, Job, Parameters, Resources
from pipeline.backfill.report.html import report_html
from pipeline.backfill.report.samples import take_samples
from pipeline.backfill.report.summary import Pace, Summary, summarise
from pipeline.backfill.screen import Screen
from pipeline.backfill.stores.store import Store
from pipeline.backfill.stores.uris import Stores
from pipeline.backfill.tables.checkpoints import FINISHED, TABLES, SavedShard, finish_part, finished_parts, saved_shards
from pipeline.backfill.tables.manifest import (
    WORK,
    Manifest,
    Shard,
    load_manifest,
    manifest_of,
    part_name,
    save_manifest,
    write_rows,
)
from pipeline.backfill.tables.sources import chosen, open_source
from pipeline.errors import NotFound

RUN_FILE, SUMMARY_FILE, REPORT_FILE, SUCCESS_FILE = "_run.json", "summary.json", "report.html", "_SUCCESS"
OWNER_FILE = f"{WORK}/owner"
COMPLETE_FILE = f"{WORK}/complete"
# Taste: how often a run checks that no newer run has taken its output over.
OWNER_CHECK_S = 5.0


class Pool(Protocol):
    """A pool of processes that do shards."""

    def fit(self, resources: Resources) -> Resources:
        """The resources with every open choice made. Raises BadRequest when the pool can never provide them."""

    def work(self, job: Job, shards: Sequence[Shard]) -> Iterator[SavedShard]:
        """Does all shards, and yields each one when it is saved, in any order."""

    def close(self) -> None:
        """Releases the processes."""


@dataclass(frozen=True, slots=True)
class Run:
    """A request for a run. endpoint_url: that of an S3 server other than Amazon's."""

    output: str
    endpoint_url: str | None
    identity: Identity
    resources: Resources


def run(request: Run, stores: Stores, make_pool: Callable[[], Pool], screen: Screen) -> Summary:
    """Does what is left of a run, and returns its summary. Raises BackfillError; the same call then resumes."""
    output = stores.folder(request.output)
    if _is_complete(output, request.identity):
        screen.line(f"{output.url} is complete already. There is nothing to do.")
        output.remove(WORK)
        summary = _published_summary(output)
        _tell_growth(request.identity.parameters, stores, summary, screen)
        return summary
    owner = _Owner(output)
    pace = Pace()
    if not _exists(output, COMPLETE_FILE):
        pace = _Work(request, stores, output, screen, owner).do(make_pool)
        output.write(COMPLETE_FILE, b"")
    owner.check()
    manifest = load_manifest(output)
    # The manifest is written before any work, and the mark of complete work after it.
    assert manifest is not None  # noqa: S101
    return _publish(output, manifest, request.identity, stores, pace)


def _is_complete(output: Store, identity: Identity) -> bool:
    """Whether the run is complete. Raises OtherRun or BadRequest for an output that is not this run's."""
    try:
        differences = identity.differences(output.read(RUN_FILE))
    except NotFound:
        if any(not found.key.startswith(f"{WORK}/") for found in output.walk()):
            raise BadRequest(
                f"{output.url} holds other files. Choose an empty output, or that of an earlier run."
            ) from None
        return False
    if differences:
        listed = "\n".join(f"  {line}" for line in differences)
        raise OtherRun(f"{output.url} belongs to a run with other parameters. Choose another output.\n{listed}")
    return _exists(output, SUCCESS_FILE)


def _tell_growth(parameters: Parameters, stores: Stores, summary: Summary, screen: Screen) -> None:
    """Says so when the input has another number of images than the run that is complete."""
    try:
        with open_source(parameters, stores) as source:
            listed = chosen(source.batches(), sample=parameters.sample, limit=parameters.limit)
            now = sum(batch.num_rows for batch in listed)
    except BackfillError as error:
        screen.line(f"Its input cannot be read any more: {error}")
        return
    if now != summary.rows:
        screen.line(
            f"The input has {now} images now; this run had {summary.rows}. Choose another output for a new run."
        )


def _exists(output: Store, key: str) -> bool:
    try:
        output.read(key)
    except NotFound:
        return False
    return True


class _Owner:
    """Marks the newest run of an output as its owner. An older run that is still alive notices this, and stops."""

    def __init__(self, output: Store) -> None:
        self._output = output
        self._name = uuid.uuid4().hex.encode()
        self._checked_s = time.monotonic()
        output.write(OWNER_FILE, self._name)

    def check_now_and_then(self) -> None:
        """Checks, unless the last check was within OWNER_CHECK_S."""
        if time.monotonic() - self._checked_s > OWNER_CHECK_S:
            self.check()

    def check(self) -> None:
        """Raises OtherRun when a newer run has taken the output over."""
        self._checked_s = time.monotonic()
        try:
            current = self._output.read(OWNER_FILE)
        except NotFound:
            current = b""
        if current != self._name:
            raise OtherRun(f"A newer run of the same command has taken over {self._output.url}, so this one stops.")


@dataclass(slots=True)
class _Remaining:
    """The rest of a run.

    rows_done: of all rows. shards: those to do. of_part: their number in each part. unfinished: parts without tables.
    """

    rows_done: int = 0
    rows: int = 0
    shards: list[Shard] = field(default_factory=list)
    of_part: Counter[int] = field(default_factory=Counter)
    unfinished: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, output: Store, manifest: Manifest) -> "_Remaining":
        found, saved, finished = cls(rows=manifest.rows), saved_shards(output), finished_parts(output)
        for part in range(len(manifest.parts)):
            if part_name(part) in finished:
                found.rows_done += manifest.parts[part]
                continue
            found.unfinished.append(part)
            for shard in manifest.shards(part):
                if shard.name in saved:
                    found.rows_done += shard.rows
                else:
                    found.shards.append(shard)
                    found.of_part[part] += 1
        return found


class _Finisher:
    """Writes the tables of each part when all its shards are saved, in a thread beside the work."""

    def __init__(self, output: Store, manifest: Manifest, identity: Identity, left: _Remaining) -> None:
        self._finish = lambda part: finish_part(output, manifest, part, identity)
        self._left = left.of_part
        self._thread = ThreadPoolExecutor(1)
        self._under_way: list[Future[None]] = [
            self._thread.submit(self._finish, part) for part in left.unfinished if not left.of_part[part]
        ]

    def saved(self, part: int) -> None:
        """Counts a saved shard. Raises the error of an earlier part."""
        self._left[part] -= 1
        if not self._left[part]:
            self._under_way.append(self._thread.submit(self._finish, part))
        while self._under_way and self._under_way[0].done():
            self._under_way.pop(0).result()

    def close(self) -> None:
        """Waits until all tables are written. Raises the first error."""
        self._thread.shutdown()
        for finishing in self._under_way:
            finishing.result()


@dataclass(frozen=True, slots=True)
class _Work:
    """The listing of the input and the work on its shards."""

    request: Run
    stores: Stores
    output: Store
    screen: Screen
    owner: _Owner

    def do(self, make_pool: Callable[[], Pool]) -> Pace:
        """Lists the input, does the shards that are not saved, and finishes every part."""
        manifest = load_manifest(self.output) if _exists(self.output, RUN_FILE) else None
        left = None if manifest is None else _Remaining.of(self.output, manifest)
        if manifest is not None and left is not None and not left.shards:
            _Finisher(self.output, manifest, self.request.identity, left).close()
            return Pace()
        # Ray takes seconds to start, so everything that can be refused is refused before.
        parts, skipped = ((), 0) if manifest is not None else self._list()
        self.screen.line("Starting Ray …")
        pool = make_pool()
        try:
            resources = pool.fit(self.request.resources)
            if manifest is None or left is None:
                manifest = manifest_of(parts, skipped, self.request.identity.parameters, resources)
                # Before this point a refused input may be corrected, even if that changes the run's identity.
                self.output.write(RUN_FILE, self.request.identity.to_json())
                save_manifest(self.output, manifest)
                left = _Remaining.of(self.output, manifest)
            return self._work(pool, resources, manifest, left)
        finally:
            pool.close()

    def _list(self) -> tuple[tuple[int, ...], int]:
        """Lists the input; gives the rows of each part, and how many objects are no images of the run."""
        parameters = self.request.identity.parameters
        self.screen.line(f"Listing {parameters.input} …")
        with open_source(parameters, self.stores) as source:
            parts = write_rows(self.output, source, parameters)
        skipped = f"; {source.skipped} other objects skipped" if source.skipped else ""
        self.screen.line(f"{sum(parts)} images{skipped}.")
        return parts, source.skipped

    def _work(self, pool: Pool, resources: Resources, manifest: Manifest, left: _Remaining) -> Pace:
        request, identity = self.request, self.request.identity
        job = Job(request.output, request.endpoint_url, identity.parameters, identity.versions, resources)
        finisher = _Finisher(self.output, manifest, identity, left)
        began_s = last_s = time.monotonic()
        rows = 0
        with self.screen.progress(total=left.rows, done=left.rows_done) as progress:
            for done in pool.work(job, left.shards):
                progress.advance(done.rows, done.dead)
                finisher.saved(done.part)
                self.owner.check_now_and_then()
                rows, last_s = rows + done.rows, time.monotonic()
        self.screen.line("Writing tables …")
        finisher.close()
        return Pace(rows, last_s - began_s)


def _publish(output: Store, manifest: Manifest, identity: Identity, stores: Stores, pace: Pace) -> Summary:
    """Publishes a finished run. When it is interrupted at any point, it can be repeated."""
    for table in TABLES:
        output.move(f"{FINISHED}/{table}", table)
    summary = summarise(output, manifest, identity, pace)
    output.write(SUMMARY_FILE, msgspec.json.format(msgspec.json.encode(summary), indent=1) + b"\n")
    samples = take_samples(output, stores, [part.name for part in summary.parts if part.answers])
    output.write(REPORT_FILE, report_html(summary, samples).encode())
    output.write(SUCCESS_FILE, b"")
    output.remove(WORK)
    return summary


def _published_summary(output: Store) -> Summary:
    """The summary of a complete run."""
    return msgspec.json.decode(output.read(SUMMARY_FILE), type=Summary)
