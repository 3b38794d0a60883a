"""backfill_windows: what the execution of a backfill does, window by window (`runs.backfills`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

from contracts.base import Contract
from contracts.errors import InvalidInput, Problem
from contracts.messages import (
    BeginBackfill,
    BegunBackfill,
    EndBackfill,
    EndedBackfill,
    LaneStep,
    NextWindow,
)
from ledger.table import Ledger
from runs.announcement import StackSettings
from runs.backfills.announcing import BackfillEnds
from runs.backfills.beginning import begin_backfill
from runs.backfills.ending import end_backfill
from runs.backfills.executions import BackfillExecutions
from runs.backfills.lanes import next_window
from runs.topic import publish
from runtime.handler import settings_from_environment, step_handler, utc_now

_KINDS: Final[dict[Any, type[BeginBackfill | NextWindow | EndBackfill]]] = {
    "begin": BeginBackfill,
    "next": NextWindow,
    "end": EndBackfill,
}


class BackfillMessage(Contract):
    """One of the messages, by its `kind`."""

    message: BeginBackfill | NextWindow | EndBackfill

    @classmethod
    def from_json(cls, value: Any) -> Self:
        kind = value.get("kind") if isinstance(value, dict) else None
        if kind not in _KINDS:
            problem = Problem("kind", "must be begin, next or end", repr(kind))
            raise InvalidInput("backfill_windows", [problem])
        return cls(message=_KINDS[kind].from_json(value))


@dataclass(frozen=True, kw_only=True)
class Settings(StackSettings):
    ledger_table: str
    environment: str
    topic_arn: str


@step_handler(BackfillMessage)
def handler(event: BackfillMessage) -> BegunBackfill | LaneStep | EndedBackfill:
    settings = settings_from_environment(Settings)
    ledger, message = Ledger(settings.ledger_table), event.message
    if isinstance(message, BeginBackfill):
        return begin_backfill(message, ledger, utc_now())
    if isinstance(message, NextWindow):
        return next_window(message, ledger, utc_now())
    executions = BackfillExecutions(
        ledger,
        alias_of(message.execution_arn),
        settings.environment,
        settings.stack_name,
        utc_now,
    )
    ends = BackfillEnds(
        ledger, lambda news: publish(settings.topic_arn, news), utc_now, settings.stack
    )
    return end_backfill(message, ledger, executions, ends, utc_now)


def alias_of(execution_arn: str) -> str:
    """The alias of an execution's function, so that the next one begins on what is live then.

    It is read from the execution's ARN: a variable would name the function that names this one.
    """
    function = execution_arn.partition("/durable-execution/")[0].split(":")[:7]
    return ":".join([*function, "live"])
