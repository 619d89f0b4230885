"""Photos that processes die of, found by what each process noted before it ended; the output's store only.

_work/trials/<stage>/<shard>/<process>    empty, or once the shard is done with care, the row at work
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

from pipeline.backfill.errors import Unexplained
from pipeline.backfill.stores.store import Store
from pipeline.backfill.tables.manifest import WORK, Shard

T = TypeVar("T")
AGAIN = 2  # processes that ended without finishing: a shard's are a reason for care, a row's for giving it up


class Trials:
    """What processes noted of one stage before this one began; each death starts a process that knows of it."""

    def __init__(self, output: Store, stage: str) -> None:
        """Reads what there is. Raises StorageFailed."""
        self._output = output
        self._folder = f"{WORK}/trials/{stage}"
        self._noted = defaultdict[str, list[str]](list)
        for found in output.walk(self._folder):
            self._noted[found.key.rpartition("/")[0]].append(found.key)

    def begin(self, shard: Shard) -> "Trial":
        """Notes an attempt at a shard. Raises StorageFailed."""
        folder = f"{self._folder}/{shard.name}"
        notes = [self._output.read(key) for key in self._noted.get(folder, ())]
        return Trial(self._output, f"{folder}/{uuid.uuid4().hex}", shard.rows, notes)


class Trial:
    """One process's attempt at a shard. After some that never came back the rows are noted one by one.

    What kills processes otherwise (an operator, the kernel's out-of-memory killer) would have to strike twice at the
    very same row of a shard that it struck twice before.
    """

    def __init__(self, output: Store, key: str, rows: int, notes: Sequence[bytes]) -> None:
        """notes: what earlier processes left of this shard."""
        self.careful = len(notes) >= AGAIN
        self._fatal = Counter(int(note) for note in notes if note)
        self._output, self._key, self._rows = output, key, rows
        output.write(key, b"")

    def row(self, number: int, work: Callable[[], T]) -> T | Unexplained:
        """What the work on a row gives; the row's error when processes ended at it."""
        if self._fatal[number] >= AGAIN:
            return Unexplained("The processes that worked on it ended, one after the other.")
        self._note(number)
        return work()

    def over(self) -> None:
        """No row is at work any more."""
        self._note(self._rows)

    def _note(self, number: int) -> None:
        if self.careful:
            self._output.write(self._key, str(number).encode())
