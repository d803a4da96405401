"""A local web page that predicts dropped files: the application, its request guard and the server."""

import functools
import html
import ipaddress
import json
import secrets
import socket
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecgpipe.artifacts.model_folder import NOTICE, WHY_PREDICTED
from ecgpipe.artifacts.recording_model import read_saved
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.serve.worker import Worker

TEMPLATES = Path(__file__).parent / "templates"
MAX_UPLOAD_BYTES = 40_000_000
MAX_REQUESTS = 4  # in progress or waiting; each keeps a file in memory
UPLOAD_SECONDS = 60.0
NAME_HEADER, CLASS_HEADER, TOKEN_HEADER = "x-file-name", "x-overlay-class", "x-ecgpipe-token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class LocalPage:
    """A saved model behind a local web page.

    Args:
        folder: of the saved model.
        host: address to listen on.
        port: 0 selects a free port.
        names: additional host names under which the page may be opened.
        threads: CPU threads of the model.
        seconds: time limit per file.
        max_bytes: size limit per file.
        plugin: see ``Predictor``.

    Raises:
        ConfigError: cannot listen on the address.
        DataError: the model cannot be used.
    """

    def __init__(
        self,
        folder: Path | str,
        host: str = "127.0.0.1",
        port: int = 8765,
        names: Sequence[str] = (),
        threads: int | None = None,
        seconds: float = 120,
        max_bytes: int = MAX_UPLOAD_BYTES,
        plugin: Path | str | None = None,
    ) -> None:
        read_saved(folder)  # fails before anything is started
        self._socket = _bound_socket(host, port)
        self.port = self._socket.getsockname()[1]
        address = f"[{host}]" if ":" in host else host
        self.address = f"http://{address}:{self.port}/"
        try:
            self.worker = Worker(folder, seconds, threads, plugin)
        except BaseException:
            self._socket.close()
            raise
        hosts = {address, *names, *(["localhost"] if is_loopback(host) else [])}
        app = build_app(self.worker, {f"{name}:{self.port}" for name in hosts}, max_bytes)
        self.server = uvicorn.Server(
            uvicorn.Config(
                app,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                limit_concurrency=32,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=2,
            )
        )

    def run(self) -> None:
        """Serve until a signal or ``stop``."""
        try:
            self.server.run(sockets=[self._socket])
        finally:
            self.worker.stop()
            self._socket.close()

    def stop(self) -> None:
        """End ``run`` from another thread."""
        self.server.should_exit = True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bound_socket(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise ConfigError(f"{host}:{port}: cannot listen there ({error}); choose another --port or --host") from error
    return bound


def build_app(worker: Worker, hosts: Iterable[str], max_bytes: int = MAX_UPLOAD_BYTES) -> "Guard":
    """Build the guarded application.

    Args:
        worker: predicts.
        hosts: accepted values of the Host header.
        max_bytes: size limit per file.
    """
    token = secrets.token_urlsafe(32)
    limit = _RequestLimit(MAX_REQUESTS)
    one_at_a_time = anyio.Lock()

    async def page(request: Request) -> Response:
        return HTMLResponse(_page_html(worker, token, max_bytes))

    async def predict(request: Request) -> Response:
        name = PurePosixPath(unquote(request.headers.get(NAME_HEADER, "file")).replace("\\", "/")).name[:200] or "file"
        label = unquote(request.headers.get(CLASS_HEADER, "")) or None
        with limit.request():
            content = await _upload(request, max_bytes)
            async with one_at_a_time:
                try:
                    answer = await anyio.to_thread.run_sync(functools.partial(worker.predict, content, name, label))
                except DataError as error:
                    answer = {"pages": [], "errors": [str(error)], "more": False}
        return JSONResponse(answer)

    routes = [
        Route("/", page),
        Route("/page.js", _file("page.js", "text/javascript")),
        Route("/page.css", _file("page.css", "text/css")),
        Route("/predict", predict, methods=["POST"]),
    ]
    return Guard(Starlette(routes=routes, exception_handlers={HTTPException: _error_response}), hosts, token)


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
    except TimeoutError as error:
        raise HTTPException(408, f"the file did not arrive within {UPLOAD_SECONDS:g} s") from error
    return bytes(content)


async def _error_response(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)


def _file(name: str, media_type: str) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    content = (TEMPLATES / name).read_bytes()

    async def send(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return send


def _page_html(worker: Worker, token: str, max_bytes: int) -> str:
    model = worker.model
    trained, calibration = model["trained_on"], model["calibration"]
    sentences = [
        f"{model['variant']}, trained on {trained['dataset']}, protocol {trained['protocol']}, seed {trained['seed']}.",
        f"Probabilities are calibrated on {calibration['records']} records ({calibration['fitted_on']})."
        if calibration
        else "This model has no calibration: its probabilities may be too high or too low.",
        "Images that differ from the training images are marked."
        if model["out_of_distribution"]
        else "No out-of-distribution score available.",
    ]
    values = {
        "TOKEN": token,
        "MAX_BYTES": str(max_bytes),
        "CLASSES": json.dumps(model["classes"]),
        "PREDICTED": WHY_PREDICTED[model["task"]],
        "MODEL": " ".join(sentences),
        "NOTICE": NOTICE,
    }
    text = (TEMPLATES / "page.html").read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"[[{key}]]", html.escape(value))
    return text


class Guard:
    """Rejects requests that the page itself did not send, and adds security headers to every response.

    A page of another site can make a browser send requests to this machine (cross-site request forgery), or resolve a
    host name of its own to it (DNS rebinding). So every request must have an accepted Host header and no foreign
    origin, and a request with a body must carry a token that only the page knows.

    Args:
        app: the application.
        hosts: accepted values of the Host header, with the port.
        token: required in requests with a body.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], token: str) -> None:
        self.app, self.hosts, self.token = app, {host.lower() for host in hosts}, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI request."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        reason = self.rejection(scope["method"], Headers(scope=scope))
        if reason is not None:
            await PlainTextResponse(f"{reason}\n", 403)(scope, receive, send_with_headers)
            return
        await self.app(scope, receive, send_with_headers)

    def rejection(self, method: str, headers: Headers) -> str | None:
        """The reason to reject a request, or None."""
        if headers.get("host", "").lower() not in self.hosts:
            return "the page is not served under this name (ecgpipe serve --allow-host NAME allows another name)"
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in {f"http://{host}" for host in self.hosts}:
            return "requests from other sites are rejected"
        if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return "requests from other sites are rejected"
        if method not in {"GET", "HEAD"}:
            token = headers.get(TOKEN_HEADER, "")
            if not secrets.compare_digest(token.encode("latin-1", "replace"), self.token.encode()):
                return "this page was opened before the server was restarted: reload it"
        return None
