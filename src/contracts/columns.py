"""What a dataset's rows must be: parts of its contract."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    Strict,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from contracts.source import Number, StrictContract, Truth, Whole, key_columns, written_values
from contracts.source.key_columns import KeyColumn
from contracts.source.written_values import WrittenValues
from reading_rules.header import folded

COLUMN_NAME_PATTERN: Final = r"^[a-z_][a-z0-9_]{0,62}$"
RULE_NAME_PATTERN: Final = r"^[a-z][a-z0-9-]{0,30}$"
TYPE_PATTERN: Final = re.compile(
    r"(string|integer|double|boolean|date|timestamp|decimal\(([0-9]{1,2}),([0-9]{1,2})\))"
)

# For editors, which offer what can be offered.
_TYPE_SCHEMA: Final[JsonDict] = {
    "anyOf": [
        {"enum": ["string", "integer", "double", "boolean", "date", "timestamp", "decimal(18,2)"]},
        {"pattern": r"^decimal\((0?[1-9]|[12][0-9]|3[0-8]),(0?[0-9]|[12][0-9]|3[0-8])\)$"},
    ]
}


_Bound = StrictStr | StrictInt | StrictFloat
_Rows = Annotated[int, Strict(), Field(ge=0), Whole]  # bounds first, else the schema lacks them


class Severity(StrEnum):
    """What a broken rule does.

    WARN: the row is stored, counted as warned and shown. QUARANTINE: the row is rejected. FAIL: the
    unit fails; nothing of it is stored.
    """

    WARN = "warn"
    QUARANTINE = "quarantine"
    FAIL = "fail"


UnitSeverity = Literal[Severity.WARN, Severity.FAIL]
"""Of what is true of an object, not of one row: there is nothing to put into quarantine."""


class TypedColumn(StrictContract):
    """A column's name and type.

    Attributes:
        name: lower case; also the name in the file, unless `source` gives another.
        source: the name in the file, such as `Order ID`. In CSV neither case nor spaces around it
            matter, in JSON it is the key as it is. A file may carry the column's own name instead.
        type: string, integer (64 bits), double, boolean, date, timestamp (UTC, to the microsecond),
            decimal(p,s).
        description: for people.
    """

    name: str = Field(pattern=COLUMN_NAME_PATTERN)
    source: str | None = Field(default=None, pattern=r"\S", max_length=256)
    type: str = Field(default="string", json_schema_extra=_TYPE_SCHEMA)
    description: str | None = None

    @field_validator("type")
    @classmethod
    def _known_type(cls, value: str) -> str:
        match = TYPE_PATTERN.fullmatch(value)
        if not match or (match[2] and not 1 <= int(match[2]) <= 38):
            raise PydanticCustomError(
                "column_type",
                "must be string, integer, double, boolean, date, timestamp or"
                " decimal(precision,scale) with a precision of 1 to 38",
            )
        if match[2] and int(match[3]) > int(match[2]):
            raise PydanticCustomError("column_type", "the scale is larger than the precision")
        return value


def source_names(columns: Iterable[TypedColumn]) -> dict[str, str]:
    """What the columns are called in a file, by their own names, in their order."""
    return {column.name: column.source or column.name for column in columns}


def refuse_one_source_for_two(columns: Iterable[TypedColumn]) -> None:
    """Raise a validation error if a name in a file could mean two of the columns.

    A file may carry a column's source or its own name, so neither can be another column's.
    """
    readers: dict[str, str] = {}
    for column in columns:
        for name in dict.fromkeys((column.name, folded(column.source or column.name))):
            if name in readers:
                raise PydanticCustomError(
                    "source",
                    "columns {one} and {other} would both be read from {name}, which is the name or"
                    " the source of either",
                    {"one": readers[name], "other": column.name, "name": repr(name)},
                )
            readers[name] = column.name


class Column(KeyColumn, WrittenValues, TypedColumn):
    """One column of the source.

    Attributes:
        required: neither missing nor empty.
        unique: no value occurs twice within an object; of each value's rows the first one stays.
        minimum, maximum: inclusive bounds, as text or number in the column's own type.
        allowed: the only values there may be, as text; where the column says how its values are
            written, as the type has them.
        pattern: regular expression the whole text must match.
        references: another column of the same object that holds every value of this one. Absent
            values pass.
        severity: of all these checks. A value that is not of the type cannot be stored in any
            case: there, `warn` means `quarantine`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": written_values.CONDITIONS,
            "dependencies": {**written_values.DEPENDENCIES, **key_columns.DEPENDENCIES},
        }
    )

    required: Truth = False
    unique: Truth = False
    minimum: _Bound | None = None
    maximum: _Bound | None = None
    allowed: tuple[str, ...] | None = Field(default=None, min_length=1)
    pattern: str | None = None
    references: str | None = Field(default=None, pattern=COLUMN_NAME_PATTERN)
    severity: Severity = Severity.QUARANTINE

    @field_validator("unique")
    @classmethod
    def _differs(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("from_"):
            raise PydanticCustomError("unique", "cannot be: all rows of an object have this value")
        return value

    @model_validator(mode="after")
    def _references_another(self) -> Self:
        if self.references == self.name:
            raise PydanticCustomError("references", "references must name another column")
        return self


class Rule(StrictContract):
    """A boolean SQL expression (DuckDB) over the columns that every row must satisfy.

    A row for which it is NULL passes: absent values are the business of `required`.

    Attributes:
        name: in lower case, with hyphens.
        check: the expression, such as `shipped_on >= ordered_on`. It must not depend on the time
            or on chance.
        severity: what a row that breaks it comes to.
    """

    name: str = Field(pattern=RULE_NAME_PATTERN)
    check: str = Field(min_length=1, max_length=4000)
    severity: Severity = Severity.QUARANTINE


class RowLimits(StrictContract):
    """How many rows an object may have, malformed ones included (`rows in`).

    Attributes:
        minimum: the least.
        maximum: the most.
        severity: `fail` or `warn`.
    """

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["minimum"]}, {"required": ["maximum"]}]}
    )

    minimum: _Rows | None = None
    maximum: _Rows | None = None
    severity: UnitSeverity = Severity.FAIL

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise PydanticCustomError("rows", "name a minimum, a maximum or both")
        if self.maximum is not None and (self.minimum or 0) > self.maximum:
            raise PydanticCustomError("rows", "the minimum is larger than the maximum")
        return self


class Freshness(StrictContract):
    """How old an object's newest row may have been when the object was written.

    Measured against the object's last modification as the manifest froze it, not against the clock:
    repeating the check gives the same result.

    Attributes:
        column: of type date (its midnight, UTC, counts) or timestamp.
        maximum_age_hours: how old its newest value may be.
        severity: `warn` or `fail`.
    """

    column: str = Field(pattern=COLUMN_NAME_PATTERN)
    maximum_age_hours: Number = Field(gt=0)
    severity: UnitSeverity = Severity.WARN
