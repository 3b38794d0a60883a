"""Runs over days that were chosen in a calendar: `pipeline run --dataset --start --end`."""

from __future__ import annotations

from typing import Any, Final

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
    """A run for each range of days; none is sent if one of them would be refused.

    Raises:
        CommandFailed: a range is none, or the pipeline would refuse it.
    """
    ranges = body.get("ranges")
    if not isinstance(ranges, list) or not 0 < len(ranges) <= RANGES_AT_MOST:
        raise CommandFailed(f"`ranges` is a list of 1 to {RANGES_AT_MOST} ranges of days", REFUSED)
    messages = [_message(dataset, each) for each in ranges]
    for message in messages:
        check_against_contract(source.deployment, check_message(message))
    sent = [send(source.deployment, message, checked=True) for message in messages]
    if len(sent) == 1:
        return Done(text=f"Sent as run {sent[0].run_id}", run_id=sent[0].run_id)
    return Done(text=f"Sent as {len(sent)} runs: {', '.join(str(each.run_id) for each in sent)}")


def _message(dataset: str, days: Any) -> str:
    if not isinstance(days, dict) or days.keys() != _RANGE:
        raise CommandFailed("each range has `start` and `end`, the day after the last", REFUSED)
    fields = {"datasetName": dataset, "startDateTime": days["start"], "endDateTime": days["end"]}
    return message_of(fields)
