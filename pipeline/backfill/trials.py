"""Finds the photos that kill the processes that work on them, by notes that every process leaves in the output.

_work/trials/<stage>/<shard>/<process>    empty, or the row under way once the shard is done with care
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

from pipeline.backfill.errors import Unexplained
from pipeline.backfill.stores.store import Store
from pipeline.backfill.tables.manifest import WORK, Shard

T = TypeVar("T")
# Taste: after this number of unfinished attempts at a shard the next one notes each row, and after this number at a row
# the row is a dead letter. A single death may have any cause.
MAX_UNFINISHED = 2


class Trials:
    """The notes that earlier processes left for one stage. The successor of a dead process reads what it noted."""

    def __init__(self, output: Store, stage: str) -> None:
        """Lists the notes. Raises StorageFailed."""
        self._output = output
        self._folder = f"{WORK}/trials/{stage}"
        self._noted = defaultdict[str, list[str]](list)
        for found in output.walk(self._folder):
            self._noted[found.key.rpartition("/")[0]].append(found.key)

    def begin(self, shard: Shard) -> "Trial":
        """Begins an attempt at a shard, and leaves a note. Raises StorageFailed."""
        folder = f"{self._folder}/{shard.name}"
        notes = [self._output.read(key) for key in self._noted.get(folder, ())]
        return Trial(self._output, f"{folder}/{uuid.uuid4().hex}", shard.rows, notes)


class Trial:
    """One process's attempt at a shard. After MAX_UNFINISHED attempts without an end it notes each row before its work.

    A row is blamed only when MAX_UNFINISHED of these careful attempts ended at it. Other causes of death, such as an
    operator or the kernel's out-of-memory killer, would have to hit the same row each time.
    """

    def __init__(self, output: Store, key: str, rows: int, notes: Sequence[bytes]) -> None:
        """notes: the contents of the notes that earlier attempts at this shard left."""
        self.careful = len(notes) >= MAX_UNFINISHED
        self._fatal = Counter(int(note) for note in notes if note)
        self._output, self._key, self._rows = output, key, rows
        output.write(key, b"")

    def row(self, number: int, work: Callable[[], T]) -> T | Unexplained:
        """The result of the work on a row, or the row's error when earlier processes ended at it."""
        if self._fatal[number] >= MAX_UNFINISHED:
            return Unexplained("Every process that worked on the photo ended.")
        self._note(number)
        return work()

    def finish(self) -> None:
        """Notes that no row is under way any more."""
        self._note(self._rows)

    def _note(self, number: int) -> None:
        if self.careful:
            self._output.write(self._key, str(number).encode())
