"""Days that were chosen in a calendar: a run for each range, or a backfill of a run per day."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from cli.client.backfill_actions import StartOutcome
from cli.client.backfill_actions import start as start_backfill
from cli.client.backfill_request import Asked, request_of
from cli.client.contract_check import check_against_contract
from cli.client.messages import check_message, message_of
from cli.client.sending import send
from cli.exit_codes import REFUSED, CommandFailed
from cli.page.actions import Body
from cli.page.documents import Done
from cli.page.source import Source

RANGES_AT_MOST: Final = 31
_RANGE: Final = frozenset({"start", "end"})


def run_days(source: Source, dataset: str, body: Body) -> Done:
    """`pipeline run` for each range of days; none is sent if one of them would be refused.

    Raises:
        CommandFailed: a range is none, or the pipeline would refuse it.
    """
    messages = [_message(dataset, start, end) for start, end in _ranges(body)]
    for message in messages:
        check_against_contract(source.deployment, check_message(message))
    sent = [send(source.deployment, message, checked=True) for message in messages]
    if len(sent) == 1:
        return Done(text=f"Sent as run {sent[0].run_id}", run_id=sent[0].run_id)
    return Done(text=f"Sent as {len(sent)} runs: {', '.join(str(each.run_id) for each in sent)}")


def backfill_days(source: Source, dataset: str, body: Body) -> Done:
    """`pipeline backfill start` for each range: a run for each day that is not stored.

    Raises:
        CommandFailed: a range is none, or a backfill would be refused; then none is started.
    """
    now = datetime.now(UTC)
    asked = [
        Asked(dataset=dataset, start=start, end=end, window="1d") for start, end in _ranges(body)
    ]
    for each in asked:
        request_of(source.deployment, each, now)
    started = [start_backfill(source.deployment, each, now) for each in asked]
    new = [each for each in started if each.outcome is StartOutcome.STARTED]
    ids = ", ".join(each.request.backfill_id for each in new or started)
    if not new:
        return Done(text=f"Nothing was started: {ids} was started before", refused=True)
    return Done(text=f"Started: {ids}. Its runs appear in the list; pipeline backfill ls shows it")


def _ranges(body: Body) -> list[tuple[Any, Any]]:
    ranges = body.get("ranges")
    if not isinstance(ranges, list) or not 0 < len(ranges) <= RANGES_AT_MOST:
        raise CommandFailed(f"`ranges` is a list of 1 to {RANGES_AT_MOST} ranges of days", REFUSED)
    for days in ranges:
        if not isinstance(days, dict) or days.keys() != _RANGE:
            raise CommandFailed("each range has `start` and `end`, the day after the last", REFUSED)
        if not all(isinstance(day, str) for day in days.values()):
            raise CommandFailed("`start` and `end` are texts, such as 2026-11-01", REFUSED)
    return [(days["start"], days["end"]) for days in ranges]


def _message(dataset: str, start: str, end: str) -> str:
    fields = {"datasetName": dataset, "startDateTime": start, "endDateTime": end}
    return message_of(fields)
