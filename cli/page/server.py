"""The page's server: on 127.0.0.1 only, with a token made at each start."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from cli.exit_codes import FAILED, CommandFailed
from cli.page.api import ERROR_HANDLERS, routes
from cli.page.guard import TOKEN, Guard
from cli.page.source import Source

ADDRESS: Final = "127.0.0.1"
STATIC: Final = Path(__file__).parent / "static"
KINDS: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES: Final = {path.name: KINDS[path.suffix] for path in STATIC.iterdir() if path.suffix in KINDS}


def make_app(source: Source, *, port: int, token: str) -> Guard:
    """The page as an ASGI application.

    Args:
        port: that it is served on, by which it knows its own host and origin.
    """
    app = Starlette(
        routes=[
            *(Route(f"/{name}", _file(name, kind)) for name, kind in FILES.items()),
            *routes(source),
            # Every other address is one of the page's own views.
            Route("/{view:path}", _file("page.html", "text/html")),
        ],
        exception_handlers=ERROR_HANDLERS,
    )
    app.state.source = source
    return Guard(app, port=port, token=token)


def _file(name: str, kind: str) -> Callable[[Request], Response]:
    def respond(_request: Request) -> Response:
        return FileResponse(STATIC / name, media_type=f"{kind}; charset=utf-8")

    return respond


class PageServer:
    """The page, on a socket that is bound before anybody is given its address.

    Args:
        port: 0 takes a free one.

    Raises:
        CommandFailed: the port is taken.
    """

    def __init__(self, source: Source, port: int = 0) -> None:
        self._socket = _listen(port)
        self.port: int = self._socket.getsockname()[1]
        token = secrets.token_urlsafe(24)
        self.address = f"http://{ADDRESS}:{self.port}/?{TOKEN}={token}"
        config = uvicorn.Config(
            make_app(source, port=self.port, token=token),
            log_level="error",
            access_log=False,  # it would print the token
            server_header=False,
            timeout_graceful_shutdown=1,  # live updates never end by themselves
            ws="none",
            lifespan="off",
        )
        self._server = uvicorn.Server(config)

    def serve(self) -> None:
        """Serve until a signal (in the main thread) or `stop` ends it."""
        self._server.run(sockets=[self._socket])

    @property
    def bound_to(self) -> tuple[str, int]:
        """The address and port that it listens on."""
        host, port = self._socket.getsockname()
        return host, port

    def close(self) -> None:
        """Give up the port; for a server that has not served, or no longer does."""
        self._socket.close()

    def stop(self) -> None:
        """Have `serve` return, from another thread."""
        self._server.should_exit = True


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
        listener.listen(100)  # without it, another could take the same port
    except OSError as error:
        listener.close()
        raise CommandFailed(
            f"the page cannot listen on {ADDRESS}:{port}: {error.strerror}",
            FAILED,
            "give another --port; 0 takes a free one",
        ) from None
    return listener
