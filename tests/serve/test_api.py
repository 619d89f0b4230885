"""Tests every endpoint and mode over HTTP in this process. The OpenAPI document checks each answer too."""

import base64
import io
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from pipeline.garments.rle import decode_rle
from pipeline.parts import RleMask
from serve.version import VERSION
from tests.serve.application import Application, form, mask_bytes, photo_bytes, running
from tests.serve.fakes import NETWORK_VERSION, PHASES, painted, painted_labels, statuses

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAVY = {"colors": ["#1f2a44"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def application(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Application]:
    """One application for all tests of this module."""
    async with running(tmp_path_factory.mktemp("keys")) as found:
        yield found


@pytest.fixture
def client(application: Application) -> httpx.AsyncClient:
    """A client with a key."""
    return application.client


async def _advice(client: httpx.AsyncClient, path: str = "/v1/advice", **arguments: Any) -> dict[str, Any]:
    response = await client.post(path, **arguments)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


# --- advice ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
async def test_a_photo_is_advised_when_it_comes_as_a_form(
    client: httpx.AsyncClient, kind: str, media_type: str
) -> None:
    """A photo of any format gets garments with colours, suggestions and the photo's sizes."""
    found = await _advice(client, **form(photo_bytes(kind), kind=media_type))
    assert (found["mode"], found["degraded"]) == ("image", [])
    assert found["image"] | {"lighting": None} == {
        "width": 64,
        "height": 96,
        "analysed_width": 64,
        "analysed_height": 96,
        "lighting": None,
    }
    assert [garment["category"] for garment in found["garments"]] == ["top", "bottom"]
    assert [garment["id"] for garment in found["garments"]] == ["g1", "g2"]
    assert [garment["colors"][0]["names"]["fashion"]["name"] for garment in found["garments"]] == ["navy", "camel"]
    assert found["suggestions"]
    assert found["versions"]["segmenter"] == NETWORK_VERSION
    assert found["versions"]["api"] == "1"


async def test_colours_are_advised_when_they_come_as_json(client: httpx.AsyncClient) -> None:
    """Colours become one garment of unknown kind with normalised shares, and no image or mask."""
    body = {"colors": [{"hex": "#1f2a44", "share": 0.6}, {"hex": "#c19a6b", "share": 0.2}]}
    found = await _advice(client, json=body)
    assert (found["mode"], found["image"]) == ("colors", None)
    (garment,) = found["garments"]
    assert (garment["id"], garment["category"]) == ("g1", "unknown")
    assert [(color["hex"], color["share"]) for color in garment["colors"]] == [("#1f2a44", 0.75), ("#c19a6b", 0.25)]
    assert "mask" not in garment
    assert found["suggestions"]


async def test_an_object_is_refused_when_the_object_store_is_missing(client: httpx.AsyncClient) -> None:
    """The service checks an object request's fields, and answers 503 without an object store."""
    asked = {"object_key": f"uploads/whole/{'0' * 32}", "options": {}}
    response = await client.post("/v1/advice", json=asked)
    assert (response.status_code, response.json()["code"]) == (503, "NOT_READY")
    assert response.headers["Retry-After"] == "1"


async def test_the_mask_is_the_garment_when_one_is_given(client: httpx.AsyncClient) -> None:
    """A mask makes one garment of unknown kind, or of the hinted one, without the network."""
    found = await _advice(client, **form(mask=mask_bytes()))
    assert [(g["category"], g["colors"][0]["hex"]) for g in found["garments"]] == [("unknown", "#1f2a44")]
    assert found["versions"]["segmenter"] == "mask"
    hinted = await _advice(client, **form(mask=mask_bytes(), category="top"))
    assert [garment["category"] for garment in hinted["garments"]] == ["top"]


async def test_the_whole_image_is_the_garment_when_segmenting_is_off(client: httpx.AsyncClient) -> None:
    """`segment: none` makes one garment that covers the image."""
    found = await _advice(client, **form(segment="none"))
    (garment,) = found["garments"]
    assert (garment["category"], garment["area"], garment["bbox"]) == ("unknown", 1.0, [0, 0, 1, 1])


async def test_only_the_kinds_asked_for_are_reported_when_named(client: httpx.AsyncClient) -> None:
    """`garments` filters the garments. When none is left, the answer is a 200 with a warning."""
    found = await _advice(client, **form(garments=["bottom"]))
    assert [garment["category"] for garment in found["garments"]] == ["bottom"]
    none = await _advice(client, **form(garments=["shoes"]))
    assert (none["garments"], none["suggestions"]) == ([], [])
    assert "NO_GARMENT" in [warning["code"] for warning in none["warnings"]]


@pytest.mark.parametrize(
    ("include", "where"),
    [
        ("masks", lambda found: found["garments"][0].get("mask")),
        ("alternatives", lambda found: found["garments"][0].get("alternatives")),
        ("alternatives", lambda found: found["suggestions"][0].get("alternatives")),
        ("vector", lambda found: found["garments"][0].get("vector")),
        ("vector", lambda found: found.get("vector")),
        ("timings", lambda found: found["meta"].get("timing_ms")),
    ],
)
async def test_a_part_is_there_only_when_it_is_included(client: httpx.AsyncClient, include: str, where: Any) -> None:
    """Masks, alternatives, vectors and timings are present when included, and absent, not null, otherwise."""
    assert where(await _advice(client, **form())) is None
    assert where(await _advice(client, **form(include=[include]))) is not None


async def test_a_mask_is_coco_run_lengths_when_included(client: httpx.AsyncClient) -> None:
    """`size` is height and width at analysed size, and the counts decode to the garment's pixels."""
    found = await _advice(client, **form(include=["masks"]))
    mask = found["garments"][0]["mask"]
    assert (mask["format"], mask["size"]) == ("coco_rle", [96, 64])
    decoded = decode_rle(RleMask((96, 64), mask["counts"], "coco_rle"))
    assert np.array_equal(decoded, painted()[..., 0] < 90)


async def test_vectors_are_versioned_and_of_one_length_when_included(client: httpx.AsyncClient) -> None:
    """Each vector carries its version, and all have the same length, whatever the palette."""
    found = await _advice(client, **form(include=["vector"]))
    colours = await _advice(client, json={**NAVY, "options": {"include": ["vector"]}})
    vectors = [garment["vector"] for garment in (*found["garments"], *colours["garments"])]
    vectors += [found["vector"], colours["vector"]]
    assert len({(vector["version"], len(vector["values"])) for vector in vectors}) == 1


async def test_timings_are_answered_when_included(client: httpx.AsyncClient) -> None:
    """Timings are in milliseconds for decoding, each phase and the total, and never negative."""
    found = await _advice(client, **form(include=["timings"], cache="bypass"))
    times = found["meta"]["timing_ms"]
    assert set(times) == {"decode", *PHASES, "total"}
    assert all(0 <= time <= times["total"] for time in times.values())


async def test_a_wardrobe_is_matched_when_given(client: httpx.AsyncClient) -> None:
    """Matches and outfits name the client's ids, the best first."""
    wardrobe = [
        {"id": "w17", "hex": "#c19a6b", "category": "bottom"},
        {"id": "w3", "colors": ["white", {"hex": "#9caf88", "share": 0.2}], "category": "shoes"},
    ]
    found = await _advice(client, json={**NAVY, "options": {"wardrobe": wardrobe}})
    assert {match["item_id"] for match in found["matches"]} <= {"w17", "w3"}
    assert found["matches"]
    assert found["outfits"]
    scores = [match["score"] for match in found["matches"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("count", "schemes"), [(0, ["neutral"]), (1, ["monochromatic"]), (24, ["complementary", "neutral"])]
)
async def test_suggestions_keep_the_limits_of_the_request(
    client: httpx.AsyncClient, count: int, schemes: list[str]
) -> None:
    """There are no more suggestions than requested, and only of the requested schemes and intent."""
    options = {"max_suggestions": count, "schemes": schemes, "intent": "bold"}
    found = (await _advice(client, json={**NAVY, "options": options}))["suggestions"]
    assert len(found) <= count
    assert bool(found) == bool(count)
    assert {suggestion["scheme"] for suggestion in found} <= set(schemes)
    assert {suggestion["intent"] for suggestion in found} <= {"bold"}


# --- one phase alone ------------------------------------------------------------------------------------------
async def test_segment_answers_labels_and_garments(client: httpx.AsyncClient) -> None:
    """`labels` is an 8-bit PNG of class values at analysed size; the garments have no colours."""
    found = await _advice(client, "/v1/segment", **form())
    assert found["labels"]["format"] == "png"
    labels = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["labels"]["data"]))))
    assert np.array_equal(labels, painted_labels(painted(), 96, 64))
    assert [garment["category"] for garment in found["garments"]] == ["top", "bottom"]
    assert "colors" not in found["garments"][0]
    assert found["meta"]["cache"]["extraction"] == "skipped"


async def test_segment_is_refused_when_there_are_only_colours(client: httpx.AsyncClient) -> None:
    """`segment` with colours is refused at /colors."""
    response = await client.post("/v1/segment", json=NAVY)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == ["/colors"]


@pytest.mark.parametrize("arguments", [form(), {"json": NAVY}])
async def test_a_one_phase_answer_equals_its_part_of_the_whole(
    client: httpx.AsyncClient, arguments: dict[str, Any]
) -> None:
    """`extract` and `harmony` answer the parts of `advice` that are theirs, in both modes."""
    whole = await _advice(client, **arguments)
    extracted = await _advice(client, "/v1/extract", **arguments)
    harmonised = await _advice(client, "/v1/harmony", **arguments)
    assert extracted["garments"] == whole["garments"]
    assert extracted["image"] == whole["image"]
    assert extracted["versions"] == {**whole["versions"], "harmony": None}
    for part in ("suggestions", "matches", "outfits", "versions"):
        assert harmonised[part] == whole[part]
    assert not {"suggestions", "matches", "outfits"} & set(extracted)
    assert not {"garments", "image"} & set(harmonised)


# --- the same again -------------------------------------------------------------------------------------------
def _without_its_own(text: str) -> str:
    return re.sub(r'"request_id":"[^"]*"|"meta":\{.*\}\}', "", text)


@pytest.mark.parametrize("path", ["/v1/advice", "/v1/segment", "/v1/extract", "/v1/harmony"])
async def test_answers_are_equal_bytes_when_asked_again(client: httpx.AsyncClient, path: str) -> None:
    """The same question without caches gives the same bytes, apart from request_id and meta."""
    arguments = form(cache="bypass", include=["masks", "alternatives", "vector"])
    first, second = [(await client.post(path, **arguments)).text for _ in range(2)]
    assert first != second
    assert _without_its_own(first) == _without_its_own(second)
    cached, hit = [
        (await client.post(path, **form(include=["masks", "alternatives", "vector"]))).text for _ in range(2)
    ]
    assert _without_its_own(cached) == _without_its_own(hit) == _without_its_own(first)
    assert json.loads(hit)["meta"]["cache"] == statuses("hit", "skipped")


async def test_answers_say_no_store(client: httpx.AsyncClient) -> None:
    """Every answer has `Cache-Control: no-store`, a degraded one too."""
    response = await client.post("/v1/advice", json=NAVY)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Type"] == "application/json"


async def test_a_degraded_answer_is_a_200_when_a_phase_fails(application: Application) -> None:
    """The failed phase is named, and the answer says no-store."""
    application.walk.harmony.error = RuntimeError("10.0.0.7 is gone")
    try:
        response = await application.client.post("/v1/advice", json={"colors": ["teal"]})
    finally:
        application.walk.harmony.error = None
    assert response.status_code == 200
    assert response.json()["degraded"] == ["harmony"]
    assert response.headers["Cache-Control"] == "no-store"
    healed = await _advice(application.client, json={"colors": ["teal"]})
    assert healed["degraded"] == []


async def test_the_clients_request_id_is_answered_when_it_is_valid(client: httpx.AsyncClient) -> None:
    """The id is the same in header and body."""
    response = await client.post("/v1/advice", json=NAVY, headers={"X-Request-ID": "mine-1"})
    assert response.json()["request_id"] == response.headers["X-Request-ID"] == "mine-1"


# --- operation ------------------------------------------------------------------------------------------------
async def test_health_is_open_when_nobody_has_a_key(application: Application) -> None:
    """Health answers with the version and needs no key."""
    response = await application.stranger.get("/v1/healthz")
    assert response.json() == {"status": "ok", "version": VERSION}


async def test_the_service_is_ready_when_every_phase_has_answered(application: Application) -> None:
    """Readiness has each phase's version and the cache's state. It needs no key and is not stored."""
    response = await application.stranger.get("/v1/readyz")
    while response.status_code == 503:
        response = await application.stranger.get("/v1/readyz")
    found = response.json()
    assert found["ready"] is True
    assert found["phases"]["segmentation"]["ready"] is True
    assert found["phases"]["segmentation"]["version"] == NETWORK_VERSION
    assert set(found["phases"]) == set(PHASES)
    assert found["cache"] == "down"
    assert response.headers["Cache-Control"] == "no-store"


async def test_the_service_is_not_ready_when_a_phase_is_silent(application: Application) -> None:
    """A phase that has not reported lately makes readiness a 503, whose problem names the phase."""
    seen_s = application.service.readiness.seen_s
    application.service.readiness.seen_s = {phase: time_s for phase, time_s in seen_s.items() if phase != "harmony"}
    try:
        response = await application.stranger.get("/v1/readyz")
    finally:
        application.service.readiness.seen_s = seen_s
    found = response.json()
    assert (response.status_code, found["code"]) == (503, "NOT_READY")
    assert found["detail"] == "Not every phase has reported lately; waiting for harmony."
    assert (found["ready"], found["phases"]["harmony"]["ready"], found["phases"]["extraction"]["ready"]) == (
        False,
        False,
        True,
    )


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json"])
async def test_pages_are_open_when_nobody_has_a_key(application: Application, path: str) -> None:
    """The playground, the reference and the document need no key."""
    assert (await application.stranger.get(path)).status_code == 200
