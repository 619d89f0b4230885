"""A decode worker: `python -m serve.decode.worker MEMORY_BYTES LIMITS`; pipeline.image.decode, numpy and msgspec only.

It is a child of pipeline.image.child, whose requests and answers are msgpack. LIMITS is an ImageLimits as JSON.
"""

import sys
from dataclasses import replace

import msgspec

from pipeline import codec, errors
from pipeline.errors import BadInput, ColorMatchError
from pipeline.image.child import DECODED, REFUSED, confine, converse
from pipeline.image.decode import ImageLimits, decode_image, decode_mask
from pipeline.types import DecodedImage

# What may cross back, by name: an answer of a worker that a file has taken over must not choose among all classes.
REFUSALS: dict[str, type[ColorMatchError]] = {
    kind.__name__: kind
    for kind in (
        errors.UnsupportedMedia,
        errors.TooLarge,
        errors.ImageUndecodable,
        errors.ImageTruncated,
        errors.ImageAnimated,
        errors.ImageBomb,
        errors.ImageTooSmall,
        errors.ImageAspect,
        errors.ImageTooComplex,
        errors.MaskInvalid,
        errors.MaskEmpty,
    )
}


class DecodeRequest(msgspec.Struct, frozen=True, array_like=True):
    """What to decode; network_px: (w, h) of the extra squeezed image."""

    image: bytes
    mask: bytes | None
    network_px: tuple[int, int] | None


class DecodeRefusal(msgspec.Struct, frozen=True, array_like=True):
    """One of REFUSALS, by its name."""

    name: str
    detail: str


def answer(request: DecodeRequest, limits: ImageLimits) -> tuple[int, bytes]:
    """DECODED or REFUSED, and the DecodedImage or DecodeRefusal in wire form."""
    try:
        image: DecodedImage = decode_image(request.image, limits=limits, network_px=request.network_px)
        if request.mask is not None:
            image = replace(image, mask=decode_mask(request.mask, image, limits=limits))
    except BadInput as error:
        return REFUSED, msgspec.msgpack.encode(DecodeRefusal(type(error).__name__, error.detail))
    return DECODED, codec.encode(image)


def read_answer(status: int, body: bytes) -> DecodedImage:
    """The image that an answer carries. Raises the error that it names instead, PhaseFailed when it makes no sense."""
    if status == DECODED:
        return codec.decode(body, DecodedImage)
    refusal = codec.decode(body, DecodeRefusal)
    raise REFUSALS.get(refusal.name, errors.PhaseFailed)(refusal.detail)


def main() -> None:
    """Serves until stdin closes."""
    confine(int(sys.argv[1]))
    limits = msgspec.json.decode(sys.argv[2], type=ImageLimits)
    decoder = msgspec.msgpack.Decoder(DecodeRequest)
    converse(lambda request: answer(decoder.decode(request), limits))


if __name__ == "__main__":
    main()
