"""Where a dataset's rows go: parts of its contract."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    Strict,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from contracts.job_step import QUEUE_SECONDS, QueueSeconds
from contracts.source import SEPARATORS, Integer, StrictContract, Truth, Whole

# The pipeline's own tables, in whatever schema, and those of the warehouse's catalog.
_NOT_OURS: Final = r"(^|\.)pipeline_|^pg_|^information_schema(\.|$)"
# The output bucket may be the data bucket, where these hold the pipeline's own files, and uploads.
_NOT_FOR_OUTPUT: Final = r"^(runs|quarantine|published|stored-objects|landing)/"
_DOTS: Final = r"(^|/)\.{1,2}/"  # which many tools take for a way through folders
_COMPRESSIONS: Final = {
    "csv": ("none", "gzip", "zstd"),
    "jsonl": ("none", "gzip", "zstd"),
    "parquet": ("snappy", "gzip", "zstd", "none"),
}
_ENDINGS: Final = {"none": "", "gzip": ".gz", "zstd": ".zst"}
_FILES: Final[JsonDict] = {
    "allOf": [
        {
            "if": {"properties": {"format": {"const": "parquet"}}, "required": ["format"]},
            "else": {"properties": {"compression": {"enum": ["none", "gzip", "zstd"]}}},
        },
        {
            "if": {
                "properties": {"format": {"enum": ["jsonl", "parquet"]}},
                "required": ["format"],
            },
            "then": {"properties": {"header": False, "delimiter": False}},
        },
        {
            "if": {"properties": {"replace": {"const": "partition"}}, "required": ["replace"]},
            "then": {"properties": {"partitionBy": {"minItems": 1}}, "required": ["partitionBy"]},
        },
    ]
}
_Days = Annotated[int, Strict(), Field(ge=1, le=3650), Whole]


class DynamodbTarget(StrictContract):
    """Rows as items of the result table.

    Attributes:
        key: the natural key: columns of the transform's result.
        ttl_days: items expire so many days after the start of their run; absent: never.
        provenance: items say where they come from: `source_key`, `execution_id`, `processed_at` and
            `stored_at`, beside columns of the result, which come first.
    """

    key: tuple[str, ...] = Field(min_length=1, json_schema_extra={"uniqueItems": True})
    ttl_days: _Days | None = None
    provenance: Truth = True


class RedshiftTarget(StrictContract):
    """Rows in a warehouse table.

    Attributes:
        table: `schema.table` or `table` (schema public); made when it is not there.
        key: the natural key: a loaded row replaces the one with the same key.
        timeout_seconds: how long one load may run.
        queue_seconds: how long one may wait, for other loads, before it runs. Absent: 86400, a day.
    """

    table: str = Field(
        pattern=r"^([a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,62}$",
        json_schema_extra={"not": {"pattern": _NOT_OURS}},
    )
    key: tuple[str, ...] = Field(min_length=1, json_schema_extra={"uniqueItems": True})
    timeout_seconds: Integer = Field(default=900, ge=60, le=24 * 3600)
    queue_seconds: QueueSeconds | None = None

    @property
    def effective_queue_seconds(self) -> int:
        return QUEUE_SECONDS if self.queue_seconds is None else self.queue_seconds

    @field_validator("table")
    @classmethod
    def _table_is_free(cls, value: str) -> str:
        if re.search(_NOT_OURS, value):
            raise PydanticCustomError(
                "table",
                "is a table of the pipeline itself (pipeline_…) or of the warehouse (pg_…,"
                " information_schema); take another name",
            )
        return value


class FilesTarget(StrictContract):
    """Rows as files in the output bucket, below a prefix of their own.

    Attributes:
        prefix: begins every key; ends with `/`. No other dataset should write below it.
        format: `csv`, `jsonl` (one JSON object a line) or `parquet`.
        compression: of csv and jsonl `none` (the default), `gzip` or `zstd`; within parquet
            `snappy` (the default), `gzip`, `zstd` or `none`.
        partition_by: columns of the result whose values become folders, `<column>=<value>/`; the
            files do not repeat them. At most six, so that keys stay within S3's 1,024 bytes.
        header: csv only: whether the first line of each file names its columns. Absent: it does.
        delimiter: csv only: one ASCII character between fields. Absent: a comma.
        replace: `partition`: a run removes the files of earlier runs in the partitions that it
            wrote. `none`: they stay.
    """

    model_config = ConfigDict(json_schema_extra=_FILES)

    prefix: str = Field(
        pattern=r"^([A-Za-z0-9_=.-]+/)+$",
        max_length=256,
        json_schema_extra={
            "not": {"anyOf": [{"pattern": _NOT_FOR_OUTPUT}, {"pattern": _DOTS}]},
        },
    )
    format: Literal["csv", "parquet", "jsonl"] = "csv"
    compression: Literal["none", "gzip", "zstd", "snappy"] | None = None
    partition_by: tuple[str, ...] = Field(
        default=(), max_length=6, json_schema_extra={"uniqueItems": True}
    )
    header: Truth | None = None
    delimiter: str | None = Field(
        default=None, json_schema_extra={"pattern": f"^{SEPARATORS}$", "not": {"const": '"'}}
    )
    replace: Literal["none", "partition"] = "none"

    @field_validator("prefix")
    @classmethod
    def _prefix_is_free(cls, value: str) -> str:
        if re.match(_NOT_FOR_OUTPUT, value):
            raise PydanticCustomError(
                "prefix",
                "is where the pipeline keeps its own files (runs/, quarantine/, published/,"
                " stored-objects/) or takes uploads (landing/), should the output bucket be the"
                " data bucket; take another prefix, such as results/orders/",
            )
        if re.search(_DOTS, value):
            raise PydanticCustomError(
                "prefix", "has a part that is only dots; take another, such as results/orders/"
            )
        return value

    @field_validator("compression")
    @classmethod
    def _suits_the_format(cls, value: str | None, info: ValidationInfo) -> str | None:
        form = info.data.get("format")
        if form is not None and value is not None and value not in _COMPRESSIONS[form]:
            raise PydanticCustomError(
                "compression",
                "does not go with format: {form}; take {others}",
                {"form": form, "others": " or ".join(_COMPRESSIONS[form])},
            )
        return value

    @field_validator("header", "delimiter")
    @classmethod
    def _only_csv_has_it(cls, value: bool | str | None, info: ValidationInfo) -> bool | str | None:
        form = info.data.get("format", "csv")
        if value is not None and form != "csv":
            raise PydanticCustomError(
                "format", "goes with format: csv only; leave it out with {form}", {"form": form}
            )
        return value

    @field_validator("delimiter")
    @classmethod
    def _separates(cls, value: str | None) -> str | None:
        if value is not None and (not re.fullmatch(SEPARATORS, value) or value == '"'):
            raise PydanticCustomError(
                "separator",
                "must be one ASCII character that is no letter, digit, quote or line end, such as"
                ' ; or | (a tab is written "\\t")',
            )
        return value

    @field_validator("replace")
    @classmethod
    def _has_partitions(cls, value: str, info: ValidationInfo) -> str:
        if value == "partition" and info.data.get("partition_by") == ():
            raise PydanticCustomError("replace", "partition needs partitionBy: it names them")
        return value

    def overlap(self, source_prefix: str) -> str | None:
        """Why files below the prefix would be taken for objects of a source in the same bucket."""
        inside = self.prefix.startswith(source_prefix)
        if not inside and not source_prefix.startswith(self.prefix):
            return None
        how = "lies inside" if inside else "contains"
        return (
            f"{how} source.prefix {source_prefix}: should the output bucket be the source's, a run"
            " would read what runs write; take a prefix beside it, such as"
            f" results/{source_prefix.rstrip('/').rpartition('/')[2]}/"
        )

    @property
    def effective_compression(self) -> str:
        return self.compression or ("snappy" if self.format == "parquet" else "none")

    @property
    def ending(self) -> str:
        """Of the files' keys, such as `csv.gz`; Parquet is compressed within."""
        if self.format == "parquet":
            return "parquet"
        return f"{self.format}{_ENDINGS[self.effective_compression]}"


class Targets(StrictContract):
    """Where results go: one or more.

    Attributes:
        files: files in the output bucket.
        dynamodb: the result table.
        redshift: a table of the warehouse.
    """

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    files: FilesTarget | None = None
    dynamodb: DynamodbTarget | None = None
    redshift: RedshiftTarget | None = None

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not self.names():
            about = {"names": ", ".join(type(self).model_fields)}
            raise PydanticCustomError("targets", "name at least one of {names}", about)
        return self

    def names(self) -> tuple[str, ...]:
        """In the order in which a unit's rows are stored."""
        names = type(self).model_fields
        return tuple(name for name in names if getattr(self, name) is not None)
