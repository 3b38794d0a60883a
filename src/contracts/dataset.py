"""A dataset's contract: `datasets/<name>.yaml`, validated."""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from contracts.base import Contract
from contracts.job import Engine
from contracts.run_request import DATASET_NAME_PATTERN

COLUMN_NAME_PATTERN: Final = r"^[a-z_][a-z0-9_]{0,62}$"
STAGE_PATTERN: Final = r"^[a-z][a-z0-9-]{0,30}$"
SCRIPT_PATTERN: Final = r"^jobs/[A-Za-z0-9_./-]+\.py$"
TYPE_PATTERN: Final = re.compile(
    r"^(string|integer|double|boolean|date|timestamp|decimal\((\d{1,2}),(\d{1,2})\))$"
)
RESERVED_STAGES: Final = frozenset({"store-redshift", "record-run"})
RESERVED_COLUMNS: Final = frozenset(
    {"pk", "dataset", "index", "run_id", "job_id", "unit_id", "version", "loaded_at", "expires_at"}
)


class StrictContract(Contract):
    """A contract file is written by people: an unknown field is a typing mistake."""

    model_config = ConfigDict(extra="forbid")


class Source(StrictContract):
    """Where the dataset's objects lie.

    Attributes:
        bucket: absent: the deployment's data bucket.
        prefix: common key prefix; ends with `/`.
        partition: strftime pattern of the date part that follows the prefix, such as
            `dt=%Y-%m-%d/`; listing then visits only the partitions of the asked range. At least
            to the day. Absent: the whole prefix is listed.
        suffix: only keys that end so.
        time_from: what places an object in time: `partition` (its date), `key` (`key_time`) or
            `last-modified`. Absent: `partition` if there is one, else `last-modified`.
        key_time: for `key`: regular expression with the groups `year`, `month`, `day` and
            optionally `hour`, `minute`, `second`, searched in the key (UTC).
    """

    bucket: str | None = None
    prefix: str = Field(pattern=r"^[^/].*/$", max_length=512)
    partition: str | None = None
    suffix: str = ""
    time_from: Literal["partition", "key", "last-modified"] | None = None
    key_time: str | None = None

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
    def _time_can_be_told(self) -> Source:
        if self.time_from == "partition" and not self.partition:
            raise PydanticCustomError("time_from", "timeFrom: partition needs a partition pattern")
        if (self.time_from == "key") != (self.key_time is not None):
            raise PydanticCustomError("time_from", "timeFrom: key and keyTime go together")
        if self.key_time is not None:
            try:
                groups = re.compile(self.key_time).groupindex
            except re.error as error:
                raise PydanticCustomError(
                    "key_time", "keyTime is not a regular expression: {why}", {"why": str(error)}
                ) from None
            missing = {"year", "month", "day"} - set(groups)
            if missing:
                raise PydanticCustomError(
                    "key_time",
                    "keyTime lacks the named groups {missing}",
                    {"missing": ", ".join(sorted(missing))},
                )
        return self

    @property
    def effective_time_from(self) -> str:
        return self.time_from or ("partition" if self.partition else "last-modified")


class CsvFormat(StrictContract):
    """Comma-separated text, UTF-8, gzip or zstd by the key's ending."""

    type: Literal["csv"] = "csv"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', min_length=1, max_length=1)
    header: bool = True


class JsonLinesFormat(StrictContract):
    """One JSON object a line."""

    type: Literal["jsonl"]


class ParquetFormat(StrictContract):
    """Apache Parquet."""

    type: Literal["parquet"]


Format = Annotated[CsvFormat | JsonLinesFormat | ParquetFormat, Field(discriminator="type")]


class Column(StrictContract):
    """One column of the source.

    Attributes:
        type: string, integer (64 bits), double, boolean, date, timestamp (UTC), decimal(p,s).
        required: neither missing nor empty.
        minimum, maximum: inclusive bounds, as text or number in the column's own type.
        allowed: the only values there may be, as text.
        pattern: regular expression the whole text must match.
    """

    name: str = Field(pattern=COLUMN_NAME_PATTERN)
    type: str = "string"
    required: bool = False
    minimum: str | int | float | None = None
    maximum: str | int | float | None = None
    allowed: tuple[str, ...] | None = None
    pattern: str | None = None
    description: str | None = None

    @field_validator("type")
    @classmethod
    def _known_type(cls, value: str) -> str:
        match = TYPE_PATTERN.match(value)
        if not match or (match[2] and not 1 <= int(match[2]) <= 38):
            raise PydanticCustomError(
                "column_type",
                "must be string, integer, double, boolean, date, timestamp or"
                " decimal(precision,scale) with a precision of 1 to 38",
            )
        if match[2] and int(match[3]) > int(match[2]):
            raise PydanticCustomError("column_type", "the scale is larger than the precision")
        return value


class Severity(StrEnum):
    """What a broken rule does: QUARANTINE rejects the row, FAIL the unit."""

    QUARANTINE = "quarantine"
    FAIL = "fail"


class Rule(StrictContract):
    """A boolean SQL expression (DuckDB) over the columns that every row must satisfy.

    A row for which it is NULL passes: absent values are the business of `required`.
    """

    name: str = Field(pattern=STAGE_PATTERN)
    check: str = Field(min_length=1, max_length=4000)
    severity: Severity = Severity.QUARANTINE


class JobStep(StrictContract):
    """One link of the job chain.

    Attributes:
        stage: its name in the trace, unique in the chain.
        engine: `glue`, `emr`, `emr-ssm` or `emr-serverless`.
        glue_job: for `glue`: the Glue job's name without the stack's prefix, e.g. `clean-csv`; its
            definition says whether it is a Python shell or a Spark job.
        script: for the EMR engines: the Spark script's key in the code bucket.
        spark_arguments: for the EMR engines: options of spark-submit, before the script.
        timeout_seconds: its deadline, also given to the service.
        attempts: how many times a FAILED job is tried in all.
        arguments: further `--NAME value` arguments.
    """

    stage: str = Field(pattern=STAGE_PATTERN)
    engine: Engine = Engine.GLUE
    glue_job: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,100}$")
    script: str | None = Field(default=None, pattern=SCRIPT_PATTERN, max_length=512)
    spark_arguments: tuple[str, ...] = Field(default=(), max_length=50)
    timeout_seconds: int = Field(default=900, ge=60, le=7 * 24 * 3600)
    attempts: int = Field(default=1, ge=1, le=10)
    arguments: dict[str, str] = Field(default_factory=dict)

    @field_validator("script")
    @classmethod
    def _script_is_a_plain_key(cls, value: str | None) -> str | None:
        if value is not None and {"", ".", ".."} & set(value.split("/")):
            raise PydanticCustomError("script", "must be a plain key, such as jobs/enrich.py")
        return value

    @field_validator("stage")
    @classmethod
    def _stage_is_free(cls, value: str) -> str:
        if value in RESERVED_STAGES:
            raise PydanticCustomError("stage", "is a stage of the pipeline itself; take another")
        return value

    @model_validator(mode="after")
    def _engine_has_its_fields(self) -> JobStep:
        if self.engine is Engine.REDSHIFT:
            raise PydanticCustomError(
                "engine", "loads come from targets.redshift; a job runs on glue or an EMR engine"
            )
        on_glue = self.engine is Engine.GLUE
        needed, foreign = ("glueJob", "script") if on_glue else ("script", "glueJob")
        given = {"glueJob": self.glue_job, "script": self.script}
        about = {"needed": needed, "foreign": foreign, "engine": self.engine.value}
        if given[needed] is None:
            raise PydanticCustomError("engine", "{needed} is required with engine: {engine}", about)
        if given[foreign] is not None:
            raise PydanticCustomError(
                "engine", "{foreign} does not go with engine: {engine}", about
            )
        if on_glue and self.spark_arguments:
            raise PydanticCustomError(
                "engine", "sparkArguments go with the EMR engines; a Glue job has its own"
            )
        return self


class DynamodbTarget(StrictContract):
    """Rows as items of the result table.

    Attributes:
        key: the natural key: columns of the transform's result.
        ttl_days: items expire so many days after they were stored; absent: never.
    """

    key: tuple[str, ...] = Field(min_length=1)
    ttl_days: int | None = Field(default=None, ge=1, le=3650)


class RedshiftTarget(StrictContract):
    """Rows in a warehouse table.

    Attributes:
        table: `schema.table` or `table` (schema public); made when it is not there.
        key: the natural key: a loaded row replaces the one with the same key.
        timeout_seconds: deadline of one load.
    """

    table: str = Field(pattern=r"^([a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,62}$")
    key: tuple[str, ...] = Field(min_length=1)
    timeout_seconds: int = Field(default=900, ge=60, le=24 * 3600)


class Targets(StrictContract):
    """Where results go: one or both."""

    dynamodb: DynamodbTarget | None = None
    redshift: RedshiftTarget | None = None

    @model_validator(mode="after")
    def _at_least_one(self) -> Targets:
        if self.dynamodb is None and self.redshift is None:
            raise PydanticCustomError("targets", "name at least one of dynamodb and redshift")
        return self

    def names(self) -> tuple[str, ...]:
        return tuple(name for name in ("dynamodb", "redshift") if getattr(self, name) is not None)


class Limits(StrictContract):
    """What one unit and one run may be.

    Attributes:
        unit_seconds: how long one unit takes; decides where a run is executed.
        rejected_percentage: a larger share of rejected rows fails the unit; nothing is stored.
        object_megabytes: a larger object is refused.
        objects: a listing with more is refused.
    """

    unit_seconds: int = Field(default=60, ge=1, le=7 * 24 * 3600)
    rejected_percentage: float = Field(default=10, ge=0, le=100)
    object_megabytes: int = Field(default=1024, ge=1)
    objects: int = Field(default=100_000, ge=1, le=150_000)


class Dataset(StrictContract):
    """The contract of one dataset.

    Attributes:
        transform: SELECT over the relation `valid` (the columns, typed) whose result is stored;
            absent: all columns as they are.
    """

    name: str = Field(pattern=DATASET_NAME_PATTERN)
    description: str = ""
    source: Source
    format: Format = CsvFormat()
    columns: tuple[Column, ...] = Field(min_length=1, max_length=1000)
    rules: tuple[Rule, ...] = ()
    jobs: tuple[JobStep, ...] = ()
    transform: str | None = Field(default=None, max_length=20_000)
    targets: Targets
    limits: Limits = Limits()

    @model_validator(mode="before")
    @classmethod
    def _format_type_defaults_to_csv(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("format"), dict):
            return {**value, "format": {"type": "csv", **value["format"]}}
        return value

    @model_validator(mode="after")
    def _names_are_unique(self) -> Dataset:
        for what, names in (
            ("columns", [column.name for column in self.columns]),
            ("rules", [rule.name for rule in self.rules]),
            ("jobs", [job.stage for job in self.jobs]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise PydanticCustomError(
                    "duplicate",
                    "{what} named twice: {twice}",
                    {"what": what, "twice": ", ".join(twice)},
                )
        return self

    @property
    def column_types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.columns}


class DatasetSnapshot(Contract):
    """The contract as one run read it, kept beside the run's data (`layout.dataset_snapshot_key`).

    Attributes:
        version: first 12 hex digits of the contract file's SHA-256.
        output_columns: name and type of the transform's result, in order, types as in `Column`.
    """

    dataset: Dataset
    version: str
    query: str | None = None
    index: str
    run_id: str
    run_started_at: str
    output_columns: tuple[tuple[str, str], ...]
