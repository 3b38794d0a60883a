"""Rows as the Data API returns them: column metadata, and one typed field per value."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import duckdb

from local.local_cloud.redshift.tokens import quote_name
from local.local_cloud.redshift.types import api_column

_WITH_ZONE: Final = "TIMESTAMP WITH TIME ZONE"
_WIDE_INTEGER: Final = "HUGEINT"


@dataclass(frozen=True)
class Result:
    """What a query returned.

    Attributes:
        columns: ColumnMetadata.
        records: one list of fields per row.
    """

    columns: list[dict[str, Any]]
    records: list[list[dict[str, Any]]]

    @property
    def size(self) -> int:
        """Bytes of its values, about as ResultSize counts them."""
        return sum(len(str(v)) for row in self.records for field in row for v in field.values())


def fetch(
    cursor: duckdb.DuckDBPyConnection, sql: str, names: Sequence[str] | None = None
) -> Result:
    """Run a query and take all its rows.

    Args:
        names: of the columns; None: DuckDB's.
    """
    cursor.execute(sql)
    described = [(str(item[0]).lower(), str(item[1])) for item in cursor.description or []]
    if any(kind == _WITH_ZONE for _, kind in described):
        cursor.execute(_zones_as_text(sql, [kind for _, kind in described]))
    if names is None or len(names) != len(described):
        names = [name for name, _ in described]
    columns = [api_column(name, kind) for name, (_, kind) in zip(names, described, strict=True)]
    numerics = {index for index, (_, kind) in enumerate(described) if kind == _WIDE_INTEGER}
    return Result(
        columns,
        [
            [field(value, index in numerics) for index, value in enumerate(row)]
            for row in cursor.fetchall()
        ],
    )


def field(value: Any, numeric: bool = False) -> dict[str, Any]:
    """One value as a Field: numerics (SUM of integers is one), dates and texts as text."""
    if value is None:
        return {"isNull": True}
    if isinstance(value, bool):
        return {"booleanValue": value}
    if isinstance(value, int) and not numeric:
        return {"longValue": value}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, bytes):
        return {"blobValue": base64.b64encode(value).decode()}
    if isinstance(value, datetime):
        return {"stringValue": value.isoformat(sep=" ")}
    return {"stringValue": str(value)}


def _zones_as_text(sql: str, kinds: Sequence[str]) -> str:
    """The query with its TIMESTAMPTZ columns as text: DuckDB's Python values of them need pytz."""
    names = [quote_name(f"c{index}") for index in range(len(kinds))]
    shown = [
        f"CAST({name} AS VARCHAR)" if kind == _WITH_ZONE else name
        for name, kind in zip(names, kinds, strict=True)
    ]
    return f"SELECT {', '.join(shown)} FROM ({sql}) AS result ({', '.join(names)})"  # noqa: S608
