"""The functions that every system serves: photo or colours in, advice out, in one process.

The systems run this module in environments of their own, so it imports the core and the engine alone.
"""

from models.cards import DEFAULT_MODEL, load_card
from models.engines.choice import open_segmenter
from pipeline import analysis
from pipeline.color.words import parse_color
from pipeline.contract import advice_to_json
from pipeline.harmony.harmonise import harmonise
from pipeline.image.decode import decode_image
from pipeline.options import Options, color_share


class Functions:
    """Advice without a service around it. threads: of the network."""

    def __init__(self, threads: int = 1) -> None:
        self._segmenter = open_segmenter(load_card(DEFAULT_MODEL), threads=threads)
        self._segmenter.warm_up()

    def photo(self, data: bytes) -> bytes:
        """The advice for an encoded photo, as JSON."""
        options = Options()
        image = decode_image(data, network_px=self._segmenter.input_px)
        advice = analysis.advise(image, self._segmenter.segment_photo(image), options)
        return advice_to_json(advice, options.lang, "advice")

    def colors(self, texts: list[str]) -> bytes:
        """The advice for colours, as JSON."""
        options = Options()
        extracted = analysis.colors_extraction(tuple(color_share(parse_color(text)) for text in texts), options)
        advice = analysis.compose(
            "colors",
            None,
            segmenter=None,
            extracted=extracted,
            harmonised=harmonise(extracted.garments, options),
            options=options,
        )
        return advice_to_json(advice, options.lang, "advice")
