"""Columns whose values are not in an object, but in its key, or are when it was written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import unquote

from pydantic import Field, ValidationInfo, field_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from contracts.source.key_time import GROUP, KeyTime
from contracts.source.linear_pattern import LinearPattern, NotLinear
from contracts.source.strict import StrictContract
from reading_rules.header import folded

VALUE: Final = "value"  # the group of a regular expression that is the column's text
_NO_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"
# For editors.
DEPENDENCIES: Final[JsonDict] = {
    "keyPattern": {"properties": {"from": {"const": "key"}}, "required": ["from"]}
}


class KeyColumn(StrictContract):
    """Where a column's text comes from, if not from the object.

    Attributes:
        from_: `key`: the object's key, or what `keyPattern` finds there; `partition`: of a part
            `name=value/` of the key, the value; `last-modified`: when the object was written.
        key_pattern: what of the key it is: a regular expression with the group `value`, or where a
            date or time stands, as `source.keyTime` says it (`orders_%Y%m%d`). A key that it does
            not fit gives no value.
    """

    from_: Literal["partition", "key", "last-modified"] | None = Field(default=None, alias="from")
    key_pattern: str | None = Field(
        default=None, min_length=1, max_length=500, validate_default=True
    )

    @field_validator("from_")
    @classmethod
    def _fits_the_column(cls, value: str | None, info: ValidationInfo) -> str | None:
        kind = info.data.get("type")
        if value == "last-modified" and kind not in ("timestamp", None):
            raise _refused("is a time: take type timestamp, not {what}", kind)
        if value == "last-modified" and (info.data.get("format") or info.data.get("zone")):
            raise _refused("is an instant already; leave {what} out", "format and zone")
        if value in ("key", "last-modified") and info.data.get("source") is not None:
            raise _refused("is not read from a field of the file; leave {what} out", "source")
        return value

    @field_validator("key_pattern")
    @classmethod
    def _finds_a_value(cls, value: str | None, info: ValidationInfo) -> str | None:
        kind, origin = info.data.get("type"), info.data.get("from_")
        if value is None:
            if origin == "key" and kind not in ("string", None):
                raise _refused("needs a keyPattern: the whole key is no {what}", kind)
            return value
        if origin != "key":
            if "from_" in info.data:
                raise _refused("says what of the key is meant; write {what} beside it", "from: key")
            return value
        if _is_read(value):
            if kind not in ("date", "timestamp", None):
                raise _refused("finds a date: take type date or timestamp, not {what}", kind)
            if info.data.get("format") or info.data.get("zone"):
                raise _refused("says how it is written: leave {what} out", "format and zone")
        return value


def _is_read(pattern: str) -> bool:
    """Whether a pattern finds a date or time, and no text; raises a validation error for none."""
    try:
        if f"{GROUP}{VALUE}>" in pattern:
            LinearPattern(pattern)
            return False
        KeyTime(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise _refused("is not a regular expression: {what}", error) from error
    except NotLinear as error:
        raise _refused("cannot be matched in time linear in a key: {what}", error) from error
    except ValueError as error:
        raise _refused("{what}; or have the group (?P<value>…)", error) from error
    return True


def texts_of_key(
    columns: Iterable[Any], key: str, last_modified: datetime
) -> dict[str, str | None]:
    """The texts of the columns that are not in an object, by name; None where there is none.

    Args:
        columns: of the contract; each has the fields of `KeyColumn`.
        key: of the object.
    """
    return {column.name: _text(column, key, last_modified) for column in columns if column.from_}


def _text(column: Any, key: str, last_modified: datetime) -> str | None:
    if column.from_ == "last-modified":
        return _iso(last_modified)
    if column.from_ == "partition":
        return _partition(column.source or column.name, key)
    pattern = column.key_pattern
    if pattern is None:
        return key
    if f"{GROUP}{VALUE}>" in pattern:
        return (LinearPattern(pattern).search(key) or {}).get(VALUE) or None
    try:
        instant = KeyTime.of(pattern).instant(key)
    except ValueError:
        return None
    return instant.date().isoformat() if column.type == "date" else _iso(instant)


def _partition(name: str, key: str) -> str | None:
    """The value of the innermost folder of this name, as Hive and Spark write it."""
    for folder in reversed(key.split("/")[:-1]):
        found, equals, value = folder.partition("=")
        if equals and folded(unquote(found)) == folded(name):
            return None if value == _NO_PARTITION else unquote(value) or None
    return None


def _iso(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _refused(message: str, what: object) -> PydanticCustomError:
    return PydanticCustomError("key_column", message, {"what": str(what)})
