"""Tests that a photo which kills every process becomes a dead letter, and that no other photo is blamed."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from pipeline.backfill.errors import Unexplained
from pipeline.backfill.network import Network
from pipeline.backfill.plan import Job, Resources
from pipeline.backfill.ray_pool import _packed, _Segment, _unpacked
from pipeline.backfill.stores.store import LocalStore
from pipeline.backfill.tables.checkpoints import SavedShard
from pipeline.backfill.tables.manifest import Shard
from pipeline.backfill.trials import MAX_UNFINISHED, Trials
from tests.pipeline.backfill.catalogue import Killed, backfill, paint_catalogue, painted
from tests.pipeline.backfill.mortal_worker import POISON_RGB, MortalWorker

PHOTOS = 8
SHARD = Shard(0, 0, 4)


class Mortal(MortalWorker):
    """A worker whose death the pool below handles."""

    @staticmethod
    def die() -> object:
        """Raises Killed, which nothing in the worker catches."""
        raise Killed


@dataclass(slots=True)
class RestartingPool:
    """A pool that replaces a dead worker, as Ray does."""

    deaths: list[Shard] = field(default_factory=list)

    def fit(self, resources: Resources) -> Resources:
        return resources.fitted(cpus=2, gpus=0)

    def work(self, job: Job, shards: Sequence[Shard]) -> Iterator[SavedShard]:
        for shard in shards:
            yield self._done(job, shard)

    def _done(self, job: Job, shard: Shard) -> SavedShard:
        while len(self.deaths) < 20:
            try:
                with closing(Mortal(job)) as worker:
                    return worker.work(shard)
            except Killed:
                self.deaths.append(shard)
        raise AssertionError("The run never ends.")

    def close(self) -> None:
        pass


def test_the_photo_is_a_dead_letter_when_every_process_dies_of_it(tmp_path: Path) -> None:
    """The photo is a dead letter after two quick and two careful attempts, and its neighbours have answers."""
    ids = paint_catalogue(tmp_path / "photos", PHOTOS)
    (tmp_path / "photos" / ids[5]).write_bytes(painted(POISON_RGB))
    pool = RestartingPool()
    done = backfill("--input", tmp_path / "photos", "--checkpoint-rows", "4", output=tmp_path / "out", pool=pool)
    assert done.exit_code == 0, done.said
    assert [row["id"] for row in done.rows("answers")] == [id for id in ids if id != ids[5]]
    ((dead, code),) = [(row["id"], row["code"]) for row in done.rows("dead_letters")]
    assert (dead, code) == (ids[5], "INTERNAL")
    assert pool.deaths == [Shard(0, 4, 8)] * 2 * MAX_UNFINISHED
    assert not (tmp_path / "out/_work").exists()


def test_no_row_is_blamed_when_processes_end_at_different_rows(tmp_path: Path) -> None:
    """Attempts that end at different rows, as by outside kills, blame no row."""
    store = LocalStore(tmp_path)
    for last in (0, 0, 3, 1, 2):
        trial = Trials(store, "work").begin(SHARD)
        assert [trial.row(k, lambda: "done") for k in range(last)] == ["done"] * last
    trial = Trials(store, "work").begin(SHARD)
    assert [trial.row(k, lambda: "done") for k in range(4)] == ["done"] * 4


def test_no_row_is_blamed_when_the_saving_fails(tmp_path: Path) -> None:
    """Attempts that end after the last row, such as in saving, blame no row."""
    store = LocalStore(tmp_path)
    for _ in range(3 * MAX_UNFINISHED):
        trial = Trials(store, "work").begin(SHARD)
        assert [trial.row(k, lambda: "done") for k in range(4)] == ["done"] * 4
        trial.finish()


def test_stages_and_shards_have_trials_of_their_own(tmp_path: Path) -> None:
    """Only the shard and the stage in which processes ended are done with care."""
    store = LocalStore(tmp_path)
    for _ in range(MAX_UNFINISHED):
        Trials(store, "segment").begin(SHARD)
    assert Trials(store, "segment").begin(SHARD).careful
    assert not Trials(store, "advise").begin(SHARD).careful
    assert not Trials(store, "segment").begin(Shard(0, 4, 8)).careful


def test_a_row_costs_no_write_when_nothing_ended_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without earlier deaths a shard costs one small write."""
    written = list[str]()
    store = LocalStore(tmp_path)
    monkeypatch.setattr(LocalStore, "write", lambda _self, key, _data: written.append(key))
    trial = Trials(store, "work").begin(SHARD)
    for number in range(4):
        trial.row(number, lambda: None)
    trial.finish()
    assert len(written) == 1


def test_a_gpu_stage_goes_photo_by_photo_when_processes_ended_before(tmp_path: Path) -> None:
    """Careful and quick attempts give the same. A row at which processes ended does not reach the network again."""
    store, batches = LocalStore(tmp_path), list[int]()

    class Counting:
        def segment(self, photos: Sequence[str]) -> list[str]:
            batches.append(len(photos))
            return [f"labels of {photo}" for photo in photos]

    def segmented() -> list[object]:
        # The constructor of the stage would load the network.
        stage = _Segment.__new__(_Segment)
        stage._network, stage._trials = cast(Network, Counting()), Trials(store, "segment")
        places = {name: np.array([value]) for name, value in asdict(SHARD).items()}
        found: list[object] = _unpacked(stage({**places, "photos": _packed(["a", "b", "c", "d"])})["segmented"])
        return found

    wanted = [f"labels of {photo}" for photo in "abcd"]
    assert [segmented(), segmented(), segmented()] == [wanted] * 3
    assert batches == [4, 4, 1, 1, 1, 1]
    for _ in range(MAX_UNFINISHED):
        Trials(store, "segment").begin(SHARD).row(2, lambda: None)
    found = segmented()
    assert [found[0], found[1], found[3]] == [wanted[0], wanted[1], wanted[3]]
    assert isinstance(found[2], Unexplained)
    assert batches[6:] == [1, 1, 1]
