"""A bare Serve graph with the service's hops and payloads, and no work: the floor of transport.

The sizes are those of a photo of 512×342 px at analysed size, as `tests.bench.serving` reads them off the messages.
"""

import hashlib
import json
import os
from typing import Any

from fastapi import FastAPI, Request, Response
from ray import serve as ray_serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

# Bytes of each hop's request and answer: segmentation, extraction, harmony; and of the answer to the client.
SIZES = json.loads(os.environ.get("BENCH_SIZES", "[[442500, 20000], [545000, 6000], [4000, 14000], 21000]"))
CPU_SHARE = {"num_cpus": 0.3}
# The mark by which tests.reliability.messages repeats a photo.
SAME = b"f" * 32
app = FastAPI()


class Hop:
    """Answers a number of bytes."""

    def __init__(self, answer_bytes: int) -> None:
        self._answer = bytes(answer_bytes)

    async def run(self, payload: bytes) -> bytes:
        """The answer, whatever the payload."""
        return self._answer


@ray_serve.ingress(app)
class Ingress:
    """Takes what the service takes and makes its calls."""

    def __init__(self, *hops: DeploymentHandle[Hop]) -> None:
        self._hops = hops
        self._requests = [bytes(asked) for asked, _ in SIZES[:3]]
        self._answer = json.dumps({"padding": "x" * SIZES[3]}).encode()

    @app.post("/v1/advice")
    async def advice(self, request: Request) -> Response:
        """Three hops for a photo, none for the one that the load repeats, one for colours."""
        if request.headers["content-type"].startswith("multipart/"):
            async with request.form() as form:
                image: Any = form["image"]
                photo = await image.read()
            hashlib.sha256(photo).digest()
            hops: tuple[int, ...] = () if SAME in photo[:64] else (0, 1, 2)
        else:
            await request.json()
            hops = (2,)
        for k in hops:
            await self._hops[k].run.remote(self._requests[k])
        return Response(self._answer, media_type="application/json")


def build() -> Application:
    """Builds an ingress over three deployments."""
    deploy = ray_serve.deployment(ray_actor_options=CPU_SHARE, max_ongoing_requests=200)
    hops = [deploy(Hop).options(name=f"Hop{k}").bind(SIZES[k][1]) for k in range(3)]
    return deploy(Ingress).bind(*hops)
