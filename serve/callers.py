"""FastAPI dependencies that check a request's API key, its scope and limits, and its query parameters."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from pipeline.errors import FieldError, InvalidFields, pointer
from serve.keys.quota import Principal, Scope, TooManyRequests
from serve.keys.records import require_scope
from serve.service import Service, no_object_store

if TYPE_CHECKING:
    # It loads the client of the object store, which an application without one never needs.
    from serve.uploads.uploads import Uploads

_header_key = APIKeyHeader(name="X-API-Key", auto_error=False, description="The API key.")
_bearer_key = HTTPBearer(auto_error=False, description="The API key as a bearer token.")


def service_of(request: Request) -> Service:
    """The replica's parts."""
    service: Service = request.app.state.service
    return service


def uploads_of(request: Request) -> "Uploads":
    """The replica's uploads. Raises NotReady while no object store is configured."""
    uploads = service_of(request).uploads
    if uploads is None:
        raise no_object_store()
    return uploads


def caller_with(scope: Scope) -> Callable[..., Coroutine[Any, Any, Principal]]:
    """Makes a dependency that gives the caller.

    It requires a key with the scope that is within its limits, and refuses unknown query parameters.
    """

    async def known(
        request: Request,
        header: Annotated[str | None, Security(_header_key)],
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer_key)],
    ) -> Principal:
        principal = await service_of(request).authenticate(header or (bearer.credentials if bearer else None))
        request.state.key_id = principal.key_id
        require_scope(principal, scope)
        return principal

    async def metered(request: Request, principal: Annotated[Principal, Depends(known)]) -> AsyncIterator[Principal]:
        limiter = service_of(request).limiter
        try:
            request.state.quota = await limiter.count(principal.key_id, principal.allowance)
        except TooManyRequests as error:
            request.state.quota = error.quota
            raise
        # The slot is held until the answer is made.
        async with limiter.slot(principal.key_id, principal.allowance):
            yield principal

    async def checked(request: Request, principal: Annotated[Principal, Depends(metered)]) -> Principal:
        _refuse_unknown_parameters(request)
        return principal

    return checked


def _refuse_unknown_parameters(request: Request) -> None:
    """Raises InvalidFields for a query parameter that is unknown or given twice."""
    known = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    given = Counter(name for name, _ in request.query_params.multi_items())
    unknown = [FieldError(pointer(name), "Unknown parameter.") for name in given if name not in known]
    repeated = [FieldError(pointer(name), "Give it once.") for name in known if given[name] > 1]
    if unknown or repeated:
        raise InvalidFields((*unknown, *repeated))


Caller = Annotated[Principal, Depends(caller_with("advice"))]
Scraper = Annotated[Principal, Depends(caller_with("metrics"))]
Uploader = Annotated[Principal, Depends(caller_with("uploads"))]
