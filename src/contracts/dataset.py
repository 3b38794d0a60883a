"""A dataset's contract: `datasets/<name>.yaml`, validated."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from contracts.base import Contract
from contracts.columns import (
    COLUMN_NAME_PATTERN,
    Column,
    Freshness,
    RowLimits,
    Rule,
    Severity,
    TypedColumn,
    UnitSeverity,
    refuse_one_source_for_two,
)
from contracts.job_step import JobStep
from contracts.manifest import OBJECTS_AT_MOST
from contracts.run_request import DATASET_NAME_PATTERN
from contracts.source import (
    FROZEN,
    OWN_PREFIXES,
    OWN_PREFIXES_WHY,
    Compression,
    CsvFormat,
    Format,
    Group,
    Integer,
    JsonFormat,
    JsonLinesFormat,
    Number,
    ParquetFormat,
    Ready,
    Source,
    StrictContract,
    csv_unless_named,
)
from contracts.targets import DynamodbTarget, FilesTarget, RedshiftTarget, Targets
from contracts.times.expectation import Expectation
from contracts.times.schedule import SCHEDULE_NAME_CHARACTERS, Schedule, schedule_name

__all__ = [
    "COLUMN_NAME_PATTERN",
    "Column",
    "Compression",
    "CsvFormat",
    "Dataset",
    "DatasetSnapshot",
    "DynamodbTarget",
    "Expectation",
    "FilesTarget",
    "Format",
    "Freshness",
    "FrozenLookup",
    "Group",
    "ItemArray",
    "JobStep",
    "JsonFormat",
    "JsonLinesFormat",
    "Limits",
    "Lookup",
    "ParquetFormat",
    "Ready",
    "RedshiftTarget",
    "RowLimits",
    "Rule",
    "Severity",
    "Source",
    "StrictContract",
    "Targets",
    "TypedColumn",
    "UnitSeverity",
]

RESERVED_COLUMNS: Final = frozenset(
    {"pk", "dataset", "index", "run_id", "job_id", "unit_id", "version", "loaded_at", "expires_at"}
)
VALID_RELATION: Final = "valid"  # what a transform reads the rows from
LOOKUP_MEGABYTES_AT_MOST: Final = 64
COLUMNS_AT_MOST: Final = 1000


class Limits(StrictContract):
    """What one unit and one run may be.

    Attributes:
        unit_seconds: how long one unit takes; decides where a run is executed.
        rejected_percentage: a larger share of rejected rows fails the unit; nothing is stored.
        object_megabytes: a larger object is refused.
        objects: a listing with more is refused.
        part_megabytes: about how large a Parquet file of the result becomes before the next begins.
    """

    unit_seconds: Integer = Field(default=60, ge=1, le=7 * 24 * 3600)
    rejected_percentage: Number = Field(default=10, ge=0, le=100)
    object_megabytes: Integer = Field(default=2048, ge=1)
    objects: Integer = Field(default=100_000, ge=1, le=OBJECTS_AT_MOST)
    part_megabytes: Integer = Field(default=128, ge=1, le=4096)


class Lookup(StrictContract):
    """A small object that the transform may join, by this name; read as it was when the run began.

    Attributes:
        name: the relation's name in the transform.
        key: of an object in the data bucket; or
        url: `s3://bucket/key` of one elsewhere.
        format: `csv` or `parquet`.
        columns: what it holds, typed. Further ones are ignored.
    """

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["key"]}, {"required": ["url"]}]}
    )

    name: str = Field(
        pattern=COLUMN_NAME_PATTERN, json_schema_extra={"not": {"const": VALID_RELATION}}
    )
    key: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        json_schema_extra={"not": {"type": "string", "pattern": OWN_PREFIXES}},
    )
    url: str | None = Field(default=None, pattern=r"^s3://[^/]+/.+$", max_length=1100)
    format: CsvFormat | ParquetFormat = Field(default=CsvFormat(), discriminator="type")
    columns: tuple[TypedColumn, ...] = Field(min_length=1, max_length=200)

    @field_validator("name")
    @classmethod
    def _name_is_free(cls, value: str) -> str:
        if value == VALID_RELATION:
            raise PydanticCustomError("lookup", "is the relation of the rows; take another name")
        return value

    @field_validator("key")
    @classmethod
    def _key_is_not_the_pipelines(cls, value: str | None) -> str | None:
        if value is not None and re.match(OWN_PREFIXES, value):
            raise PydanticCustomError("lookup", OWN_PREFIXES_WHY)
        return value

    @model_validator(mode="before")
    @classmethod
    def _format_type_defaults_to_csv(cls, value: Any) -> Any:
        return csv_unless_named(value)

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if (self.key is None) == (self.url is None):
            raise PydanticCustomError(
                "lookup", "needs either key (in the data bucket) or url (s3://bucket/key)"
            )
        _refuse_doubles(("columns", [column.name for column in self.columns]))
        refuse_one_source_for_two(self.columns)
        return self

    @property
    def column_types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.columns}


class Dataset(StrictContract):
    """The contract of one dataset.

    Attributes:
        name: as the file is named.
        description: for people.
        source: where the objects lie.
        format: how they are written.
        columns: what is in them.
        rules: what every row must satisfy beyond its columns' own checks.
        jobs: remote jobs, one after another, before validation.
        targets: where the result is stored.
        on_transform_error: what a row comes to that the transform cannot compute: `reject`, or
            `fail`, then its unit fails and nothing of it is stored.
        limits: what one unit and one run may be.
        transform: SELECT over the relation `valid` (the columns, typed), and the lookups if wanted,
            whose result is stored; absent: all columns as they are.
        rows: how many rows an object may have.
        freshness: how old an object's rows may be.
        lookups: small objects that the transform joins.
        schedules: when runs are started by themselves (`pipeline schedules apply`).
        examples: whether values of rows may be quoted where the rows themselves are not: in
            findings, errors, logs, notifications.
        expect: by when a day's data has to be stored.
    """

    name: str = Field(pattern=DATASET_NAME_PATTERN)
    description: str = ""
    source: Source
    format: Format = CsvFormat()
    columns: tuple[Column, ...] = Field(min_length=1, max_length=COLUMNS_AT_MOST)
    rules: tuple[Rule, ...] = ()
    rows: RowLimits | None = None
    freshness: Freshness | None = None
    lookups: tuple[Lookup, ...] = Field(default=(), max_length=20)
    jobs: tuple[JobStep, ...] = ()
    transform: str | None = Field(default=None, max_length=20_000)
    targets: Targets
    on_transform_error: Literal["reject", "fail"] = "reject"
    limits: Limits = Limits()
    schedules: tuple[Schedule, ...] | None = Field(default=None, min_length=1, max_length=20)
    examples: bool = True
    expect: Expectation | None = None

    @model_validator(mode="before")
    @classmethod
    def _format_type_defaults_to_csv(cls, value: Any) -> Any:
        return csv_unless_named(value)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        _refuse_doubles(
            ("columns", [column.name for column in self.columns]),
            ("rules", [rule.name for rule in self.rules]),
            ("lookups", [lookup.name for lookup in self.lookups]),
            ("jobs", [job.stage for job in self.jobs]),
            ("schedules", [schedule.name for schedule in self.schedules or ()]),
        )
        for schedule in self.schedules or ():
            if len(schedule_name(self.name, schedule.name)) > SCHEDULE_NAME_CHARACTERS:
                raise PydanticCustomError(
                    "schedules",
                    "{name}: dataset and schedule together have at most {most} characters",
                    {"name": schedule.name, "most": SCHEDULE_NAME_CHARACTERS - 1},
                )
        refuse_one_source_for_two(self.columns)
        if self.expect is not None and self.source.effective_time_from == "partition":
            self.expect.refuse_before_its_day(in_utc=True)
        if all(column.from_ for column in self.columns):
            raise PydanticCustomError("columns", "needs a column that is in the objects themselves")
        return self

    @property
    def column_types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.columns}


class FrozenLookup(Contract):
    """A lookup as a run found it. `size` in bytes; `etag` without quotes."""

    name: str
    url: str
    etag: str
    size: int


class ItemArray(Contract):
    """What of a contract applies to a whole array of items.

    Attributes:
        items_per_batch: how many go through the steps together.
        megabytes: how large the array may be, as it lies in S3.
        rows: how many there may be.
        compression: as the contract of format `json` says it.
        records: the same, where the array is within an object.
    """

    items_per_batch: int
    megabytes: int
    rows: RowLimits | None = None
    compression: Compression = "auto"
    records: str | None = None


class DatasetSnapshot(Contract):
    """The contract as one run read it, stored with the run's data (`layout.dataset_snapshot_key`).

    Attributes:
        version: first 12 hex digits of the contract file's SHA-256.
        output_columns: name and type of the transform's result, in order, types as in `Column`.
        lookups: one for each of the contract's, in its order.
        array: the run's object is a JSON array, each item a unit; the contract here is then the one
            that applies to a batch of items (`contracts.items`).
        input_url: full URL of the one object that the request names; absent: it names none. Those
            of an earlier release lack it.
        group: how objects are grouped into units, by the contract or the request; absent: each is a
            unit.
    """

    dataset: Dataset
    version: str
    query: str | None = None
    index: str
    run_id: str
    run_started_at: str
    output_columns: tuple[tuple[str, str], ...]
    lookups: tuple[FrozenLookup, ...] = ()
    array: ItemArray | None = None
    input_url: str | None = None
    group: Group | None = None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Parse what `to_json` made; a contract that an earlier release accepted is not refused.

        Raises:
            pydantic.ValidationError: a required field is missing or has the wrong type.
        """
        return cls.model_validate(value, context=FROZEN)


def _refuse_doubles(*kinds: tuple[str, list[str]]) -> None:
    """Raises a validation error for the first kind that has a name twice."""
    for what, names in kinds:
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise PydanticCustomError(
                "duplicate",
                "{what} named twice: {twice}",
                {"what": what, "twice": ", ".join(twice)},
            )
