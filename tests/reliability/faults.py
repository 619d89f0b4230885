"""Faults that a test can inject into phases, and counts of the phases' calls.

Only the application of faulty_app.py reads them. No config of configs/ names that application.
"""

import asyncio
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline import errors

# The environment variable that names the folder of the faults.
FOLDER = "RELIABILITY_FAULTS"
# Taste: a delay longer than any test, and how often a waiting phase looks for a change of its fault.
HANG_S, POLL_S = 3600.0, 0.02


@dataclass(frozen=True, slots=True)
class Fault:
    """What a phase does before its work: it waits delay_s (HANG_S: for ever), then raises the named error."""

    delay_s: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of all phases, as files in a folder."""

    folder: Path

    def put(self, phase: str, fault: Fault) -> None:
        """Gives the phase this fault."""
        draft = self.folder / f"{phase}.draft"
        draft.write_text(json.dumps(asdict(fault)))
        draft.replace(self.folder / f"{phase}.json")

    def heal(self) -> None:
        """Removes the faults of all phases."""
        for path in self.folder.glob("*.json"):
            path.unlink(missing_ok=True)

    def of(self, phase: str) -> Fault:
        """The phase's present fault."""
        try:
            return Fault(**json.loads((self.folder / f"{phase}.json").read_text()))
        except FileNotFoundError:
            return Fault()

    async def suffer(self, phase: str) -> None:
        """Acts out the phase's present fault. A wait ends when the fault is removed.

        Raises the error that the fault names. A name outside pipeline.errors raises KeyError, like a bug of the phase.
        """
        fault, began_s = self.of(phase), time.monotonic()
        while time.monotonic() - began_s < fault.delay_s and self.of(phase) == fault:
            await asyncio.sleep(min(POLL_S, fault.delay_s))
        if fault.error:
            kind: type[Exception] = getattr(errors, fault.error, KeyError)
            raise kind("An injected fault.")

    def note(self, phase: str) -> None:
        """Counts a call of the phase. The length of the file is the count over all replicas."""
        with (self.folder / f"{phase}.calls").open("ab") as calls:
            calls.write(b".")

    def calls(self, phase: str) -> int:
        """The number of calls that the phase has begun."""
        path = self.folder / f"{phase}.calls"
        return path.stat().st_size if path.exists() else 0


def from_environment() -> Faults:
    """The faults in the folder that the environment names."""
    return Faults(Path(os.environ[FOLDER]))
