"""Who sends a request, as dependencies of the routes: API key, scope, limits, no stray parameters; FastAPI."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from serve.limits import TooManyRequests
from serve.problems import FieldError, InvalidFields, pointer
from serve.security import Principal, require_scope
from serve.service import Service

_header_key = APIKeyHeader(name="X-API-Key", auto_error=False, description="The API key.")
_bearer_key = HTTPBearer(auto_error=False, description="The API key as a bearer token.")


def service_of(request: Request) -> Service:
    """The replica's parts."""
    service: Service = request.app.state.service
    return service


async def advice_caller(
    request: Request,
    header: Annotated[str | None, Security(_header_key)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer_key)],
) -> Principal:
    """The caller, who must hold a key with the scope `advice`."""
    principal = await service_of(request).authenticate(header or (bearer.credentials if bearer else None))
    require_scope(principal, "advice")
    return principal


async def metered_caller(
    request: Request, principal: Annotated[Principal, Depends(advice_caller)]
) -> AsyncIterator[Principal]:
    """The caller, counted, in one of its key's places until the answer is made. Raises RateLimited."""
    limiter = service_of(request).limiter
    try:
        request.state.quota = await limiter.count(principal.key_id, principal.allowance)
    except TooManyRequests as error:
        request.state.quota = error.quota
        raise
    async with limiter.seat(principal.key_id, principal.allowance):
        yield principal


async def careful_caller(request: Request, principal: Annotated[Principal, Depends(metered_caller)]) -> Principal:
    """The caller, once no query parameter is unknown or given twice. Raises InvalidFields."""
    known = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    given = Counter(name for name, _ in request.query_params.multi_items())
    unknown = [FieldError(pointer(name), "Unknown parameter.") for name in given if name not in known]
    repeated = [FieldError(pointer(name), "Give it once.") for name in known if given[name] > 1]
    if unknown or repeated:
        raise InvalidFields((*unknown, *repeated))
    return principal


Caller = Annotated[Principal, Depends(careful_caller)]
