"""Dates and times of a Parquet file as texts, as SQL: also those that DuckDB takes for infinite.

Infinite for DuckDB are the largest number of a type and its opposite, which a file may hold: that
of nanoseconds is the last time that pandas knows, and often stands for an open end.
"""

from __future__ import annotations

from typing import Final

from reading_rules.sql import sql_literal

_MICROSECONDS: Final = ("290309-12-21 (BC) 19:59:05.224193", "294247-01-10 04:00:54.775807")
_NANOSECONDS: Final = ("1677-09-21 00:12:43.145224193", "2262-04-11 23:47:16.854775807")
_ENDS: Final = {
    "DATE": ("5877642-06-24 (BC)", "5881580-07-11"),
    "TIMESTAMP": _MICROSECONDS,
    "TIMESTAMP WITH TIME ZONE": tuple(f"{text}+00" for text in _MICROSECONDS),
    "TIMESTAMP_NS": _NANOSECONDS,
    "TIMESTAMPTZ_NS": tuple(f"{text}+00" for text in _NANOSECONDS),
}


def moment_text(value: str, kind: str) -> str:
    """SQL of a value's text.

    Args:
        value: SQL of it.
        kind: DuckDB's type of it, any.
    """
    text = f"CAST({value} AS VARCHAR)"
    ends = _ENDS.get(kind)
    if ends is None:
        return text
    first, last = map(sql_literal, ends)
    return f"CASE {text} WHEN '-infinity' THEN {first} WHEN 'infinity' THEN {last} ELSE {text} END"
