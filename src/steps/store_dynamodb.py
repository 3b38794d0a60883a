# ruff: noqa: S608 -- the path is quoted by steps.duck
"""store_dynamodb: every row of a unit as an item under its natural key, by conditional puts.

An item is replaced only by a run that started no earlier, so that a repeat and an older run leave
newer items alone. Puts with conditions cannot be batched: they go side by side instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from aws_lambda_powertools.metrics import MetricUnit
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from contracts import layout
from contracts.dataset import DatasetSnapshot, DynamodbTarget
from contracts.errors import InvalidData, NotConfigured
from contracts.messages import StoredRows, StoreDynamodb
from contracts.run_request import format_timestamp, parse_timestamp
from steps import aws, duck, storage
from steps.duck import Workspace, text
from steps.runtime import metrics, settings_from_environment, step_handler
from steps.transform import PART

WRITERS: Final = 16
ROWS_AT_A_TIME: Final = 512
KEY_BYTES: Final = 2048  # DynamoDB's limit for a partition key
_SMALLEST, _LARGEST = 1e-130, 9.9e125  # magnitudes that a DynamoDB number can have


@dataclass(frozen=True)
class Settings:
    data_bucket: str
    processed_data_table: str
    aws_lambda_function_memory_size: str = "1024"  # MB; Lambda sets it


@step_handler(StoreDynamodb)
def handler(message: StoreDynamodb) -> StoredRows:
    return store_dynamodb(message, settings_from_environment(Settings))


def store_dynamodb(message: StoreDynamodb, settings: Settings) -> StoredRows:
    """Put a unit's rows; may be repeated, also after it died half-way.

    Raises:
        InvalidData: a row cannot be an item: over 400 KB, a key too long, a number that is none.
        Throttled: the table did not keep up, for longer than the client retries.
        NotConfigured: the contract has no such target.
    """
    bucket = settings.data_bucket
    snapshot = storage.read_snapshot(bucket, message.run_id)
    target = snapshot.dataset.targets.dynamodb
    if target is None:
        raise NotConfigured(f"dataset {snapshot.dataset.name} has no target dynamodb")
    items = ItemMaker(message, snapshot, target)
    writer = ItemWriter(settings.processed_data_table, items.version)
    rows = unchanged = 0
    with (
        duck.workspace(int(settings.aws_lambda_function_memory_size)) as space,
        ThreadPoolExecutor(WRITERS) as pool,
    ):
        path = space.path(PART)
        output_prefix = layout.output_prefix(message.run_id, message.unit_id)
        duck.download(bucket, output_prefix + PART, path)
        for batch in _batches(space, str(path)):
            outcomes = list(pool.map(writer.put, [items.make(row) for row in batch]))
            rows += len(outcomes)
            unchanged += outcomes.count(False)
    metrics.add_metric(name="RowsStored", unit=MetricUnit.Count, value=rows)
    return StoredRows(rows=rows, unchanged=unchanged)


def partition_key(index: str, values: Sequence[Any]) -> str:
    """`index#value|value`; a `|` within a value is written `\\|`, so that keys stay apart."""
    parts = (str(_readable(value)) for value in values)
    escaped = (part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)
    return f"{index}#{'|'.join(escaped)}"


class ItemMaker:
    """Makes items of rows.

    Attributes:
        version: start and id of the run; compares as text in the order in which runs started.
    """

    def __init__(
        self, message: StoreDynamodb, snapshot: DatasetSnapshot, target: DynamodbTarget
    ) -> None:
        started = parse_timestamp(snapshot.run_started_at)
        self.version = f"{started:%Y-%m-%dT%H:%M:%S.%fZ}#{snapshot.run_id}"
        self._names = [name for name, _ in snapshot.output_columns]
        self._key = target.key
        self._index = snapshot.index
        self._common: dict[str, Any] = {
            "dataset": snapshot.dataset.name,
            "index": snapshot.index,
            "run_id": message.run_id,
            "unit_id": message.unit_id,
            "version": self.version,
        }
        if message.job_id is not None:
            self._common["job_id"] = message.job_id
        if (
            target.ttl_days is not None
        ):  # counted from the run's start: a repeat makes the same item
            expires = started + timedelta(days=target.ttl_days)
            self._common["expires_at"] = int(expires.timestamp())

    def make(self, row: Sequence[Any]) -> dict[str, Any]:
        """An item as Python values; missing values are left out.

        Raises:
            InvalidData: a value or the key is none that DynamoDB takes.
        """
        values = dict(zip(self._names, row, strict=True))
        key = partition_key(self._index, [values[name] for name in self._key])
        if len(key.encode()) > KEY_BYTES:
            raise InvalidData(f"the key {key[:80]!r}… is longer than {KEY_BYTES} bytes")
        item = {"pk": key, **self._common}
        for name, value in values.items():
            if value is not None:
                item[name] = _attribute(value, name, key)
        return item


class ItemWriter:
    """Puts items unless a newer run has."""

    def __init__(self, table: str, version: str) -> None:
        self._table, self._version = table, version
        self._client = aws.client("dynamodb")  # made here: making clients is not thread-safe
        self._serialize = TypeSerializer().serialize

    def put(self, item: dict[str, Any]) -> bool:
        """Put one item; False when the table holds this run's or a newer one already.

        Raises:
            InvalidData: it is over 400 KB.
        """
        with aws.translated(f"storing {item['pk']}"):
            try:
                answer = self._client.put_item(
                    TableName=self._table,
                    Item={name: self._serialize(value) for name, value in item.items()},
                    ConditionExpression="attribute_not_exists(pk) OR #version <= :version",
                    ExpressionAttributeNames={"#version": "version"},
                    ExpressionAttributeValues={":version": {"S": self._version}},
                    ReturnValues="ALL_OLD",
                )
            except ClientError as error:
                code, message = aws.error_code(error), str(error)
                if code == "ConditionalCheckFailedException":
                    return False
                if code == "ValidationException" and "size" in message.lower():
                    raise InvalidData(
                        f"the row {item['pk']} makes an item over DynamoDB's 400 KB"
                    ) from error
                raise
        replaced = answer.get("Attributes", {}).get("version", {}).get("S")
        return bool(replaced != self._version)


def _batches(space: Workspace, path: str) -> Iterator[list[tuple[Any, ...]]]:
    cursor = space.connection.execute(f"SELECT * FROM read_parquet({text(path)})")
    while batch := cursor.fetchmany(ROWS_AT_A_TIME):
        yield batch


def _readable(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_timestamp(value.replace(tzinfo=UTC))
    return value.isoformat() if isinstance(value, date) else value


def _attribute(value: Any, name: str, key: str) -> Any:
    """A value as DynamoDB's types have it, without a float on the way."""
    if not isinstance(value, float):
        return _readable(value)
    if not math.isfinite(value) or (value and not _SMALLEST <= abs(value) <= _LARGEST):
        raise InvalidData(f"{name} of the row {key} is {value}, which DynamoDB cannot hold")
    return Decimal(repr(value))
