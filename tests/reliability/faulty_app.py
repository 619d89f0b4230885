"""The application of serve/app.py with phases that can be told to be late, to hang and to fail; for tests alone."""

from ray.serve import Application

from serve import app, deployments
from serve.settings import Settings
from tests.reliability.faults import from_environment


class Segmentation(deployments.Segmentation):
    """Phase 1 that does what Faults say before its work."""

    async def run(self, payload: bytes) -> bytes:
        await _suffer("segmentation")
        return await super().run(payload)


class Extraction(deployments.Extraction):
    """Phase 2 likewise."""

    async def run(self, payload: bytes) -> bytes:
        await _suffer("extraction")
        return await super().run(payload)


class Harmony(deployments.Harmony):
    """Phase 3 likewise."""

    async def run(self, payload: bytes) -> bytes:
        await _suffer("harmony")
        return await super().run(payload)


async def _suffer(phase: str) -> None:
    faults = from_environment()
    faults.note(phase)
    await faults.suffer(phase)


def build(args: Settings) -> Application:
    """The same graph as serve.app:build."""
    return app.graph(args, segmentation=Segmentation, extraction=Extraction, harmony=Harmony)
