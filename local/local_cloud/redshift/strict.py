"""What DuckDB would take and Redshift does not: refused before a statement runs.

A cast of a constant is evaluated when the statement is read, whatever CASE says and however empty
the tables are: as PostgreSQL does, and Redshift's parser with it.

Sources: c_unsupported-postgresql-features and c_SQL_functions in the Amazon Redshift Database
Developer Guide; PostgreSQL, `eval_const_expressions` (that Redshift keeps it: inferred).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from sqlglot import exp

from local.local_cloud.redshift.functions import KNOWN
from local.local_cloud.redshift.tokens import Kind, SqlError, Token, tokenize

# Words that stand before a parenthesis and call nothing; the rest are types with a length.
_WORDS: Final = frozenset(
    """
    all and any as between by case cross cube distinct else end except exists filter from full group
    having if ilike in inner insert intersect into is join limit matched minus not on or order
    outer over partition pivot prior qualify rollup select set sets similar some
    then to union unique unnest unpivot update using values when where window with within
    bpchar char character decimal nchar numeric nvarchar varbyte varchar varying
    float time timestamp timestamptz
    """.split()  # noqa: SIM905 -- to be read
)
_WHOLE: Final = (r"[+-]?\d+", "integer")
_NUMBER: Final = (r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|NaN", "numeric")
_TRUTH: Final = (r"t(rue)?|f(alse)?|y(es)?|no?|on|off|1|0", "boolean")
_Type = exp.DataType.Type
_TEXTS: Final = {
    **dict.fromkeys((_Type.SMALLINT, _Type.INT, _Type.BIGINT), _WHOLE),
    **dict.fromkeys((_Type.DECIMAL, _Type.FLOAT, _Type.DOUBLE), _NUMBER),
    _Type.BOOLEAN: _TRUTH,
}
_NOT_THERE: Final[tuple[tuple[type[exp.Expression], str], ...]] = (
    (exp.OnConflict, "INSERT … ON CONFLICT"),
    (exp.Returning, "RETURNING"),
    (exp.TableSample, "TABLESAMPLE"),
    (exp.Lambda, "a lambda"),
)


def check(sql: str, tree: exp.Expression) -> None:
    """See that Redshift would take a statement.

    Args:
        sql: its text.
        tree: of it, not changed yet.

    Raises:
        SqlError: it would not.
    """
    unknown = sorted(called(sql) - KNOWN)
    if unknown:
        raise SqlError(f"function {unknown[0]} does not exist in Redshift")
    for kind, name in _NOT_THERE:
        if tree.find(kind):
            raise SqlError(f"syntax error: Redshift has no {name}")
    for values in tree.find_all(exp.Values):
        if not isinstance(values.parent, exp.Insert):
            raise SqlError("syntax error: Redshift has no VALUES list used as a table")
    for distinct in tree.find_all(exp.Distinct):
        if distinct.args.get("on"):
            raise SqlError("syntax error: Redshift has no DISTINCT ON")
    for cast in tree.find_all(exp.Cast):
        _check_constant(cast)


def called(sql: str) -> set[str]:
    """Names of the functions that a statement calls, lower case, as it writes them."""
    tokens = tokenize(sql)
    return {
        token.text.lower()
        for number, token in enumerate(tokens[:-1])
        if token.kind is Kind.WORD
        and token.text.lower() not in _WORDS
        and tokens[number + 1].is_symbol("(")
        and not _names_columns(tokens, number)
    }


def _names_columns(tokens: Sequence[Token], number: int) -> bool:
    """Whether the parenthesis behind a word holds names: of INSERT, an alias or a WITH."""
    if number and (
        tokens[number - 1].is_word("AS", "INTO", "WITH", "RECURSIVE")
        or tokens[number - 1].is_symbol(".")
        or tokens[number - 1].is_symbol(")")
    ):
        return True
    depth = 0
    for place in range(number + 1, len(tokens)):
        depth += tokens[place].is_symbol("(") - tokens[place].is_symbol(")")
        if not depth:
            after = tokens[place + 1 : place + 3]
            return len(after) == 2 and after[0].is_word("AS") and after[1].is_symbol("(")
    return False


def _check_constant(cast: exp.Cast) -> None:
    to = cast.args["to"]
    wanted = _TEXTS.get(to.this) if isinstance(to, exp.DataType) else None
    value = None if isinstance(cast, exp.TryCast) or wanted is None else _constant(cast.this)
    if wanted is None or value is None:
        return
    pattern, name = wanted
    if not re.fullmatch(pattern, value.strip(), re.IGNORECASE):
        raise SqlError(f'invalid input syntax for {name}: "{value}"')


def _constant(tree: exp.Expr) -> str | None:
    """The text that an expression of literals alone is; None: it depends on data, or is no text."""
    if isinstance(tree, exp.Literal) and tree.is_string:
        return str(tree.this)
    if isinstance(tree, exp.Paren):
        return _constant(tree.this)
    if isinstance(tree, exp.Cast) and tree.args["to"].this in (_Type.VARCHAR, _Type.TEXT):
        return _constant(tree.this)
    if isinstance(tree, exp.DPipe):
        left, right = _constant(tree.left), _constant(tree.right)
        return None if left is None or right is None else left + right
    return None
