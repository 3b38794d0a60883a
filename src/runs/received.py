"""Notifications as a subscriber of the topic gets them."""

from __future__ import annotations

import json
from typing import Any, Final

from contracts.errors import InvalidInput, Problem
from contracts.ledger_items import BACKFILLS, EXPECTED
from runs.topic import EventName

_FIELDS: Final = ("eventId", "event", "status", "runId")
_WITHOUT_RUN: Final = frozenset(each.value for each in EventName if not each.has_run)


def unwrap(body: str) -> dict[str, Any] | None:
    """The notification inside an SNS envelope, or bare (raw message delivery).

    None for an alarm: alarms go to the same topic, for the people who subscribe to it.

    Raises:
        InvalidInput: neither; names what is missing.
    """
    value = _object(body)
    if value.get("Type") == "Notification" and "Message" in value:
        value = _object(value["Message"])
    if "AlarmName" in value:
        return None
    needed = _FIELDS[:-1] if value.get("event") in _WITHOUT_RUN else _FIELDS
    missing = [name for name in needed if not isinstance(value.get(name), str) or not value[name]]
    if missing:
        raise InvalidInput("notification", [Problem(name, "is missing") for name in missing])
    return value


def partition_of(notification: dict[str, Any]) -> str:
    """Where an event is remembered that is about no run."""
    return BACKFILLS if notification["event"] == EventName.BACKFILL_ENDED else EXPECTED


def _object(text: Any) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (TypeError, ValueError) as error:
        raise InvalidInput("notification", [Problem("body", f"is not JSON: {error}")]) from error
    if not isinstance(value, dict):
        raise InvalidInput("notification", [Problem("body", "is not a JSON object")])
    return value
