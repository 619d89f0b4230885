"""The estimate of `--dry-run`: counts the images and processes a few of them to tell how long a run would take."""

import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass

from pipeline.backfill.network import Network
from pipeline.backfill.plan import Job, Resources
from pipeline.backfill.screen import duration
from pipeline.backfill.stores.uris import Stores
from pipeline.backfill.tables.manifest import listed_parts, shard_rows
from pipeline.backfill.tables.sources import open_source
from pipeline.backfill.worker import Reader, advise
from pipeline.errors import ColorMatchError, to_pair

# Taste: the first photos of the input that are processed.
TRIED = 8
# Taste: kinds of failures that are shown.
SHOWN = 4
# Fitted: what Ray and a worker's network take to start on two cores, s.
START_S = 10


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a dry run finds.

    images, bytes: of the whole input; bytes is 0 when the listing has no sizes. skipped: objects that are no images of
    the run. photo_s: seconds per photo on one core. answer_bytes: mean size of an answer. tried: photos. failures: the
    code and the detail of each that would be a dead letter.
    """

    images: int
    bytes: int
    skipped: int
    photo_s: float
    answer_bytes: int
    tried: int
    failures: tuple[tuple[str, str], ...]

    def lines(self, resources: Resources) -> list[str]:
        """The estimate in sentences."""
        size = f", {self.bytes / 1e6:,.1f} MB" if self.bytes else ""
        skipped = f" ({self.skipped} other objects skipped)" if self.skipped else ""
        took = f"{self.photo_s * 1000:.0f} ms per photo on one core"
        workers = max(1, min(resources.workers, -(-self.images // shard_rows(self.images, resources))))
        work_s = self.images * self.photo_s / workers
        total = duration(work_s) if work_s >= 1 else "less than 1 s"
        answers = f"{_size(self.images * self.answer_bytes)} of answers"
        return [
            f"{self.images} images{size}{skipped}",
            f"{self.tried} processed: {took}, {len(self.failures)} would be dead letters",
            *(f"  {count} × {code}: {detail}" for (code, detail), count in Counter(self.failures).most_common(SHOWN)),
            f"about {total} with {workers} worker{'s' * (workers > 1)} after some {START_S} s to start, and {answers}",
            "Nothing was written.",
        ]


def _size(count: int) -> str:
    """A number of bytes in kB below a megabyte, else in MB."""
    return f"{count / 1e3:,.0f} kB" if count < 1e6 else f"{count / 1e6:,.0f} MB"


def estimate(job: Job) -> Estimate:
    """Lists the whole input, and processes its first photos in this process. Raises BackfillError as a run would."""
    images = size = 0
    uris: list[str | None] = []
    with open_source(job.parameters, Stores(job.endpoint_url)) as source:
        for table in listed_parts(source, job.parameters):
            images += table.num_rows
            size += sum(table["bytes"].drop_null().to_pylist())
            uris.extend(table["uri"].slice(0, TRIED - len(uris)).to_pylist())
    photo_s, answer_bytes, failures = _try(job, uris)
    return Estimate(images, size, source.skipped, photo_s, answer_bytes, len(uris), failures)


def _try(job: Job, uris: list[str | None]) -> tuple[float, int, tuple[tuple[str, str], ...]]:
    """Seconds per photo, mean bytes of an answer, and the code and detail of each photo without one."""
    network = Network.of(job)
    with closing(Reader(job)) as reader:
        # The first photo starts the decoder, which must not count.
        list(reader.photos(uris[:1]))
        began_s = time.perf_counter()
        photos = list(reader.photos(uris))
        outcomes = [
            advise(photo, label_map, job.parameters)
            for photo, label_map in zip(photos, network.segment(photos), strict=True)
        ]
        took_s = time.perf_counter() - began_s
    sizes = [len(outcome.answer) for outcome in outcomes if not isinstance(outcome, ColorMatchError)]
    count = max(1, len(uris))
    failures = tuple(to_pair(outcome) for outcome in outcomes if isinstance(outcome, ColorMatchError))
    return took_s / count, sum(sizes) // max(1, len(sizes)), failures
