"""The functions that the fuzzer calls: `python -m tests.fuzz.targets NAME CORPUS [libFuzzer's options]`.

A target takes any bytes. Errors that are the code's own answer are passed over; whatever else is raised is a finding,
and so are an answer that breaks a promise, seconds without an end, and memory beyond the limit.
"""

import json
import sys
from collections.abc import Callable
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["pipeline.image", "serve", "PIL", "python_multipart", "json"]):
    import numpy as np

    from pipeline.errors import BadInput, ColorMatchError, InvalidFields, TooLarge, Unparsable
    from pipeline.image.child import read_answer
    from pipeline.image.decode import decode_image, decode_mask
    from pipeline.image.limits import ImageLimits
    from pipeline.types import DecodedImage
    from serve.http.body import parse_json
    from serve.http.multipart import Part, PartCollector

SIDE_PX = 64
LIMITS = ImageLimits(
    max_pixels_baseline_jpeg=1_000_000,
    max_pixels_progressive_jpeg=250_000,
    max_pixels_heif=250_000,
    max_pixels_other=250_000,
    analysed_side_px=SIDE_PX,
)
PART_BYTES = {"image": 2000, "mask": 500, "options": 200}
BOUNDARY = "XX"


def image(data: bytes) -> None:
    """A photo is refused with one of our errors, or gives valid pixels."""
    with suppress(BadInput):
        found = decode_image(data, limits=LIMITS, network_px=(32, 16))
        assert found.pixels.dtype == np.uint8
        assert found.pixels.ndim == 3
        assert max(found.pixels.shape[:2]) <= SIDE_PX
        assert found.network is not None
        assert found.network.shape == (16, 32, 3)


def mask(data: bytes) -> None:
    """A mask for a photo of 3:2 is refused, or gives a plane of the photo's size that is not empty."""
    photo = DecodedImage(np.zeros((32, 48, 3), np.uint8), 48, 32, None)
    with suppress(BadInput):
        found = decode_mask(data, photo, limits=LIMITS)
        assert found.shape == (32, 48)
        assert found.any()


def multipart(data: bytes) -> None:
    """A form is refused or gives bounded parts, however it is cut. The first byte says how."""
    size, form = data[0] + 1 if data else 1, data[1:]
    whole = _parts([form])
    assert whole == _parts([form[at : at + size] for at in range(0, len(form), size)])
    if isinstance(whole, dict):
        assert whole.keys() <= PART_BYTES.keys()
        assert all(len(part.content) <= PART_BYTES[name] for name, part in whole.items())


def boundary(data: bytes) -> None:
    """A form's Content-Type is refused, or gives a collector that works."""
    with suppress(Unparsable, InvalidFields, TooLarge):
        collector = PartCollector(f"multipart/form-data;{data.decode('latin-1')}", PART_BYTES)
        collector.write(b'--XX\r\nContent-Disposition: form-data; name="image"\r\n\r\nx\r\n--XX--\r\n')
        collector.finish()


def strict_json(data: bytes) -> None:
    """A JSON body is refused, or gives a value that JSON can encode again."""
    with suppress(Unparsable):
        json.dumps(parse_json(data), allow_nan=False, ensure_ascii=False).encode()


def worker_answer(data: bytes) -> None:
    """The output of a worker under a file's control gives a valid image or one of our errors."""
    with suppress(ColorMatchError):
        found = read_answer(data[0] if data else 0, data[1:])
        assert isinstance(found.pixels, np.ndarray)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (image, mask, multipart, boundary, strict_json, worker_answer)
}


def _parts(chunks: list[bytes]) -> "dict[str, Part] | str":
    """Parses the form. Gives its parts or the name of the error."""
    collector = PartCollector(f"multipart/form-data; boundary={BOUNDARY}", PART_BYTES)
    try:
        for chunk in chunks:
            collector.write(chunk)
        return collector.finish()
    except (Unparsable, InvalidFields, TooLarge) as error:
        return type(error).__name__


if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()
