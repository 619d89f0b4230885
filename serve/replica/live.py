"""Takes in live configs: a bad one is refused and reported, and the last good one stays in force."""

import logging
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from serve.observe.metrics import Metrics

C = TypeVar("C", bound=BaseModel)
# Taste: the most mistakes that one message names.
MOST_MISTAKES = 3

_log = logging.getLogger(__name__)


class LiveConfig(Generic[C]):
    """The user_config of one deployment, in one replica.

    Serve replaces a replica whose `reconfigure` raises, and the new one meets the same config: without this, one
    misspelt field would leave no replica. refused: what is wrong with the latest config; None: it is in force.
    """

    def __init__(self, deployment: str, kind: type[C], metrics: Metrics) -> None:
        self.refused: str | None = None
        self._deployment = deployment
        self._kind = kind
        self._serving = False
        metrics.before_report.append(
            lambda: metrics.config_refused.labels(deployment).set(0 if self.refused is None else 1)
        )

    def serves(self) -> None:
        """Notes that this replica serves. Serve's first health check comes after the first config."""
        self._serving = True

    def read(self, given: dict[str, Any]) -> C | None:
        """The config, or None for a bad one while this replica serves.

        Raises ValueError for a bad one before that: a first start fails, and says why in one line.
        """
        try:
            found = self._kind.model_validate(given)
        except ValidationError as error:
            reason = mistakes(error, self._kind)
            if not self._serving:
                raise ValueError(f"The user_config of {self._deployment} cannot be used: {reason}") from None
            self.refused = reason
            _log.error("The new user_config of %s is refused, the one before stays: %s", self._deployment, reason)
            return None
        self.refused = None
        return found


def mistakes(error: ValidationError, kind: type[BaseModel]) -> str:
    """What is wrong with a config: field, value, and what is allowed; the first three."""
    found = [_mistake(one, kind) for one in error.errors()[:MOST_MISTAKES]]
    more = error.error_count() - len(found)
    return "; ".join([*found, *([f"and {more} more"] if more > 0 else [])])


def _mistake(one: Any, kind: type[BaseModel]) -> str:
    place = ".".join(map(str, one["loc"])) or "it"
    if one["type"] == "extra_forbidden":
        return f"{place} is no field; the fields here are {', '.join(_fields(kind, one['loc'][:-1]))}"
    return f"{place} is {repr(one['input'])[:64]}: {one['msg'].removeprefix('Input ')}"


def _fields(kind: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """The fields of a model, or of the model in one of its fields."""
    for name in path:
        inner = kind.model_fields[name].annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            kind = inner
    return list(kind.model_fields)
