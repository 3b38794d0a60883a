"""The request for the backfill that a person asks for; relative instants are resolved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from cli.client.contracts import read_contract
from cli.client.deployment import Deployment
from cli.client.window_objects import shared_partitions
from cli.exit_codes import REFUSED, CommandFailed
from contracts.dataset import Dataset
from contracts.errors import InvalidRequest, Problem
from contracts.run_request import parse_timestamp
from contracts.times.backfill import (
    REPEATED_ID,
    BackfillRequest,
    Only,
    derived_id,
)
from contracts.times.relative import EXAMPLES, RelativeInstant, zone_named
from contracts.times.windows import WINDOW_EXAMPLES
from dataset_loading.check import check_query

_NO_ID: Final = "unnamed"  # until the rest of a request is known to be right


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A backfill as a person asks for it; the names are those of the options.

    Attributes:
        dataset: the name of its contract.
        start, end: instants, dates, or relative ones such as `today-30d`; without an offset, in
            `zone`. Relative ones are resolved by `request_of`.
        window: the length of a window, such as `1d`.
        name: the backfill's id; absent: derived from all the rest.
        at_once, max_failures, query, index, priority, max_concurrency: see BackfillRequest.
    """

    dataset: str
    start: str
    end: str
    window: str
    zone: str | None = None
    only: str = Only.MISSING
    at_once: int = 1
    newest_first: bool = False
    max_failures: int | None = None
    query: str | None = None
    index: str | None = None
    priority: str | None = None
    max_concurrency: int | None = None
    name: str | None = None


def request_of(deployment: Deployment, asked: Asked, now: datetime) -> BackfillRequest:
    """The request for what is asked; relative instants are resolved.

    Raises:
        CommandFailed: it would be refused, or its dataset has no contract; with every problem.
    """
    request, problems = _parsed(asked, now)
    try:
        contract = read_contract(deployment, asked.dataset)
    except CommandFailed as error:
        if not problems:
            raise
        problems.append(Problem("DATASET", error.message))
    else:
        if asked.query is not None:
            problems += _problems_of_query(asked.query, contract)
        if request is not None:
            problems += shared_partitions(contract.source, request.windows())
    if request is None or problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise CommandFailed(f"the backfill is refused; nothing was started:\n{lines}", REFUSED)
    return request


def _parsed(asked: Asked, now: datetime) -> tuple[BackfillRequest | None, list[Problem]]:
    problems: list[Problem] = []
    zone: tzinfo = UTC
    try:
        zone = zone_named(asked.zone)
    except ValueError as error:
        problems.append(Problem("--zone", f"{error}; write it as Europe/Berlin", repr(asked.zone)))
    instants: dict[str, datetime] = {}
    for option, text in (("--from", asked.start), ("--to", asked.end)):
        try:
            instants[option] = instant_of(text, zone, now)
        except ValueError as error:
            problems.append(Problem(option, str(error), repr(text)))
    if asked.name is not None and REPEATED_ID.search(asked.name):
        why = "must not end in -r and a number: ids of runs of windows that are run again have that"
        problems.append(Problem("--name", why, repr(asked.name)))
    known = {field.name for field in fields(Asked)} & BackfillRequest.model_fields.keys()
    values: dict[str, Any] = {name: getattr(asked, name) for name in known}
    values |= dict(
        backfill_id=asked.name or _NO_ID,
        dataset_name=asked.dataset,
        start_date_time=instants.get("--from", now),
        end_date_time=instants.get("--to", now),
        zone=None if asked.zone in (None, "UTC") else asked.zone,
    )
    try:
        request = BackfillRequest.model_validate(
            {name: value for name, value in values.items() if value is not None}
        )
    except ValidationError as error:
        seen = {problem.path for problem in problems}
        problems += [each for each in _problems(error) if not seen & _meant(each.path)]
        return None, problems
    if problems:
        return None, problems
    if asked.name is None:
        request = request.model_copy(update={"backfill_id": derived_id(request)})
    return request, []


_OF_THE_RANGE: Final = "--from, --to, --window"
_OPTIONS: Final = dict(backfill_id="--name", dataset_name="DATASET")
_RIGHT: Final = {
    "--window": f"must be a length such as {WINDOW_EXAMPLES}",
    "--name": "must be 1 to 40 of a-z, 0-9, - and _, and begin with a letter",
}


def _meant(path: str) -> set[str]:
    """Options whose own problem says what one of the whole request would say again."""
    return {path, *path.split(", ")} | ({"--zone"} if path == _OF_THE_RANGE else set())


def _problems(error: ValidationError) -> Iterable[Problem]:
    for found in error.errors():
        name = ".".join(map(str, found["loc"]))
        option = _OPTIONS.get(name, f"--{name.replace('_', '-')}") if name else _OF_THE_RANGE
        value = repr(found["input"]) if name else None
        yield Problem(option, _RIGHT.get(option, found["msg"]), value)


def instant_of(text: str, zone: tzinfo, now: datetime) -> datetime:
    """An instant as a person writes it: relative to now, or a date or time, in the zone unless it
    says its offset.

    Raises:
        ValueError: it is none.
    """
    relative = RelativeInstant.parse(text)
    if relative is not None:
        # Whole seconds, so that the same command a moment later is the same where it can be.
        return relative.at(now.replace(microsecond=0), zone)
    try:
        read = parse_timestamp(text)
        local = _without_offset(text)
    except (PydanticCustomError, ValueError):
        raise ValueError(
            "must be a date or a time, such as 2026-11-01 or 2026-11-01T06:30:00Z, or a relative"
            f" one: {EXAMPLES}"
        ) from None
    read = read if local is None else local.replace(tzinfo=zone).astimezone(UTC)
    if read.microsecond:
        raise ValueError("must be a whole second")
    return read


def _without_offset(text: str) -> datetime | None:
    """The local time that a text says; None: it says its offset, too."""
    if len(text) == len("2026-11-01"):
        return datetime.combine(date.fromisoformat(text), time())
    local = datetime.fromisoformat(text)
    return local if local.tzinfo is None else None


def _problems_of_query(query: str, contract: Dataset) -> list[Problem]:
    try:
        check_query(query, contract)
    except InvalidRequest as error:
        return [Problem("--query", problem.message, problem.value) for problem in error.problems]
    return []
