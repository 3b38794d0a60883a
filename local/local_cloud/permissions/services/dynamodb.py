"""What requests of Amazon DynamoDB ask IAM for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.services.requests import Body, arn_of

_TRANSACTIONS: Final = {
    "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem", "Get": "GetItem",
}  # fmt: skip


def table_calls(operation: str, body: Body) -> list[Call] | None:
    """The calls of a request; None: no rule says."""
    if operation == "ListTables":
        return [Call("dynamodb:ListTables", "*")]
    if operation in ("TransactWriteItems", "TransactGetItems"):
        entries = [entry for one in body.get("TransactItems") or [] for entry in one.items()]
        if any(kind not in _TRANSACTIONS or not one.get("TableName") for kind, one in entries):
            return None
        # Developer Guide, "Using IAM with DynamoDB transactions": the actions, and this key.
        enclosing = {"dynamodb:enclosingoperation": (operation,)}
        return [
            Call(
                f"dynamodb:{_TRANSACTIONS[kind]}",
                _table_arn(one["TableName"]),
                {**enclosing, **_leading_keys(one)},
            )
            for kind, one in entries
        ] or None
    if operation in ("BatchGetItem", "BatchWriteItem"):
        names = body.get("RequestItems") or {}
        return [Call(f"dynamodb:{operation}", _table_arn(name)) for name in names] or None
    if operation in ("TagResource", "UntagResource", "ListTagsOfResource"):
        resource = body.get("ResourceArn")
        return [Call(f"dynamodb:{operation}", str(resource))] if resource else None
    if not body.get("TableName"):  # PartiQL: the tables stand in its text
        return None
    arn = _table_arn(str(body["TableName"]))
    index = body.get("IndexName")
    target = f"{arn}/index/{index}" if index else arn
    return [Call(f"dynamodb:{operation}", target, {**_leading_keys(body), **_attributes(body)})]


def _leading_keys(body: Body) -> dict[str, tuple[str, ...]]:
    """The partition key of a single item, where its key has no other attribute.

    Amazon DynamoDB Developer Guide, "Using IAM policy conditions for fine-grained access control".
    Which of two attributes is the partition key, or which of a whole item, a request does not say.
    """
    key = body.get("Key")
    if not isinstance(key, Mapping) or len(key) != 1:
        return {}
    (typed,) = key.values()
    return {"dynamodb:leadingkeys": tuple(str(value) for value in typed.values())}


def _attributes(body: Body) -> dict[str, tuple[str, ...]]:
    """The attributes that an update names, where all of its expressions use placeholders.

    As in the page above, "Specifying conditions: using condition keys".
    """
    names = body.get("ExpressionAttributeNames")
    if "UpdateExpression" not in body or not isinstance(names, Mapping):
        return {}
    return {"dynamodb:attributes": (*(body.get("Key") or {}), *map(str, names.values()))}


def _table_arn(name: str) -> str:
    return name if name.startswith("arn:") else arn_of("dynamodb", f"table/{name}")
