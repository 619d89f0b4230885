"""Tests runs that are killed, repeated or overtaken, or whose disk is full. Fixed answers make them quick."""

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.backfill.stores.store import storage_failed
from tests.pipeline.backfill.catalogue import CannedPool, Killed, Result, backfill, contents
from tests.pipeline.backfill.mortal import MortalStores

ROWS = 7
SHARDS = 4


class Table:
    """A table of seven photos, two of them bad, and its runs with two parts and four shards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.csv = folder / "items.csv"
        lines = [f"{'bad-' if k % 3 == 2 else ''}{k},gone.jpg" for k in range(ROWS)]
        self.csv.write_text("\n".join(["id,uri", *lines, ""]))

    def run(
        self, *more: str, to: str = "out", pool: CannedPool | None = None, stores: MortalStores | None = None
    ) -> Result:
        """Runs the command."""
        arguments = ("--input", str(self.csv), "--rows-per-part", "4", "--checkpoint-rows", "2", "--max-failures", "1")
        return backfill(*arguments, *more, output=self.folder / to, pool=pool or CannedPool(), stores=stores)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """A new table."""
    return Table(tmp_path)


@pytest.fixture
def wanted(table: Table) -> dict[str, bytes]:
    """The tables of an undisturbed run."""
    return contents(table.run(to="peace").output)


@pytest.mark.parametrize("killed_after", range(SHARDS))
def test_only_lost_shards_are_done_again_when_a_run_is_killed_at_work(
    table: Table, wanted: dict[str, bytes], killed_after: int
) -> None:
    """A saved shard is not done again, and the output equals that of an undisturbed run."""
    first, second = CannedPool(die_after=killed_after), CannedPool()
    with pytest.raises(Killed):
        table.run(pool=first)
    result = table.run(pool=second)
    assert result.exit_code == 0
    assert len(first.done) + len(second.done) == SHARDS
    assert not set(first.done) & set(second.done)
    assert contents(result.output) == wanted


def test_a_run_ends_the_same_when_it_is_killed_at_every_change_of_the_store(
    table: Table, wanted: dict[str, bytes]
) -> None:
    """A run that is killed before any of its changes publishes no partial table, and the next one completes it."""
    for kills in range(100):
        try:
            table.run(to=str(kills), stores=MortalStores(changes=kills))
            break
        except Killed:
            shown = [len(list((table.folder / str(kills) / name).glob("*"))) for name in ("answers", "colors")]
            assert set(shown) <= {0, 2}
        result = table.run(to=str(kills))
        assert (result.exit_code, contents(result.output)) == (0, wanted)
        assert not (result.output / "_work").exists()
    # Lists, tables, markers and moves are more than twenty changes.
    assert kills > 20


def test_nothing_is_done_when_a_run_is_complete(table: Table, wanted: dict[str, bytes]) -> None:
    """The same command says that the run is complete, and does nothing."""
    pool = CannedPool()
    result = table.run(to="peace", pool=pool)
    assert result.exit_code == 0
    assert "complete already" in result.said
    assert (pool.done, contents(result.output)) == ([], wanted)


def test_another_run_is_refused_when_its_parameters_differ(table: Table, wanted: dict[str, bytes]) -> None:
    """The refusal names the parameter and both values, and changes nothing."""
    result = table.run("--limit", "3", to="peace")
    assert result.exit_code == 3
    assert "parameters.limit: null there, 3 here" in result.said
    assert contents(result.output) == wanted


def test_another_run_is_refused_when_the_first_is_half_done(table: Table) -> None:
    """An unfinished run cannot be continued with other parameters."""
    with pytest.raises(Killed):
        table.run(pool=CannedPool(die_after=1))
    assert table.run("--limit", "3").exit_code == 3


def test_another_run_is_welcome_when_only_the_resources_differ(table: Table) -> None:
    """Resources may change between two attempts, because they shape no row."""
    with pytest.raises(Killed):
        table.run(pool=CannedPool(die_after=1))
    more = ("--workers", "1", "--nice", "1", "--fetches", "2", "--checkpoint-rows", "3")
    assert table.run(*more).exit_code == 0


def test_a_refused_input_may_be_mended_when_it_was_the_first_try(table: Table) -> None:
    """After a refused input the output does not belong to that attempt."""
    assert table.run("--uri-column", "url").exit_code == 2
    assert table.run("--uri-column", "uri").exit_code == 0


def test_the_output_is_left_alone_when_it_holds_other_things(table: Table) -> None:
    """A run refuses an output with other files, and does not touch them."""
    (table.folder / "out").mkdir()
    (table.folder / "out/precious.txt").write_text("mine")
    result = table.run()
    assert result.exit_code == 2
    assert [path.name for path in result.output.iterdir()] == ["precious.txt"]


def test_an_older_run_stops_when_a_newer_one_took_over(table: Table, wanted: dict[str, bytes]) -> None:
    """A run that a newer one has overtaken stops, and publishes nothing."""
    later: list[Result] = []

    def overtake(key: str) -> None:
        if key.endswith("/complete") and not later:
            later.append(table.run())

    result = table.run(stores=MortalStores(on_change=overtake))
    assert result.exit_code == 3
    assert "taken over" in result.said
    assert contents(later[0].output) == wanted


# --- a file system that refuses ---------------------------------------------------------------------------------
@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Limits the size of this process's files. The system then refuses writes as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_same_command_goes_on_when_the_disk_was_full(table: Table) -> None:
    """A full disk gives exit code 4, advice and no partial file. With more space the same command completes the run."""
    photos = table.folder / "photos"
    photos.mkdir()
    for k in range(ROWS):
        (photos / f"{k}.jpg").touch()
    folder = ("--input", str(photos))
    with largest_file(8000):
        full = table.run(*folder)
    assert full.exit_code == 4
    assert "The disk is full" in full.said
    assert "Free some space and give the same command again." in full.said
    assert not (full.output / "answers").exists()
    assert not [path for path in full.output.rglob(".*") if path.is_file()]
    again, peace = table.run(*folder), table.run(*folder, to="peace")
    assert (again.exit_code, contents(again.output)) == (0, contents(peace.output))


def test_the_temporary_folder_is_named_when_it_is_full(table: Table) -> None:
    """A full temporary folder, which holds the ids of a table, gives exit code 4 and its path."""
    with largest_file(2000):
        full = table.run()
    assert full.exit_code == 4
    assert "temporary folder" in full.said
    assert table.run().exit_code == 0


@pytest.mark.parametrize("place", ["_work/manifest", "_work/finished", "answers", "_SUCCESS"])
def test_the_same_command_goes_on_when_permission_was_missing(
    table: Table, wanted: dict[str, bytes], place: str
) -> None:
    """Missing permission gives exit code 4 and the file's name. Once granted, the run resumes."""

    def refuse(key: str) -> None:
        if key.startswith(place):
            raise storage_failed(PermissionError(errno.EACCES, "Permission denied"), "write", table.folder / key)

    refused = table.run(stores=MortalStores(on_change=refuse))
    assert refused.exit_code == 4
    assert f"no permission to write {table.folder / place}" in refused.said
    result = table.run()
    assert (result.exit_code, contents(result.output)) == (0, wanted)
