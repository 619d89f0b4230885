"""Saves the checkpoints of shards, and makes the parts of the output's tables from them.

answers       a row per photo with an answer
dead_letters  a row per photo without one, with a code and a detail
colors        a row per colour of a garment, derived from answers
suggestions   a row per suggestion, derived from answers
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa
from msgspec import structs

from pipeline.backfill.errors import BackfillError
from pipeline.backfill.plan import Identity
from pipeline.backfill.stores.store import Store
from pipeline.backfill.tables.derive import derive
from pipeline.backfill.tables.manifest import WORK, Manifest, Shard, part_name, read_part_ids
from pipeline.backfill.tables.parquet import from_parquet, to_parquet
from pipeline.errors import ColorMatchError
from pipeline.parts import PaletteVector, Versions

# The folder of checkpoints, one file per shard.
RESULTS = f"{WORK}/results"
# The folder of tables that are complete and not yet published.
FINISHED = f"{WORK}/finished"
# In the order of writing: a part whose answers are written is complete.
TABLES = ("dead_letters", "suggestions", "colors", "answers")
METADATA_KEY = "stylesync.backfill"

_VERSIONS = pa.struct([(name, pa.string()) for name in ("api", "segmenter", "palette", "harmony")])
_ANSWER = pa.schema(
    [
        ("answer", pa.string()),
        ("vector", pa.list_(pa.float32())),
        ("vector_version", pa.string()),
        ("versions", _VERSIONS),
    ]
)
_FAILURE = pa.schema([("code", pa.string()), ("detail", pa.string())])


@dataclass(frozen=True, slots=True)
class Answered:
    """A photo's answer. answer: the service's JSON without `request_id` and `meta`. vector: None without colours."""

    answer: str
    versions: Versions
    vector: PaletteVector | None


Outcome: TypeAlias = Answered | ColorMatchError


@dataclass(frozen=True, slots=True)
class SavedShard:
    """A saved shard: its part, and the number of its rows and of its dead letters."""

    part: int
    rows: int
    dead: int


# --- checkpoints ----------------------------------------------------------------------------------------------
def save_outcomes(output: Store, shard: Shard, rows: pa.Table, outcomes: Sequence[Outcome]) -> SavedShard:
    """Saves the outcomes of a shard. A saved shard is not done again."""
    records = [_record(outcome) for outcome in outcomes]
    results = pa.Table.from_pylist(records, schema=pa.schema([*_ANSWER, *_FAILURE]))
    table = rows.drop_columns(["bytes"])
    for name in results.column_names:
        table = table.append_column(results.schema.field(name), results[name])
    output.write(f"{RESULTS}/{shard.name}.parquet", to_parquet(table))
    return SavedShard(shard.part, shard.rows, sum(isinstance(outcome, ColorMatchError) for outcome in outcomes))


def saved_shards(output: Store) -> set[str]:
    """The names of the saved shards."""
    return {name.removesuffix(".parquet") for name in _names(output, RESULTS) if not name.startswith(".")}


def _names(output: Store, folder: str) -> Iterable[str]:
    return (found.key.rpartition("/")[2] for found in output.walk(folder))


def _record(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, ColorMatchError):
        return {"code": outcome.code, "detail": outcome.detail}
    vector = outcome.vector
    return {
        "answer": outcome.answer,
        "vector": None if vector is None else vector.values,
        "vector_version": None if vector is None else vector.version,
        "versions": structs.asdict(outcome.versions),
    }


# --- parts ----------------------------------------------------------------------------------------------------
def finished_parts(output: Store) -> set[str]:
    """The file names of the parts whose four tables are written."""
    return set(_names(output, f"{FINISHED}/{TABLES[-1]}"))


def finish_part(output: Store, manifest: Manifest, part: int, identity: Identity) -> None:
    """Makes the four tables of a part from its shards. Raises BackfillError when rows are missing or occur twice."""
    shards = [from_parquet(output.read(f"{RESULTS}/{shard.name}.parquet")) for shard in manifest.shards(part)]
    rows = pa.concat_tables(shards)
    if rows["id"].to_pylist() != read_part_ids(output, part):
        raise BackfillError(f"The checkpoints of part {part} do not match its rows. Remove the output and start again.")
    tables = {name: tagged(table, identity) for name, table in split(rows).items()}
    for name in TABLES:
        output.write(f"{FINISHED}/{name}/{part_name(part)}", to_parquet(tables[name]))


def split(rows: pa.Table) -> dict[str, pa.Table]:
    """The four tables of checkpoint rows, in the rows' order."""
    good = rows["code"].is_null()
    answers = rows.filter(good).drop_columns(_FAILURE.names)
    dead = rows.filter(rows["code"].is_valid()).drop_columns(_ANSWER.names)
    return {"answers": answers, "dead_letters": dead, **derive(answers)}


def tagged(table: pa.Table, identity: Identity) -> pa.Table:
    """The table with the run's identity in its metadata."""
    return table.replace_schema_metadata({METADATA_KEY: identity.to_json()})
