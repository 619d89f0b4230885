"""The command `python -m tests.pipeline.backfill.mortal_worker`: a backfill whose worker dies of a poison photo."""

import os
import signal
import sys
from collections.abc import Callable

from pipeline.backfill.__main__ import main
from pipeline.backfill.plan import PhotoOrError
from pipeline.backfill.tables.checkpoints import Outcome
from pipeline.backfill.worker import Worker
from pipeline.types import DecodedImage

POISON_RGB = (250, 10, 250)


class MortalWorker(Worker):
    """A worker that dies of the poison photo. die: how its process ends."""

    die: Callable[[], object] = staticmethod(lambda: os.kill(os.getpid(), signal.SIGKILL))

    def _outcome(self, photo: PhotoOrError) -> Outcome:
        if isinstance(photo, DecodedImage) and abs(photo.pixels[24, 24].astype(int) - POISON_RGB).max() < 30:
            self.die()
        return super()._outcome(photo)


def run() -> int:
    """Runs the command with mortal workers."""
    from pipeline.backfill.ray_pool import RayPool, WholeWork

    class MortalWork(WholeWork):
        make = MortalWorker

    class MortalPool(RayPool):
        def whole_work(self) -> type[WholeWork]:
            return MortalWork

    return main(make_pool=MortalPool)


if __name__ == "__main__":
    sys.exit(run())
