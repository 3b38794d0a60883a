"""Where a dataset's objects lie and how they are written: parts of its contract."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from contracts.base import Contract
from contracts.source.key_time import KeyTime


class StrictContract(Contract):
    """A contract file is written by people: an unknown field is a typing mistake.

    Types say by `json_schema_extra` what their validators refuse, as far as a schema can: so that
    editors and `pipeline dataset check` agree.
    """

    model_config = ConfigDict(extra="forbid")


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# As JSON Schema has them: no number is given as text, no truth as a number, and 5.0 is whole.
Whole: Final = BeforeValidator(_whole)
Integer = Annotated[int, Strict(), Whole]
Number = Annotated[float, Strict()]
Truth = Annotated[bool, Strict()]
# Context of validation: the contract was accepted before a run froze it.
FROZEN: Final = "frozen"
_SOURCE: Final[JsonDict] = {
    "allOf": [
        {
            "if": {"properties": {"bucket": {"type": "string"}}, "required": ["bucket"]},
            "else": {"properties": {"prefix": {"not": {"pattern": "^(runs|quarantine)/"}}}},
        },
        {
            "if": {"properties": {"timeFrom": {"const": "partition"}}, "required": ["timeFrom"]},
            "then": {"required": ["partition"]},
        },
        {
            "if": {"properties": {"timeFrom": {"const": "key"}}, "required": ["timeFrom"]},
            "then": {"required": ["keyTime"]},
            "else": {"properties": {"keyTime": False}},
        },
    ]
}
_WITH_A_DAY: Final[JsonDict] = {"allOf": [{"pattern": part} for part in ("%Y", "%m", "%d")]}
_OF_A_KEY: Final[JsonDict] = {
    "anyOf": [
        _WITH_A_DAY,
        {"allOf": [{"pattern": rf"\(\?P<{name}>"} for name in ("year", "month", "day")]},
    ]
}


# Where the pipeline keeps its own files in the data bucket: a run would read what runs write.
OWN_PREFIXES: Final = r"^(runs|quarantine)/"
OWN_PREFIXES_WHY: Final = (
    "runs/ and quarantine/ of the data bucket hold the pipeline's own files; take another prefix,"
    " such as landing/orders/"
)


def _is_below_the_prefix(pattern: str) -> str:
    if pattern.startswith("/"):
        raise PydanticCustomError(
            "exclude", "fits no key: what follows the prefix begins without /; write *.tmp or old/*"
        )
    return pattern


_ExcludedKeys = Annotated[
    str,
    Field(min_length=1, max_length=256, json_schema_extra={"pattern": "^[^/]"}),
    AfterValidator(_is_below_the_prefix),
]


class Source(StrictContract):
    """Where the dataset's objects lie.

    Attributes:
        bucket: absent: the deployment's data bucket.
        prefix: common key prefix; ends with `/`.
        partition: strftime pattern of the date part that follows the prefix, such as
            `dt=%Y-%m-%d/`; listing then visits only the partitions of the asked range. At least
            to the day. Absent: the whole prefix is listed.
        suffix: only keys that end so.
        hidden: what becomes of keys with a part below the prefix that begins with `_` or `.` and is
            not `name=value`, which Spark, Hive and others write beside their results: `skip` leaves
            them out and counts them, `read` reads them like any other.
        exclude: patterns of keys below the prefix, whose objects are left out and counted. A
            pattern fits the whole of it, case-sensitive, as `aws s3 sync --exclude` has them: `*`
            is any text, `/` too; `?` one character; `[ab]` and `[!ab]` one that is, or is not,
            among these.
        time_from: what places an object in time: `partition` (its date), `key` (`key_time`) or
            `last-modified`. Absent: `partition` if there is one, else `last-modified`.
        key_time: for `key`: text with strftime directives, such as `events_%Y%m%d_%H.csv`, or a
            regular expression with the groups `year`, `month`, `day` and optionally `hour`,
            `minute`, `second`; searched in the key (UTC). See `contracts.source.key_time`.
    """

    model_config = ConfigDict(json_schema_extra=_SOURCE)

    bucket: str | None = None
    prefix: str = Field(pattern=r"^[^/].*/$", max_length=512)
    partition: str | None = Field(default=None, json_schema_extra=_WITH_A_DAY)
    suffix: str = ""
    hidden: Literal["skip", "read"] = "skip"
    exclude: tuple[_ExcludedKeys, ...] | None = Field(default=None, min_length=1, max_length=50)
    time_from: Literal["partition", "key", "last-modified"] | None = None
    key_time: str | None = Field(default=None, json_schema_extra=_OF_A_KEY)

    @field_validator("prefix")
    @classmethod
    def _prefix_is_not_the_pipelines(cls, value: str, info: ValidationInfo) -> str:
        in_data_bucket = info.data.get("bucket", "") is None  # not there if it is wrong itself
        if in_data_bucket and re.match(OWN_PREFIXES, value):
            raise PydanticCustomError("prefix", OWN_PREFIXES_WHY)
        return value

    @field_validator("partition")
    @classmethod
    def _partition_has_a_day(cls, value: str | None) -> str | None:
        if value is not None and not (
            ("%Y" in value and "%m" in value and "%d" in value) or "%Y%m%d" in value
        ):
            raise PydanticCustomError(
                "partition", "must hold %Y, %m and %d, such as dt=%Y-%m-%d/ or %Y/%m/%d/"
            )
        return value

    @model_validator(mode="after")
    def _time_can_be_determined(self, info: ValidationInfo) -> Self:
        if self.time_from == "partition" and not self.partition:
            raise PydanticCustomError("time_from", "timeFrom: partition needs a partition pattern")
        if (self.time_from == "key") != (self.key_time is not None):
            raise PydanticCustomError("time_from", "timeFrom: key and keyTime go together")
        if self.key_time is not None:
            try:
                KeyTime.of(self.key_time, frozen=info.context == FROZEN)
            except ValueError as error:
                raise PydanticCustomError(
                    "key_time", "keyTime {why}", {"why": str(error)}
                ) from None
        return self

    def hides(self, key: str) -> bool:
        """Whether the object of this key is left out as hidden; keys elsewhere never are."""
        if self.hidden == "read" or not key.startswith(self.prefix):
            return False
        return any(
            part[:1] in ("_", ".") and "=" not in part
            for part in key[len(self.prefix) :].split("/")
            if part
        )

    def excludes(self, key: str) -> bool:
        """Whether the object of this key is left out by `exclude`; keys elsewhere never are.

        A pattern is matched without going back before its last `*` (`fnmatch.translate` makes
        atomic groups), so in time linear in the key.
        """
        if not self.exclude or not key.startswith(self.prefix):
            return False
        below = key[len(self.prefix) :]
        return any(fnmatchcase(below, pattern) for pattern in self.exclude)

    @property
    def effective_time_from(self) -> str:
        return self.time_from or ("partition" if self.partition else "last-modified")


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
