"""The page serves its own tab and nobody else, and shows no stack trace."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any

import pytest
from page_world import HOSTILE, PageWorld

from cli.client.deployment import Deployment
from cli.exit_codes import NOT_FOUND, CommandFailed
from cli.page.guard import Guard
from cli.page.server import PageServer, make_app
from cli.page.source import Source

PORT, TOKEN = 4567, "the-token"
HOST = f"127.0.0.1:{PORT}"
ORIGIN = f"http://{HOST}"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def request(
    app: Guard, path: str, method: str = "GET", body: bytes = b"", **headers: str | None
) -> Reply:
    """One request as the browser's own tab would send it, but for the headers that are given."""
    path, _, query = path.partition("?")
    named = {"host": HOST, **{name.replace("_", "-"): text for name, text in headers.items()}}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(n.encode(), v.encode()) for n, v in named.items() if v is not None],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", PORT),
        "scheme": "http",
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    with contextlib.suppress(RuntimeError):  # the server prints it to its terminal
        asyncio.run(app(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], found, b"".join(each.get("body", b"") for each in sent[1:]))


@pytest.fixture
def world() -> PageWorld:
    return PageWorld()


@pytest.fixture
def app(world: PageWorld) -> Guard:
    return make_app(Source(lambda: world.deployment), port=PORT, token=TOKEN)


@pytest.fixture
def cookie(app: Guard) -> str:
    reply = request(app, f"/?token={TOKEN}")
    return reply.headers["set-cookie"].partition(";")[0]


def test_the_token_becomes_a_cookie_and_leaves_the_address(app: Guard) -> None:
    reply = request(app, f"/runs/r1?tab=units&token={TOKEN}")

    assert (reply.status, reply.headers["location"]) == (303, "/runs/r1?tab=units")
    assert "HttpOnly" in reply.headers["set-cookie"]
    assert "SameSite=strict" in reply.headers["set-cookie"]
    assert TOKEN not in reply.headers["set-cookie"]


def test_an_address_with_two_slashes_leads_to_no_other_host(app: Guard) -> None:
    assert request(app, f"//evil.example/?token={TOKEN}").headers["location"] == "/evil.example/"


@pytest.mark.parametrize("path", ["/", "/page.js", "/api/runs", "/api/live?on=/api/runs"])
def test_without_the_cookie_nothing_is_served(app: Guard, path: str) -> None:
    reply = request(app, path, cookie=f"pipeline-console-{PORT}=guessed")

    assert reply.status == 401
    assert "pipeline console" in reply.text


def test_a_wrong_token_gets_no_cookie(app: Guard) -> None:
    reply = request(app, "/?token=guessed")

    assert (reply.status, "set-cookie" in reply.headers) == (401, False)


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1:1", f"127.0.0.1.nip.io:{PORT}", ""]
)
def test_another_host_is_refused_even_with_the_cookie(app: Guard, cookie: str, host: str) -> None:
    assert request(app, "/", host=host, cookie=cookie).status == 421
    assert request(app, f"/?token={TOKEN}", host=host).status == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://127.0.0.1:4566"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
        ({"origin": ORIGIN, "sec_fetch_site": "same-site"}, 403),
        ({"origin": ORIGIN, "sec_fetch_site": "cross-site"}, 403),
        ({"origin": ORIGIN, "content_type": "text/plain"}, 415),
        ({"origin": ORIGIN, "content_type": None}, 415),
    ],
)
def test_nothing_is_changed_for_another_origin(
    world: PageWorld, app: Guard, cookie: str, headers: dict[str, str | None], status: int
) -> None:
    world.put_run("r1", "RUNNING")
    given = {"content_type": "application/json", **headers}

    reply = request(app, "/api/runs/r1/stop", "POST", b"{}", cookie=cookie, **given)

    assert (reply.status, world.functions.asked) == (status, [])


def test_another_site_reads_nothing(app: Guard, cookie: str) -> None:
    for headers in ({"origin": "https://evil.example"}, {"sec_fetch_site": "cross-site"}):
        assert request(app, "/api/runs", cookie=cookie, **headers).status == 403


@pytest.mark.parametrize("action", ["stop", "resume", "retry", "resend"])
def test_a_get_changes_nothing(world: PageWorld, app: Guard, cookie: str, action: str) -> None:
    world.put_run("r1", "RUNNING")

    reply = request(app, f"/api/runs/r1/{action}", cookie=cookie)

    assert reply.status == 404
    assert (world.functions.asked, world.queues.sent) == ([], [])


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_there_are_no_other_methods(app: Guard, cookie: str, method: str) -> None:
    assert request(app, "/api/runs/r1/stop", method, cookie=cookie, origin=ORIGIN).status == 405


def test_every_response_has_the_policy(app: Guard, cookie: str) -> None:
    replies = [
        request(app, "/", cookie=cookie),
        request(app, "/api/runs/none", cookie=cookie),
        request(app, "/"),
    ]

    for reply in replies:
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in reply.headers


def test_foreign_text_is_only_ever_json(world: PageWorld, app: Guard, cookie: str) -> None:
    world.put_run("r1", "FAILED", reason=HOSTILE, dataset_name=HOSTILE)

    reply = request(app, "/api/runs", cookie=cookie)

    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert json.loads(reply.text)["runs"][0]["run"]["reason"] == HOSTILE


def test_without_a_cloud_it_says_how_to_start_one() -> None:
    def find() -> Deployment:
        raise CommandFailed("no local cloud", NOT_FOUND, "start a local cloud (make local)")

    app = make_app(Source(find), port=PORT, token=TOKEN)
    cookie = request(app, f"/?token={TOKEN}").headers["set-cookie"].partition(";")[0]

    reply = request(app, "/api/runs", cookie=cookie)

    error = json.loads(reply.text)["error"]
    assert (reply.status, error["hint"]) == (404, "start a local cloud (make local)")
    assert request(app, "/", cookie=cookie).status == 200


def test_a_failure_of_the_server_shows_no_stack_trace(
    world: PageWorld, app: Guard, cookie: str
) -> None:
    world.put_run("r1")
    world.table.fails_with = RuntimeError("secret detail")

    reply = request(app, "/api/runs/r1", cookie=cookie)

    assert reply.status == 500
    assert json.loads(reply.text)["error"]["message"] == "the page's server failed (RuntimeError)"
    assert "secret" not in reply.text
    assert "Traceback" not in reply.text


def test_it_listens_on_this_machine_only_with_a_token_of_its_own(world: PageWorld) -> None:
    servers = [PageServer(Source(lambda: world.deployment)) for _ in range(2)]

    addresses = [server.address for server in servers]
    bound = [server.bound_to for server in servers]

    assert {address for address, _ in bound} == {"127.0.0.1"}
    assert len({address.partition("token=")[2] for address in addresses}) == 2
    with pytest.raises(CommandFailed, match="cannot listen"):
        PageServer(Source(lambda: world.deployment), servers[0].port)
    for server in servers:
        server.close()
