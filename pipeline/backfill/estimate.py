"""The estimate of `--dry-run`: counts the images and processes a few of them to tell how long a run would take."""

import time
from contextlib import closing
from dataclasses import dataclass

from pipeline.backfill.network import Network
from pipeline.backfill.plan import Job, Resources
from pipeline.backfill.screen import duration
from pipeline.backfill.stores.uris import Stores
from pipeline.backfill.tables.manifest import listed_parts
from pipeline.backfill.tables.sources import open_source
from pipeline.backfill.worker import Reader, advise
from pipeline.errors import ColorMatchError

# Taste: the first photos of the input that are processed.
TRIED = 8


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a dry run finds.

    images, bytes: of the whole input; bytes is 0 when the listing has no sizes. skipped: objects that are no images of
    the run. photo_s: seconds per photo on one core. answer_bytes: mean size of an answer. tried, failed: photos.
    """

    images: int
    bytes: int
    skipped: int
    photo_s: float
    answer_bytes: int
    tried: int
    failed: int

    def lines(self, resources: Resources) -> list[str]:
        """The estimate in sentences."""
        size = f", {self.bytes / 1e6:,.1f} MB" if self.bytes else ""
        skipped = f" ({self.skipped} other objects skipped)" if self.skipped else ""
        took = f"{self.photo_s * 1000:.0f} ms per photo on one core"
        total = duration(self.images * self.photo_s / resources.workers)
        answers = f"{self.images * self.answer_bytes / 1e6:,.0f} MB of answers"
        return [
            f"{self.images} images{size}{skipped}",
            f"{self.tried} processed: {took}, {self.failed} would be dead letters",
            f"about {total} with {resources.workers} workers, and {answers}",
            "Nothing was written.",
        ]


def estimate(job: Job) -> Estimate:
    """Lists the whole input, and processes its first photos in this process. Raises BackfillError as a run would."""
    images = size = 0
    uris: list[str | None] = []
    with open_source(job.parameters, Stores(job.endpoint_url)) as source:
        for table in listed_parts(source, job.parameters):
            images += table.num_rows
            size += sum(table["bytes"].drop_null().to_pylist())
            uris.extend(table["uri"].slice(0, TRIED - len(uris)).to_pylist())
    photo_s, answer_bytes, failed = _try(job, uris)
    return Estimate(images, size, source.skipped, photo_s, answer_bytes, len(uris), failed)


def _try(job: Job, uris: list[str | None]) -> tuple[float, int, int]:
    """Seconds per photo, mean bytes of an answer, and the number of photos without one."""
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
    return took_s / count, sum(sizes) // max(1, len(sizes)), len(outcomes) - len(sizes)
