"""The limits of an API key, what is left of them, and whose the key is."""

from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.errors import RateLimited

# Contract: limits are per minute.
WINDOW_S = 60


@dataclass(frozen=True, slots=True)
class Allowance:
    """A key's limits: requests per minute and concurrent requests. None: no limit."""

    per_minute: int | None = None
    concurrent: int | None = None


UNLIMITED = Allowance()


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a minute's requests, as in the RateLimit headers (draft-ietf-httpapi-ratelimit-headers)."""

    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """The headers `RateLimit-Policy` and `RateLimit`."""
        return {
            "RateLimit-Policy": f'"minute";q={self.limit};w={WINDOW_S}',
            "RateLimit": f'"minute";r={self.remaining};t={self.reset_s}',
        }


class TooManyRequests(RateLimited):
    """A request beyond the limit per minute. Only the limiter raises it."""

    def __init__(self, quota: Quota) -> None:
        text = f"The key's {quota.limit} requests a minute are used up; try again in {quota.reset_s} s."
        super().__init__(text, retry_after_s=quota.reset_s)
        self.quota = quota

    def __reduce__(self) -> tuple[type["TooManyRequests"], tuple[Quota]]:
        return type(self), (self.quota,)


Scope = Literal["advice", "uploads", "metrics"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


@dataclass(frozen=True, slots=True)
class Principal:
    """The owner of an API key, and what the key may do."""

    key_id: str
    tenant: str
    scopes: frozenset[str]
    allowance: Allowance = UNLIMITED
