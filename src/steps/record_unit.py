"""record_unit: whether a unit begins, and its outcome, in the ledger first and then on the
topic (`runs.unit.beginning`, `runs.unit.recording`)."""

from __future__ import annotations

from typing import Any, Self

from contracts.base import Contract
from contracts.errors import InvalidInput, Problem
from contracts.messages import Began, BeginRound, EndedUnit, EndUnit, Round, StartUnit
from ledger.table import Ledger
from runs.long.rounds import begin_round
from runs.unit.beginning import begin_unit
from runs.unit.ending import EndSettings, record_end
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


@step_handler(UnitMessage)
def handler(event: UnitMessage) -> Began | EndedUnit | Round | None:
    settings = settings_from_environment(EndSettings)
    ledger, message = Ledger(settings.ledger_table), event.message
    if isinstance(message, BeginRound):
        return begin_round(message, ledger, utc_now())
    if isinstance(message, StartUnit):
        return begin_unit(message, ledger, settings.data_bucket, settings.topic_arn, utc_now())
    return record_end(message, settings)
