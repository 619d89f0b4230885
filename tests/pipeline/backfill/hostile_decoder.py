"""The decoder's child with photos that are commands to it: what a hostile file may do to a decoder; for tests."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from pipeline.backfill import decoder
from pipeline.errors import ImageTooComplex, ImageUndecodable
from pipeline.image.decode import decode_image
from pipeline.types import DecodedImage


def obey(data: bytes, *, network_px: tuple[int, int] | None = None) -> DecodedImage:
    """Does what the photo says, or decodes it."""
    match data:
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
    return decode_image(data, network_px=network_px)


if __name__ == "__main__":
    decoder.main(obey)
