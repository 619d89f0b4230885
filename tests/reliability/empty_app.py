"""An application that does nothing: what a replica of Ray Serve needs by itself."""

from ray import serve as ray_serve
from ray.serve import Application

NAME = "empty"


@ray_serve.deployment
class Empty:
    """A replica without work."""

    async def __call__(self) -> bytes:
        """Answers nothing."""
        return b""


def build(_: dict[str, str]) -> Application:
    """Builds the application."""
    return Empty.bind()  # type: ignore[attr-defined, no-any-return]
