"""Writes the list of a run's rows once, in parts, and divides the parts into shards, the units of work.

_work/manifest/part-000000.parquet   the rows of one output part, sorted by id
_work/manifest.json                  the number of rows of each part, and the size of shards; written last
"""

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec
import pyarrow as pa

from pipeline.backfill.errors import BadRequest, StorageFailed
from pipeline.backfill.plan import Parameters, Resources
from pipeline.backfill.stores.store import Store
from pipeline.backfill.tables.parquet import from_parquet, to_parquet
from pipeline.backfill.tables.sources import Source, chosen, row_schema
from pipeline.errors import NotFound

WORK = "_work"
MANIFEST_FILE = f"{WORK}/manifest.json"
MANIFEST = f"{WORK}/manifest"
# Taste: shards per worker. Ten kills of all workers then repeat 2.5 % of the rows on average.
SHARDS_OF_A_WORKER = 200
# Taste: the fewest and the most rows of a shard.
LEAST_SHARD, LARGEST_SHARD = 4, 500


@dataclass(frozen=True, slots=True)
class Shard:
    """The rows from `start` to `stop` of a part, which one checkpoint holds."""

    part: int
    start: int
    stop: int

    @property
    def name(self) -> str:
        """A name that sorts in the order of rows."""
        return f"{self.part:06d}-{self.start:06d}"

    @property
    def rows(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Manifest:
    """The size of a run. parts: the rows of each part. skipped: objects of the input that are no images of the run."""

    parts: tuple[int, ...]
    shard_rows: int
    skipped: int

    @property
    def rows(self) -> int:
        """The rows of the whole run."""
        return sum(self.parts)

    def shards(self, part: int) -> Iterator[Shard]:
        """The shards of a part, in order."""
        rows = self.parts[part]
        return (Shard(part, at, min(rows, at + self.shard_rows)) for at in range(0, rows, self.shard_rows))


def part_name(part: int) -> str:
    """The file name of a part, the same in every folder."""
    return f"part-{part:06d}.parquet"


def load_manifest(output: Store) -> Manifest | None:
    """The manifest of an output; None when it is not finished."""
    try:
        return msgspec.json.decode(output.read(MANIFEST_FILE), type=Manifest)
    except NotFound:
        return None


def save_manifest(output: Store, manifest: Manifest) -> None:
    """Marks the list of rows as finished."""
    output.write(MANIFEST_FILE, msgspec.json.encode(manifest))


def write_rows(output: Store, source: Source, parameters: Parameters) -> tuple[int, ...]:
    """Lists the source into the output; gives the rows of each part.

    Raises BadRequest for two rows with one id, and for no rows.
    """
    parts: list[int] = []
    for table in listed_parts(source, parameters):
        output.write(f"{MANIFEST}/{part_name(len(parts))}", to_parquet(table.sort_by("id")))
        parts.append(table.num_rows)
    if not parts:
        raise BadRequest(f"There is nothing to do: the input {parameters.input} lists no image.{_hint(source)}")
    return tuple(parts)


def manifest_of(parts: tuple[int, ...], skipped: int, parameters: Parameters, resources: Resources) -> Manifest:
    """The manifest of listed rows, with shards that suit the resources."""
    rows = resources.checkpoint_rows or shard_rows(sum(parts), resources)
    return Manifest(parts, min(rows, parameters.rows_per_part), skipped)


def read_rows(output: Store, shard: Shard) -> pa.Table:
    """The rows of a shard, with the columns carried from the input."""
    return _part_rows(output, shard.part).slice(shard.start, shard.rows)


def read_part_ids(output: Store, part: int) -> list[str]:
    """The ids of a part, in order."""
    ids: list[str] = _part_rows(output, part)["id"].to_pylist()
    return ids


# A process mostly gets shards of the same part one after another.
@lru_cache(maxsize=2)
def _part_rows(output: Store, part: int) -> pa.Table:
    return from_parquet(output.read(f"{MANIFEST}/{part_name(part)}"))


def shard_rows(rows: int, resources: Resources) -> int:
    """The rows of a shard of a run of so many rows."""
    at_once = resources.workers + (2 * resources.helpers if resources.gpus else 0)
    return max(LEAST_SHARD, min(LARGEST_SHARD, rows // (SHARDS_OF_A_WORKER * at_once)))


def _hint(source: Source) -> str:
    return f" {source.skipped} objects did not match --match or begin with a dot." if source.skipped else ""


def listed_parts(source: Source, parameters: Parameters) -> Iterator[pa.Table]:
    """The chosen rows as tables of `rows_per_part` rows, of which one at a time is in memory."""
    schema = row_schema(source.carried)
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in _unique(source, chosen(source.batches(), sample=parameters.sample, limit=parameters.limit)):
        waiting.append(batch)
        rows += batch.num_rows
        while rows >= parameters.rows_per_part:
            table = pa.Table.from_batches(waiting, schema)
            yield table.slice(0, parameters.rows_per_part)
            rest = table.slice(parameters.rows_per_part)
            waiting, rows = rest.to_batches(), rest.num_rows
    if rows:
        yield pa.Table.from_batches(waiting, schema)


def _unique(source: Source, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same batches. Raises BadRequest at the first id that occurs twice. A file on disk holds the ids so far."""
    if source.ids_are_unique:
        yield from batches
        return
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder) / "ids")) as seen:
        seen.executescript("pragma journal_mode=off; pragma synchronous=off")
        for batch in batches:
            try:
                seen.execute("create table if not exists seen (id text primary key) without rowid")
                _note(seen, batch["id"].to_pylist())
            except sqlite3.OperationalError as error:
                raise StorageFailed(f"The temporary folder {folder} cannot hold the ids: {error}.") from error
            yield batch


def _note(seen: sqlite3.Connection, ids: Sequence[str]) -> None:
    for id in ids:
        try:
            seen.execute("insert into seen values (?)", (id,))
        except sqlite3.IntegrityError as error:
            raise BadRequest(f"Two rows have the id '{id[:80]}'. Ids must be unique.") from error
