"""The ledger: one DynamoDB table, partition key `run_id`, sort key `item`.

`contracts.ledger_items` defines its items; this module reads and writes them as attribute maps.
Every change is conditional or idempotent, so a step may be repeated.
Values go in and come out as plain Python: int, float, str, bool, list, dict (no Decimal).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from boto3.dynamodb.conditions import Attr, ConditionBase
from botocore.exceptions import ClientError

from contracts.errors import Conflict, PipelineError, Throttled
from contracts.ledger_items import RUN_INDEX, Changes, Key, RunIndex
from ledger.encoding import from_wire, to_wire
from ledger.expressions import update_expressions
from runtime import clients

# Why a transaction was cancelled, but for a condition that did not hold (TransactWriteItems in the
# Amazon DynamoDB API Reference, "Cancellation reason codes").
_NOT_MADE: Final = {
    "TransactionConflict": Conflict,
    "ThrottlingError": Throttled,
    "ProvisionedThroughputExceeded": Throttled,
}
ACTIVE_INDEX: Final = "active-jobs"
HOLDER_INDEX: Final = "by-holder"
PARTITION, SORT = Key._fields
IS_THERE: Final = Attr(PARTITION).exists()  # condition: the item has not been removed
Item = dict[str, Any]


@dataclass(frozen=True)
class Written:
    """The result of a conditional write; true if it was done.

    Attributes:
        item: as it is in the table after the write; if that was refused, the item that is there.
            None: there is no such item.
    """

    done: bool
    item: Item | None

    def __bool__(self) -> bool:
        return self.done


@dataclass(frozen=True)
class Write:
    """One of several writes that are made together or not at all.

    Attributes:
        changes: of the item's attributes; of a new item, all of them.
        condition: must hold, or none of the writes is made.
    """

    key: Key
    changes: Changes
    condition: ConditionBase

    @classmethod
    def new(cls, item: Mapping[str, Any]) -> Write:
        """An item that must not be there yet."""
        values = {name: value for name, value in item.items() if name not in Key._fields}
        key = Key(item[PARTITION], item[SORT])
        return cls(key, Changes(values, ()), Attr(PARTITION).not_exists())


@dataclass(frozen=True)
class LedgerSettings:
    """For steps that use the ledger only to check whether the run is to stop."""

    ledger_table: str


class Ledger:
    """The table under this name, by the sandbox's DynamoDB client."""

    def __init__(self, table_name: str) -> None:
        self._table = table_name

    def get_item(self, run_id: str, item: str) -> Item | None:
        """The item as it is now (a consistent read), or None."""
        with clients.translated(f"reading {run_id}/{item} in the ledger"):
            response = clients.client("dynamodb").get_item(
                TableName=self._table, Key=_key(run_id, item), ConsistentRead=True
            )
        return from_wire(response["Item"]) if "Item" in response else None

    def query(self, run_id: str, prefix: str, after: str | None = None) -> Iterator[Item]:
        """A run's items whose sort key starts so, in its order (consistent, page by page).

        Args:
            after: the sort key behind which to begin.
        """
        start = {} if after is None else {"ExclusiveStartKey": _key(run_id, after)}
        yield from self._query(
            f"{run_id}/{prefix}* in the ledger",
            KeyConditionExpression=f"{PARTITION} = :run AND begins_with(#item, :prefix)",
            ExpressionAttributeNames={"#item": SORT},
            ExpressionAttributeValues=to_wire({":run": run_id, ":prefix": prefix}),
            ConsistentRead=True,
            **start,
        )

    def all_of(self, partition: str, after: str | None = None) -> Iterator[Item]:
        """All items of a partition, in the order of their sort keys (likewise)."""
        start = {} if after is None else {"ExclusiveStartKey": _key(partition, after)}
        yield from self._query(
            f"{partition}/* in the ledger",
            KeyConditionExpression=f"{PARTITION} = :run",
            ExpressionAttributeValues=to_wire({":run": partition}),
            ConsistentRead=True,
            **start,
        )

    def query_active(self, what: str) -> Iterator[Item]:
        """Items that carry `active = <what>`, an engine or ACTIVE_RUN, oldest first (an index:
        eventually consistent)."""
        yield from self._query(
            f"what is active as {what} in the ledger",
            IndexName=ACTIVE_INDEX,
            KeyConditionExpression="active = :what",
            ExpressionAttributeValues=to_wire({":what": what}),
        )

    def runs_held_by(self, execution_arn: str) -> Iterator[str]:
        """Ids of runs that the execution holds or held a moment ago (an index: look again)."""
        items = self._query(
            f"runs held by {execution_arn} in the ledger",
            IndexName=HOLDER_INDEX,
            KeyConditionExpression="holder = :holder",
            ExpressionAttributeValues=to_wire({":holder": execution_arn}),
        )
        yield from (item[PARTITION] for item in items)

    def runs_claimed(
        self,
        day: str,
        *,
        since: datetime | None = None,
        dataset: str | None = None,
        attributes: Sequence[str] = (),
    ) -> Iterator[Item]:
        """Runs whose first claim was on this day (UTC), oldest first (an index: eventually
        consistent).

        Args:
            day: as `RunIndex.day` has it.
            since: only those that were claimed from then on.
            dataset: only those of this one.
            attributes: only these of them; by default all.
        """
        first = RunIndex.instant(since) if since else day
        names = {f"#{name}": name for name in attributes}
        more: dict[str, Any] = {}
        if attributes:
            more.update(ProjectionExpression=", ".join(names))
        if dataset is not None:
            names["#dataset"] = RunIndex.DATASET
            more.update(FilterExpression="#dataset = :dataset")
        if names:
            more.update(ExpressionAttributeNames=names)
        values = {":day": day, ":first": first} | ({":dataset": dataset} if dataset else {})
        yield from self._query(
            f"runs claimed on {day} in the ledger",
            IndexName=RUN_INDEX,
            KeyConditionExpression=f"{RunIndex.HASH} = :day AND {RunIndex.RANGE} >= :first",
            ExpressionAttributeValues=to_wire(values),
            **more,
        )

    def put_if_absent(self, item: Mapping[str, Any]) -> Written:
        """Write a new item; not done, and nothing changed, if there is one under its keys.

        It can also be our own first try that is there, if its response was lost and the client sent
        the request again. So callers compare it before they report a conflict.
        """
        key = Key(item[PARTITION], item[SORT])
        with clients.translated(f"writing {key.run_id}/{key.item} in the ledger"):
            try:
                clients.client("dynamodb").put_item(
                    TableName=self._table,
                    Item=to_wire(item),
                    ConditionExpression=f"attribute_not_exists({PARTITION})",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                return self._refused(key, error)
        return Written(True, dict(item))

    def change(self, key: Key, changes: Changes, condition: ConditionBase | None = None) -> Written:
        """Make changes to an item (see `update`)."""
        return self.update(*key, changes.values, changes.removed, condition)

    def update(
        self,
        run_id: str,
        item: str,
        set: Mapping[str, Any],
        remove: Sequence[str] = (),
        condition: ConditionBase | None = None,
        add: Mapping[str, int | set[str]] | None = None,
        delete: Mapping[str, set[str]] | None = None,
    ) -> Written:
        """Set and remove attributes of one item, which is made if it is not there.

        Args:
            add: numbers to add, and sets whose members to add, to what is there.
            delete: sets whose members to delete from what is there.
            condition: such as `RUN.holder.eq(arn)`; must hold, or nothing is changed. On an item
                that is not there every comparison is false.
        """
        key = Key(run_id, item)
        with clients.translated(f"updating {run_id}/{item} in the ledger"):
            try:
                response = clients.client("dynamodb").update_item(
                    TableName=self._table,
                    Key=_key(*key),
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **update_expressions(set, remove, condition, add, delete),
                )
            except ClientError as error:
                return self._refused(key, error)
        return Written(True, from_wire(response["Attributes"]))

    def write_together(self, *writes: Write) -> tuple[bool, ...]:
        """Make all of the writes, or none, in one transaction.

        The client repeats a request under one token, so a write is not refused for its own first
        try.

        Returns:
            For each write whether its condition held. All are made if all held.

        Raises:
            Conflict: someone else was changing one of the items; the same call may succeed.
        """
        doing = " and ".join(f"{write.key.run_id}/{write.key.item}" for write in writes)
        with clients.translated(f"writing {doing} in the ledger"):
            try:
                clients.client("dynamodb").transact_write_items(
                    TransactItems=[
                        {
                            "Update": {
                                "TableName": self._table,
                                "Key": _key(*write.key),
                                **update_expressions(*write.changes, write.condition),
                            }
                        }
                        for write in writes
                    ]
                )
            except ClientError as error:
                if clients.error_code(error) != "TransactionCanceledException":
                    raise
                codes = [why.get("Code") for why in error.response.get("CancellationReasons", ())]
                if "ConditionalCheckFailed" in codes:
                    return tuple(code != "ConditionalCheckFailed" for code in codes)
                kind = next((_NOT_MADE[code] for code in codes if code in _NOT_MADE), PipelineError)
                raise kind(f"writing {doing} in the ledger: {error}") from error
        return (True,) * len(writes)

    def _refused(self, key: Key, error: ClientError) -> Written:
        """The item that made a write's condition fail; re-raise anything else.

        The service returns it with the refusal, at no cost (UpdateItem and PutItem in the Amazon
        DynamoDB API Reference, `ReturnValuesOnConditionCheckFailure`). There is none where the item
        does not exist; an emulator may not know the parameter. Both are read.
        """
        if clients.error_code(error) != "ConditionalCheckFailedException":
            raise error
        there = error.response.get("Item")
        return Written(False, self.get_item(*key) if there is None else from_wire(there))

    def _query(self, what: str, **arguments: Any) -> Iterator[Item]:
        while True:
            with clients.translated(f"listing {what}"):
                page = clients.client("dynamodb").query(TableName=self._table, **arguments)
            yield from (from_wire(item) for item in page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _key(run_id: str, item: str) -> dict[str, Any]:
    return to_wire(Key(run_id, item)._asdict())
