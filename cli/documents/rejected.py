"""`pipeline rejected --json`: rows of the quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import Field, ValidationError

from cli.documents.base import Document

# Names in quarantine objects that are not those of the fields.
_NAMES: Final = {"unit": "unit_id", "rawBase64": "raw_base64"}


class RejectedRow(Document):
    """One row of the quarantine.

    Attributes:
        object: of a unit of several objects, behind a job: URL of the source object.
        source: URL of the object that it was read from.
        line: where it begins in that object, from 1; of Parquet and JSON arrays, its number.
        rule, column: the first check that it breaks; `malformed`: it could not be read.
        value: what the column holds.
        reason: for people.
        broken: all checks that it breaks, where there are several.
        valid_row: its number among the rows that passed validation.
        raw: the row as in the source object.
        raw_base64: its bytes, where they are no text of the object's encoding.
        row: its values by the contract's columns.
        result: its values by the columns of the transform's result.
    """

    unit_id: str | None = None
    object: str | None = None
    source: str | None = None
    line: int | None = None
    rule: str
    column: str | None = None
    value: Any = None
    reason: str | None = None
    broken: tuple[str, ...] = ()
    valid_row: int | None = None
    raw: Any = None
    raw_base64: str | None = Field(default=None, alias="rawBase64")
    row: dict[str, Any] | None = None
    result: dict[str, Any] | None = None

    @classmethod
    def of(cls, reject: Mapping[str, Any]) -> Self:
        """From a line of a quarantine object.

        A job writes lines, too, as it likes: what it adds of its own is left out, and so is a value
        of another type than the field's.
        """
        named = {_NAMES.get(name, name): value for name, value in reject.items()}
        known = {name: named[name] for name in cls.model_fields if name in named}
        known["rule"] = str(known["rule"])
        try:
            return cls(**known)
        except ValidationError as error:
            invalid = {problem["loc"][0] for problem in error.errors()}
            return cls(**{name: value for name, value in known.items() if name not in invalid})


class BrokenRule(Document):
    """How many of the rows a rule rejected.

    Attributes:
        column: the column it checks; null for rules about whole rows.
    """

    rule: str
    column: str | None = None
    rows: int


class RejectedDocument(Document):
    """Rejected rows of a run.

    Attributes:
        rows: how many there are.
        rules: what rejected them, in the order in which they were met.
        shown: the first of them (`--limit`); empty with `--out`.
        out: the file that all of them were written to.
        failed_units: units that failed, of which no row is stored, valid ones neither.
    """

    run_id: str
    rows: int
    rules: tuple[BrokenRule, ...]
    shown: tuple[RejectedRow, ...]
    out: str | None = None
    failed_units: tuple[str, ...] = ()
