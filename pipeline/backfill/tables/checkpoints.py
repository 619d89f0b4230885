"""The output's tables: checkpoints of shards, and the parts made of them; pyarrow, the stores.

answers       a row per photo that was advised on
dead_letters  a row per photo that was not, with a code and a detail
colors        a row per colour of a garment     } derived from answers by
suggestions   a row per suggestion              } pipeline.backfill.tables.derive
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

RESULTS = f"{WORK}/results"  # a checkpoint per shard
FINISHED = f"{WORK}/finished"  # whole tables, not yet published
TABLES = ("dead_letters", "suggestions", "colors", "answers")  # in the order of writing: answers stand for a whole part
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
    """One photo's answer: the service's JSON without request_id and meta, and the look's vector (None: no colour)."""

    answer: str
    versions: Versions
    vector: PaletteVector | None


Outcome: TypeAlias = Answered | ColorMatchError


@dataclass(frozen=True, slots=True)
class Done:
    """A shard that is saved."""

    part: int
    rows: int
    dead: int


# --- checkpoints ----------------------------------------------------------------------------------------------
def save_outcomes(output: Store, shard: Shard, rows: pa.Table, outcomes: Sequence[Outcome]) -> Done:
    """Saves a shard: from now on it is not done again."""
    records = [_record(outcome) for outcome in outcomes]
    found = pa.Table.from_pylist(records, schema=pa.schema([*_ANSWER, *_FAILURE]))
    table = rows.drop_columns(["bytes"])
    for name in found.column_names:
        table = table.append_column(found.schema.field(name), found[name])
    output.write(f"{RESULTS}/{shard.name}.parquet", to_parquet(table))
    return Done(shard.part, shard.rows, sum(isinstance(outcome, ColorMatchError) for outcome in outcomes))


def saved_shards(output: Store) -> set[str]:
    """The names of the shards that need not be done again."""
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
    """The file names of the parts whose tables are all written."""
    return set(_names(output, f"{FINISHED}/{TABLES[-1]}"))


def finish_part(output: Store, manifest: Manifest, part: int, identity: Identity) -> None:
    """Makes a part's four tables of its shards. Raises BackfillError when rows are missing or doubled."""
    shards = [from_parquet(output.read(f"{RESULTS}/{shard.name}.parquet")) for shard in manifest.shards(part)]
    rows = pa.concat_tables(shards)
    if rows["id"].to_pylist() != read_part_ids(output, part):
        raise BackfillError(f"The checkpoints of part {part} do not hold its rows; remove the output and start again.")
    tables = {name: tagged(table, identity) for name, table in split(rows).items()}
    for name in TABLES:
        output.write(f"{FINISHED}/{name}/{part_name(part)}", to_parquet(tables[name]))


def split(rows: pa.Table) -> dict[str, pa.Table]:
    """Checkpoint rows as the four tables, in the rows' order."""
    good = rows["code"].is_null()
    answers = rows.filter(good).drop_columns(_FAILURE.names)
    dead = rows.filter(rows["code"].is_valid()).drop_columns(_ANSWER.names)
    return {"answers": answers, "dead_letters": dead, **derive(answers)}


def tagged(table: pa.Table, identity: Identity) -> pa.Table:
    """The table with the run's parameters and versions in its metadata."""
    return table.replace_schema_metadata({METADATA_KEY: identity.to_json()})
