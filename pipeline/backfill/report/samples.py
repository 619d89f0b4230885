"""Takes sample photos of a run, with their answers, for the report."""

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from PIL import Image

from pipeline.backfill.decoder import Decoder, DecoderDied
from pipeline.backfill.errors import BackfillError
from pipeline.backfill.stores.store import Store
from pipeline.backfill.stores.uris import Stores
from pipeline.backfill.tables.parquet import from_parquet
from pipeline.contract import advice_of_json
from pipeline.errors import ColorMatchError
from pipeline.limits import MAX_OBJECT_BYTES

# The constants below are taste: the number of samples, the longest side of a picture, its JPEG quality, and the CPU
# time that decoding a photo may take.
SAMPLES = 12
SIDE_PX = 220
JPEG_QUALITY = 80
DECODE_CPU_S = 4.0


@dataclass(frozen=True, slots=True)
class SampleGarment:
    """A garment's kind, and its colours as (hex, share)."""

    category: str
    colors: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One photo.

    picture: a data URI, or "" when the photo cannot be read. goes_with: the first suggestion's colours as (hex, name).
    """

    id: str
    picture: str
    garments: tuple[SampleGarment, ...]
    goes_with: tuple[tuple[str, str], ...]


def take_samples(output: Store, stores: Stores, parts: Sequence[str]) -> tuple[Sample, ...]:
    """SAMPLES answers, spread evenly over the parts, with small pictures of their photos."""
    decoder = Decoder(cpu_s=DECODE_CPU_S)
    try:
        return tuple(_sample(id, uri, answer, stores, decoder) for id, uri, answer in _rows(output, parts))
    finally:
        decoder.close()


def _rows(output: Store, parts: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    chosen = parts[:: max(1, len(parts) // SAMPLES)][:SAMPLES]
    each = -(-SAMPLES // max(1, len(chosen)))
    for name in chosen:
        table = from_parquet(output.read(f"answers/{name}"), ["id", "uri", "answer"])
        rows = table.take(list(range(0, table.num_rows, max(1, table.num_rows // each)))[:each]).to_pylist()
        yield from ((row["id"], row["uri"], row["answer"]) for row in islice(rows, each))


def _sample(id: str, uri: str, answer: str, stores: Stores, decoder: Decoder) -> Sample:
    advice = advice_of_json(answer)
    garments = tuple(
        SampleGarment(garment.category, tuple((color.hex, color.share) for color in garment.colors))
        for garment in advice.garments
    )
    best = advice.suggestions[0].colors if advice.suggestions else ()
    return Sample(id, _picture(uri, stores, decoder), garments, tuple((color.hex, color.name) for color in best))


def _picture(uri: str, stores: Stores, decoder: Decoder) -> str:
    try:
        store, key = stores.file(uri)
        photo = decoder.decode(store.read(key, max_bytes=MAX_OBJECT_BYTES), None)
    except (ColorMatchError, BackfillError, DecoderDied):
        return ""
    small = Image.fromarray(photo.pixels)
    small.thumbnail((SIDE_PX, SIDE_PX))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
