"""The application behind the local page: its files, and requests for the worker."""

import html
import json
import secrets
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ecgpipe.artifacts.model_folder import NOTICE
from ecgpipe.artifacts.recording_model import display_name
from ecgpipe.errors import DataError
from ecgpipe.serve.guard import Guard
from ecgpipe.serve.worker import Attachment, Worker

TEMPLATES = Path(__file__).parent / "templates"
FILES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "plot.js": "text/javascript",
    "result.js": "text/javascript",
    "server.js": "text/javascript",
    "zoom.js": "text/javascript",
}
MAX_UPLOAD_BYTES = 40_000_000
MAX_REQUESTS = 4  # in progress or waiting; each keeps a file in memory
UPLOAD_SECONDS = 60.0
NAME_HEADER, CLASS_HEADER, PAGE_HEADER = "x-file-name", "x-overlay-class", "x-page"
SCALES = {"speed": ("25", "50"), "gain": ("5", "10", "20")}  # mm/s and mm/mV that the page offers; x-speed, x-gain
ACTIONS = ("predict", "overlay", "record", "report")
NETWORK_WARNING = (
    "This page can be reached from the network, without a password or encryption. Do not send pages of patients over a "
    "network that you do not trust."
)


def build_app(worker: Worker, hosts: Iterable[str], max_bytes: int, in_network: bool) -> Guard:
    """Build the guarded application.

    Args:
        worker: makes the predictions.
        hosts: accepted values of the Host header.
        max_bytes: size limit per file.
        in_network: other machines can open the page, so it warns and offers a phone's camera.
    """
    token = secrets.token_urlsafe(32)
    limit = _RequestLimit(MAX_REQUESTS)
    one_at_a_time = anyio.Lock()

    async def page(request: Request) -> Response:
        return HTMLResponse(_page_html(worker, token, max_bytes, in_network))

    def handler(action: str) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def handle(request: Request) -> Response:
            name = _file_name(request)
            label = unquote(request.headers.get(CLASS_HEADER, "")) or None
            number = request.headers.get(PAGE_HEADER, "0")
            if not (number.isascii() and number.isdigit() and len(number) < 4):
                raise HTTPException(400, f"{PAGE_HEADER}: not a page number")
            scales = _scales(request)
            with limit.request():
                content = await _upload(request, max_bytes)
                await _turn(request, one_at_a_time)
                try:
                    ask = partial(worker.ask, action, content, name, label, int(number), scales)
                    answer = await anyio.to_thread.run_sync(ask)
                finally:
                    one_at_a_time.release()
            if not isinstance(answer, Attachment):
                return JSONResponse(answer)
            headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(answer.name)}"}
            return Response(answer.content, media_type=answer.media_type, headers=headers)

        return handle

    routes = [
        Route("/", page),
        *(Route(f"/{name}", _file(name, media_type)) for name, media_type in FILES.items()),
        *(Route(f"/{action}", handler(action), methods=["POST"]) for action in ACTIONS),
    ]
    handlers = {HTTPException: _error_response, DataError: _data_error_response}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), hosts, token)


def _file_name(request: Request) -> str:
    given = unquote(request.headers.get(NAME_HEADER, "file")).replace("\\", "/")
    return PurePosixPath(given).name[:200] or "file"


def _scales(request: Request) -> dict[str, float]:
    """The speed and gain that the user has chosen."""
    given = {name: request.headers[f"x-{name}"] for name in SCALES if f"x-{name}" in request.headers}
    for name, value in given.items():
        if value not in SCALES[name]:
            raise HTTPException(400, f"x-{name}: give one of {', '.join(SCALES[name])}")
    return {name: float(value) for name, value in given.items()}


class _RequestLimit:
    def __init__(self, limit: int) -> None:
        self.limit, self.active = limit, 0

    @contextmanager
    def request(self) -> Iterator[None]:
        if self.active >= self.limit:
            raise HTTPException(503, "the server is busy; try again in a moment", {"retry-after": "5"})
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1


async def _turn(request: Request, lock: anyio.Lock) -> None:
    """Acquire the lock, unless the client goes away first, for example by "Stop" on the page; its slot is then free."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        group.cancel_scope.cancel()

    acquired = False
    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        await lock.acquire()
        acquired = True
        group.cancel_scope.cancel()
    if not acquired:
        raise HTTPException(400, "the request was stopped")


async def _upload(request: Request, max_bytes: int) -> bytes:
    """Read the body; stop as soon as it exceeds the limit."""
    too_large = HTTPException(413, f"the file is larger than {max_bytes / 1e6:g} MB; use ecgpipe predict")
    stated = request.headers.get("content-length", "0")
    if not stated.isdigit() or int(stated) > max_bytes:
        raise too_large
    content = bytearray()
    try:
        with anyio.fail_after(UPLOAD_SECONDS):
            async for part in request.stream():
                content += part
                if len(content) > max_bytes:
                    raise too_large
    except ClientDisconnect as error:  # for example "Stop" on the page; nobody reads the answer
        raise HTTPException(400, "the upload was interrupted") from error
    except TimeoutError as error:
        raise HTTPException(408, f"the file did not arrive within {UPLOAD_SECONDS:g} s") from error
    return bytes(content)


async def _error_response(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)


async def _data_error_response(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", 422)


def _file(name: str, media_type: str) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    content = (TEMPLATES / name).read_bytes()

    async def send(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return send


def _calibrated(calibration: dict[str, Any]) -> str:
    unseen = calibration["fitted_on"] == "validation"
    records = "records that were not used for training" if unseen else "of the scored records"
    return f"Probabilities are calibrated on {calibration['records']} {records}."


def _page_html(worker: Worker, token: str, max_bytes: int, in_network: bool) -> str:
    model = worker.model
    trained, calibration = model["trained_on"], model["calibration"]
    name = display_name(model["variant"])
    sentences = [
        f"{name[0].upper()}{name[1:]}, trained on {trained['dataset']}, protocol {trained['protocol']}, "
        f"seed {trained['seed']}.",
        _calibrated(calibration)
        if calibration
        else "This model has no calibration: its probabilities may be too high or too low.",
        "Pages that differ from the training pages are marked."
        if model["out_of_distribution"]
        else "No out-of-distribution score available.",
    ]
    values = {
        "TOKEN": token,
        "MAX_BYTES": str(max_bytes),
        "CLASSES": json.dumps(model["classes"]),
        "MODEL": " ".join(sentences),
        "NETWORK": NETWORK_WARNING if in_network else "",
        "NOTICE": NOTICE,
    }
    text = (TEMPLATES / "page.html").read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"[[{key}]]", html.escape(value))
    return text
