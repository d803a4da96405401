"""The web application: a page, its script and style, and one address that predicts."""

import functools
import html
import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ecgpipe.artifacts.model_folder import NOTICE
from ecgpipe.errors import DataError
from ecgpipe.serve.guard import Guard
from ecgpipe.serve.worker import Worker

TEMPLATES = Path(__file__).parent / "templates"
LARGEST_UPLOAD = 40_000_000
"""Bytes of a file."""
MOST_WAITING = 4
"""Requests at work or waiting; further ones are turned away."""
UPLOAD_SECONDS = 60.0
NAME_HEADER, CLASS_HEADER = "x-file-name", "x-overlay-class"


def build_app(
    worker: Worker, hosts: Iterable[str], largest: int = LARGEST_UPLOAD, waiting: int = MOST_WAITING
) -> Guard:
    """The guarded application.

    Args:
        worker: predicts.
        hosts: values of the Host header that are ours.
        largest: bytes of a file that is taken.
        waiting: requests that are at work or wait, at most.
    """
    token = secrets.token_urlsafe(32)
    room = _Room(waiting)
    one_at_a_time = anyio.Lock()

    async def page(request: Request) -> Response:
        return HTMLResponse(_page(worker, token, largest))

    async def predict(request: Request) -> Response:
        name = PurePosixPath(unquote(request.headers.get(NAME_HEADER, "file")).replace("\\", "/")).name[:200] or "file"
        label = unquote(request.headers.get(CLASS_HEADER, "")) or None
        with room.taken():
            content = await _upload(request, largest)
            async with one_at_a_time:
                try:
                    told = await anyio.to_thread.run_sync(functools.partial(worker.ask, content, name, label))
                except DataError as error:
                    told = {"pages": [], "errors": [str(error)], "more": False}
        return JSONResponse(told)

    routes = [
        Route("/", page),
        Route("/page.js", _file("page.js", "text/javascript")),
        Route("/page.css", _file("page.css", "text/css")),
        Route("/predict", predict, methods=["POST"]),
    ]
    return Guard(Starlette(routes=routes, exception_handlers={HTTPException: _told}), hosts, token)


class _Room:
    """Counts requests; each brings a file into memory."""

    def __init__(self, most: int) -> None:
        self.most, self.now = most, 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        if self.now >= self.most:
            raise HTTPException(503, "others are being predicted; try again in a moment", {"retry-after": "5"})
        self.now += 1
        try:
            yield
        finally:
            self.now -= 1


async def _upload(request: Request, largest: int) -> bytes:
    """The body, never more of it than allowed."""
    too_large = HTTPException(413, f"the file is larger than {largest / 1e6:g} MB; use ecgpipe predict")
    stated = request.headers.get("content-length", "0")
    if not stated.isdigit() or int(stated) > largest:
        raise too_large
    content = bytearray()
    try:
        with anyio.fail_after(UPLOAD_SECONDS):
            async for part in request.stream():
                content += part
                if len(content) > largest:
                    raise too_large
    except TimeoutError as error:
        raise HTTPException(408, f"the file did not arrive within {UPLOAD_SECONDS:g} s") from error
    return bytes(content)


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)


def _file(name: str, kind: str):
    content = (TEMPLATES / name).read_bytes()

    async def send(request: Request) -> Response:
        return Response(content, media_type=kind)

    return send


def _page(worker: Worker, token: str, largest: int) -> str:
    about = worker.about
    trained = about["trained_on"]
    fitted, ood = about["calibration"], about["out_of_distribution"]
    facts = [
        f"{about['variant']}, trained on {trained['dataset']}, protocol {trained['protocol']}, seed {trained['seed']}.",
        "Probabilities are calibrated on {records} records ({fitted_on}).".format(**fitted)
        if fitted
        else "No calibration is stored: probabilities may promise too much or too little.",
        "Images unlike the training images are marked."
        if ood
        else "Whether an image is unlike the training images cannot be told: the model has no statistics for it.",
    ]
    values = {
        "TOKEN": token,
        "LARGEST": str(largest),
        "CLASSES": json.dumps(about["classes"]),
        "MODEL": " ".join(facts),
        "NOTICE": NOTICE,
    }
    text = (TEMPLATES / "page.html").read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"[[{key}]]", html.escape(value))
    return text
