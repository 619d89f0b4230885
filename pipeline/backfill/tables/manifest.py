"""The list of a run's rows, written once in parts, and the shards that are worked on and saved one by one; pyarrow.

_work/manifest/part-000000.parquet   rows_per_part rows, sorted by id; one output part each
_work/manifest.json                  last: how many rows each part has, and how they are cut into shards
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
SHARDS_OF_A_WORKER = 200  # ten kills of all workers then redo 2.5 % of the rows on average
LEAST_SHARD, LARGEST_SHARD = 4, 500


@dataclass(frozen=True, slots=True)
class Shard:
    """Rows start to stop of a part: what one checkpoint holds."""

    part: int
    start: int
    stop: int

    @property
    def name(self) -> str:
        """Sorts as the rows do."""
        return f"{self.part:06d}-{self.start:06d}"

    @property
    def rows(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Manifest:
    """parts: rows of each. bytes: of all objects, as far as the listing told. skipped: objects passed over."""

    parts: tuple[int, ...]
    shard_rows: int
    bytes: int
    skipped: int

    @property
    def rows(self) -> int:
        """Of the whole run."""
        return sum(self.parts)

    def shards(self, part: int) -> Iterator[Shard]:
        """The shards of a part, in order."""
        rows = self.parts[part]
        return (Shard(part, at, min(rows, at + self.shard_rows)) for at in range(0, rows, self.shard_rows))

    def all_shards(self) -> Iterator[Shard]:
        """The shards of all parts, in order."""
        return (shard for part in range(len(self.parts)) for shard in self.shards(part))


def part_name(part: int) -> str:
    """The file name of a part in every folder."""
    return f"part-{part:06d}.parquet"


def load_manifest(output: Store) -> Manifest | None:
    """The finished manifest of an output; None when it has to be written."""
    try:
        return msgspec.json.decode(output.read(MANIFEST_FILE), type=Manifest)
    except NotFound:
        return None


def save_manifest(output: Store, manifest: Manifest) -> None:
    """Marks the list of rows as finished."""
    output.write(MANIFEST_FILE, msgspec.json.encode(manifest))


def write_rows(output: Store, source: Source, parameters: Parameters, resources: Resources) -> Manifest:
    """Lists the source. Raises BadRequest for two rows of one id, and when there is no row at all."""
    parts: list[int] = []
    listed_bytes = 0
    for table in listed_parts(source, parameters):
        listed_bytes += sum(table["bytes"].drop_null().to_pylist())
        output.write(f"{MANIFEST}/{part_name(len(parts))}", to_parquet(table.sort_by("id")))
        parts.append(table.num_rows)
    if not parts:
        raise BadRequest(f"There is nothing to do: the input {parameters.input} lists no image.{_hint(source)}")
    rows = resources.checkpoint_rows or _shard_rows(sum(parts), resources)
    return Manifest(tuple(parts), min(rows, parameters.rows_per_part), listed_bytes, source.skipped)


def read_rows(output: Store, shard: Shard) -> pa.Table:
    """The rows of a shard, with the carried columns."""
    return _part_rows(output, shard.part).slice(shard.start, shard.rows)


def read_part_ids(output: Store, part: int) -> list[str]:
    """The ids of a part, in order."""
    ids: list[str] = _part_rows(output, part)["id"].to_pylist()
    return ids


@lru_cache(maxsize=2)  # of the process: shards of one part come together
def _part_rows(output: Store, part: int) -> pa.Table:
    return from_parquet(output.read(f"{MANIFEST}/{part_name(part)}"))


def _shard_rows(rows: int, resources: Resources) -> int:
    at_once = resources.workers + (2 * resources.helpers if resources.gpus else 0)
    return max(LEAST_SHARD, min(LARGEST_SHARD, rows // (SHARDS_OF_A_WORKER * at_once)))


def _hint(source: Source) -> str:
    return f" {source.skipped} objects did not fit --match or start with a dot." if source.skipped else ""


def listed_parts(source: Source, parameters: Parameters) -> Iterator[pa.Table]:
    """The chosen rows in tables of rows_per_part; never more than one of them is in memory."""
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
    """The same batches; raises BadRequest at the first id that came before. The ids seen are kept on disk."""
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
            raise BadRequest(f"Two rows have the id '{id[:80]}'; every row needs its own.") from error
