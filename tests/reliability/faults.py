"""Faults that a test can put into phases, and counts of their calls; standard library, asyncio and our errors.

They live in the tests alone: only the application of faulty_app.py looks at them, and no config of configs/ names it.
"""

import asyncio
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline import errors

FOLDER = "RELIABILITY_FAULTS"  # the variable that names the folder where a test and the phases meet
HANG_S, POLL_S = 3600.0, 0.02


@dataclass(frozen=True, slots=True)
class Fault:
    """What a phase does before its work: waits delay_s (HANG_S: for ever), then raises the error of this name."""

    delay_s: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of all phases, in a folder."""

    folder: Path

    def put(self, phase: str, fault: Fault) -> None:
        """From now on the phase has this fault."""
        draft = self.folder / f"{phase}.draft"
        draft.write_text(json.dumps(asdict(fault)))
        draft.replace(self.folder / f"{phase}.json")

    def heal(self) -> None:
        """From now on no phase has a fault."""
        for path in self.folder.glob("*.json"):
            path.unlink(missing_ok=True)

    def of(self, phase: str) -> Fault:
        """The phase's present fault."""
        try:
            return Fault(**json.loads((self.folder / f"{phase}.json").read_text()))
        except FileNotFoundError:
            return Fault()

    async def suffer(self, phase: str) -> None:
        """The phase's present fault happens; the waiting ends when it is healed.

        Raises what the fault says; a name that is none of pipeline.errors is a bug of the phase's own.
        """
        fault, began_s = self.of(phase), time.monotonic()
        while time.monotonic() - began_s < fault.delay_s and self.of(phase) == fault:
            await asyncio.sleep(min(POLL_S, fault.delay_s))
        if fault.error:
            kind: type[Exception] = getattr(errors, fault.error, KeyError)
            raise kind("An injected fault.")

    def note(self, phase: str) -> None:
        """One call of the phase began; the file's length is the count, over all replicas."""
        with (self.folder / f"{phase}.calls").open("ab") as calls:
            calls.write(b".")

    def calls(self, phase: str) -> int:
        """How many calls the phase has begun."""
        path = self.folder / f"{phase}.calls"
        return path.stat().st_size if path.exists() else 0


def from_environment() -> Faults:
    """The faults of the folder that the environment names."""
    return Faults(Path(os.environ[FOLDER]))
