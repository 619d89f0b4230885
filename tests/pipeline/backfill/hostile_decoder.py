"""Runs a decode child that obeys its photos as commands, as a hostile file may make it, for tests."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from pipeline.errors import ImageTooComplex, ImageUndecodable
from pipeline.image.child import DecodeRequest, decode, main
from pipeline.image.limits import ImageLimits
from pipeline.types import DecodedImage


def obey(request: DecodeRequest, limits: ImageLimits) -> DecodedImage:
    """Obeys the command in the photo, or decodes the photo."""
    match request.image:
        case b"crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case b"kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case b"loop":
            while True:
                pass
        case b"bloat":
            try:
                return DecodedImage(bytearray(2**30), 1, 1)  # type: ignore[arg-type]
            except MemoryError as error:
                raise ImageTooComplex("The image takes more memory to decode than is allowed.") from error
        case b"environment":
            raise ImageUndecodable(" ".join(os.environ))
    return decode(request, limits)


if __name__ == "__main__":
    main(obey)
