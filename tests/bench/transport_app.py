"""The bare application behind `make bench-transport`: an ingress with nothing to do and deployments that echo.

`python -m tests.bench.transport_app PORT FOLDER` serves it until its standard input ends; Serve's flags are read from
the environment when Ray is imported, so each transport profile gets a process of its own.
"""

import sys

import ray
from fastapi import FastAPI, Request
from ray import serve as ray_serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from serve.local_plan import HOST, OBJECT_STORE_BYTES
from serve.local_processes import adopt_orphans, kill_descendants

CPU_SHARE = {"num_cpus": 0.3}  # four replicas on two cores
app = FastAPI()


class Hop:
    """Gives back the size of what it gets."""

    async def run(self, payload: bytes) -> int:
        """The payload's length."""
        return len(payload)


@ray_serve.ingress(app)
class Ingress:
    """Answers with a number, after none, one or three calls."""

    def __init__(self, *hops: DeploymentHandle[Hop]) -> None:
        self._hops = hops

    @app.post("/echo")
    async def echo(self, request: Request) -> int:
        """No hop."""
        return len(await request.body())

    @app.post("/one_hop")
    async def one_hop(self, request: Request) -> int:
        """One call with the body."""
        return int(await self._hops[0].run.remote(await request.body()))

    @app.post("/three_hops")
    async def three_hops(self, request: Request) -> int:
        """Three deployments, one after the other."""
        body, total = await request.body(), 0
        for hop in self._hops:
            total += await hop.run.remote(body)
        return total


def build() -> Application:
    """An ingress over three deployments."""
    deploy = ray_serve.deployment(ray_actor_options=CPU_SHARE, max_ongoing_requests=200)
    hops = [deploy(Hop).options(name=f"Hop{number}").bind() for number in range(3)]
    return deploy(Ingress).bind(*hops)


def main(port: int, folder: str) -> None:
    """Serves until standard input ends."""
    adopt_orphans()
    try:
        ray.init(
            "local",
            num_cpus=2,
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            namespace="serve",
            log_to_driver=False,
            _temp_dir=folder,
        )
        ray_serve.start(http_options={"host": HOST, "port": port})
        ray_serve.run(build(), name="bench", route_prefix="/")
        print("ready", flush=True)
        sys.stdin.read()
        ray_serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()
    finally:
        kill_descendants(within_s=5.0)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
