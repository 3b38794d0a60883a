"""Questions to the warehouse, by the Redshift Data API."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cli.client.deployment import Deployment

_WAIT_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.2


class QueryFailed(Exception):
    """The warehouse refused the query, or took too long."""


@dataclass(frozen=True)
class QueryResult:
    """Names of the columns, and the rows as plain values (text, numbers, true/false, None)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def warehouse_target(parameters: Mapping[str, str]) -> dict[str, str] | None:
    """Where to ask, as arguments of ExecuteStatement; None without a warehouse."""
    target = {
        "ClusterIdentifier": parameters.get("RedshiftClusterIdentifier"),
        "WorkgroupName": parameters.get("RedshiftWorkgroupName"),
    }
    given = {name: value for name, value in target.items() if value}
    if not given:
        return None
    given["Database"] = parameters.get("RedshiftDatabase") or "dev"
    if parameters.get("RedshiftSecretArn"):
        given["SecretArn"] = parameters["RedshiftSecretArn"]
    return given


def query(
    deployment: Deployment, target: Mapping[str, str], sql: str, parameters: Mapping[str, str]
) -> QueryResult:
    """One SELECT with named parameters; its first page of rows.

    Raises:
        QueryFailed: with what the warehouse said.
    """
    statement = execute(deployment, target, sql, parameters)
    result = deployment.client("redshift-data").get_statement_result(Id=statement)
    return QueryResult(
        columns=tuple(column["name"] for column in result["ColumnMetadata"]),
        rows=tuple(tuple(_value(field) for field in record) for record in result["Records"]),
    )


def execute(
    deployment: Deployment,
    target: Mapping[str, str],
    sql: str,
    parameters: Mapping[str, str] | None = None,
) -> str:
    """Run one statement to its end; returns its id.

    Raises:
        QueryFailed: with what the warehouse said.
    """
    client = deployment.client("redshift-data")
    named = [{"name": name, "value": value} for name, value in (parameters or {}).items()]
    statement: str = client.execute_statement(
        **target, Sql=sql, **({"Parameters": named} if named else {})
    )["Id"]
    waited = 0.0
    while (described := client.describe_statement(Id=statement))["Status"] not in (
        "FINISHED",
        "FAILED",
        "ABORTED",
    ):
        if waited >= _WAIT_SECONDS:
            raise QueryFailed(f"no result within {_WAIT_SECONDS:.0f} s (statement {statement})")
        time.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS
    if described["Status"] != "FINISHED":
        raise QueryFailed(described.get("Error") or described["Status"])
    return statement


def _value(field: Mapping[str, Any]) -> Any:
    if field.get("isNull"):
        return None
    return next(iter(field.values()), None)
