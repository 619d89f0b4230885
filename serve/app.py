"""The only wiring: `serve.app:build` is the import path of every Serve config."""

import secrets

from ray import serve as ray_serve
from ray.serve import Application, Deployment

from serve import deployments
from serve.settings import Environment, Settings


def build(args: Settings) -> Application:
    """The application graph: `Advice` over `Segmentation`, `Extraction` and `Harmony`.

    args: the config's `args`, validated. REDIS_URL, STATE_REDIS_URL, STYLESYNC_KEYS_FILE and STYLESYNC_SECRET_FILE
    are read here, once. Raises pydantic's ValidationError for an unknown or bad argument.
    """
    return graph(
        args,
        segmentation=deployments.Segmentation,
        extraction=deployments.Extraction,
        harmony=deployments.Harmony,
    )


def graph(args: Settings, *, segmentation: type, extraction: type, harmony: type) -> Application:
    """`Advice` over three classes that answer as the phases do."""
    environment = Environment()
    return _deployment(deployments.Advice).bind(
        args,
        environment,
        _secret(environment),
        segmentation=_deployment(segmentation).bind(),
        extraction=_deployment(extraction).bind(),
        harmony=_deployment(harmony).bind(),
    )


def _deployment(kind: type) -> Deployment:
    """A class as a deployment; replicas, resources and queues are the config's matter."""
    made = ray_serve.deployment(kind)
    assert isinstance(made, Deployment)  # noqa: S101 - Ray's annotation speaks of its other use, as a decorator
    return made


def _secret(environment: Environment) -> bytes:
    """The key of cache tags and API key digests; without a file, one for this application's lifetime."""
    path = environment.stylesync_secret_file
    return path.read_text().strip().encode() if path else secrets.token_hex(32).encode()
