"""record_unit: whether a unit begins, and its outcome, in the ledger first and then on the
topic (`runs.unit.beginning`, `runs.unit.recording`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from contracts.base import Contract
from contracts.errors import InvalidInput, Problem
from contracts.messages import Began, BeginRound, EndUnit, Round, StartUnit
from ledger.table import Ledger
from remote_jobs.invoked import record_ends
from remote_jobs.ledger import JobLedger
from runs.rounds import begin_round
from runs.topic import publish
from runs.unit.beginning import start_unit
from runs.unit.counts import release
from runs.unit.recording import end_unit
from runtime.handler import settings_from_environment, step_handler, utc_now


class UnitMessage(Contract):
    """One of the messages, by its `kind`."""

    message: StartUnit | EndUnit | BeginRound

    @classmethod
    def from_json(cls, value: Any) -> Self:
        kind = value.get("kind") if isinstance(value, dict) else None
        classes: dict[Any, type[StartUnit | EndUnit | BeginRound]] = {
            "start": StartUnit,
            "end": EndUnit,
            "round": BeginRound,
        }
        if kind not in classes:
            raise InvalidInput(
                "record_unit", [Problem("kind", "must be start, end or round", repr(kind))]
            )
        return cls(message=classes[kind].from_json(value))


@dataclass(frozen=True)
class Settings:
    ledger_table: str
    data_bucket: str
    topic_arn: str


@step_handler(UnitMessage)
def handler(event: UnitMessage) -> Began | Round | None:
    settings = settings_from_environment(Settings)
    ledger, message = Ledger(settings.ledger_table), event.message
    if isinstance(message, BeginRound):
        return begin_round(message, ledger, utc_now())
    # Published at every repeat, under the same id: a lost notification is worse than two.
    if isinstance(message, StartUnit):
        began, news = start_unit(message, ledger, settings.data_bucket, utc_now())
        if news is not None:
            publish(settings.topic_arn, news)
        return began
    record_ends(JobLedger(ledger), message.ended_jobs, utc_now())
    publish(settings.topic_arn, end_unit(message, ledger, settings.data_bucket, utc_now()))
    release(message, ledger)  # last: until then a repeat is part of the unit's allowance
    return None
