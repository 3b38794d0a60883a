"""Rows as DynamoDB items: keys, types (never by way of a float), and the size of an item."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from contracts.dataset import DatasetSnapshot, DynamodbTarget
from contracts.errors import InvalidData
from contracts.run_request import format_timestamp, parse_timestamp
from stores.dynamodb.provenance import SOME_TIME, STORED_AT, Provenance, instant
from stores.rules import ITEM_SIZE, KEY_SIZE, NUMBER
from stores.versions import row_version
from tabular.sql import any_of, sql_identifier

# Limits of DynamoDB: Service, account, and table quotas; Item sizes and formats (Developer Guide).
ITEM_BYTES: Final = 400 * 1024
KEY_BYTES: Final = 2048
SMALLEST, LARGEST = 1e-130, 9.9e125  # magnitudes of a number
PROBLEMS_REPORTED: Final = 5
_KEY_CHARACTERS: Final = 80  # of a key in a message
# Largest size of a value in bytes: dates and times are texts; other texts are counted separately.
_MOST_BYTES: Final = {"string": 0, "boolean": 1, "date": 10, "timestamp": 27}
_MOST_BYTES_OF_A_NUMBER: Final = 21
_LONGEST_KEY_PART: Final = 64  # of what is no text
Wire = dict[str, dict[str, Any]]  # an item as the API takes it: {"n": {"N": "1"}}


@dataclass(frozen=True)
class Item:
    """An item and its key.

    Attributes:
        wire: without the time of its put.
        dated: it says when it was put.
    """

    key: str
    wire: Wire
    dated: bool = False

    @property
    def version(self) -> dict[str, Any]:
        """Of its row (stores.versions), as the API takes it."""
        return self.wire["version"]

    @property
    def size(self) -> int:
        """Bytes, as DynamoDB counts them."""
        wire = self.put_at(SOME_TIME)
        return sum(len(name.encode()) + _value_bytes(value) for name, value in wire.items())

    def put_at(self, moment: datetime) -> Wire:
        """What is put at this moment."""
        return {**self.wire, STORED_AT: {"S": instant(moment)}} if self.dated else self.wire


def partition_key(index: str, values: Sequence[Any]) -> str:
    """`index#value|value`; a `|` within a value is written `\\|`, so that keys stay apart."""
    parts = (str(_readable(value)) for value in values)
    escaped = (part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)
    return f"{index}#{'|'.join(escaped)}"


@dataclass(frozen=True)
class Unstorable:
    """Why a store cannot take a row.

    Attributes:
        rule: see stores.rules.
        value: what the column holds, cut.
    """

    rule: str
    reason: str
    column: str | None = None
    value: str | None = None


class _Refused(Exception):
    def __init__(self, why: Unstorable) -> None:
        super().__init__(why.reason)
        self.why = why


class ItemMaker:
    """Makes items of a unit's rows.

    Args:
        job_id: the last job that made the rows, if there was one.
        run_attempt: the size of an item is the same for all.
        provenance: of the rows; None: their items do not say it.
        place: of the object, in a unit that holds several.

    Attributes:
        version: of the rows (stores.versions).
    """

    def __init__(
        self,
        snapshot: DatasetSnapshot,
        target: DynamodbTarget,
        unit_id: str,
        job_id: str | None,
        run_attempt: int = 1,
        provenance: Provenance | None = None,
        place: int | None = None,
    ) -> None:
        self.version = row_version(snapshot, unit_id, run_attempt, place)
        self._columns = snapshot.output_columns
        self._names = [name for name, _ in snapshot.output_columns]
        self._key = target.key
        self._index = snapshot.index
        common = {
            "dataset": snapshot.dataset.name,
            "index": snapshot.index,
            "run_id": snapshot.run_id,
            "unit_id": unit_id,
            "version": self.version,
        }
        if job_id is not None:
            common["job_id"] = job_id
        if provenance is not None:
            common.update(provenance.attributes(self._names))
        self._dated = provenance is not None and STORED_AT not in self._names
        self._common: Wire = {name: {"S": value} for name, value in common.items()}
        if target.ttl_days is not None:
            # Counted from the run's start: a repeat makes the same item.
            started = parse_timestamp(snapshot.run_started_at)
            expires = started + timedelta(days=target.ttl_days)
            self._common["expires_at"] = {"N": str(int(expires.timestamp()))}

    def make(self, row: Sequence[Any]) -> Item:
        """An item; missing values are left out. Its size is not checked.

        Raises:
            InvalidData: a value or the key is none that DynamoDB takes.
        """
        try:
            return self._made(row)
        except _Refused as refused:
            raise InvalidData(refused.why.reason) from None

    def problem(self, row: Sequence[Any]) -> Unstorable | None:
        """Why a row cannot be an item; None if it can."""
        try:
            item = self._made(row)
        except _Refused as refused:
            return refused.why
        if item.size <= ITEM_BYTES:
            return None
        return Unstorable(
            ITEM_SIZE,
            f"the row {_cut(item.key)} makes an item of {item.size:,} bytes, DynamoDB takes"
            f" {ITEM_BYTES:,}",
        )

    def suspicious(self) -> list[str]:
        """SQL conditions over the result's columns: any is true for a row with a problem, and for
        hardly another one."""
        texts = [name for name, kind in self._columns if kind == "string"]
        conditions = [_texts_over(texts, ITEM_BYTES - self._most_bytes_beside_texts())]
        kinds = dict(self._columns)
        key_texts = [name for name in self._key if kinds[name] == "string"]
        # Within the key, a character may take one more (see `partition_key`).
        others = _LONGEST_KEY_PART * (len(self._key) - len(key_texts))
        beside = len(f"{self._index}#{'|' * (len(self._key) - 1)}".encode()) + others
        conditions.append(_texts_over(key_texts, (KEY_BYTES - beside) // 2))
        return conditions + [
            f"NOT isfinite({name})"
            f" OR ({name} <> 0 AND abs({name}) NOT BETWEEN {SMALLEST!r} AND {LARGEST!r})"
            for name in (sql_identifier(name) for name, kind in self._columns if kind == "double")
        ]

    def _most_bytes_beside_texts(self) -> int:
        """What an item weighs at most without the texts of its row."""
        names = sum(len(name.encode()) for name in self._names)
        values = sum(_MOST_BYTES.get(kind, _MOST_BYTES_OF_A_NUMBER) for _, kind in self._columns)
        key = len("pk") + KEY_BYTES
        return Item("", self._common, self._dated).size + names + values + key

    def _made(self, row: Sequence[Any]) -> Item:
        values = dict(zip(self._names, row, strict=True))
        key = partition_key(self._index, [values[name] for name in self._key])
        size = len(key.encode())
        if size > KEY_BYTES:
            raise _Refused(
                Unstorable(
                    KEY_SIZE,
                    f"the key {_cut(key)} has {size:,} bytes, DynamoDB takes {KEY_BYTES:,}",
                )
            )
        wire: Wire = {"pk": {"S": key}, **self._common}
        for name, value in values.items():
            if value is not None:
                wire[name] = _attribute(value, name, key)
        return Item(key, wire, self._dated)


class PlacedItemMaker:
    """Makes items of the rows of a unit that holds several objects.

    A row ends with the place of its object (`stores.versions.PLACE`), which decides on its version
    and provenance.

    Args:
        makers: one for each object, in their order.
    """

    def __init__(self, makers: Sequence[ItemMaker]) -> None:
        self._makers = makers

    def make(self, row: Sequence[Any]) -> Item:
        """As `ItemMaker.make`."""
        return self._makers[int(row[-1])].make(row[:-1])

    def problem(self, row: Sequence[Any]) -> Unstorable | None:
        """As `ItemMaker.problem`."""
        return self._makers[int(row[-1])].problem(row[:-1])

    def suspicious(self) -> list[str]:
        """As `ItemMaker.suspicious`, of a row of any object."""
        # Of how many bytes a text may have, the objects' keys decide: they are in the items.
        return list(dict.fromkeys(sql for maker in self._makers for sql in maker.suspicious()))


def refuse(problems: Iterator[str]) -> None:
    """Report rows that cannot be items.

    Raises:
        InvalidData: there are any.
    """
    reported: list[str] = []
    count = 0
    for problem in problems:
        count += 1
        if count <= PROBLEMS_REPORTED:
            reported.append(problem)
    if count:
        more = "; …" if count > PROBLEMS_REPORTED else ""
        rows = "1 row" if count == 1 else f"{count} rows"
        raise InvalidData(
            f"{rows} cannot be stored in DynamoDB, so nothing of the unit was: "
            f"{'; '.join(reported)}{more}"
        )


def _readable(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_timestamp(value.replace(tzinfo=UTC))
    return value.isoformat() if isinstance(value, date) else value


def _cut(key: str) -> str:
    return key if len(key) <= _KEY_CHARACTERS else f"{key[:_KEY_CHARACTERS]}…"


def _texts_over(names: Sequence[str], most_bytes: int) -> str:
    """SQL, true where these texts together have more bytes.

    One of them has more than its share then, which costs less to ask than their sum.
    """
    if most_bytes < 0 or not names:
        return "true" if most_bytes < 0 else "false"
    share = most_bytes // len(names)
    some = any_of([f"strlen({sql_identifier(name)}) > {share}" for name in names])
    return some if len(names) == 1 else f"({some}) AND {_text_bytes(names)} > {most_bytes}"


def _text_bytes(names: Sequence[str]) -> str:
    """SQL of the bytes of all these texts, nested no deeper than an engine reads."""
    if len(names) > 1:
        half = len(names) // 2
        return f"({_text_bytes(names[:half])} + {_text_bytes(names[half:])})"
    return f"coalesce(strlen({sql_identifier(names[0])}), 0)" if names else "0"


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
        reason = (
            f"{name} of the row {_cut(key)} is {value}, DynamoDB takes numbers of {SMALLEST} to"
            f" {LARGEST} and 0"
        )
        raise _Refused(Unstorable(NUMBER, reason, name, str(value)))
    return {"N": str(Decimal(repr(value)))}


def _value_bytes(value: dict[str, Any]) -> int:
    if "S" in value:
        return len(value["S"].encode())
    if "BOOL" in value:
        return 1
    digits = Decimal(value["N"]).normalize().as_tuple()
    return (len(digits.digits) + 1) // 2 + 1 + digits.sign
