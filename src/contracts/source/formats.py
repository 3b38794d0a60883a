"""How a dataset's objects are written: a part of its contract."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, Strict, ValidationInfo, field_validator, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from contracts.source.strict import StrictContract, Truth, Whole

Compression = Literal["auto", "none", "gzip", "zstd", "bzip2", "zip"]
"""How an object is compressed; `auto` goes by its key: gzip for `.gz`, zstd for `.zst`."""
Encoding = Literal["utf-8", "latin-1", "windows-1252", "utf-16", "utf-16-le", "utf-16-be"]


# As a class of a regular expression: ASCII without letters, digits, line ends and NUL.
SEPARATORS: Final = r"[\x01-\x09\x0b\x0c\x0e-/:-@\[-`{-\x7f]"
DELIMITER_CHARACTERS: Final = 4  # as DuckDB has it
NULLS_AT_MOST: Final = 100
SKIPPED_AT_MOST: Final = 10_000
FOOTER_AT_MOST: Final = 100  # that many lines are held back while an object is read
RECORDS_PATTERN: Final = r"^\$(\.[^.\[\]\"'*\s]{1,100}){1,8}$"
_ONE_SEPARATOR: Final[JsonDict] = {"pattern": f"^{SEPARATORS}$"}
_SEPARATORS: Final[JsonDict] = {"pattern": f"^{SEPARATORS}{{1,{DELIMITER_CHARACTERS}}}$"}
_NULL: Final = r"^[^\r\n]{1,100}$"

Null = Annotated[str, Field(json_schema_extra={"pattern": _NULL})]
Nulls = Annotated[
    tuple[Null, ...],
    Field(min_length=1, max_length=NULLS_AT_MOST, json_schema_extra={"uniqueItems": True}),
]


class _Format(StrictContract):
    """What every format may say.

    Attributes:
        nulls: texts that stand for a missing value, in any column, as an empty one does. They are
            compared with the whole of a value, spaces and case included.
    """

    nulls: Nulls | None = None

    @field_validator("nulls")
    @classmethod
    def _are_texts(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if any(not re.fullmatch(_NULL, text) for text in value or ()):
            raise PydanticCustomError(
                "nulls",
                "each must be a text of 1 to 100 characters in one line (an empty value is missing"
                " anyway)",
            )
        if value and len(set(value)) < len(value):
            raise PydanticCustomError("nulls", "name each text once")
        return value


class CsvFormat(_Format):
    """Delimited text.

    Attributes:
        type: `csv`, which is also meant where none is named.
        delimiter: one to four ASCII characters between fields; no letter, digit or line end.
        quote: around fields that hold a delimiter, a quote (then doubled) or a line end; a
            character of the same kind, but another one.
        header: the first line names the columns; without one, the fields are the contract's
            columns in its order.
        encoding: of the whole text, after decompression.
        compression: `auto` goes by the key: gzip for `.gz`, zstd for `.zst`.
        skip_lines: how many lines come before the table, whatever they hold; 1 to 10000.
        footer_lines: how many lines come behind the table, whatever they hold; 1 to 100.
        comment: one ASCII character; a line that begins with it, outside of values, is no record.
        escape: a backslash takes the special meaning from a quote, a delimiter, a line end or a
            backslash behind it; before anything else it stands for itself.
        pad_short_rows: a row with too few fields lacks the values of the last columns.
    """

    type: Literal["csv"] = "csv"
    delimiter: str = Field(default=",", json_schema_extra=_SEPARATORS)
    quote: str = Field(default='"', json_schema_extra=_ONE_SEPARATOR)
    header: Truth = True
    encoding: Encoding = "utf-8"
    compression: Compression = "auto"
    skip_lines: Annotated[int, Strict(), Field(ge=1, le=SKIPPED_AT_MOST), Whole] | None = None
    footer_lines: Annotated[int, Strict(), Field(ge=1, le=FOOTER_AT_MOST), Whole] | None = None
    comment: str | None = Field(default=None, json_schema_extra=_ONE_SEPARATOR)
    escape: Literal["\\"] | None = None
    pad_short_rows: Truth | None = None

    @field_validator("delimiter")
    @classmethod
    def _delimits(cls, value: str) -> str:
        if not re.fullmatch(f"{SEPARATORS}{{1,{DELIMITER_CHARACTERS}}}", value):
            raise PydanticCustomError(
                "separator",
                "must be one to four ASCII characters that are no letters, digits or line ends,"
                ' such as ; or || (a tab is written "\\t")',
            )
        return value

    @field_validator("quote", "comment")
    @classmethod
    def _separates(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(SEPARATORS, value):
            raise PydanticCustomError(
                "separator",
                "must be one ASCII character that is no letter, digit or line end, such as ; or |"
                ' (a tab is written "\\t")',
            )
        return value

    @field_validator("comment")
    @classmethod
    def _differs_from_what_separates(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and (value == info.data.get("quote") or value in info.data.get("delimiter", "")):
            raise PydanticCustomError(
                "comment", "must be another character than the quote and those of the delimiter"
            )
        return value

    @field_validator("escape")
    @classmethod
    def _escapes_others(cls, value: str | None, info: ValidationInfo) -> str | None:
        for field in ("delimiter", "quote", "comment"):
            if value and value in (info.data.get(field) or ""):
                raise PydanticCustomError(
                    "escape",
                    "a backslash cannot be the escape and in {field}, too; take another {field}",
                    {"field": field},
                )
        return value

    @model_validator(mode="after")
    def _characters_differ(self) -> Self:
        if self.quote in self.delimiter:
            if self.delimiter == self.quote:
                raise PydanticCustomError("format", "delimiter and quote must not be the same")
            raise PydanticCustomError("format", "the delimiter must not hold the quote")
        return self


class JsonLinesFormat(_Format):
    """One JSON object a line, UTF-8.

    Attributes:
        type: `jsonl`.
        compression: `auto` goes by the key: gzip for `.gz`, zstd for `.zst`.
        concatenated: objects follow one another with or without line ends between and within them.
        case_insensitive: keys are compared without regard to case; one that is written as in the
            contract comes first.
    """

    type: Literal["jsonl"]
    compression: Compression = "auto"
    concatenated: Truth | None = None
    case_insensitive: Truth | None = None


class JsonFormat(_Format):
    """One JSON array of objects, UTF-8; each of its items is a row.

    Attributes:
        type: `json`.
        compression: `auto` goes by the key: gzip for `.gz`, zstd for `.zst`.
        records: where the array is within an object around it, such as `$.Records`.
        case_insensitive: keys are compared without regard to case; one that is written as in the
            contract comes first.
    """

    type: Literal["json"]
    compression: Compression = "auto"
    records: str | None = Field(default=None, json_schema_extra={"pattern": RECORDS_PATTERN})
    case_insensitive: Truth | None = None

    @field_validator("records")
    @classmethod
    def _is_a_path(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(RECORDS_PATTERN, value):
            raise PydanticCustomError(
                "records",
                "must be the keys of objects from the outermost one to the array, such as"
                " $.Records or $.response.items",
            )
        return value


class ParquetFormat(_Format):
    """Apache Parquet.

    Attributes:
        type: `parquet`.
    """

    type: Literal["parquet"]


Format = Annotated[
    CsvFormat | JsonLinesFormat | JsonFormat | ParquetFormat, Field(discriminator="type")
]


def csv_unless_named(value: Any) -> Any:
    """A `format` mapping that names no type is CSV."""
    if isinstance(value, dict) and isinstance(value.get("format"), dict):
        return {**value, "format": {"type": "csv", **value["format"]}}
    return value
