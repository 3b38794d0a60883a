# ruff: noqa: S608 -- names are quoted by steps.duck
"""Rows as DynamoDB items: keys, types without a float on the way, and what an item may weigh."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from contracts.dataset import DatasetSnapshot, DynamodbTarget
from contracts.errors import InvalidData
from contracts.messages import StoreDynamodb
from contracts.run_request import format_timestamp, parse_timestamp
from steps.duck import quoted
from steps.versions import row_version

# Limits of DynamoDB: Service, account, and table quotas; Item sizes and formats (Developer Guide).
ITEM_BYTES: Final = 400 * 1024
KEY_BYTES: Final = 2048
SMALLEST, LARGEST = 1e-130, 9.9e125  # magnitudes of a number
PROBLEMS_TOLD: Final = 5
_TEXT_BYTES_LEFT: Final = 300 * 1024  # with more text than this, the item is weighed
Wire = dict[str, dict[str, Any]]  # an item as the API takes it: {"n": {"N": "1"}}


@dataclass(frozen=True)
class Item:
    """An item and its key."""

    key: str
    wire: Wire

    @property
    def size(self) -> int:
        """Bytes, as DynamoDB counts them."""
        return sum(len(name.encode()) + _value_bytes(value) for name, value in self.wire.items())


def partition_key(index: str, values: Sequence[Any]) -> str:
    """`index#value|value`; a `|` within a value is written `\\|`, so that keys stay apart."""
    parts = (str(_readable(value)) for value in values)
    escaped = (part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)
    return f"{index}#{'|'.join(escaped)}"


class ItemMaker:
    """Makes items of rows.

    Attributes:
        version: of the rows (steps.versions).
    """

    def __init__(
        self, message: StoreDynamodb, snapshot: DatasetSnapshot, target: DynamodbTarget
    ) -> None:
        self.version = row_version(snapshot, message.unit_id)
        self._columns = snapshot.output_columns
        self._names = [name for name, _ in snapshot.output_columns]
        self._key = target.key
        self._index = snapshot.index
        common = {
            "dataset": snapshot.dataset.name,
            "index": snapshot.index,
            "run_id": message.run_id,
            "unit_id": message.unit_id,
            "version": self.version,
        }
        if message.job_id is not None:
            common["job_id"] = message.job_id
        self._common: Wire = {name: {"S": value} for name, value in common.items()}
        if target.ttl_days is not None:
            # Counted from the run's start: a repeat makes the same item.
            started = parse_timestamp(snapshot.run_started_at)
            expires = started + timedelta(days=target.ttl_days)
            self._common["expires_at"] = {"N": str(int(expires.timestamp()))}

    def make(self, row: Sequence[Any]) -> Item:
        """An item; missing values are left out.

        Raises:
            InvalidData: a value or the key is none that DynamoDB takes, or it is too large.
        """
        values = dict(zip(self._names, row, strict=True))
        key = partition_key(self._index, [values[name] for name in self._key])
        if len(key.encode()) > KEY_BYTES:
            raise InvalidData(f"the key {key[:80]!r}… is longer than {KEY_BYTES} bytes")
        wire: Wire = {"pk": {"S": key}, **self._common}
        for name, value in values.items():
            if value is not None:
                wire[name] = _attribute(value, name, key)
        return Item(key, wire)

    def problem(self, row: Sequence[Any]) -> str | None:
        """Why a row cannot be an item; None if it can."""
        try:
            item = self.make(row)
        except InvalidData as error:
            return str(error)
        if item.size <= ITEM_BYTES:
            return None
        return (
            f"the row {item.key} makes an item of {item.size:,} bytes, DynamoDB takes"
            f" {ITEM_BYTES:,}"
        )

    def suspects(self, relation: str) -> str:
        """A query for the rows that have to be looked at one by one: a superset of those with a
        problem, and nearly always none."""
        texts = [quoted(name) for name, kind in self._columns if kind == "string"]
        doubles = [quoted(name) for name, kind in self._columns if kind == "double"]
        size = " + ".join(f"coalesce(strlen({name}), 0)" for name in texts) or "0"
        key = " + ".join(
            f"coalesce(strlen(CAST({quoted(name)} AS VARCHAR)), 0)" for name in self._key
        )
        conditions = [f"{size} > {_TEXT_BYTES_LEFT}", f"{key} > {KEY_BYTES // 4}"]
        conditions += [
            f"NOT isfinite({name})"
            f" OR ({name} <> 0 AND abs({name}) NOT BETWEEN {SMALLEST!r} AND {LARGEST!r})"
            for name in doubles
        ]
        where = " OR ".join(f"({condition})" for condition in conditions)
        names = ", ".join(quoted(name) for name in self._names)
        return f"SELECT {names} FROM {relation} WHERE {where}"


def refuse(problems: Iterator[str]) -> None:
    """Tell of rows that cannot be items.

    Raises:
        InvalidData: there are any.
    """
    told: list[str] = []
    count = 0
    for problem in problems:
        count += 1
        if count <= PROBLEMS_TOLD:
            told.append(problem)
    if count:
        more = "; …" if count > PROBLEMS_TOLD else ""
        rows = "1 row" if count == 1 else f"{count} rows"
        raise InvalidData(
            f"{rows} cannot be stored in DynamoDB, so nothing of the unit was: "
            f"{'; '.join(told)}{more}"
        )


def _readable(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_timestamp(value.replace(tzinfo=UTC))
    return value.isoformat() if isinstance(value, date) else value


def _attribute(value: Any, name: str, key: str) -> dict[str, Any]:
    """A value as the API takes it."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | Decimal):
        return {"N": str(value)}
    if not isinstance(value, float):
        return {"S": str(_readable(value))}
    if not math.isfinite(value) or (value and not SMALLEST <= abs(value) <= LARGEST):
        raise InvalidData(f"{name} of the row {key} is {value}, which DynamoDB cannot hold")
    return {"N": str(Decimal(repr(value)))}


def _value_bytes(value: dict[str, Any]) -> int:
    if "S" in value:
        return len(value["S"].encode())
    if "BOOL" in value:
        return 1
    digits = Decimal(value["N"]).normalize().as_tuple()
    return (len(digits.digits) + 1) // 2 + 1 + digits.sign
