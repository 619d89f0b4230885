"""Tables as Parquet bytes and back; pyarrow only."""

import pyarrow as pa
import pyarrow.parquet as pq


def to_parquet(table: pa.Table) -> bytes:
    """The table as one Parquet file, zstd; equal tables give equal bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def from_parquet(data: bytes, columns: list[str] | None = None) -> pa.Table:
    """The table of a Parquet file, or some of its columns."""
    return pq.read_table(pa.BufferReader(data), columns=columns)
