"""Texts of SQL that the engine takes for dates or times, judged by the plan that it binds.

Where a text ends up as a date, only the bound plan shows: `coalesce(ordered_on, 'today')` casts it
there, whatever stands around it. A word for a moment (`now`) would be another one when a unit is
repeated; a text that is no date at all fails the row that first reaches it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from dataset_loading.catalogue import CHANGES, Node, nodes_of
from dataset_loading.parsing import SqlError
from tabular.sql import sql_literal

Run = Callable[[str], list[tuple[object, ...]]]
_MOMENTS: Final = frozenset({"now", "today", "tomorrow", "yesterday"})
_PARTS: Final = re.compile(r"[\[\]{}():,\s\"']+")  # of a list, struct or JSON as text
_TEMPORAL: Final = ("DATE", "TIME")
# What hands on one of its values as it is, by type and by name.
_HANDED_ON: Final = "OPERATOR_COALESCE"
_HANDS_ON: Final = frozenset({"OPERATOR_CAST", _HANDED_ON, "OPERATOR_TRY"})
# Operators above the projections whose columns are the result's.
_OVER_THE_RESULT: Final = frozenset(
    {"LOGICAL_UNION", "LOGICAL_EXCEPT", "LOGICAL_INTERSECT", "LOGICAL_ORDER_BY", "LOGICAL_LIMIT"}
    | {"LOGICAL_DISTINCT", "LOGICAL_MATERIALIZED_CTE", "LOGICAL_TOP_N"}
)
_CONTAINERS: Final = frozenset(
    {"list_value", "array_value", "struct_pack", "row", "map", "map_from_entries"}
    | {"greatest", "least"}
)


def refuse_moments(tree: Node, sql: str, run: Run) -> None:
    """Judge every text that a query has as a date or time.

    Args:
        tree: the query's syntax tree (`catalogue.syntax_tree`).
        run: binds and runs a statement.

    Raises:
        SqlError: a text is a word for a moment, or no date or time.
    """
    texts = [text for node in nodes_of(tree) if (text := _text_of(node)) is not None]
    if not texts:
        return
    plan = _plan(sql, run)
    if plan is None:  # one that cannot be written as JSON
        for text in texts:
            _refuse_moment(text)
        return
    reads_columns = False
    for cast in nodes_of(plan):
        if cast.get("type") == "OPERATOR_CAST" and _is_temporal(cast.get("return_type")):
            for text in _values(cast):
                _refuse_moment(text)
            _refuse_unreadable(cast, run)
            reads_columns |= not _is_constant(cast)
    if reads_columns:
        for text in _in_columns(plan):
            _refuse_moment(text)


def _plan(sql: str, run: Run) -> Node | None:
    options = "skip_null := true, skip_empty := true, skip_default := true, optimize := false"
    ((text,),) = run(f"SELECT json_serialize_plan({sql_literal(sql)}, {options})")
    try:
        plan: Node = json.loads(str(text))
    except (RecursionError, ValueError):  # too deep; none at all
        return None
    return None if plan.get("error") else plan


def _refuse_moment(text: str) -> None:
    words = [text.strip()]
    if words[0][:1] in ("[", "{", "(", '"'):
        words = _PARTS.split(text)
    if any(word.lower() in _MOMENTS for word in words):
        raise SqlError(f"'{text}' as a date or time {CHANGES}")


def _refuse_unreadable(cast: Node, run: Run) -> None:
    """Of a cast of one text; a text in a list or struct is left to the rows."""
    (value, *more) = cast.get("children", [{}])
    text, kind = _text_of(value), cast["return_type"].get("id")
    if text is None or more or "type_info" in cast["return_type"]:
        return
    if cast.get("function_data", {}).get("try_cast"):
        return
    ((wrong,),) = run(f"SELECT TRY_CAST({sql_literal(text)} AS {kind}) IS NULL")
    if wrong:
        raise SqlError(f"'{text}' is taken for a {kind}, but is none")


def _values(node: Node) -> Iterator[str]:
    """The texts whose value a node's may be."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        text = _text_of(found)
        if text is not None:
            yield text
        elif found.get("expression_class") == "BOUND_CASE":
            checks = found.get("case_checks", [])
            waiting += [check["then_expr"] for check in checks if "then_expr" in check]
            waiting += [found["else_expr"]] if "else_expr" in found else []
        elif found.get("type") in _HANDS_ON or _is_container(found) or _is_constant(found):
            waiting += found.get("children", [])


def _in_columns(plan: Node) -> Iterator[str]:
    """The texts that columns of subqueries may have: those of the query itself are not read again.

    A plan does not say by name which column a cast reads, so all of them count.
    """
    outermost, waiting = [], list(plan.get("plans", []))
    while waiting:
        found = waiting.pop()
        if found.get("type") == "LOGICAL_PROJECTION":
            outermost.append(id(found))
        elif found.get("type") in _OVER_THE_RESULT:
            # The first child of a WITH is what it names.
            waiting += found.get("children", [])[-1 if "ctename" in found else 0 :]
    for node in nodes_of(plan):
        if str(node.get("type", "")).startswith("LOGICAL_") and id(node) not in outermost:
            yield from _made_by(node)


def _made_by(operator: Node) -> Iterator[str]:
    """The texts that an operator's columns may have of it."""
    for part in nodes_of(operator.get("expressions")):
        kind = part.get("expression_class")
        if kind in ("BOUND_AGGREGATE", "BOUND_WINDOW", "BOUND_UNNEST"):
            given = [part["child"]] if "child" in part else part.get("children", [])
            yield from _values({"type": _HANDED_ON, "children": given})
    for expression in _flat(operator.get("expressions", [])):
        yield from _values(expression)
    for constant in nodes_of(operator.get("parameters")):  # of a function that makes rows
        if isinstance(text := constant.get("value"), str):
            yield text


def _flat(expressions: Iterable[Any]) -> Iterator[Node]:
    """Of `VALUES` they are lists of rows."""
    for each in expressions:
        if isinstance(each, list):
            yield from _flat(each)
        else:
            yield each


def _is_container(node: Node) -> bool:
    path = node.get("qname", {}).get("path", [""])
    return path[-1] in _CONTAINERS


def _is_constant(node: Node) -> bool:
    """A call that reads no column: `lower('NOW')`."""
    reads = ("BOUND_REF", "BOUND_COLUMN_REF", "BOUND_LAMBDA_REF", "BOUND_SUBQUERY")
    return not any(part.get("expression_class") in reads for part in nodes_of(node))


def _text_of(node: Node) -> str | None:
    """Of a constant, in a plan or a syntax tree."""
    value = node.get("value")
    if node.get("expression_class") == "BOUND_CONSTANT" and isinstance(value, dict):
        text = value.get("value")
        return text if isinstance(text, str) else None
    literal = node.get("literal")
    if isinstance(literal, dict) and literal.get("kind") == "STRING":
        return str(literal.get("text"))
    return None


def _is_temporal(kind: object) -> bool:
    return any(str(node.get("id", "")).startswith(_TEMPORAL) for node in nodes_of(kind))
