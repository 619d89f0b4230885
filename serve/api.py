"""Defines the HTTP routes: each reads a question, has the advisor answer it, and writes the response."""

import gzip
from collections.abc import Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

import msgspec
import numpy as np
from fastapi import APIRouter, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from pipeline.color.hex import hex_to_rgb
from pipeline.color.naming import name_colors
from pipeline.color.words import FORMS, parse_color, split_colors
from pipeline.errors import (
    ColorMatchError,
    FieldError,
    InvalidFields,
    InvalidOptions,
    MethodNotAllowed,
    NotFound,
    NotReady,
)
from pipeline.fields import read
from pipeline.image.formats import sniff
from pipeline.limits import MAX_COLOR_CHARS, MAX_COLORS
from pipeline.options import Options, SentOptions
from pipeline.palette import files
from pipeline.palette.files import PaletteFormat
from pipeline.types import View
from serve.callers import Caller, Scraper, Uploader, service_of, uploads_of
from serve.http import body, pages
from serve.http.edge import Edge
from serve.http.multipart import Part
from serve.http.negotiation import accepts_gzip, must_accept
from serve.http.origins import Cors, HttpsOnly
from serve.http.problems import problem_response
from serve.http.schemas import (
    ColorsRequest,
    ObjectRequest,
    PhotoRequest,
    decoded,
    parameter_errors,
    refuse_unclear,
)
from serve.keys.quota import Principal
from serve.observe import logs
from serve.openapi import document, examples
from serve.openapi.answers import Health
from serve.service import Service
from serve.uploads.idempotency import MAX_KEY_CHARS
from serve.uploads.wanted import WantedUpload
from serve.version import VERSION
from serve.walk.question import Answer, Question

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
# Taste: smaller answers gain nothing by compression.
COMPRESSED_FROM_BYTES = 1024
# Taste: a higher level takes longer than the bytes that it saves.
GZIP_LEVEL = 5
router = APIRouter(prefix="/v1")
probes = APIRouter(prefix="/v1")


def create_app(service: Service) -> FastAPI:
    """The ASGI application of one ingress replica."""
    logs.configure(service.settings.log_level)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> Any:
        async with service.running():
            yield

    app = FastAPI(
        title="StyleSync ColorMatch",
        version=VERSION,
        description=document.DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_tags=document.TAGS,
        lifespan=lifespan,
        # A redirect would lead to whatever host the request named.
        redirect_slashes=False,
    )
    app.state.service = service
    app.add_exception_handler(ColorMatchError, _on_our_error)
    app.add_exception_handler(RequestValidationError, _on_bad_parameters)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.include_router(router)
    app.include_router(probes)
    app.include_router(pages.router)
    settings = service.settings
    app.add_middleware(Cors, origins=settings.cors_origins)
    app.add_middleware(HttpsOnly, required=settings.require_https, trusted_proxies=settings.trusted_proxies)
    app.add_middleware(Edge, allowed_hosts=settings.allowed_hosts, done=service.metrics.counts_request)
    document.install(app, settings)
    return app


# --- questions ------------------------------------------------------------------------------------------------
async def read_question(request: Request, view: View, tenant: str, held: AsyncExitStack) -> Question:
    """Reads and validates the question of a request.

    An uploaded object counts as in use while `held` is open. Raises BadInput, and the errors of Uploads for an object
    key.
    """
    settings = service_of(request).settings
    if body.content_type(request) == "multipart/form-data":
        return photo_question(await body.read_parts(request, settings), view, tenant)
    value = await body.read_json(request, settings, photos=True)
    refuse_unclear(value)
    if isinstance(value, dict) and "object_key" in value:
        wanted = read(value, ObjectRequest)
        image = await held.enter_async_context(uploads_of(request).opened(tenant, wanted.object_key))
        return Question("object", wanted.options, tenant, view, image=image)
    if isinstance(value, dict) and "image" in value:
        return await _json_question(request, read(value, PhotoRequest), view, tenant)
    if view == "segment":
        raise InvalidFields((FieldError("/colors", "Segmentation needs an image; colours cannot be segmented."),))
    return _colors_question(value, view, tenant)


def _colors_question(value: object, view: View, tenant: str) -> Question:
    asked = read(value, ColorsRequest)
    return Question("colors", asked.options, tenant, view, colors=asked.colors)


def photo_question(parts: Mapping[str, Part], view: View, tenant: str) -> Question:
    """Makes a question from the parts of a form. Raises InvalidFields, Unparsable and UnsupportedMedia.

    An optional part that is empty counts as absent, because forms send it so.
    """
    image = parts.get("image")
    if image is None or not image.content:
        raise InvalidFields((FieldError("/image", "The part 'image' is missing or empty."),))
    # The bytes decide what the file is, not its label.
    sniff(image.content)
    text = parts["options"].content if "options" in parts else b""
    given = body.parse_json(text, what="part 'options'") if text.strip() else {}
    options: Options = read(given, SentOptions, at="/options")
    mask = parts["mask"].content if "mask" in parts else b""
    return Question("image", options, tenant, view, image=image.content, mask=mask or None)


async def _json_question(request: Request, asked: PhotoRequest, view: View, tenant: str) -> Question:
    """Makes a question from a photo within JSON, which is fetched when it is a URL."""
    service, photo = service_of(request), asked.image
    limits = service.settings
    if photo.base64 is not None:
        image = decoded(photo.base64, at="/image", most=limits.max_image_bytes, what="image")
    else:
        image = await service.remote.fetch(photo.url or "")
    sniff(image)
    mask = None
    if asked.mask is not None:
        mask = decoded(asked.mask.base64, at="/mask", most=limits.max_mask_bytes, what="mask")
    return Question("image", asked.options, tenant, view, image=image, mask=mask)


# --- answers --------------------------------------------------------------------------------------------------
async def _answer(request: Request, view: View, principal: Principal) -> Response:
    must_accept(request.headers.get("accept"), "application/json")
    async with AsyncExitStack() as held:
        question = await read_question(request, view, principal.tenant, held)
        return await _answered(request, question)


async def _answered(request: Request, question: Question) -> Response:
    request.state.mode = question.mode
    answer = await service_of(request).advisor.advise(question)
    walked = answer.progress
    request.state.walked = {"cache": walked.cache, "timing_ms": walked.timing_ms, "degraded": walked.degraded}
    timings = "timings" in question.options.include
    content = spliced(answer, request.state.request_id, timings=timings)
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if timings:
        headers["Server-Timing"] = ", ".join(f"{name};dur={took_ms:g}" for name, took_ms in walked.timing_ms.items())
    if len(content) >= COMPRESSED_FROM_BYTES and accepts_gzip(request.headers.get("accept-encoding")):
        content, headers["Content-Encoding"] = gzip.compress(content, GZIP_LEVEL, mtime=0), "gzip"
    return Response(content, media_type="application/json", headers=headers)


def spliced(answer: Answer, request_id: str, *, timings: bool) -> bytes:
    """Puts the request's own id and measurements around the shared JSON body of an answer."""
    meta: dict[str, Any] = {"cache": answer.progress.cache}
    if answer.progress.served_by:
        meta["served_by"] = answer.progress.served_by
    if timings:
        meta["timing_ms"] = answer.progress.timing_ms
    head = msgspec.json.encode({"request_id": request_id})
    return head[:-1] + b"," + answer.body[1:-1] + b',"meta":' + msgspec.json.encode(meta) + b"}"


@router.post("/advice", **document.ADVICE)
async def post_advice(request: Request, principal: Caller) -> Response:
    """Gives colour advice for a photo, an uploaded object, or colours."""
    return await _answer(request, "advice", principal)


@router.post("/colors/advice", **document.COLORS_ADVICE)
async def post_colors_advice(request: Request, principal: Caller) -> Response:
    """Gives colour advice for colours, as `/v1/advice` does. It takes JSON alone, for generators and tool callers."""
    must_accept(request.headers.get("accept"), "application/json")
    body.content_type(request, ("application/json",))
    value = await body.read_json(request, service_of(request).settings)
    return await _answered(request, _colors_question(value, "advice", principal.tenant))


@router.post("/segment", **document.SEGMENT)
async def post_segment(request: Request, principal: Caller) -> Response:
    """Finds the garments of a photo: the label map and the garments, without colours."""
    return await _answer(request, "segment", principal)


@router.post("/extract", **document.EXTRACT)
async def post_extract(request: Request, principal: Caller) -> Response:
    """Finds the garments and their colours, without suggestions."""
    return await _answer(request, "extract", principal)


@router.post("/harmony", **document.HARMONY)
async def post_harmony(request: Request, principal: Caller) -> Response:
    """Gives suggestions, wardrobe matches and outfits, without the garments."""
    return await _answer(request, "harmony", principal)


@router.post("/uploads/presign", **document.PRESIGN)
async def post_presign(
    request: Request,
    principal: Uploader,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=MAX_KEY_CHARS,
            pattern="^[ -~]+$",
            description="The same key and body give the same answer again while that answer is valid.",
        ),
    ] = None,
) -> Response:
    """Permits one upload into the object store, under an object key that `/v1/advice` accepts."""
    must_accept(request.headers.get("accept"), "application/json")
    body.content_type(request, ("application/json",))
    wanted = read(await body.read_json(request, service_of(request).settings), WantedUpload)
    answer = await uploads_of(request).presign(principal.tenant, wanted, idempotency_key=idempotency_key)
    return Response(msgspec.json.encode(answer), media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/palette", **document.PALETTE)
async def get_palette(
    request: Request,
    principal: Caller,
    colors: Annotated[
        str,
        Query(
            max_length=MAX_COLORS * (MAX_COLOR_CHARS + 2),
            description=f"1 to 12 colours, comma-separated: {FORMS}. Commas inside parentheses do not separate.",
            examples=[examples.PALETTE_COLORS],
            json_schema_extra={"format": "colors"},
        ),
    ],
    format: Annotated[PaletteFormat, Query(description="The file format.")] = "json",
) -> Response:
    """Gives a palette as a file for people or programs."""
    content, media_type = files.export(_named_colors(colors), format)
    must_accept(request.headers.get("accept"), media_type.partition(";")[0])
    named = {"Content-Disposition": f'inline; filename="palette.{format}"'}
    return pages.cacheable(request, content, media_type, headers=named)


def _named_colors(colors: str) -> list[tuple[str, str]]:
    """The query's colours as (hex, fashion name). Raises InvalidFields."""
    texts = split_colors(colors)
    if len(texts) > MAX_COLORS:
        message = f"{len(texts)} colours given; at most {MAX_COLORS} are allowed."
        raise InvalidFields((FieldError("/colors", message),))
    try:
        hexes = [parse_color(text).hex for text in texts]
    except InvalidOptions as error:
        raise InvalidFields((FieldError("/colors", error.detail),)) from error
    names = name_colors(np.array([hex_to_rgb(color) for color in hexes]) / 255)
    return [(color, name.fashion.name) for color, name in zip(hexes, names, strict=True)]


@probes.get("/healthz", **document.HEALTHZ)
async def get_healthz() -> Response:
    """Says whether the process is alive. Asks nothing else."""
    return Response(msgspec.json.encode(Health("ok", VERSION)), media_type="application/json")


@probes.get("/readyz", **document.READYZ)
async def get_readyz(request: Request) -> Response:
    """Says whether every phase is warm and reachable, from a cached view."""
    health = service_of(request).readiness.view()
    if not health.ready:
        waiting = ", ".join(name for name, phase in health.phases.items() if not phase.ready)
        error = NotReady(f"Not every phase has reported lately; waiting for {waiting}.")
        return _problem(request, error, more=msgspec.to_builtins(health))
    headers = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(health), media_type="application/json", headers=headers)


@probes.get("/metrics", **document.METRICS)
async def get_metrics(request: Request, principal: Scraper) -> Response:
    """Gives the merged metrics of all replicas."""
    text = await service_of(request).exposition()
    return Response(text, media_type=EXPOSITION, headers={"Cache-Control": "no-store"})


# --- errors ---------------------------------------------------------------------------------------------------
def _problem(request: Request, error: ColorMatchError, *, more: Mapping[str, object] | None = None) -> Response:
    prefix = str(request.scope.get("root_path", ""))
    return problem_response(error, request.state.request_id, prefix=prefix, more=more)


async def _on_our_error(request: Request, error: Exception) -> Response:
    known = error if isinstance(error, ColorMatchError) else ColorMatchError()
    return _problem(request, known)


async def _on_bad_parameters(request: Request, error: Exception) -> Response:
    details = error.errors() if isinstance(error, RequestValidationError) else []
    return _problem(request, InvalidFields(parameter_errors(details)))


async def _on_http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = (error.headers if isinstance(error, HTTPException) else None) or {}
    known: ColorMatchError = ColorMatchError()
    if status == 404:
        if (redirect := pages.with_slash(request)) is not None:
            return redirect
        known = NotFound("There is nothing at this address.")
    elif status == 405:
        allowed = tuple(headers.get("Allow", "").replace("GET", "GET, HEAD").split(", "))
        detail = f"{request.method} is not allowed here; allowed: {', '.join(allowed)}"
        known = MethodNotAllowed(detail, allowed=allowed)
    return _problem(request, known)
