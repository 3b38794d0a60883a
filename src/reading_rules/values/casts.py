"""Texts as values of the contract's types, as SQL.

Casts are strict: nothing is rounded, no half-understood date is taken, and what is not a finite
number, or so small that a double would be 0, is not a number.
"""

from __future__ import annotations

from typing import Final

from reading_rules.sql import sql_literal
from reading_rules.values.times import FIRST_INSTANT, LAST_INSTANT

DUCKDB_TYPES: Final = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}
_DAY: Final = r"(000[1-9]|00[1-9]\d|0[1-9]\d{2}|[1-9]\d{3})-\d{2}-\d{2}"  # there is no year 0
_SHAPES: Final = {
    "integer": r"[+-]?\d+",
    "date": _DAY,
    "double": r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?",
    "timestamp": (
        _DAY + r"([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6}0*)?)?(Z|[+-](0\d|1[0-5])(:?[0-5]\d)?)?)?"
    ),
}
_NOT_ZERO: Final = "^[^eE]*[1-9]"
_WITH_EXPONENT: Final = r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d{1,3}"
_INSTANT: Final = "'%Y-%m-%dT%H:%M:%SZ'"  # as nearly every timestamp is written


def column_type(contract_type: str) -> str:
    """The DuckDB type of a contract type."""
    return DUCKDB_TYPES.get(contract_type) or contract_type.upper()


def cast_text(raw: str, kind: str) -> str:
    """The value of a text; NULL where it is no value of the type.

    What is written as DuckDB would write it needs no closer look, which makes most values cheap.

    Args:
        raw: SQL of the text.
        kind: the contract's type.
    """
    value = f"trim({raw})"
    if kind == "string":
        return raw
    if kind == "boolean":  # true, t, yes, y, 1 and their opposites, in any case
        return f"coalesce(TRY_CAST({raw} AS BOOLEAN), TRY_CAST({value} AS BOOLEAN))"
    if kind == "double":
        shaped = _shaped(value, _SHAPES["double"], f"TRY_CAST({value} AS DOUBLE)")
        lost = f"NOT isfinite({shaped}) OR ({shaped} = 0 AND {_is_not_zero(value)})"
        return f"CASE WHEN {lost} THEN NULL ELSE {shaped} END"
    if kind == "timestamp":
        return _timestamp(raw, value)
    duckdb_type = column_type(kind)
    typed = f"TRY_CAST({raw} AS {duckdb_type})"
    shape = _SHAPES.get(kind) or _decimal_shape(kind)
    shaped = _shaped(value, shape, f"TRY_CAST({value} AS {duckdb_type})")
    if kind not in _SHAPES:
        shaped = f"coalesce({shaped}, {_with_exponent(value, duckdb_type)})"
    common = f"CAST({typed} AS VARCHAR) = {raw}"
    if kind == "date":  # 'infinity' is one for DuckDB
        common = f"{raw} LIKE '____-__-__' AND {raw} >= '0001' AND {common}"
    return f"CASE WHEN {common} THEN {typed} ELSE {shaped} END"


def _timestamp(raw: str, value: str) -> str:
    instant = f"TRY_CAST({value} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
    # On its first and last day an offset may carry it out of the calendar.
    at_an_end = f"{value} LIKE '9999-12-31%' OR {value} LIKE '0001-01-01%'"
    out = f"({at_an_end}) AND {instant} NOT BETWEEN {FIRST_INSTANT} AND {LAST_INSTANT}"
    inside = f"CASE WHEN {out} THEN NULL ELSE {instant} END"
    shaped = _shaped(value, _SHAPES["timestamp"], inside)
    # strptime takes short numbers, and space around the whole: neither fits this length.
    fits = f"strlen({raw}) = 20 AND {raw} >= '0001' AND suffix({raw}, 'Z')"
    common = f"CASE WHEN {fits} THEN try_strptime({raw}, {_INSTANT}) END"
    return f"coalesce({common}, {shaped})"


def _with_exponent(value: str, decimal: str) -> str:
    """A decimal written as 1.5e-7, if it needs no rounding; few digits, so that a double can."""
    typed = f"TRY_CAST({value} AS {decimal})"
    fits = f"strlen({value}) <= 17 AND regexp_full_match({value}, {sql_literal(_WITH_EXPONENT)})"
    same = f"CAST({typed} AS DOUBLE) = TRY_CAST({value} AS DOUBLE)"
    is_exact = f"{same} AND NOT ({typed} = 0 AND {_is_not_zero(value)})"
    return f"CASE WHEN {fits} AND {is_exact} THEN {typed} END"


def _is_not_zero(value: str) -> str:
    """True for a number's text with a digit other than 0: as a double, 1e-400 would be 0."""
    return f"regexp_matches({value}, {sql_literal(_NOT_ZERO)})"


def _shaped(value: str, shape: str, typed: str) -> str:
    return f"CASE WHEN regexp_full_match({value}, {sql_literal(shape)}) THEN {typed} END"


def _decimal_shape(kind: str) -> str:
    """Digits that need no rounding; zeros behind the last place do not count."""
    scale = int(kind.rstrip(")").split(",")[1])
    return rf"[+-]?(\d+(\.\d{{0,{scale}}}0*)?|\.\d{{1,{max(scale, 1)}}}0*)"
