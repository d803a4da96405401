"""Who may talk to the local page: only a browser that has it open, by the very address that it was given.

A page of another site can make a browser send requests to this machine (cross-site request forgery), or point a name of
its own at it (DNS rebinding). So every request must name an address of ours as its host, must not come from another
origin, and what computes must carry the token that only the page knows.
"""

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
HEADERS = {
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
    """Refuses requests that the page itself did not make, and adds the headers that keep the page to itself.

    Args:
        app: what is guarded.
        hosts: values of the Host header that are ours, with the port.
        token: that requests with a body must carry.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], token: str) -> None:
        self.app, self.hosts, self.token = app, {host.lower() for host in hosts}, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        reason = self.refusal(scope["method"], Headers(scope=scope))
        if reason is not None:
            await PlainTextResponse(f"{reason}\n", 403)(scope, receive, send_with_headers)
            return
        await self.app(scope, receive, send_with_headers)

    def refusal(self, method: str, headers: Headers) -> str | None:
        """Why a request is refused; None if it is not."""
        if headers.get("host", "").lower() not in self.hosts:
            return "the page is not served at this address (ecgpipe serve --allow-host NAME allows a further name)"
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in {f"http://{host}" for host in self.hosts}:
            return "requests from other sites are refused"
        if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return "requests from other sites are refused"
        if method not in {"GET", "HEAD"}:
            given = headers.get(TOKEN_HEADER, "")
            if not secrets.compare_digest(given.encode("latin-1", "replace"), self.token.encode()):
                return "this page was opened before the server was started again: load it anew"
        return None
