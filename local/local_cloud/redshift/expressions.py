"""Queries and expressions of Redshift in DuckDB's SQL: by sqlglot, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from local.local_cloud.redshift.tokens import SqlError

_TEXT_TYPES: Final = (
    exp.DataType.Type.VARCHAR,
    exp.DataType.Type.CHAR,
    exp.DataType.Type.NVARCHAR,
    exp.DataType.Type.NCHAR,
)


# sqlglot's names of functions, where Redshift has another.
_REDSHIFT_NAMES: Final = {
    "approx_distinct": "count",
    "decode_case": "case",
    "json_extract_scalar": "json_extract_path_text",
    "length": "len",
    "parse_json": "json_parse",
    "str_position": "strpos",
    "time_to_str": "to_char",
    "ts_or_ds_add": "date_add",
    "ts_or_ds_diff": "date_diff",
}


def parse(sql: str) -> exp.Expression:
    """One statement or expression as a tree.

    Raises:
        SqlError: it is not Redshift's SQL, as far as sqlglot knows it.
    """
    try:
        tree = sqlglot.parse_one(sql, read="redshift")
    except SqlglotError as error:
        raise SqlError(_syntax_error(error)) from error
    if isinstance(tree, exp.Command):
        raise not_emulated(str(tree.this))
    if not isinstance(tree, exp.Expression):
        raise SqlError(f"syntax error: {sql}")
    return tree


def to_duckdb(tree: exp.Expression, parameters: Mapping[str, str] | None = None) -> str:
    """The tree in DuckDB's SQL; the tree is changed.

    Args:
        tree: what `parse` made.
        parameters: values of the `:name` parameters. They become text literals, which take the
            type that their place asks for, as in Redshift.

    Raises:
        SqlError: a parameter has no value, or DuckDB has nothing like some part.
    """
    for name in tree.find_all(exp.Identifier):
        name.set("this", name.this.lower())

    def rewrite(node: exp.Expression) -> exp.Expression:
        for kind, change in _CHANGES.items():
            if isinstance(node, kind):
                return change(node)
        if isinstance(node, exp.Placeholder):
            return _parameter(node, parameters or {})
        return node

    try:
        return tree.transform(rewrite, copy=False).sql(
            dialect="duckdb", identify=True, unsupported_level=ErrorLevel.RAISE
        )
    except SqlglotError as error:
        raise SqlError(f"not emulated by the local Redshift: {error}") from error


def column_names(tree: exp.Expression) -> list[str] | None:
    """The names that Redshift gives a query's columns; None if a `*` hides how many there are."""
    select = tree
    while isinstance(select, exp.SetOperation | exp.Subquery):
        select = select.this
    if not isinstance(select, exp.Select) or any(item.is_star for item in select.expressions):
        return None
    return [_column_name(item) for item in select.expressions]


def not_emulated(what: str) -> SqlError:
    """The refusal of a statement or a part of it, by name."""
    return SqlError(f"{what} is not emulated by the local Redshift")


def _column_name(item: exp.Expression) -> str:
    """As PostgreSQL names a column without an alias: by its column or its function."""
    if isinstance(item, exp.Alias | exp.Column):
        return str(item.alias_or_name).lower()
    if isinstance(item, exp.Cast | exp.Paren):
        return _column_name(item.this)
    if isinstance(item, exp.Case):
        return "case"
    if isinstance(item, exp.CurrentTimestamp):
        return "getdate"
    if isinstance(item, exp.Window):
        return _column_name(item.this)
    if isinstance(item, exp.Anonymous):
        return str(item.this).lower()
    if isinstance(item, exp.Func) and not isinstance(item, exp.Binary):
        name = item.sql_name().lower()
        return _REDSHIFT_NAMES.get(name, name)
    return "?column?"


def _cast(node: exp.Expression) -> exp.Expression:
    """A cast to VARCHAR(n) cuts in Redshift; in DuckDB the length says nothing."""
    to = node.args["to"]
    if not isinstance(to, exp.DataType) or to.this not in _TEXT_TYPES:
        return node
    length = to.expressions[0].this if to.expressions else None
    node.set("to", exp.DataType.build("text"))
    if length is None or str(length).upper() == "MAX":
        return node
    size = exp.Literal.number(str(length.this if isinstance(length, exp.Expression) else length))
    return exp.Anonymous(this="left", expressions=[node, size])


def _type(node: exp.Expression) -> exp.Expression:
    if node.this is exp.DataType.Type.DECIMAL and not node.expressions:
        return exp.DataType.build("DECIMAL(18, 0)")
    if node.this is exp.DataType.Type.SUPER:
        return exp.DataType.build("JSON")
    return node


def _now(_: exp.Expression) -> exp.Expression:
    """GETDATE() and SYSDATE are timestamps without a zone, in UTC."""
    return exp.cast(exp.Anonymous(this="now"), "timestamp")


_CHANGES: Final[dict[type[exp.Expression], Callable[[exp.Expression], exp.Expression]]] = {
    exp.Cast: _cast,
    exp.DataType: _type,
    exp.CurrentTimestamp: _now,
}


def _parameter(node: exp.Placeholder, parameters: Mapping[str, str]) -> exp.Expression:
    name = str(node.this or "")
    if name not in parameters:
        raise SqlError(f"no value was given for the parameter :{name}")
    return exp.Literal.string(parameters[name])


def _syntax_error(error: SqlglotError) -> str:
    details = getattr(error, "errors", None) or [{}]
    near, line = details[0].get("highlight"), details[0].get("line")
    if near:
        return f'syntax error at or near "{near}" in line {line}: {details[0]["description"]}'
    return f"syntax error: {str(error).splitlines()[0]}"
