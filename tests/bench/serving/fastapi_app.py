"""FastAPI under uvicorn with a worker for each core, as FastAPI's page on server workers recommends."""

import os

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from tests.bench.serving.functions import Functions

functions = Functions(threads=int(os.environ["BENCH_THREADS"]))
app = FastAPI()


@app.post("/v1/advice")
async def advice(request: Request) -> Response:
    """Answers a photo in a form, or colours in JSON."""
    if request.headers["content-type"].startswith("multipart/"):
        async with request.form() as form:
            image = form["image"]
            photo = await image.read() if isinstance(image, UploadFile) else b""
        body = await run_in_threadpool(functions.photo, photo)
    else:
        body = await run_in_threadpool(functions.colors, (await request.json())["colors"])
    return Response(body, media_type="application/json")
