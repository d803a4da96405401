"""Protection of the local page: checks of requests, and security headers for the browser."""

import secrets
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-ecgpipe-token"
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


class Guard:
    """Rejects requests that the page itself did not send, and adds security headers to every response.

    Another site can make a browser send requests to this machine (cross-site request forgery), or resolve its own host
    name to this machine (DNS rebinding). So every request must have an accepted Host header and no foreign origin, and
    a request with a body must carry a token that only the page knows. The origin is https if a proxy adds encryption.

    Args:
        app: the application.
        hosts: accepted values of the Host header.
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
        own = {f"{scheme}://{host}" for scheme in ("http", "https") for host in self.hosts}
        if origin is not None and origin.lower() not in own:
            return "requests from other sites are rejected"
        if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return "requests from other sites are rejected"
        if method not in {"GET", "HEAD"}:
            token = headers.get(TOKEN_HEADER, "")
            if not secrets.compare_digest(token.encode("latin-1", "replace"), self.token.encode()):
                return "this page was opened before the server was restarted: reload it"
        return None
