"""What a key may use, and what is left of it."""

from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.errors import RateLimited

WINDOW_S = 60


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a key may use; None: without limit."""

    per_minute: int | None = None
    concurrent: int | None = None


UNLIMITED = Allowance()


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a minute's allowance, as the RateLimit headers say it (draft-ietf-httpapi-ratelimit-headers)."""

    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """`RateLimit-Policy` and `RateLimit`."""
        return {
            "RateLimit-Policy": f'"minute";q={self.limit};w={WINDOW_S}',
            "RateLimit": f'"minute";r={self.remaining};t={self.reset_s}',
        }


class TooManyRequests(RateLimited):
    """One request more than a minute's allowance; made and answered at the door only."""

    def __init__(self, quota: Quota) -> None:
        text = f"The key's {quota.limit} requests a minute are used up; the next in {quota.reset_s} s."
        super().__init__(text, retry_after_s=quota.reset_s)
        self.quota = quota

    def __reduce__(self) -> tuple[type["TooManyRequests"], tuple[Quota]]:
        return type(self), (self.quota,)


Scope = Literal["advice", "uploads", "metrics"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks."""

    key_id: str
    tenant: str
    scopes: frozenset[str]
    allowance: Allowance = UNLIMITED
