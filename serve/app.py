"""Builds the Ray Serve application; `serve.app:build` is the import path of every Serve config.

`serve.app:app` is the application with default settings, for `serve run serve.app:app` and `serve build serve.app:app`.
"""

import secrets

from ray import serve as ray_serve
from ray.serve import Application, Deployment

from serve import deployments
from serve.settings import Environment, Settings


def build(args: Settings) -> Application:
    """Builds the application graph: `Advice` calls `Segmentation`, `Extraction` and `Harmony`.

    With `canary` in the args it calls `SegmentationCanary` too, a second network.

    args: the config's validated `args`. Raises pydantic's ValidationError for an unknown or bad argument or variable.
    Each `Advice` replica reads the stores' addresses and the secrets from its own environment (serve/settings.py).
    """
    return graph(
        args,
        segmentation=deployments.Segmentation,
        extraction=deployments.Extraction,
        harmony=deployments.Harmony,
        canary=deployments.SegmentationCanary if args.canary else None,
    )


def __getattr__(name: str) -> object:
    """Builds `app` when it is asked for: importing this module must read no environment."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return build(Settings())


def graph(
    args: Settings, *, segmentation: type, extraction: type, harmony: type, canary: type | None = None
) -> Application:
    """Builds the graph of `Advice` and three classes that answer as the phases do. canary: as segmentation."""
    # A wrong variable is refused here too, before any replica starts.
    environment = Environment()
    return _deployment(deployments.Advice).bind(
        args,
        _throwaway(environment),
        segmentation=_deployment(segmentation).bind(),
        extraction=_deployment(extraction).bind(),
        harmony=_deployment(harmony).bind(),
        canary=None if canary is None else _deployment(canary).bind(),
    )


def _deployment(kind: type) -> Deployment:
    """Makes a class a deployment. The config sets replicas, resources and queues."""
    deployment = ray_serve.deployment(kind)
    # Ray's annotation describes its other use, as a decorator.
    assert isinstance(deployment, Deployment)  # noqa: S101
    return deployment


def _throwaway(environment: Environment) -> bytes | None:
    """A random pepper for an application without STYLESYNC_SECRET_FILE; None when each replica reads that file.

    It is an argument, so that all replicas share it, and Ray's store holds it in clear. No API key was ever hashed with
    it. It ends with the application, and tags only what this application puts into its cache.
    """
    return None if environment.stylesync_secret_file else secrets.token_hex(32).encode()
