"""The page's API: documents below `/api/`, the same ones live, and what changes something."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from botocore.exceptions import BotoCoreError, ClientError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from cli.client.run_list import STATUSES, Wanted
from cli.documents.base import Document
from cli.exit_codes import NOT_FOUND, REFUSED, CommandFailed
from cli.page import actions, of_backfills, of_dataset, of_health, of_logs
from cli.page.live import EVENTS, Look, follow
from cli.page.problems import problem_of
from cli.page.run_days import backfill_days, run_days
from cli.page.source import Source
from contracts.run import UnitState

HOURS: Final = 24.0
_MOST_HOURS: Final = 24.0 * 366
_BODY_BYTES: Final = 4_000_000
_WORDS: Final = ("RUNNING", "WAITING")  # chips that are no status of the ledger's
_LOG: Final = re.compile(r"/api/runs/([^/]+)/logs")
Query = Mapping[str, str]
Read = Callable[[Source, tuple[str, ...], Query], Document | dict[str, Any]]


def _runs(source: Source, _names: tuple[str, ...], query: Query) -> Document:
    status = query.get("status") or None
    if status is not None and status not in (*STATUSES, *_WORDS):
        raise CommandFailed(f"there is no status {status[:80]!r}", REFUSED)
    wanted = Wanted(
        statuses=frozenset({status}) if status and status not in _WORDS else frozenset(),
        running=status == "RUNNING",
        waiting=status == "WAITING",
        dataset=query.get("dataset") or None,
        text=query.get("text") or None,
        with_losses=query.get("withLosses") == "1",
    )
    return source.runs(_hours(query), wanted, query.get("cursor") or None)


def _hours(query: Query) -> float:
    try:
        hours = float(query.get("hours") or HOURS)
    except ValueError:
        hours = 0
    if not 0 < hours <= _MOST_HOURS:
        raise CommandFailed(f"`hours` is a number up to {_MOST_HOURS:.0f}", REFUSED)
    return hours


def _units(source: Source, names: tuple[str, ...], query: Query) -> Document:
    state = query.get("state") or None
    if state is not None and state not in set(UnitState):
        raise CommandFailed(f"there is no state {state[:80]!r} of a unit", REFUSED)
    return source.units(names[0], query.get("after") or None, UnitState(state) if state else None)


def _timeline(source: Source, names: tuple[str, ...], query: Query) -> Document:
    offset = query.get("offset") or "0"
    if not offset.isdecimal():
        raise CommandFailed("`offset` is a number", REFUSED)
    return source.timeline(names[0], int(offset))


RESOURCES: Final[tuple[tuple[re.Pattern[str], Read], ...]] = tuple(
    (re.compile(f"/api/{path}"), read)
    for path, read in (
        ("about", lambda source, _names, _query: source.about()),
        ("runs", _runs),
        ("runs/([^/]+)", lambda source, names, _query: source.run(*names)),
        ("runs/([^/]+)/progress", lambda source, names, _query: source.progress(*names)),
        ("runs/([^/]+)/units", _units),
        ("runs/([^/]+)/units/([^/]+)", lambda source, names, _query: source.unit(*names)),
        ("runs/([^/]+)/timeline", _timeline),
        ("runs/([^/]+)/operations/([^/]+)", lambda s, names, _query: s.operation(*names)),
        ("runs/([^/]+)/history", lambda source, names, _query: source.history(*names)),
        ("runs/([^/]+)/rejected", lambda s, names, query: s.rejected(*names, query.get("rule"))),
        ("runs/([^/]+)/logs", of_logs.logs),
        ("datasets", of_dataset.datasets),
        ("datasets/([^/]+)", of_dataset.dataset),
        ("datasets/([^/]+)/days", of_dataset.days),
        ("datasets/([^/]+)/versions", of_dataset.versions),
        ("datasets/([^/]+)/difference", of_dataset.difference_of),
        ("lookup", of_dataset.lookup),
        ("backfills", of_backfills.backfills),
        ("backfills/([^/]+)", of_backfills.backfill),
        ("schedules", of_backfills.schedules),
        ("health", of_health.health),
        ("dead-letters", lambda source, _names, _query: source.dead_letters()),
        ("pools", lambda source, _names, _query: source.pools()),
    )
)
Acts = Mapping[str, Callable[[Source, str, actions.Body], Document]]
ACTIONS: Final[Acts] = {
    "stop": actions.stop,
    "resume": actions.resume,
    "retry": actions.retry,
    "resend": actions.resend,
}
BACKFILL_ACTIONS: Final[Acts] = {
    "pause": of_backfills.pause_backfill,
    "resume": of_backfills.resume_backfill,
    "stop": of_backfills.stop_backfill,
}
SCHEDULE_ACTIONS: Final[Acts] = {
    "pause": of_backfills.pause_schedule,
    "resume": of_backfills.resume_schedule,
}
DATASET_ACTIONS: Final[Acts] = {
    "run": run_days,
    "backfill": backfill_days,
}
LETTER_ACTIONS: Final[Mapping[str, Callable[[Source, actions.Body], Document]]] = {
    "replay": actions.replay,
    "correct": actions.correct,
    "delete": actions.delete,
}


def read(source: Source, path: str, query: Query) -> dict[str, Any]:
    """The document at a path.

    Raises:
        CommandFailed: there is none, or it cannot be had.
    """
    for pattern, of in RESOURCES:
        if found := pattern.fullmatch(path):
            return as_json(of(source, found.groups(), query))
    raise CommandFailed(f"there is nothing at {path[:200]}", NOT_FOUND)


def as_json(document: Document | dict[str, Any]) -> dict[str, Any]:
    """A document as it is sent."""
    return document.to_json() if isinstance(document, Document) else document


def routes(source: Source) -> list[BaseRoute]:
    """The routes below `/api/`."""

    def get(request: Request) -> Response:
        return JSONResponse(read(source, request.url.path, request.query_params))

    def live(request: Request) -> Response:
        looks = [_look(source, on) for on in request.query_params.getlist("on")]
        return StreamingResponse(follow(request, looks, source), media_type=EVENTS)

    def acting(on: Acts) -> Callable[[Request], Awaitable[Response]]:
        async def act(request: Request) -> Response:
            body, name = await _body(request), request.path_params["action"]
            if name not in on:
                raise CommandFailed(f"there is no action {name[:80]!r}", NOT_FOUND)
            done = await run_in_threadpool(on[name], source, request.path_params["name"], body)
            return JSONResponse(done.to_json())

        return act

    async def act_on_letter(request: Request) -> Response:
        body, name = await _body(request), request.path_params["action"]
        if name not in LETTER_ACTIONS:
            raise CommandFailed(f"there is no action {name[:80]!r}", NOT_FOUND)
        done = await run_in_threadpool(LETTER_ACTIONS[name], source, body)
        return JSONResponse(done.to_json())

    return [
        Route("/api/live", live, methods=["GET"]),
        Route("/api/dead-letters/{action}", act_on_letter, methods=["POST"]),
        Route("/api/datasets/{name}/{action}", acting(DATASET_ACTIONS), methods=["POST"]),
        Route("/api/backfills/{name}/{action}", acting(BACKFILL_ACTIONS), methods=["POST"]),
        Route("/api/schedules/{name}/{action}", acting(SCHEDULE_ACTIONS), methods=["POST"]),
        Route("/api/runs/{name}/{action}", acting(ACTIONS), methods=["POST"]),
        Route("/api/{path:path}", get, methods=["GET"]),
    ]


def _look(source: Source, on: str) -> Look:
    path, _, text = on.partition("?")
    path = unquote(path)
    query = dict(parse_qsl(text))
    if (found := _LOG.fullmatch(path)) and "before" not in query:
        return Look(on, of_logs.FollowedLog(source, found[1], query).read)
    return Look(on, lambda: read(source, path, query))


async def _body(request: Request) -> dict[str, Any]:
    received = b""
    async for chunk in request.stream():
        received += chunk
        if len(received) > _BODY_BYTES:
            raise CommandFailed(f"at most {_BODY_BYTES:,} bytes can be sent", REFUSED)
    try:
        body = json.loads(received or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise CommandFailed("the request is no JSON object", REFUSED)
    return body


def _failed(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if problem.is_lost_deployment:
        request.app.state.source.lose()
    return JSONResponse(problem.document.to_json(), status_code=problem.status)


ERROR_HANDLERS: Final[Mapping[Any, Callable[[Request, Exception], Response]]] = {
    CommandFailed: _failed,
    ClientError: _failed,
    BotoCoreError: _failed,
    Exception: _failed,  # the server goes on to print it to the terminal
}
