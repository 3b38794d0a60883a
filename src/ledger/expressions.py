"""Changes of an item and their condition, as DynamoDB's API takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from boto3.dynamodb.conditions import ConditionBase, ConditionExpressionBuilder

from ledger.encoding import to_wire


def update_expressions(
    values: Mapping[str, Any],
    remove: Sequence[str],
    condition: ConditionBase | None,
    add: Mapping[str, Any] | None = None,
    delete: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The arguments of UpdateItem for changes of an item and their condition.

    Args:
        values: to set.
        remove: names of attributes to remove.
        add: numbers to add, and sets whose members to add.
        delete: sets whose members to delete.
    """
    names: dict[str, str] = {}
    wire_values: dict[str, Any] = {}
    clauses = []
    words = (
        ("SET", "s", " = :", values),
        ("REMOVE", "r", None, dict.fromkeys(remove)),
        ("ADD", "a", " :", add or {}),
        ("DELETE", "d", " :", delete or {}),
    )
    for word, letter, value_mark, changed in words:
        terms = []
        for position, (name, value) in enumerate(changed.items()):
            names[f"#{letter}{position}"] = name
            term = f"#{letter}{position}"
            if value_mark is not None:
                wire_values.update(to_wire({f":{letter}{position}": value}))
                term += f"{value_mark}{letter}{position}"
            terms.append(term)
        clauses += [f"{word} {', '.join(terms)}"] if terms else []
    expressions: dict[str, Any] = {}
    if condition is not None:
        # boto3's builder numbers its own placeholders (#n0, :v0), apart from ours
        built = ConditionExpressionBuilder().build_expression(condition)
        expressions["ConditionExpression"] = built.condition_expression
        names.update(built.attribute_name_placeholders)
        wire_values.update(to_wire(built.attribute_value_placeholders))
    if clauses:
        expressions["UpdateExpression"] = " ".join(clauses)
    if names:
        expressions["ExpressionAttributeNames"] = names
    if wire_values:
        expressions["ExpressionAttributeValues"] = wire_values
    return expressions
