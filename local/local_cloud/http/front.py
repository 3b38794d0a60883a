"""The local cloud's one endpoint: our services handle a request, or the substrate does."""

from __future__ import annotations

import errno
import http.client
import itertools
import json
import logging
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Protocol
from urllib.parse import parse_qs

from local.local_cloud.http.forwarding import (
    check_forwarded,
    names_operation_in_body,
    with_operation,
)
from local.local_cloud.http.operations import JsonService
from local.local_cloud.http.proxy import (
    BadBody,
    SubstrateConnection,
    body_blocks,
    response_blocks,
    response_headers,
)
from local.local_cloud.http.refusals import emulator_is_gone, error_response
from local.local_cloud.http.routing import Route, route
from local.local_cloud.http.services import Headers, HttpRequest, Response, ServiceError
from local.local_cloud.permissions.evaluate import Identity
from local.local_cloud.permissions.guard import Guard, reads_body

LOGGER: Final = logging.getLogger(__name__)
DESCRIPTION_PATH: Final = "/_local/cloud.json"


class FrontError(Exception):
    """The endpoint cannot be opened."""


class RestService(Protocol):
    """A service that takes whole HTTP requests (the Lambda API)."""

    def handle(self, request: HttpRequest) -> Response:
        """The response to a request.

        Raises:
            ServiceError: for the client.
        """
        ...


class Front:
    """The HTTP server on 127.0.0.1. Services are added before or after `start`.

    Attributes:
        guard: what requests have to pass; None: everybody may do everything.
        description: what `GET /_local/cloud.json` returns: where everything is, no secrets.
    """

    def __init__(self, port: int, substrate_port: int) -> None:
        """Open the port.

        Args:
            port: to listen on; 0 takes a free one.
            substrate_port: where the emulator listens on 127.0.0.1.

        Raises:
            FrontError: the port is taken.
        """
        self._json_services: dict[str, JsonService] = {}
        self._rest_services: dict[str, RestService] = {}
        self.substrate_port = substrate_port
        self.guard: Guard | None = None
        self.description: bytes | None = None
        try:
            self._server = _Server(self, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise FrontError(
                f"port {port} on 127.0.0.1 is in use: another local cloud may be running;"
                " stop it or take another port with --port"
            ) from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="front", daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add_json(self, service: JsonService) -> None:
        """Serve a JSON protocol service from now on."""
        self._json_services[service.target_prefix] = service

    def add_rest(self, name: str, service: RestService) -> None:
        """Serve a REST service, by its signing name, from now on."""
        self._rest_services[name] = service

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests; those under way are dropped when the process ends."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def own_service(self, where: Route, path: str) -> JsonService | RestService | None:
        """The service of ours that handles the request; None: the substrate does.

        Args:
            path: as in the request line, with query.

        Raises:
            ServiceError: it is not emulated.
        """
        rest = self._rest_services.get(where.service)
        if rest is not None:
            return rest
        own = self._json_services.get(where.target_prefix)
        if own is not None and own.serves(where.operation):
            return own
        check_forwarded(where, path)
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, front: Front, port: int) -> None:
        self.front = front
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        # Without the reverse lookup of http.server, which asks the network for our own name.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        LOGGER.exception("request from %s failed", client_address)


class _Handler(BaseHTTPRequestHandler):
    """One client connection, in a thread of its own."""

    server: _Server
    protocol_version = "HTTP/1.1"
    # Without both, every response on a keep-alive connection waits 40 ms for the client's ACK.
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self._substrate: SubstrateConnection | None = None

    def finish(self) -> None:
        if self._substrate is not None:
            self._substrate.close()
        super().finish()

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            LOGGER.debug("a client went away")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        LOGGER.debug(format, *args)

    def handle_expect_100(self) -> bool:
        """Clients hold an object's body back until they have read this, or a second has passed."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def _serve(self) -> None:
        headers = Headers(self.headers.items())
        where = route(self.path, headers)
        body = body_blocks(self.rfile, headers)
        try:
            content = b"".join(body) if names_operation_in_body(where, headers) else b""
            body = itertools.chain([content] if content else [], body)
            where = with_operation(where, self.path, content)
            service = self.server.front.own_service(where, self.path)
            caller, body = self._admit(where, headers, body)
            if service is None:
                self._forward(body, where, caller)
            else:
                self._write(self._call(service, where, headers, b"".join(body)))
        except ServiceError as error:
            self._refuse(error, where, headers, body)
        except BadBody as error:
            self.close_connection = True
            LOGGER.warning("%s %s: %s", self.command, self.path, error)
        except (OSError, http.client.HTTPException):
            raise
        except Exception as error:  # the client must hear of it, and the thread serve on
            LOGGER.exception("%s %s failed", where.service, where.operation or self.path)
            failure = ServiceError("InternalFailure", f"local cloud: {error!r}", 500)
            self._refuse(failure, where, headers, body)

    def do_GET(self) -> None:  # noqa: N802 - as http.server names it
        """Besides requests of AWS: the description. No bucket can be called `_local`."""
        description = self.server.front.description
        if self.path == DESCRIPTION_PATH and description is not None:
            self._write(Response(200, {"Content-Type": "application/json"}, description))
        else:
            self._serve()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve

    def _call(
        self, service: JsonService | RestService, where: Route, headers: Headers, body: bytes
    ) -> Response:
        if not isinstance(service, JsonService):
            path, _, query = self.path.partition("?")
            parameters = parse_qs(query, keep_blank_values=True)
            return service.handle(HttpRequest(self.command, path, parameters, headers, body))
        try:
            request = json.loads(body or b"{}")
        except ValueError as error:
            raise ServiceError("SerializationException", f"not JSON: {error}") from error
        result = service.call(where.operation, request)
        return Response(
            200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(result).encode()
        )

    def _admit(
        self, where: Route, headers: Headers, body: Iterator[bytes]
    ) -> tuple[Identity | None, Iterator[bytes]]:
        """Check that the caller may do this.

        Returns:
            The caller, None for the operator; and the body, as it was.
        """
        guard = self.server.front.guard
        caller = guard.caller(where, self.path, headers) if guard is not None else None
        if guard is None or caller is None:
            return None, body
        content = b""
        if reads_body(where, self.command, self.path):
            content = b"".join(body)
            body = iter([content] if content else [])
        guard.check(caller, where, self.command, self.path, headers, content)
        return caller, body

    def _forward(self, body: Iterator[bytes], where: Route, caller: Identity | None) -> None:
        if self._substrate is None:
            self._substrate = SubstrateConnection("127.0.0.1", self.server.front.substrate_port)
        try:
            response = self._substrate.send(self.command, self.path, self.headers.items(), body)
        except BadBody:
            self._substrate.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            self._substrate.close()
            LOGGER.warning("the substrate does not respond: %r", error)
            raise emulator_is_gone() from error
        guard = self.server.front.guard
        if response.status == http.client.NOT_FOUND and guard and caller:
            try:
                guard.check_absence(caller, where, self.command, self.path)
            except ServiceError:
                response.read()  # frees the connection
                raise
        self.send_response_only(response.status, response.reason)
        for name, value in response_headers(response):
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            response.read()  # empty, whatever its headers announce; frees the connection
            return
        for block in response_blocks(response):
            self.wfile.write(block)

    def _refuse(
        self, error: ServiceError, where: Route, headers: Headers, body: Iterator[bytes]
    ) -> None:
        try:
            for _ in body:  # or its rest would be taken for the next request
                pass
        except BadBody:
            self.close_connection = True
        self._write(error_response(error, where.service, headers))

    def _write(self, response: Response) -> None:
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
