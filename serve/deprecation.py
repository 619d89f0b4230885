"""Notice of operations that will end: Deprecation (RFC 9745), Sunset (RFC 8594) and a link; Starlette only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class Notice:
    """Since when an operation is deprecated, when it ends, and what to read about it."""

    since: datetime
    ends: datetime
    more: str  # a URL

    def headers(self) -> dict[str, str]:
        """As headers of every answer of the operation."""
        return {
            "Deprecation": f"@{round(self.since.timestamp())}",
            "Sunset": format_datetime(self.ends.astimezone(UTC), usegmt=True),
            "Link": f'<{self.more}>; rel="deprecation"; type="text/html"',
        }


# By path. None is deprecated now; what is entered here is also marked in the OpenAPI document.
NOTICES: Mapping[str, Notice] = {}


class Deprecations:
    """Puts the notices on the answers."""

    def __init__(self, app: ASGIApp, notices: Mapping[str, Notice]) -> None:
        self._app = app
        self._notices = notices

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        notice = self._notices.get(scope["path"]) if scope["type"] == "http" else None
        if notice is None:
            await self._app(scope, receive, send)
            return

        async def send_with_notice(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(notice.headers())
            await send(message)

        await self._app(scope, receive, send_with_notice)
