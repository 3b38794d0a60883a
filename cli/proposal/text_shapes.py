"""How a column's texts look, and which plain types may therefore be tried on them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import duckdb

from reading_rules.values.casts import cast_text
from tabular.sql import sql_literal

_NUMBER: Final = r"[+-]?(\d+(\.\d+)?|\.\d+)"
_EXPONENT: Final = r"\d+[eE]\d+"  # 12E3 may be a code, 1.2e+4 is a number
_SAFE_DIGITS: Final = 15  # a double holds every number of so many
_STORABLE: Final = "1e-130 AND 9.9e125"  # DynamoDB's numbers
_SCALE_AT_MOST, _DIGITS, _USUAL_DIGITS = 6, 38, 15


@dataclass(frozen=True)
class Shape:
    """How the texts of a column look.

    Attributes:
        zeros: some begin with a needless zero, as postcodes do.
        pluses: some begin with + and none with -, as phone numbers do.
        codes: some are like 12E3, and none has a decimal point.
        bent: some have digits that a double would change.
        scale, digits: of the numbers: the most decimal places, and digits before them.
        truths: both a true and a false value are there.
        times: values with a time of day.
    """

    numbers: int
    zeros: bool
    pluses: bool
    codes: bool
    bent: bool
    scale: int
    digits: int
    truths: bool
    times: bool

    @property
    def is_quantity(self) -> bool:
        """A number says all that the texts say."""
        return not (self.zeros or self.pluses or self.codes)

    @property
    def why_text(self) -> str | None:
        if not self.numbers:
            return None
        if self.zeros:
            return "text, as numbers would lose leading zeros"
        if self.pluses:
            return "text, as numbers would lose the +"
        if self.codes:
            return "text, as codes such as 12E3 are no numbers"
        return "text, as a double would change digits" if self.bent else None


def shape_of(connection: duckdb.DuckDBPyConnection, value: str, table: str) -> Shape:
    """How the texts that an expression of a table has look."""
    trimmed = f"trim({value})"
    is_number = f"regexp_full_match({trimmed}, {sql_literal(_NUMBER)})"
    is_code = f"regexp_full_match({trimmed}, {sql_literal(_EXPONENT)})"
    whole = f"length(regexp_replace(split_part({trimmed}, '.', 1), '[^0-9]', '', 'g'))"
    truth = f"CASE WHEN NOT {is_number} THEN {cast_text(value, 'boolean')} END"
    numbers, zeros, pluses, codes, *others = row_of(
        connection,
        f"SELECT count(*) FILTER (WHERE {is_number}),"
        f" coalesce(bool_or(regexp_matches({trimmed}, '^[+-]?0[0-9]')), false),"
        f" coalesce(bool_or({trimmed} LIKE '+%') AND NOT bool_or({trimmed} LIKE '-%'), false),"
        f" coalesce(bool_or({is_code}) AND NOT bool_or(contains({value}, '.')), false),"
        f" coalesce(max(length(split_part({trimmed}, '.', 2))) FILTER (WHERE {is_number}), 0),"
        f" coalesce(max({whole}) FILTER (WHERE {is_number}), 0),"
        f" count(DISTINCT {truth}) = 2,"
        f" coalesce(bool_or({_has_time(value)}), false) FROM {table}",
    )
    long = f"length(regexp_extract({trimmed}, '[1-9][0-9.]*')) > {_SAFE_DIGITS}"
    texts = connection.execute(
        f"SELECT DISTINCT {trimmed} FROM {table} WHERE {long}"
        f" AND {cast_text(value, 'double')} IS NOT NULL"
    ).fetchall()
    bent = any(_is_bent(text) for (text,) in texts)
    return Shape(numbers, zeros, pluses, codes, bent, *others)


def _is_bent(text: str) -> bool:
    """Whether a double is another number, and not one that was written with more digits."""
    number, double = Decimal(text), float(text)
    if Decimal(repr(double)) == number:
        return False
    digits = len(number.as_tuple().digits)
    return Decimal(f"{double:.{digits - 1}e}") != number


def candidate_types(shape: Shape) -> list[str | None]:
    """Types that the texts may have, the narrowest first."""
    kinds: list[str | None] = ["boolean" if shape.truths else None]
    kinds += ["timestamp"] if shape.times else ["date"]
    if not shape.is_quantity:
        return kinds
    exact = _exact_type(shape.scale, shape.digits) if shape.numbers else None
    kinds += ["integer", exact]
    if shape.bent and exact is None and shape.scale and shape.digits + shape.scale <= _DIGITS:
        kinds.append(f"decimal({_DIGITS},{shape.scale})")
    # Else a double would bend a long whole number.
    takes_double = exact or not shape.numbers or shape.scale
    return [*kinds, "double"] if takes_double and not shape.bent else kinds


def storable_cast(value: str, kind: str) -> str:
    """As validation reads it, of what a target can store.

    Where some values have a time of day, a day is no timestamp.
    """
    cast = cast_text(value, kind)
    if kind == "timestamp":
        return f"CASE WHEN {_has_time(value)} THEN {cast} END"
    if kind == "double":
        return f"CASE WHEN {cast} = 0 OR abs({cast}) BETWEEN {_STORABLE} THEN {cast} END"
    return cast


def _has_time(value: str) -> str:
    return f"regexp_matches(trim({value}), '^.{{10}}[T ]')"


def _exact_type(scale: int, digits: int) -> str | None:
    """The decimal of so many places and digits before them; none for what floating point leaves."""
    if scale > _SCALE_AT_MOST or digits + scale > _DIGITS:
        return None
    usual = scale and digits + scale <= _USUAL_DIGITS
    return f"decimal(18,{scale})" if usual else f"decimal({_DIGITS},{scale})"


def row_of(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    """The one row that a query has."""
    row = connection.execute(sql).fetchone()
    return row if row is not None else ()
