"""Where a dataset's rows go: parts of its contract."""

from __future__ import annotations

import re
from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, Strict, field_validator, model_validator
from pydantic_core import PydanticCustomError

from contracts.source import Integer, StrictContract, Truth, Whole

# The pipeline's own tables, in whatever schema, and those of the warehouse's catalog.
_NOT_OURS: Final = r"(^|\.)pipeline_|^pg_|^information_schema(\.|$)"
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
        timeout_seconds: deadline of one load.
    """

    table: str = Field(
        pattern=r"^([a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,62}$",
        json_schema_extra={"not": {"pattern": _NOT_OURS}},
    )
    key: tuple[str, ...] = Field(min_length=1, json_schema_extra={"uniqueItems": True})
    timeout_seconds: Integer = Field(default=900, ge=60, le=24 * 3600)

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


class Targets(StrictContract):
    """Where results go: one or both.

    Attributes:
        dynamodb: the result table.
        redshift: a table of the warehouse.
    """

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    dynamodb: DynamodbTarget | None = None
    redshift: RedshiftTarget | None = None

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if self.dynamodb is None and self.redshift is None:
            raise PydanticCustomError("targets", "name at least one of dynamodb and redshift")
        return self

    def names(self) -> tuple[str, ...]:
        return tuple(name for name in ("dynamodb", "redshift") if getattr(self, name) is not None)
