"""One run from its first check to `_SUCCESS`: what is there already, what is left to do, publication; no Ray here.

_run.json            once the input is listed: whose output this is
_work/               the list of rows, checkpoints, tables that are not yet published; gone in the end
answers/ …           appear when everything is done
summary.json report.html _SUCCESS    last
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from pipeline.backfill.errors import BadRequest, OtherRun
from pipeline.backfill.plan import Identity, Job, Resources
from pipeline.backfill.report.html import report_html
from pipeline.backfill.report.samples import take_samples
from pipeline.backfill.report.summary import Pace, Summary, summarise
from pipeline.backfill.screen import Screen
from pipeline.backfill.stores.store import Store
from pipeline.backfill.stores.uris import Stores
from pipeline.backfill.tables.checkpoints import FINISHED, TABLES, Done, finish_part, finished_parts, saved_shards
from pipeline.backfill.tables.manifest import WORK, Manifest, Shard, load_manifest, part_name, save_manifest, write_rows
from pipeline.backfill.tables.sources import open_source
from pipeline.errors import NotFound

RUN_FILE, SUMMARY_FILE, REPORT_FILE, SUCCESS_FILE = "_run.json", "summary.json", "report.html", "_SUCCESS"
OWNER_FILE = f"{WORK}/owner"
COMPLETE_FILE = f"{WORK}/complete"
OWNER_CHECK_S = 5.0


class Pool(Protocol):
    """Processes that do shards."""

    def fit(self, resources: Resources) -> Resources:
        """The wishes with every choice that was left open made. Raises BadRequest when they can never be had."""

    def work(self, job: Job, shards: Sequence[Shard]) -> Iterator[Done]:
        """Does all shards, and yields each as it is saved, in no order."""

    def close(self) -> None:
        """Lets go of the processes."""


@dataclass(frozen=True, slots=True)
class Run:
    """What is asked for. endpoint_url: of another S3 than Amazon's."""

    output: str
    endpoint_url: str | None
    identity: Identity
    resources: Resources


def run(asked: Run, stores: Stores, make_pool: Callable[[], Pool], screen: Screen) -> Summary:
    """Does what is left of a run, and gives its summary. Raises BackfillError; the same call then goes on."""
    output = stores.folder(asked.output)
    if _is_complete(output, asked.identity):
        screen.line(f"{output.url} is complete already: nothing is left to do.")
        output.remove(WORK)
        return _published_summary(output)
    owner = _Owner(output)
    pace = Pace()
    if not _exists(output, COMPLETE_FILE):
        pace = _Work(asked, stores, output, screen, owner).do(make_pool)
        output.write(COMPLETE_FILE, b"")
    owner.check()
    manifest = load_manifest(output)
    assert manifest is not None  # noqa: S101 - written before any work
    return _publish(output, manifest, asked.identity, stores, pace)


def _is_complete(output: Store, identity: Identity) -> bool:
    """Whether nothing is left to do. Raises OtherRun or BadRequest for an output that is not this run's."""
    try:
        differences = identity.differences(output.read(RUN_FILE))
    except NotFound:
        if any(not found.key.startswith(f"{WORK}/") for found in output.walk()):
            raise BadRequest(f"{output.url} holds other things; the output must be empty or a backfill's.") from None
        return False
    if differences:
        listed = "\n".join(f"  {line}" for line in differences)
        raise OtherRun(f"{output.url} belongs to a run with other parameters; choose another output.\n{listed}")
    return _exists(output, SUCCESS_FILE)


def _exists(output: Store, key: str) -> bool:
    try:
        output.read(key)
    except NotFound:
        return False
    return True


class _Owner:
    """The newest run of an output owns it; one that was taken for dead and is not sees it, and stops."""

    def __init__(self, output: Store) -> None:
        self._output = output
        self._name = uuid.uuid4().hex.encode()
        self._checked_s = time.monotonic()
        output.write(OWNER_FILE, self._name)

    def check_now_and_then(self) -> None:
        """`check`, unless that was moments ago."""
        if time.monotonic() - self._checked_s > OWNER_CHECK_S:
            self.check()

    def check(self) -> None:
        """Raises OtherRun when a newer run has taken over."""
        self._checked_s = time.monotonic()
        try:
            current = self._output.read(OWNER_FILE)
        except NotFound:
            current = b""
        if current != self._name:
            raise OtherRun(f"Another run of the same command has taken over {self._output.url}; this one stops.")


@dataclass(slots=True)
class _Left:
    """What is left: shards, how many of them in each unfinished part, and how many rows are done."""

    rows_done: int = 0
    rows: int = 0
    shards: list[Shard] = field(default_factory=list)
    of_part: Counter[int] = field(default_factory=Counter)
    unfinished: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, output: Store, manifest: Manifest) -> "_Left":
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
    """Makes the tables of each part once all its shards are saved, beside the work."""

    def __init__(self, output: Store, manifest: Manifest, identity: Identity, left: _Left) -> None:
        self._finish = lambda part: finish_part(output, manifest, part, identity)
        self._left = left.of_part
        self._thread = ThreadPoolExecutor(1)
        self._under_way: list[Future[None]] = [
            self._thread.submit(self._finish, part) for part in left.unfinished if not left.of_part[part]
        ]

    def saved(self, part: int) -> None:
        """Takes note of a saved shard. Raises what went wrong with an earlier part."""
        self._left[part] -= 1
        if not self._left[part]:
            self._under_way.append(self._thread.submit(self._finish, part))
        while self._under_way and self._under_way[0].done():
            self._under_way.pop(0).result()

    def close(self) -> None:
        """Waits until all is written. Raises what went wrong."""
        self._thread.shutdown()
        for finishing in self._under_way:
            finishing.result()


@dataclass(frozen=True, slots=True)
class _Work:
    """The part of a run that takes time."""

    asked: Run
    stores: Stores
    output: Store
    screen: Screen
    owner: _Owner

    def do(self, make_pool: Callable[[], Pool]) -> Pace:
        """Lists the input, does the shards that are not saved, and finishes every part."""
        manifest = load_manifest(self.output) if _exists(self.output, RUN_FILE) else None
        left = None if manifest is None else _Left.of(self.output, manifest)
        if manifest is not None and left is not None and not left.shards:
            _Finisher(self.output, manifest, self.asked.identity, left).close()
            return Pace()
        self.screen.line("Starting Ray …")
        pool = make_pool()
        try:
            resources = pool.fit(self.asked.resources)
            if manifest is None or left is None:
                manifest = self._list(resources)
                left = _Left.of(self.output, manifest)
            return self._work(pool, resources, manifest, left)
        finally:
            pool.close()

    def _list(self, resources: Resources) -> Manifest:
        parameters = self.asked.identity.parameters
        self.screen.line(f"Listing {parameters.input} …")
        with open_source(parameters, self.stores) as source:
            manifest = write_rows(self.output, source, parameters, resources)
        self.output.write(RUN_FILE, self.asked.identity.to_json())  # only now: a refused input may be mended
        save_manifest(self.output, manifest)
        skipped = f"; {manifest.skipped} other objects passed over" if manifest.skipped else ""
        self.screen.line(f"{manifest.rows} images{skipped}.")
        return manifest

    def _work(self, pool: Pool, resources: Resources, manifest: Manifest, left: _Left) -> Pace:
        asked, identity = self.asked, self.asked.identity
        job = Job(asked.output, asked.endpoint_url, identity.parameters, identity.versions, resources)
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
    """Makes a finished run visible; can be broken off and asked for again at any point."""
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
