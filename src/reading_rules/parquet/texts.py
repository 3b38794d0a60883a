"""The values of Parquet columns as texts that hold all of them.

Nested values become JSON, as they come from JSON lines: decimals and large integers with all of
their digits, times as texts. What no text holds is a fault of its row: bytes that are no text, and
within JSON numbers that are not finite.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from reading_rules.parquet.schema import (
    INT96,
    MILLISECONDS,
    MILLISECONDS_UTC,
    NANOSECONDS,
    NANOSECONDS_OF_DAY,
    NANOSECONDS_UTC,
    RAW_TEXT,
    TEXT_BYTES,
    WIDE_DECIMAL,
    Shape,
)
from reading_rules.sql import sql_literal
from reading_rules.values.moments import moment_text

_FLOATS: Final = ("FLOAT", "DOUBLE")
_INTERVAL: Final = "INTERVAL"
_NO_MILLISECONDS: Final = "a timestamp outside of the years 290308 BC to 294247"
# Why a value of such a type has no text, for people.
_REASONS: Final = {
    TEXT_BYTES: "bytes that are no text (UTF-8); write the column as text, or leave it out",
    RAW_TEXT: "a text that is no UTF-8",
    INT96: "an INT96 that is no time, or lies outside of every calendar",
    WIDE_DECIMAL: "a decimal of more bytes than its digits need",
    **dict.fromkeys((MILLISECONDS, MILLISECONDS_UTC), _NO_MILLISECONDS),
    NANOSECONDS_OF_DAY: "a time that is none of a day",
    _INTERVAL: "an interval of more than 2,147,483,647 months or days",
}
_ONLY_FRACTION: Final = re.compile(r"DECIMAL\((\d+),\s*\1\)")
_NOT_FINITE: Final = "a number that is not finite, which JSON does not know"
_PLAIN_JSON: Final = frozenset(  # written in JSON without quotes
    (
        *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL"),
        *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", WIDE_DECIMAL),
    )
)
# Stands for what JSON cannot hold, until the row is rejected: JSON's texts escape it.
_NO_JSON: Final = "chr(0)"
# Of `day`, as INT96 counts: Julian days, of which 1970-01-01 is the 2,440,588th.
_DAY_OF_INT96: Final = (
    "CAST(day AS BIGINT) - CASE WHEN day >= 2147483648 THEN 4294967296 ELSE 0 END - 2440588"
)
_TIME: Final = "make_timestamp(days * 86400000000 + CAST(nanos // 1000 AS BIGINT))"
# Text of `days` since 1970 and `nanos` of the day; NULL outside of DuckDB's calendar.
_MOMENT_OF_NANOS: Final = (
    "CASE WHEN nanos >= 86400000000000 OR days NOT BETWEEN -106751000 AND 106751000 THEN NULL"
    f" WHEN nanos % 1000 = 0 THEN CAST({_TIME} AS VARCHAR)"
    f" ELSE rtrim(concat(strftime({_TIME}, '%Y-%m-%d %H:%M:%S.%f'),"
    " lpad(CAST(nanos % 1000 AS VARCHAR), 3, '0')), '0') END"
)
_NANOS_OF_DAY: Final = 86_400 * 10**9  # nanoseconds
_GROUP: Final = 10**18
# Halves that change places, and by how many bits, to turn a number's bytes around.
_HALVES: Final = ((0x00FF00FF00FF00FF, 8), (0x0000FFFF0000FFFF, 16), (0x00000000FFFFFFFF, 32))


class Text(NamedTuple):
    """A column's text.

    Attributes:
        sql: the text; NULL for a value that is missing.
        faults: SQL conditions of values that it does not hold, with what is wrong, for people.
    """

    sql: str
    faults: tuple[tuple[str, str], ...] = ()


def text_of(column: str, shape: Shape) -> Text:
    """A column's text.

    Args:
        column: SQL of its value.
    """
    if shape.is_nested:
        return _nested_text(column, shape)
    exact = _exact_text(column, shape)
    if shape.kind not in _REASONS:
        return Text(exact)
    is_raw = shape.kind in (INT96, WIDE_DECIMAL)  # bytes that mean nothing to people
    shown = f"hex({column})" if is_raw else f"CAST({column} AS VARCHAR)"
    lost = f"{column} IS NOT NULL AND {exact} IS NULL"
    return Text(f"coalesce({exact}, {shown})", ((lost, _REASONS[shape.kind]),))


def _nested_text(column: str, shape: Shape) -> Text:
    json = _as_json(column, shape, 0)
    every = {**_REASONS, **dict.fromkeys(_FLOATS, _NOT_FINITE)}
    reasons = {every[leaf.kind]: None for leaf in shape.leaves() if leaf.kind in every}
    whole = f"CASE WHEN {column} IS NOT NULL THEN {json} END"
    if not reasons:
        return Text(whole)
    broken = f"contains({whole}, {_NO_JSON})"
    shown = f"CASE WHEN {broken} THEN CAST({column} AS VARCHAR) ELSE {whole} END"
    return Text(shown, ((broken, f"nested in it is {', or '.join(reasons)}"),))


def _exact_text(value: str, shape: Shape) -> str:
    """Text of a single value; NULL, too, for one that has none."""
    if shape.kind == TEXT_BYTES:
        decoded = f"TRY(decode({value}))"
        return f"CASE WHEN NOT contains({decoded}, chr(0)) THEN {decoded} END"
    if shape.kind == RAW_TEXT:
        return f"TRY(decode({value}))"
    if shape.kind == INT96:
        return _int96(value)
    if shape.kind == _INTERVAL:  # DuckDB takes the unsigned numbers of the file for signed ones
        signs = (f"date_part('{part}', {value}) >= 0" for part in ("year", "month", "day"))
        return f"CASE WHEN {' AND '.join(signs)} THEN CAST({value} AS VARCHAR) END"
    if shape.kind == WIDE_DECIMAL:
        return _wide_decimal(value, shape)
    if shape.kind in _TIME_TEXTS:
        return _TIME_TEXTS[shape.kind](value)
    text = moment_text(value, shape.kind)
    if _ONLY_FRACTION.fullmatch(shape.kind):  # DuckDB writes `.50`, which is no number of JSON
        return f"regexp_replace({text}, '^(-?)\\.', '\\10.')"
    return text


def _as_json(value: str, shape: Shape, depth: int) -> str:
    """JSON of a value, `null` for a missing one."""
    if shape.kind == "struct":
        fields = [
            f"to_json({sql_literal(name)}), ':',"
            f" {_as_json(f'struct_extract_at({value}, {at})', part, depth)}"
            for at, (name, part) in enumerate(zip(shape.names, shape.parts), start=1)
        ]
        joined = ", ',', ".join(fields)
        written = f"concat('{{', {joined}, '}}')"
    elif shape.kind == "list":
        item = f"item{depth}"
        inner = _as_json(item, shape.parts[0], depth + 1)
        written = _listed(value, item, inner, "[", "]")
    elif shape.kind == "map":
        item = f"item{depth}"
        key, one = shape.parts
        named = f"struct_extract_at({item}, 1)"
        name = _as_json(named, key, depth + 1) if key.is_nested else _exact_text(named, key)
        pair = (
            f"concat(coalesce(CAST(to_json({name}) AS VARCHAR), {_NO_JSON}), ':',"
            f" {_as_json(f'struct_extract_at({item}, 2)', one, depth + 1)})"
        )
        written = _listed(f"map_entries({value})", item, pair, "{", "}")
    else:
        written = _json_of_one(value, shape)
    return f"CASE WHEN {value} IS NULL THEN 'null' ELSE {written} END"


def _listed(values: str, item: str, inner: str, begin: str, end: str) -> str:
    items = f"list_transform({values}, lambda {item}: {inner})"
    return f"concat('{begin}', array_to_string({items}, ','), '{end}')"


def _json_of_one(value: str, shape: Shape) -> str:
    if shape.kind in _FLOATS:
        # A float's shortest text, as a double's would have digits that it does not hold.
        number = value if shape.kind == "DOUBLE" else f"CAST(CAST({value} AS VARCHAR) AS DOUBLE)"
        shown = f"CAST(to_json({number}) AS VARCHAR)"
        return f"CASE WHEN isfinite({value}) THEN {shown} ELSE {_NO_JSON} END"
    exact = _exact_text(value, shape)
    if shape.kind.partition("(")[0] in _PLAIN_JSON:
        return f"coalesce({exact}, {_NO_JSON})"
    return f"coalesce(CAST(to_json({exact}) AS VARCHAR), {_NO_JSON})"


def _milliseconds(value: str) -> str:
    """Text of milliseconds since 1970; NULL outside of DuckDB's calendar."""
    text = f"CAST(make_timestamp({value} * 1000) AS VARCHAR)"
    return f"CASE WHEN {value} BETWEEN -9223372022400000 AND 9223372036854775 THEN {text} END"


def _nanoseconds(value: str) -> str:
    """Text of nanoseconds since 1970, all of which lie within DuckDB's calendar."""
    nanos = f"({value} % {_NANOS_OF_DAY} + {_NANOS_OF_DAY}) % {_NANOS_OF_DAY}"
    days = f"{value} // {_NANOS_OF_DAY} - CASE WHEN {value} % {_NANOS_OF_DAY} < 0 THEN 1 ELSE 0 END"
    text = _let("nanos", nanos, _let("days", days, _MOMENT_OF_NANOS))
    return f"CASE WHEN {value} IS NOT NULL THEN {text} END"


def _nanoseconds_of_day(value: str) -> str:
    text = f"substr({_nanoseconds(value)}, {len('1970-01-01 ') + 1})"
    return f"CASE WHEN {value} BETWEEN 0 AND {_NANOS_OF_DAY - 1} THEN {text} END"


def _in_utc(text: Callable[[str], str]) -> Callable[[str], str]:
    return lambda value: f"{text(value)} || '+00'"


_TIME_TEXTS: Final[Mapping[str, Callable[[str], str]]] = {
    MILLISECONDS: _milliseconds,
    MILLISECONDS_UTC: _in_utc(_milliseconds),
    NANOSECONDS: _nanoseconds,
    NANOSECONDS_UTC: _in_utc(_nanoseconds),
    NANOSECONDS_OF_DAY: _nanoseconds_of_day,
}


def _int96(value: str) -> str:
    """Nanoseconds of the day in 8 bytes and the Julian day in 4, each with its lowest byte first.

    Not in the format's documentation, which calls it deprecated; so Impala, Spark and Hive have it
    (apache/parquet-format, LogicalTypes.md; `ImpalaTimestampToNanoseconds` in duckdb/duckdb).
    """
    days = f"({_let('day', _turned('CAST(raw & 4294967295 AS UBIGINT)', 2), _DAY_OF_INT96)})"
    shown = _let(
        "nanos", _turned("CAST(raw >> 32 AS UBIGINT)", 3), _let("days", days, _MOMENT_OF_NANOS)
    )
    return _let("raw", f"CAST(CAST({value} AS BIT) AS UHUGEINT)", shown)


def _turned(number: str, steps: int) -> str:
    """A number of 2 ** (steps + 3) bits with its bytes the other way round."""
    for mask, bits in _HALVES[:steps]:
        low = f"CAST({mask} AS UBIGINT)"
        number = _let("part", number, f"((part & {low}) << {bits}) | ((part >> {bits}) & {low})")
    return number


def _wide_decimal(value: str, shape: Shape) -> str:
    """Two's complement, the highest byte first, as decimal digits.

    Its 32-bit parts, each times the digits of its place's weight, are summed up by groups of 18
    digits; what a group has too much goes to the next.
    """
    parts = -(-(10**shape.digits).bit_length() // 32) + 1
    width = parts * 8  # hexadecimal digits
    # Of a negative number the inverted parts are those of its magnitude less one.
    limbs = ", ".join(
        f"xor(CAST('0x' || substr(filled, {width - 8 * n - 7}, 8) AS BIGINT), minus * 4294967295)"
        for n in range(parts)
    )
    groups = -(-32 * parts * 30103 // 100000 // 18) + 1  # log10(2) = 0.30103
    sums = ", ".join(_sum_of_group(group, parts) for group in range(groups))
    digits = f"concat({', '.join(_groups_of_digits(groups))})"
    shown = _let("digits", digits, _pointed("digits", "minus", shape.scale))
    shown = _let("limbs", f"[{limbs}]", _let("sums", f"[{sums}]", shown))
    filled = f"lpad(hexa, {width}, CASE WHEN minus = 1 THEN 'F' ELSE '0' END)"
    shown = _let("filled", filled, shown)
    shown = _let("minus", "CASE WHEN hexa >= '8' THEN 1 ELSE 0 END", shown)
    shown = f"CASE WHEN strlen(hexa) BETWEEN 2 AND {width} THEN {shown} END"
    return _let("hexa", f"hex({value})", shown)


def _sum_of_group(group: int, parts: int) -> str:
    weights = [(1 << 32 * n) // _GROUP**group % _GROUP for n in range(parts)]
    terms = [
        f"CAST(limbs[{n}] AS HUGEINT) * {weight}"
        for n, weight in enumerate(weights, start=1)
        if weight
    ]
    return " + ".join([*terms, "minus"] if group == 0 else terms) or "0"


def _groups_of_digits(groups: int) -> list[str]:
    """Each 18 digits long, the highest first."""
    carry, found = "0", []
    for group in range(1, groups + 1):
        total = f"(sums[{group}] + {carry})"
        found.append(f"lpad(CAST({total} % {_GROUP} AS VARCHAR), 18, '0')")
        carry = f"({total} // {_GROUP})"
    return found[::-1]


def _pointed(digits: str, minus: str, scale: int) -> str:
    """Digits as a decimal is written, `-1234.50`; DuckDB's slices include their end."""
    whole = f"{digits}[:-{scale + 1}]" if scale else digits
    fraction = f", '.', {digits}[-{scale}:]" if scale else ""
    units = f"coalesce(nullif(ltrim({whole}, '0'), ''), '0')"
    return f"concat(CASE WHEN {minus} = 1 THEN '-' ELSE '' END, {units}{fraction})"


def _let(name: str, value: str, then: str) -> str:
    """SQL that computes a value once; an expression has no other way to name one."""
    return f"list_transform([{value}], lambda {name}: {then})[1]"
