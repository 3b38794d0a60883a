"""Who may speak to the page: its own browser tab, on this machine, and nobody else.

The server listens on 127.0.0.1, but any web page that is open in the same browser can send requests
there. So every request has to name the page's own host (a name that was rebound to 127.0.0.1 is
another one), to bring the cookie that the token of this start was exchanged for, and, where it
changes anything, to come from the page's own origin. Cookies are shared by all ports of a host:
that is why the origin counts, too, as objects in the local S3 are on another port.
"""

from __future__ import annotations

import secrets
from typing import Final
from urllib.parse import urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN: Final = "token"  # noqa: S105 - its name in the address
HOSTS: Final = ("127.0.0.1", "localhost")
READING: Final = frozenset({"GET", "HEAD"})
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
_OPEN_IT: Final = (
    "This page opens by the address that `pipeline console` or `make local` has printed: it holds"
    " a token, which is made anew at each start."
)


class Guard:
    """Lets requests of the page's own tab through, and gives each response its headers.

    Args:
        port: that the server listens on.
        token: of this start; whoever has it gets the cookie.
    """

    def __init__(self, app: ASGIApp, *, port: int, token: str) -> None:
        self._app = app
        self._token = token
        self._hosts = frozenset(f"{host}:{port}" for host in HOSTS)
        self._cookie = f"pipeline-console-{port}"
        self._session = secrets.token_urlsafe(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no websockets here
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        response = self._refusal_or_exchange(Request(scope))
        await (response or self._app)(scope, receive, send_with_headers)

    def _refusal_or_exchange(self, request: Request) -> Response | None:
        """What ends the request here; None: it may go on."""
        host = request.headers.get("host", "")
        if host not in self._hosts:
            return _refused(421, f"This server is not {host[:200]!r}.")
        token = request.query_params.get(TOKEN)
        if token is not None and request.method == "GET":
            return self._exchange(request, token)
        if not self._is_known(request):
            return _refused(401, _OPEN_IT)
        return self._cross_site(request, f"http://{host}")

    def _exchange(self, request: Request, token: str) -> Response:
        """The cookie for the token, which leaves the address bar."""
        if not _equal(token, self._token):
            return _refused(401, f"This token is not of this start. {_OPEN_IT}")
        rest = [(name, text) for name, text in request.query_params.multi_items() if name != TOKEN]
        target = request.url.path + (f"?{urlencode(rest)}" if rest else "")
        # A path of two slashes would name another host.
        response = RedirectResponse("/" + target.lstrip("/"), status_code=303)
        response.set_cookie(self._cookie, self._session, httponly=True, samesite="strict")
        return response

    def _is_known(self, request: Request) -> bool:
        return _equal(request.cookies.get(self._cookie, ""), self._session)

    def _cross_site(self, request: Request, own: str) -> Response | None:
        """The refusal of what another origin sends, or may have sent."""
        origin = request.headers.get("origin")
        if origin is not None and origin != own:
            return _refused(403, "This request comes from another origin.")
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return _refused(403, "This request comes from another site.")
        if request.method in READING:
            return None
        if request.method != "POST":
            return _refused(405, f"There is no {request.method[:20]} here.")
        if origin is None:
            return _refused(403, "A request that changes something has to name its origin.")
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return _refused(415, "A request that changes something is JSON.")
        return None


def _equal(given: str, secret: str) -> bool:
    return secrets.compare_digest(given.encode(), secret.encode())


def _refused(status: int, why: str) -> Response:
    return PlainTextResponse(why + "\n", status_code=status)
