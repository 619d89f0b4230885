"""Reads the peppers: the secret of stored key hashes and cache tags, and the one before it."""

from dataclasses import dataclass, field
from pathlib import Path

from serve.settings import Environment


@dataclass(frozen=True, slots=True)
class Peppers:
    """The pepper that everything new is made with, and the previous one, whose keys stay valid. Neither is shown."""

    current: bytes = field(repr=False)
    previous: bytes | None = field(default=None, repr=False)

    def all(self) -> tuple[bytes, ...]:
        """Both, the current one first."""
        return (self.current,) if self.previous is None else (self.current, self.previous)


def read_peppers(environment: Environment, throwaway: bytes | None) -> Peppers:
    """The peppers of the files that this process' environment names.

    throwaway: the pepper of an application that was built without STYLESYNC_SECRET_FILE; None: it was built with it.
    Raises ValueError for a file that is missing or empty, and where the variable is missing on this node alone.
    """
    path = environment.stylesync_secret_file
    if path is not None:
        current = _read("STYLESYNC_SECRET_FILE", path)
        if not current:
            raise ValueError(
                f"STYLESYNC_SECRET_FILE is {str(path)!r}, which is empty; write at least 32 random bytes in hex to it."
            )
    elif throwaway is not None:
        current = throwaway
    else:
        raise ValueError(
            "STYLESYNC_SECRET_FILE is set where the application was built and is not set on this node; set it for Ray "
            "on every node that runs Advice."
        )
    return Peppers(current, read_previous(environment))


def read_previous(environment: Environment) -> bytes | None:
    """The previous pepper; None without one, which an empty file means too. Raises ValueError for a missing file."""
    path = environment.stylesync_previous_secret_file
    return (_read("STYLESYNC_PREVIOUS_SECRET_FILE", path) or None) if path else None


def _read(variable: str, path: Path) -> bytes:
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise ValueError(
            f"{variable} is {str(path)!r}, which cannot be read on this node ({error.strerror}); it must name a file "
            "with a pepper."
        ) from error
