"""Streams the rows of the input: a folder, an S3 prefix, or a table of URIs."""

import csv
import fnmatch
import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, BinaryIO, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.backfill.errors import BadRequest
from pipeline.backfill.plan import Parameters
from pipeline.backfill.stores.store import Store
from pipeline.backfill.stores.uris import S3_SCHEME, Stores, local_path, local_uri
from pipeline.errors import NotFound

# Taste: rows in one record batch.
BATCH_ROWS = 1000
# Taste: the longest field of a CSV.
MAX_FIELD_CHARS = 64 * 1024 * 1024
PARQUET, CSV = ".parquet", ".csv"
# Columns that the output adds. An input must not have them.
RESERVED = ("id", "uri", "bytes", "answer", "vector", "vector_version", "versions", "code", "detail")
ROW = pa.schema([pa.field("id", pa.string(), nullable=False), ("uri", pa.string()), ("bytes", pa.int64())])


class Source(Protocol):
    """Rows with the columns of ROW and the carried ones.

    carried: the input's further columns. ids_are_unique: whether ids are unique by construction. skipped: objects that
    were listed so far and are no images of the run.
    """

    carried: pa.Schema
    ids_are_unique: bool
    skipped: int

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in batches. Raises BadRequest for a row that is invalid."""


@contextmanager
def open_source(parameters: Parameters, stores: Stores) -> Iterator[Source]:
    """The source of a run's input. Raises BadRequest for an input that is missing or of another kind."""
    uri = parameters.input
    if uri.lower().endswith((PARQUET, CSV)):
        parts = _parts(uri, stores) if uri.lower().endswith(PARQUET) else []
        if parts:
            yield PartsSource(stores.folder(uri), parts, parameters)
            return
        store, key = stores.file(uri)
        kind = ParquetSource if uri.lower().endswith(PARQUET) else CsvSource
        try:
            file = store.open(key)
        except NotFound as error:
            raise BadRequest(f"The input {uri} does not exist.") from error
        with file:
            yield kind(file, parameters)
        return
    if not uri.startswith(S3_SCHEME):
        path = local_path(uri)
        if not path.is_dir():
            what = "is neither a folder nor a .parquet or .csv file" if path.exists() else "does not exist"
            raise BadRequest(f"The input {uri} {what}.")
    store = stores.folder(uri)
    if not parameters.match and (parts := _table_parts(store)):
        yield PartsSource(store, parts, parameters)
        return
    yield FolderSource(store, parameters.match)


def _parts(uri: str, stores: Stores) -> list[str]:
    """The parts of a table that is a folder, as Spark writes it; none for a file."""
    if not uri.startswith(S3_SCHEME) and not local_path(uri).is_dir():
        return []
    return _table_parts(stores.folder(uri))


def _table_parts(store: Store) -> list[str]:
    """The keys of a folder's Parquet files, in order; none unless the folder holds nothing else.

    Names that begin with a dot or an underscore are a writer's own marks.
    """
    parts = []
    for found in store.walk():
        if any(part.startswith((".", "_")) for part in found.key.split("/")):
            continue
        if not found.key.lower().endswith(PARQUET):
            return []
        parts.append(found.key)
    return sorted(parts)


def chosen(batches: Iterator[pa.RecordBatch], *, sample: float, limit: int | None) -> Iterator[pa.RecordBatch]:
    """The first `limit` rows of a sample. Whether an id is in the sample depends on the id alone."""
    left = limit
    for batch in batches:
        if sample < 1:
            batch = batch.filter(pa.array([_draw(id) < sample for id in batch["id"].to_pylist()], pa.bool_()))
        if left is not None:
            batch = batch.slice(0, left)
            left -= batch.num_rows
        if batch.num_rows:
            yield batch
        if left == 0:
            return


def _draw(id: str) -> float:
    """A pseudo-random number in [0, 1) for an id."""
    return int.from_bytes(hashlib.blake2b(id.encode(), digest_size=7).digest()) / 2**56


class FolderSource:
    """Every object below a folder or prefix. Its id is its path below it. Names that begin with a dot are skipped."""

    carried = pa.schema([])
    ids_are_unique = True

    def __init__(self, store: Store, match: Sequence[str]) -> None:
        self._store = store
        self._match = [pattern.lower() for pattern in match]
        self.skipped = 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in the order of the listing."""
        objects = ((found.key, found.bytes) for found in self._store.walk() if self._matches(found.key))
        while rows := list(islice(objects, BATCH_ROWS)):
            ids = [_text(key) for key, _ in rows]
            uris = [local_uri_or_url(self._store.url, key) for key, _ in rows]
            yield pa.record_batch([ids, uris, [size for _, size in rows]], schema=ROW)

    def _matches(self, key: str) -> bool:
        hidden = any(part.startswith(".") for part in key.split("/"))
        if hidden or (self._match and not any(fnmatch.fnmatchcase(key.lower(), one) for one in self._match)):
            self.skipped += 1
            return False
        return True


def local_uri_or_url(root: str, key: str) -> str:
    """The URI of an object below a store's URL."""
    return f"{root}/{key}" if root.startswith(S3_SCHEME) else local_uri(local_path(root) / key)


def _text(key: str) -> str:
    """A key as UTF-8. Other bytes of a file name become escape sequences."""
    return key.encode(errors="surrogateescape").decode(errors="backslashreplace")


class _TableSource:
    """The rows of a table. URIs without a scheme are relative to the table's folder."""

    ids_are_unique = False

    def __init__(self, parameters: Parameters, schema: pa.Schema) -> None:
        self.skipped = 0
        self._base = parameters.input.rpartition("/")[0]
        self._id, self._uri = parameters.id_column, parameters.uri_column
        for name, flag in ((self._id, "--id-column"), (self._uri, "--uri-column")):
            if name not in schema.names:
                raise BadRequest(
                    f"The input has no column '{name}', only {', '.join(schema.names)}. Name the right one with {flag}."
                )
        self.carried = pa.schema([field for field in schema if field.name not in (self._id, self._uri)])
        for name in self.carried.names:
            if name in RESERVED:
                raise BadRequest(f"The output has a column '{name}' too. Rename that of the input.")
        self._rows = 0

    def _batch(self, table: pa.RecordBatch) -> pa.RecordBatch:
        ids = self._ids(table[self._id])
        uris = pa.array([self._absolute(uri) for uri in self._addresses(table[self._uri])], pa.string())
        sizes = pa.nulls(table.num_rows, pa.int64())
        carried = [table[name] for name in self.carried.names]
        self._rows += table.num_rows
        return pa.record_batch([ids, uris, sizes, *carried], schema=row_schema(self.carried))

    def _ids(self, column: pa.Array) -> pa.Array:
        try:
            ids = column.cast(pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise BadRequest(
                f"The column '{self._id}' has the type {column.type}. Ids must be texts or numbers."
            ) from error
        missing = pc.or_kleene(pc.is_null(ids), pc.equal(pc.utf8_length(ids), 0)).to_pylist()
        if True in missing:
            raise BadRequest(f"Row {self._rows + missing.index(True) + 1} of the input has no '{self._id}'.")
        return ids

    def _addresses(self, column: pa.Array) -> list[str | None]:
        """A column of addresses as texts. Of a list, the first; binary data is UTF-8."""
        kind = column.type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            firsts = [next(iter(found or ()), None) for found in column.to_pylist()]
            return self._addresses(pa.array(firsts, kind.value_type))
        if pa.types.is_struct(kind):
            fields = ", ".join(kind.field(number).name for number in range(kind.num_fields))
            raise BadRequest(
                f"The column '{self._uri}' holds structs of {fields}, not addresses. Write the images to files and "
                "name a column of their addresses with --uri-column."
            )
        if pa.types.is_dictionary(kind):
            return self._addresses(column.dictionary_decode())
        texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
        binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
        if not any(fits(kind) for fits in (*texts, *binary)):
            raise BadRequest(
                f"The column '{self._uri}' has the type {kind}; addresses must be texts. Name the right one with "
                "--uri-column."
            )
        try:
            found: list[str | None] = column.cast(pa.string()).to_pylist()
        except pa.ArrowInvalid as error:
            raise BadRequest(
                f"The column '{self._uri}' holds binary data that is no text, such as the images themselves. Write "
                "them to files and name a column of their addresses with --uri-column."
            ) from error
        return found

    def _absolute(self, uri: str | None) -> str | None:
        if not uri or "://" in uri or uri.startswith("/"):
            return uri or None
        return f"{self._base}/{uri}"


def _parquet(file: BinaryIO, name: str) -> pq.ParquetFile:
    """An opened Parquet file. Raises BadRequest for another file."""
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadRequest(f"The input {name} is not a Parquet file.") from error


class ParquetSource(_TableSource):
    """A Parquet file. Its further columns are carried unchanged."""

    def __init__(self, file: BinaryIO, parameters: Parameters) -> None:
        self._file = _parquet(file, parameters.input)
        super().__init__(parameters, self._file.schema_arrow.remove_metadata())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in the file's order."""
        for table in self._file.iter_batches(batch_size=BATCH_ROWS):
            yield self._batch(table)


class PartsSource(_TableSource):
    """A folder of Parquet files with the same columns, in the order of their names, as Spark and DuckDB write them."""

    def __init__(self, store: Store, parts: Sequence[str], parameters: Parameters) -> None:
        self._store = store
        self._keys = parts
        self._schema = self._schema_of(parts[0])
        super().__init__(parameters, self._schema)
        self._base = parameters.input.rstrip("/")

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in the order of the files. Raises BadRequest for a file with other columns."""
        for key in self._keys:
            if self._schema_of(key) != self._schema:
                raise BadRequest(f"{self._store.url}/{key} has other columns than {self._keys[0]}; all must be alike.")
            with self._store.open(key) as file:
                for table in _parquet(file, key).iter_batches(batch_size=BATCH_ROWS):
                    yield self._batch(table)

    def _schema_of(self, key: str) -> pa.Schema:
        with self._store.open(key) as file:
            return _parquet(file, f"{self._store.url}/{key}").schema_arrow.remove_metadata()


class CsvSource(_TableSource):
    """A CSV file in UTF-8 with a header. Its further columns are carried as text."""

    def __init__(self, file: BinaryIO, parameters: Parameters) -> None:
        # By default a field of more than 128 KiB is an error, and descriptions of goods are longer.
        csv.field_size_limit(MAX_FIELD_CHARS)
        self._lines = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""), strict=True)
        names = self._read(1)
        if names and len(names[0]) == 1 and (sign := next((one for one in ";\t|" if one in names[0][0]), None)):
            shown = {"\t": "tabs"}.get(sign, f"'{sign}'")
            raise BadRequest(
                f"The input {parameters.input} has the one column '{names[0][0][:80]}'. Its fields are separated by "
                f"{shown}; write them separated by commas."
            )
        if not names or len(set(names[0])) < len(names[0]):
            raise BadRequest(f"The input {parameters.input} has no header with unique names.")
        super().__init__(parameters, pa.schema([(name, pa.string()) for name in names[0]]))
        self._schema = pa.schema([(name, pa.string()) for name in names[0]])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in the file's order, without empty lines."""
        while lines := self._read(BATCH_ROWS):
            rows = [line for line in lines if line]
            for line in rows:
                if len(line) != len(self._schema):
                    raise BadRequest(
                        f"A row near line {self._lines.line_num} of the input has {len(line)} fields, "
                        f"but the header has {len(self._schema)}."
                    )
            columns: list[Any] = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in self._schema]
            yield self._batch(pa.record_batch(columns, schema=self._schema))

    def _read(self, rows: int) -> list[list[str]]:
        try:
            return list(islice(self._lines, rows))
        except (csv.Error, UnicodeDecodeError) as error:
            raise BadRequest(f"Line {self._lines.line_num + 1} of the input is not CSV in UTF-8: {error}.") from error


def row_schema(carried: pa.Schema) -> pa.Schema:
    """The schema of ROW followed by the carried columns."""
    return pa.schema([*ROW, *carried])
