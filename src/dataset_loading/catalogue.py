"""SQL judged by the engine that runs it: by its parser and its catalogue of functions.

`json_serialize_sql` gives the syntax tree as DuckDB reads it, `duckdb_functions()` each function's
kind and stability and the definition of each macro, which is judged in turn (`ago` is
`current_timestamp - …`). What the catalogue does not say stands in the three sets below.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import duckdb

from tabular.workspace import connect

# Called consistent, although they depend on the time, on chance or on the engine.
_CHANGING: Final = frozenset(
    {"reservoir_quantile", "version", "user", "session_user", "current_catalog"}
    | {"current_localtime", "current_localtimestamp", "current_user", "current_role"}
)
_BEYOND: Final = frozenset({"getenv", "json_serialize_plan", "parse_duckdb_log_message"})
# Called volatile only so that the engine does not compute it ahead of time.
_REPEATABLE: Final = frozenset({"error"})
_TABLES: Final = frozenset(
    {"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"}
)
# Names that are functions where no column has them (docs: "SQL value functions").
_VALUES: Final = frozenset(
    {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}
    | {"current_user", "current_role", "current_schema", "current_catalog", "session_user", "user"}
)
_BY_NAME: Final = frozenset(
    {"list_aggr", "list_aggregate", "array_aggr", "array_aggregate", "aggregate"}
)
CHANGES: Final = "is not allowed: a repeat of the run would compute another result"
_REACHES: Final = "is not allowed: it reaches beyond the rows"
Node = dict[str, Any]


def syntax_tree(connection: duckdb.DuckDBPyConnection, query: str) -> Node | str:
    """The tree of one SELECT as the engine parses it, or why it does not."""
    row = connection.execute(
        "SELECT json_serialize_sql(?, skip_default := true, skip_empty := true, skip_null := true)",
        [query],
    ).fetchone()
    try:
        tree: Node = json.loads(row[0]) if row else {}
    except RecursionError:
        return "is nested too deeply"
    if tree.get("error_type") == "not implemented":  # its columns would be those of the rows
        return "must be one SELECT; a PIVOT in it names its values: PIVOT … ON … IN (…)"
    if tree.get("error"):
        return f"cannot be read: {tree.get('error_message')}"
    return tree


def complaint(tree: Node, columns: Mapping[str, str]) -> str | None:
    """Why what the tree calls is not allowed; None where all of it is.

    Args:
        columns: contract types of the columns that the SQL may read, by name.
    """
    for node in nodes_of(tree):
        found = _complaint_of(node, columns)
        if found:
            return found
    return None


def nodes_of(tree: object) -> Iterator[Node]:
    """Every node of a syntax tree, however deep it is."""
    waiting = [tree]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield found
            waiting += reversed(list(found.values()))
        elif isinstance(found, list):
            waiting += reversed(found)


def _complaint_of(node: Node, columns: Mapping[str, str]) -> str | None:
    if "function_name" in node:
        return _of_call(node)
    kind = node.get("class")
    if node.get("type") == "SHOW_REF":
        return f"DESCRIBE, SHOW and SUMMARIZE: {_REACHES.removeprefix('is ')}"
    if kind == "COLUMN_REF":
        name = str(node["column_names"][-1]).lower()
        if len(node["column_names"]) == 1 and name in _VALUES and name not in columns:
            return f"{name} {CHANGES}"
    return None


def _of_call(node: Node) -> str | None:
    name = str(node["function_name"]).lower()
    if name == "age" and len(node.get("arguments", [])) == 1:
        return f"function age of one date {CHANGES}; name the other date, too"
    called = called_by(node)
    if called is None:
        return f"function {name} must name its aggregate by a text in single quotes"
    return _judged(called)


def called_by(node: Node) -> str | None:
    """The function that a call is of, also if another one calls it: `list_aggr(x, 'sum')`.

    None: a call of another one that does not name it.
    """
    name = str(node["function_name"]).lower()
    arguments = [each.get("expression", each) for each in node.get("arguments", [])]
    if name not in _BY_NAME or len(arguments) < 2:
        return name
    aggregate = arguments[1].get("literal", {})
    return str(aggregate["text"]).lower() if aggregate.get("kind") == "STRING" else None


@cache
def _judged(name: str) -> str | None:
    """Why a function of this name is not allowed, by the engine's catalogue."""
    if name in _CHANGING:
        return f"function {name} {CHANGES}"
    if name in _BEYOND:
        return f"function {name} {_REACHES}"
    if name in _REPEATABLE:
        return None
    kinds = {kind for kind, _, _ in _functions().get(name, ())}
    if kinds and kinds <= {"table", "table_macro", "pragma"} and name not in _TABLES:
        return f"function {name} {_REACHES}"
    for kind, stability, definition in _functions().get(name, ()):
        if kind in ("scalar", "aggregate", "window") and stability != "CONSISTENT":
            return f"function {name} {CHANGES}"
        if kind == "macro" and definition:
            found = _of_macro(name, definition)
            if found:
                return f"function {name} is not allowed, as it is {definition}: {found}"
    return None


@cache
def _of_macro(name: str, definition: str) -> str | None:
    with connect() as connection:
        tree = syntax_tree(connection, f"SELECT ({definition})")
    if isinstance(tree, str):
        return tree
    for node in nodes_of(tree):
        if str(node.get("function_name", "")).lower() == name:  # of another schema, or kind
            continue
        found = _complaint_of(node, {})
        if found:
            return found
    return None


@cache
def _functions() -> dict[str, list[tuple[str, str | None, str | None]]]:
    """Kind, stability and macro's definition of each function, by lower-case name."""
    found: dict[str, list[tuple[str, str | None, str | None]]] = {}
    with connect() as connection:
        rows = connection.execute(
            "SELECT lower(function_name), function_type, stability, macro_definition"
            " FROM duckdb_functions()"
        ).fetchall()
    for name, kind, stability, definition in rows:
        found.setdefault(name, []).append((kind, stability, definition))
    return found
