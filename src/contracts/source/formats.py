"""How a dataset's objects are written: a part of its contract."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from contracts.source.strict import StrictContract, Truth

Compression = Literal["auto", "none", "gzip", "zstd"]
"""How an object is compressed; `auto` goes by its key: gzip for `.gz`, zstd for `.zst`."""


# As a class of a regular expression: ASCII without letters, digits, line ends and NUL.
SEPARATORS: Final = r"[\x01-\x09\x0b\x0c\x0e-/:-@\[-`{-\x7f]"
_ONE_SEPARATOR: Final[JsonDict] = {"pattern": f"^{SEPARATORS}$"}


class CsvFormat(StrictContract):
    """Delimited text.

    Attributes:
        type: `csv`, which is also meant where none is named.
        delimiter: one ASCII character between fields; no letter, digit or line end.
        quote: around fields that hold a delimiter, a quote (then doubled) or a line end; a
            character of the same kind, but another one.
        header: the first line names the columns; without one, the fields are the contract's
            columns in its order.
        encoding: of the whole text, after decompression.
        compression: `auto` goes by the key: gzip for `.gz`, zstd for `.zst`.
    """

    type: Literal["csv"] = "csv"
    delimiter: str = Field(default=",", json_schema_extra=_ONE_SEPARATOR)
    quote: str = Field(default='"', json_schema_extra=_ONE_SEPARATOR)
    header: Truth = True
    encoding: Literal["utf-8", "latin-1", "windows-1252", "utf-16"] = "utf-8"
    compression: Compression = "auto"

    @field_validator("delimiter", "quote")
    @classmethod
    def _separates(cls, value: str) -> str:
        if not re.fullmatch(SEPARATORS, value):
            raise PydanticCustomError(
                "separator",
                "must be one ASCII character that is no letter, digit or line end, such as ; or |"
                ' (a tab is written "\\t")',
            )
        return value

    @model_validator(mode="after")
    def _characters_differ(self) -> Self:
        if self.delimiter == self.quote:
            raise PydanticCustomError("format", "delimiter and quote must not be the same")
        return self


class JsonLinesFormat(StrictContract):
    """One JSON object a line, UTF-8.

    Attributes:
        type: `jsonl`.
        compression: `auto` goes by the key: gzip for `.gz`, zstd for `.zst`.
    """

    type: Literal["jsonl"]
    compression: Compression = "auto"


class JsonFormat(StrictContract):
    """One JSON array of objects, UTF-8; each of its items is a row.

    Attributes:
        type: `json`.
        compression: `auto` goes by the key: gzip for `.gz`, zstd for `.zst`.
    """

    type: Literal["json"]
    compression: Compression = "auto"


class ParquetFormat(StrictContract):
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
