"""LitServe with a worker for each core, as its page on workers recommends: `litserve_app.py PORT`."""

import os
import sys
from typing import Any

import litserve
from fastapi import Request, Response

from tests.bench.serving.functions import Functions


class Advice(litserve.LitAPI):  # type: ignore[misc]
    """The functions as LitServe's steps."""

    def setup(self, device: str) -> None:
        """Opens the network in a worker."""
        self.functions = Functions(threads=int(os.environ["BENCH_THREADS"]))

    def decode_request(self, request: Request) -> Any:
        """The photo's bytes, or the colours."""
        asked: Any = request  # by then a form or an object
        return asked["image"].file.read() if "image" in asked else asked["colors"]

    def predict(self, asked: Any) -> bytes:
        """The advice as JSON."""
        return self.functions.photo(asked) if isinstance(asked, bytes) else self.functions.colors(asked)

    def encode_response(self, output: bytes) -> Response:
        """The answer."""
        return Response(output, media_type="application/json")


if __name__ == "__main__":
    server = litserve.LitServer(
        Advice(api_path="/v1/advice"), accelerator="cpu", workers_per_device=int(os.environ["BENCH_WORKERS"])
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
