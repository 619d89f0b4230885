"""The application of serve/app.py with phases that can be delayed, hung and failed; for tests only."""

from ray.serve import Application

from serve import app, deployments
from serve.settings import Settings
from tests.reliability.faults import from_environment


class Segmentation(deployments.Segmentation):
    """Phase 1, which acts out its fault before its work."""

    async def run(self, payload: bytes) -> bytes:
        await _suffer("segmentation")
        return await super().run(payload)


class Extraction(deployments.Extraction):
    """Phase 2, with faults in the same way."""

    async def run(self, payload: bytes) -> bytes:
        await _suffer("extraction")
        return await super().run(payload)


class Harmony(deployments.Harmony):
    """Phase 3, with faults in the same way."""

    async def run(self, payload: bytes) -> bytes:
        await _suffer("harmony")
        return await super().run(payload)


async def _suffer(phase: str) -> None:
    faults = from_environment()
    faults.note(phase)
    await faults.suffer(phase)


def build(args: Settings) -> Application:
    """Builds the same graph as serve.app:build."""
    return app.graph(args, segmentation=Segmentation, extraction=Extraction, harmony=Harmony)
