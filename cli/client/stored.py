"""What a run has stored: items, rejected rows, rows in the warehouse."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cli.client.deployment import Deployment
from cli.client.ledger import Item, plain_item
from cli.client.warehouse import QueryFailed, QueryResult, query, warehouse_target
from contracts import layout
from contracts.dataset import DatasetSnapshot

_PAGES_AT_MOST: Final = 50
_FIRST_ITEMS: Final = 25
_OBJECTS_READ: Final = 5
_RUN_SQL: Final = "SELECT * FROM public.pipeline_runs WHERE run_id = :run_id"
_ROWS_SQL: Final = (
    "SELECT unit_id, COUNT(*) AS rows, MIN(job_id) AS job_id, MAX(loaded_at) AS loaded_at"
    " FROM {table} WHERE run_id = :run_id GROUP BY unit_id ORDER BY unit_id"
)


@dataclass(frozen=True)
class Rejected:
    """Rejected rows of a run.

    Attributes:
        urls: the quarantine objects.
        examples: rows as they were written, each rejected by another rule as far as there are.
    """

    urls: tuple[str, ...]
    examples: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class QueryOutcome:
    """A query of the warehouse and its result.

    Attributes:
        sql: as it was sent.
        failure: why there is no result.
    """

    sql: str
    result: QueryResult | None = None
    failure: str | None = None


def stored_items(deployment: Deployment, run_id: str, limit: int = 3) -> list[Item]:
    """Some items of the result table that this run stored.

    The table is keyed by the rows' own keys, so this is a scan: meant for small tables, and ended
    after some pages. The first one is small, which is enough where the table is the run's alone.
    """
    scan = deployment.client("dynamodb").scan
    request: dict[str, Any] = {
        "TableName": deployment.output("ProcessedDataTable"),
        "FilterExpression": "run_id = :run",
        "ExpressionAttributeValues": {":run": {"S": run_id}},
    }
    page = scan(**request, Limit=_FIRST_ITEMS)
    items = list(page["Items"])
    for _ in range(1, _PAGES_AT_MOST):
        if len(items) >= limit or "LastEvaluatedKey" not in page:
            break
        page = scan(**request, ExclusiveStartKey=page["LastEvaluatedKey"])
        items += page["Items"]
    return [plain_item(item) for item in items[:limit]]


def rejected_rows(deployment: Deployment, dataset: str, run_id: str, limit: int = 2) -> Rejected:
    """Where the run's rejected rows lie, and the first of them."""
    bucket = deployment.output("DataBucketName")
    s3 = deployment.client("s3")
    prefix = layout.quarantine_prefix(dataset, run_id)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    rows = (
        json.loads(line)
        for key in keys[:_OBJECTS_READ]
        for line in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_lines()
    )
    examples = _unlike(rows, limit)
    return Rejected(tuple(layout.s3_url(bucket, key) for key in keys), tuple(examples))


def _unlike(rows: Iterable[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """The first row of each rule; where there are too few rules, further rows."""
    first: dict[str, dict[str, Any]] = {}
    others: list[dict[str, Any]] = []
    for row in rows:
        if len(first) == limit:
            break
        if row.get("rule") not in first:
            first[str(row.get("rule"))] = row
        elif len(others) < limit:
            others.append(row)
    return [*first.values(), *others][:limit]


def warehouse_results(deployment: Deployment, run_id: str) -> list[QueryOutcome]:
    """The run's own row, and its rows per unit in the dataset's table; none without a warehouse."""
    target = warehouse_target(deployment.parameters)
    snapshot = _snapshot(deployment, run_id)
    if target is None or snapshot is None:
        return []
    statements = [_RUN_SQL]
    if snapshot.dataset.targets.redshift is not None:
        statements.append(_ROWS_SQL.format(table=snapshot.dataset.targets.redshift.table))
    return [_run_query(deployment, target, sql, run_id) for sql in statements]


def _run_query(
    deployment: Deployment, target: dict[str, str], sql: str, run_id: str
) -> QueryOutcome:
    try:
        return QueryOutcome(sql, query(deployment, target, sql, {"run_id": run_id}))
    except (QueryFailed, ClientError, BotoCoreError) as error:
        return QueryOutcome(sql, failure=str(error))


def _snapshot(deployment: Deployment, run_id: str) -> DatasetSnapshot | None:
    """The contract as the run read it; None where it ended before reading one."""
    s3 = deployment.client("s3")
    try:
        response = s3.get_object(
            Bucket=deployment.output("DataBucketName"), Key=layout.dataset_snapshot_key(run_id)
        )
    except s3.exceptions.NoSuchKey:
        return None
    return DatasetSnapshot.from_json(json.loads(response["Body"].read()))
