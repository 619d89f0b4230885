"""Converts tables to Parquet bytes and back."""

import pyarrow as pa
import pyarrow.parquet as pq


def to_parquet(table: pa.Table) -> bytes:
    """The table as a Parquet file with zstd compression. Equal tables give equal bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def from_parquet(data: bytes, columns: list[str] | None = None) -> pa.Table:
    """The table in a Parquet file, or only some of its columns."""
    return pq.read_table(pa.BufferReader(data), columns=columns)
