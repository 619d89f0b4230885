"""Takes sample photos of a run, with their answers, for the report."""

from collections.abc import Iterator, Sequence
from itertools import islice

from pipeline.backfill.decoder import Decoder, DecoderDied
from pipeline.backfill.errors import BackfillError
from pipeline.backfill.stores.store import Store
from pipeline.backfill.stores.uris import Stores
from pipeline.backfill.tables.parquet import from_parquet
from pipeline.errors import ColorMatchError
from pipeline.limits import MAX_OBJECT_BYTES
from pipeline.picture.looks import Look, data_uri, look

# Taste: the number of samples, the longest side of a picture, and the CPU time that decoding a photo may take.
SAMPLES = 12
SIDE_PX = 480
DECODE_CPU_S = 4.0


def take_samples(output: Store, stores: Stores, parts: Sequence[str]) -> tuple[Look, ...]:
    """SAMPLES answers, spread evenly over the parts, with small pictures of their photos."""
    decoder = Decoder(cpu_s=DECODE_CPU_S)
    try:
        return tuple(look(id, _picture(uri, stores, decoder), answer) for id, uri, answer in _rows(output, parts))
    finally:
        decoder.close()


def _rows(output: Store, parts: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    chosen = parts[:: max(1, len(parts) // SAMPLES)][:SAMPLES]
    each = -(-SAMPLES // max(1, len(chosen)))
    for name in chosen:
        table = from_parquet(output.read(f"answers/{name}"), ["id", "uri", "answer"])
        rows = table.take(list(range(0, table.num_rows, max(1, table.num_rows // each)))[:each]).to_pylist()
        yield from ((row["id"], row["uri"], row["answer"]) for row in islice(rows, each))


def _picture(uri: str, stores: Stores, decoder: Decoder) -> str:
    try:
        store, key = stores.file(uri)
        photo = decoder.decode(store.read(key, max_bytes=MAX_OBJECT_BYTES), None)
    except (ColorMatchError, BackfillError, DecoderDied):
        return ""
    return data_uri(photo.pixels, side_px=SIDE_PX)
