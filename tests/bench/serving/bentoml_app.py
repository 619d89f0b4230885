"""BentoML with a worker for each core, as its page on workers recommends."""

import os
from pathlib import Path
from typing import Any

import bentoml
from starlette.responses import Response

from tests.bench.serving.functions import Functions


@bentoml.service(workers=int(os.environ["BENCH_WORKERS"]), traffic={"timeout": 60})
class Advice:
    """The functions as a BentoML service."""

    def __init__(self) -> None:
        self.functions = Functions(threads=int(os.environ["BENCH_THREADS"]))

    @bentoml.api(route="/v1/advice")  # type: ignore[untyped-decorator]
    def advice(self, image: Path, options: dict[str, Any] | None = None) -> Any:
        """Answers a photo in a form. A second kind of request on this address is not BentoML's way."""
        return Response(self.functions.photo(image.read_bytes()), media_type="application/json")
