"""The bare application behind `make bench-transport`: an ingress without work, and deployments that echo."""

from fastapi import FastAPI, Request
from ray import serve as ray_serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

# Four replicas share two cores.
CPU_SHARE = {"num_cpus": 0.3}
app = FastAPI()


class Hop:
    """Answers the size of its payload."""

    async def run(self, payload: bytes) -> int:
        """The payload's length."""
        return len(payload)


@ray_serve.ingress(app)
class Ingress:
    """Answers a number after no, one or three calls."""

    def __init__(self, *hops: DeploymentHandle[Hop]) -> None:
        self._hops = hops

    @app.post("/echo")
    async def echo(self, request: Request) -> int:
        """Answers without a call."""
        return len(await request.body())

    @app.post("/one_hop")
    async def one_hop(self, request: Request) -> int:
        """Makes one call with the body."""
        return int(await self._hops[0].run.remote(await request.body()))

    @app.post("/three_hops")
    async def three_hops(self, request: Request) -> int:
        """Calls three deployments, one after the other."""
        body, total = await request.body(), 0
        for hop in self._hops:
            total += await hop.run.remote(body)
        return total


def build() -> Application:
    """Builds an ingress over three deployments."""
    deploy = ray_serve.deployment(ray_actor_options=CPU_SHARE, max_ongoing_requests=200)
    hops = [deploy(Hop).options(name=f"Hop{number}").bind() for number in range(3)]
    return deploy(Ingress).bind(*hops)
