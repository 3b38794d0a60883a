"""Let moto check update expressions by what kinds of nodes they have, found once per class.

moto asks each of ten checks, at each node, whether it is of one of its abstract classes: a fifth of
what the tests of the ledger cost. The checks and their order stay moto's own.
"""

from __future__ import annotations

import functools
import itertools
import pickle
from collections.abc import Callable, Collection
from typing import Any, Final

import moto.core.responses
from moto.dynamodb.models import dynamo_type
from moto.dynamodb.parsing import ast_nodes, validators
from moto.dynamodb.parsing.expressions import UpdateExpressionParser

_numbers: Final = itertools.count(1)
_cast: Final = dynamo_type.DynamoType.cast_value.fget


@functools.cache
def _is_node(kind: type) -> bool:
    return issubclass(kind, ast_nodes.Node)


@functools.cache
def _holds_clauses(kind: type) -> bool:
    return issubclass(kind, (ast_nodes.Expression, ast_nodes.UpdateExpressionFunction))


def _find_clauses(node: Any, clause_types: Collection[type]) -> list[Any]:
    found: list[Any] = []
    for child in node.children or ():
        kind = type(child)
        if kind in clause_types:
            found.append(child)
        elif _holds_clauses(kind):
            found.extend(_find_clauses(child, clause_types))
    return found


def _processor(check: Any, kind: type) -> Callable[[Any], Any] | None:
    """What a check does with nodes of a class: of its own table, the first that fits."""
    known = vars(check).setdefault("_by_kind", {})
    if kind not in known:
        table = check._processing_map().items()
        known[kind] = next((does for of, does in table if issubclass(kind, of)), None)
    found: Callable[[Any], Any] | None = known[kind]
    return found


def _traverse(check: Any, node: Any, child_id: int = -1) -> Any:
    kind = type(node)
    if not _is_node(kind):
        return node
    parent = node.parent
    if node.children is not None:
        for position, child in enumerate(node.children):
            check.pre_processing_of_child(node, position)
            _traverse(check, child, position)
    process = _processor(check, kind)
    if process is not None:
        node = process(node)
        node.parent = parent
        if parent:
            parent.children[child_id] = node
    return node


def _copied(tree: Any) -> Any:
    return pickle.loads(pickle.dumps(tree))  # noqa: S301 -- made here


def _attribute_copied(value: Any, _memo: Any = None) -> Any:
    """Of an attribute of an item, which holds no other thing twice."""
    made = object.__new__(type(value))
    inner = value.value
    if isinstance(inner, list):
        inner = [_attribute_copied(each) if _is_value(each) else each for each in inner]
    elif isinstance(inner, dict):
        inner = {name: _attribute_copied(each) for name, each in inner.items()}
    made.type, made.value = value.type, inner
    return made


def _cast_quickly(value: Any) -> Any:
    """A text is its own value; moto asks first whether it is of any other type."""
    return value.value if value.type == "S" else _cast(value)


def _is_value(each: Any) -> bool:
    return isinstance(each, dynamo_type.DynamoType)


def _request_id(headers: dict[str, Any] | None = None) -> str:
    """Of 52 characters, as moto draws one by one."""
    found = f"{next(_numbers):052d}"
    if headers is not None:
        headers["x-amzn-requestid"] = found
    return found


ast_nodes.Node.find_clauses = _find_clauses
ast_nodes.DepthFirstTraverser.traverse_node_recursively = _traverse
vars(validators)["deepcopy"] = _copied
# An update is parsed once to find its names, and once more to be validated, as a copy.
UpdateExpressionParser.make = staticmethod(functools.lru_cache(UpdateExpressionParser.make))
dynamo_type.DynamoType.cast_value = property(_cast_quickly)
dynamo_type.DynamoType.__deepcopy__ = _attribute_copied
vars(moto.core.responses)["gen_amzn_requestid_long"] = _request_id
