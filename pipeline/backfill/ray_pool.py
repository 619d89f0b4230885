"""Streams the shards of a backfill through pools of Ray actors.

On CPUs one actor does all the work of a shard, so that no pixel crosses a process border.  With a GPU the network runs
in an actor pool of its own between two pools of CPU processes, so that it does not wait for decoding.
"""

import logging
import os
import pickle
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import ray
import ray.data

from pipeline.backfill.errors import BackfillError, error_of
from pipeline.backfill.network import Network
from pipeline.backfill.plan import Job, Resources
from pipeline.backfill.stores.uris import Stores
from pipeline.backfill.tables.checkpoints import SavedShard, save_outcomes
from pipeline.backfill.tables.manifest import Shard, read_rows
from pipeline.backfill.trials import Trials
from pipeline.backfill.worker import Reader, Worker, advise
from pipeline.errors import ColorMatchError

# Standard: the highest niceness in Linux.
LEAST_PRIORITY = 19
# Taste: the object store of a cluster for this run alone. On CPUs only the rows of shards pass through it.
OBJECT_STORE_BYTES = 256 * 1024 * 1024
# Taste: after how long a run says what it waits for, and how often it repeats that.
WAIT_TOLD_S, WAIT_TOLD_AGAIN_S = 5.0, 60.0
# One row, with columns as arrays of length 1.
Batch: TypeAlias = dict[str, Any]


class RayPool:
    """A pool on the Ray cluster of RAY_ADDRESS, or on a new one on this machine, for this run alone.

    say: shows a line to the operator.
    """

    def __init__(self, *, say: Callable[[str], None] = print) -> None:
        self._say = say
        self._waits: str | None = None
        # Ray's core writes lines to standard error that mean nothing to people, such as that our actors' arguments may
        # be lost at a restart. What fails reaches us as an exception.
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        with warnings.catch_warnings(), _without_stderr():
            warnings.simplefilter("ignore")
            if os.environ.get("RAY_ADDRESS"):
                ray.init(**quiet)
            else:
                ray.init("local", include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES, **quiet)
        context = ray.data.DataContext.get_current()
        # The run reports its progress itself.
        context.enable_progress_bars = context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        logging.getLogger("ray.data.exceptions").addFilter(_is_rays_own)

    def fit(self, resources: Resources) -> Resources:
        """The resources with every open choice made for this cluster. Raises BadRequest if it is too small."""
        cluster: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        cpus, free = cluster.get("CPU", 0.0), _free_cpus()
        fitted = resources.fitted(cpus=cpus, gpus=cluster.get("GPU", 0.0), free_cpus=free)
        if fitted.cpus < resources.cpus:
            self._say(f"{free:g} of the cluster's {cpus:g} CPUs are free; the worker takes {fitted.cpus:g}.")
        if fitted.cpus > free:
            self._waits = (
                f"Waiting for CPUs: a worker needs {fitted.cpus:g}, and {free:g} of the cluster's {cpus:g} are free. "
                "It starts when others end; --cpus-per-worker asks for less."
            )
        return fitted

    def work(self, job: Job, shards: Sequence[Shard]) -> Iterator[SavedShard]:
        """Does all shards, and yields each one when it is saved, in any order. Raises the workers' errors."""
        # The driver competes for the CPUs too.
        _lower_priority(job)
        rows = [{"part": shard.part, "start": shard.start, "stop": shard.stop} for shard in shards]
        data = ray.data.from_items(rows, override_num_blocks=len(rows))
        resources = job.resources
        if resources.gpus:
            done = _staged(job, data)
        else:
            # More workers than shards would have nothing to do, and Ray warns of them.
            pool = ray.data.ActorPoolStrategy(size=min(resources.workers, len(shards)))
            done = data.map_batches(self.whole_work(), compute=pool, num_cpus=resources.cpus, **_one_by_one(job))
        with self._telling_waits() as first:
            for row in _rows(done):
                first.set()
                yield SavedShard(row["part"], row["rows"], row["dead"])

    @contextmanager
    def _telling_waits(self) -> Iterator[threading.Event]:
        """Says now and then what the run waits for, until the event is set."""
        begun = threading.Event()

        def tell() -> None:
            pause_s = WAIT_TOLD_S
            while self._waits is not None and not begun.wait(pause_s):
                self._say(self._waits)
                pause_s = WAIT_TOLD_AGAIN_S

        threading.Thread(target=tell, daemon=True).start()
        try:
            yield begun
        finally:
            begun.set()

    def whole_work(self) -> "type[WholeWork]":
        """The class of the actors that do all the work of a shard."""
        return WholeWork

    def close(self) -> None:
        """Leaves the cluster, or ends the one that was started for this run."""
        ray.shutdown()


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Drops what native code writes to standard error meanwhile, such as that it has read its log level."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _free_cpus() -> float:
    """The logical CPUs that nobody holds now."""
    free: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
    return free.get("CPU", 0.0)


def _is_rays_own(_record: logging.LogRecord) -> bool:
    """Whether Ray Data logs an error of its own. A BackfillError is none: it ends the run, and needs no traceback."""
    return not isinstance(sys.exc_info()[1], BackfillError)


def _staged(job: Job, data: ray.data.Dataset) -> ray.data.Dataset:
    """Reads, segments on GPUs, and advises, each in processes of its own."""
    resources = job.resources
    helpers = ray.data.ActorPoolStrategy(min_size=1, max_size=resources.helpers)
    network = ray.data.ActorPoolStrategy(size=resources.workers)
    data = data.map_batches(_Read, compute=helpers, num_cpus=resources.cpus, **_one_by_one(job))
    data = data.map_batches(_Segment, compute=network, num_cpus=0, num_gpus=resources.gpus, **_one_by_one(job))
    return data.map_batches(_Advise, compute=helpers, num_cpus=resources.cpus, **_one_by_one(job))


def _one_by_one(job: Job) -> dict[str, Any]:
    return {"fn_constructor_args": (job,), "batch_size": 1, "batch_format": "numpy"}


class WholeWork:
    """An actor that does all the work of a shard, from its rows to its checkpoint."""

    make: Callable[[Job], Worker] = Worker

    def __init__(self, job: Job) -> None:
        _lower_priority(job)
        self._worker = self.make(job)

    def __call__(self, batch: Batch) -> Batch:
        return _done(self._worker.work(_shard(batch)))


class _Read:
    def __init__(self, job: Job) -> None:
        _lower_priority(job)
        self._output = Stores(job.endpoint_url).folder(job.output)
        self._reader = Reader(job)

    def __call__(self, batch: Batch) -> Batch:
        uris = read_rows(self._output, _shard(batch))["uri"].to_pylist()
        return {**batch, "photos": _packed(list(self._reader.photos(uris)))}


class _Segment:
    def __init__(self, job: Job) -> None:
        self._network = Network.of(job)
        self._trials = Trials(Stores(job.endpoint_url).folder(job.output), "segment")

    def __call__(self, batch: Batch) -> Batch:
        photos, trial = _unpacked(batch["photos"]), self._trials.begin(_shard(batch))
        if trial.careful:
            found = [trial.row(k, partial(self._network.segment, [photo])) for k, photo in enumerate(photos)]
            segmented = [one if isinstance(one, ColorMatchError) else one[0] for one in found]
        else:
            segmented = self._network.segment(photos)
        trial.finish()
        return {**batch, "segmented": _packed(segmented)}


class _Advise:
    def __init__(self, job: Job) -> None:
        _lower_priority(job)
        self._parameters = job.parameters
        self._output = Stores(job.endpoint_url).folder(job.output)
        self._trials = Trials(self._output, "advise")

    def __call__(self, batch: Batch) -> Batch:
        shard = _shard(batch)
        pairs = zip(_unpacked(batch["photos"]), _unpacked(batch["segmented"]), strict=True)
        trial = self._trials.begin(shard)
        outcomes = [trial.row(k, partial(advise, *pair, self._parameters)) for k, pair in enumerate(pairs)]
        trial.finish()
        return _done(save_outcomes(self._output, shard, read_rows(self._output, shard), outcomes))


def _shard(batch: Batch) -> Shard:
    return Shard(int(batch["part"][0]), int(batch["start"][0]), int(batch["stop"][0]))


def _done(done: SavedShard) -> Batch:
    return {"part": np.array([done.part]), "rows": np.array([done.rows]), "dead": np.array([done.dead])}


def _packed(value: object) -> list[bytes]:
    return [pickle.dumps(value, protocol=5)]


def _unpacked(column: Any) -> Any:
    # Our own processes wrote these bytes.
    return pickle.loads(column[0])  # noqa: S301


def _rows(data: ray.data.Dataset) -> Iterator[dict[str, Any]]:
    """The rows of results. Raises a BackfillError as itself, although Ray has wrapped it."""
    try:
        yield from data.iter_rows()
    except Exception as error:
        raise _backfill_error(error) or error from None


def _backfill_error(error: BaseException | None) -> BackfillError | None:
    """The BackfillError inside Ray's exception, rebuilt as its own class; None when there is none."""
    while error is not None:
        for found in (error, getattr(error, "cause", None)):
            if isinstance(found, BackfillError):
                return error_of(found.exit_code, str(found.args[0]))
        error = error.__cause__
    return None


def _lower_priority(job: Job) -> None:
    """Raises this process's niceness to the run's, unless it is higher already. The highest uses idle CPU time only."""
    os.nice(max(0, job.resources.nice - os.nice(0)))
    if job.resources.nice >= LEAST_PRIORITY and sys.platform == "linux":
        # A process of this class gives way at once, not at the end of its time slice.
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
