"""Which contract type the texts of a sample's column have, by the casts of validation itself.

Real samples are dirty: a column gets the type that nearly all its values have. A type that would
change what a value says, such as a number for a postcode, is none: what stays text loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final, NamedTuple

import duckdb

from cli.proposal.readings import NULL_TOKENS, Candidate, by_name, by_shape
from reading_rules.sql import text_column
from reading_rules.values.casts import cast_text
from reading_rules.values.forms import ValueForm, value_form, value_of, with_readings
from tabular.sql import sql_literal

_DIRT: Final = 0.02  # of the values may be of another type, and of a key's be absent
_ROWS_FOR_DIRT: Final = 50
_TEXTS: Final = 500  # different ones of a column, which show what may be tried
_NUMBER: Final = r"[+-]?(\d+(\.\d+)?|\.\d+)"
_EXPONENT: Final = r"\d+[eE]\d+"  # 12E3 may be a code, 1.2e+4 is a number
_DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?"
_WHOLE: Final = r"[0-9]+"
_DAMAGED: Final = r"[1-9](\.[0-9]{1,9})?E\+1[0-9]"  # 4.00638E+12, of a spreadsheet: 4006381333931
_SAFE_DIGITS: Final = 15  # a double holds every number of so many
_STORABLE: Final = "1e-130 AND 9.9e125"  # DynamoDB's numbers
_SCALE_AT_MOST, _DIGITS, _USUAL_DIGITS = 6, 38, 15


@dataclass(frozen=True)
class ValueType:
    """What a column's values are.

    Attributes:
        kind: the contract's type.
        misfits: values that are not of it.
        remark: what a person should look at.
        reading: how they are written, as the fields of the contract's column.
    """

    kind: str = "string"
    misfits: int = 0
    remark: str | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)


def dirt(values: int) -> int:
    """How many of so many values may be dirt."""
    return int(values * _DIRT) if values >= _ROWS_FOR_DIRT else 0


def type_of(
    connection: duckdb.DuckDBPyConnection, name: str, value: str, present: int
) -> ValueType:
    """The narrowest type of the texts in a column of the table `sample`, and how they are written.

    Rather a wider type or a form of their own than rejected rows.

    Args:
        name: of the contract's column.
        value: SQL of the texts.
        present: how many of them there are.
    """
    tokens = _null_tokens(connection, value)
    listed = ", ".join(map(sql_literal, tokens))
    bare = f"CASE WHEN {value} NOT IN ({listed}) THEN {value} END" if tokens else value
    texts = [
        text
        for (text,) in connection.execute(
            f"SELECT DISTINCT text FROM (SELECT {bare} AS text FROM sample)"
            f" WHERE text IS NOT NULL ORDER BY text LIMIT {_TEXTS}"
        ).fetchall()
    ]
    if not texts:
        return ValueType()
    nulls = {"nulls": tokens} if tokens else {}
    if named := _fitting(connection, value, by_name(name, texts), nulls):
        return named[0].type
    if damaged := _damaged(texts):
        return ValueType(
            remark=f"text, as numbers such as {damaged} have lost digits in a spreadsheet"
        )
    plain = _plain_type(connection, value, present)
    if plain.kind != "string" and not plain.misfits:
        return plain
    if tokens:
        (counted,) = _row(connection, f"SELECT count({bare}) FROM sample")
        without = _plain_type(connection, bare, counted)
        if without.kind != "string" and not without.misfits:
            return replace(without, reading=nulls)
    found = _written(connection, value, texts, nulls) or _trimmed(connection, bare, nulls) or plain
    if found.kind == "string" and found.remark is None:
        return replace(found, remark=_no_day(connection, bare))
    return found


def _no_day(connection: duckdb.DuckDBPyConnection, value: str) -> str | None:
    """Why a column is text though all its texts look like days: one that no calendar has."""
    day = f"substr({value}, 1, 10)"
    others, days, wrong = _row(
        connection,
        f"SELECT count(*) FILTER (WHERE NOT regexp_full_match({value}, {sql_literal(_DAY)})),"
        f" count({cast_text(day, 'date')}),"
        f" min({day}) FILTER (WHERE {cast_text(day, 'date')} IS NULL)"
        f" FROM sample WHERE {value} IS NOT NULL",
    )
    return f"text, as {wrong} is no date" if days and wrong and not others else None


def _damaged(texts: Iterable[str]) -> str | None:
    """A long number whose last digits a spreadsheet has left out, where all are whole numbers."""
    found = [text for text in texts if re.fullmatch(_DAMAGED, text)]
    is_id = found and all(re.fullmatch(_WHOLE, text) for text in texts if text not in found)
    return found[0] if is_id else None


def _trimmed(
    connection: duckdb.DuckDBPyConnection, value: str, nulls: Mapping[str, Any]
) -> ValueType | None:
    """The type that all texts have once white space around them is gone; texts keep theirs."""
    form = value_form({"name": "it", "type": "string", "trim": True})
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE trimmed AS SELECT {form.text} AS text"
        f" FROM {_read(value, form)}"
    )
    (present,) = _row(connection, "SELECT count(text) FROM trimmed")
    found = _plain_type(connection, "text", present, "trimmed") if present else ValueType()
    if found.kind == "string" or found.misfits:
        return None
    return replace(found, reading={"trim": True, **nulls})


class _Fitting(NamedTuple):
    candidate: Candidate
    form: ValueForm
    type: ValueType


def _written(
    connection: duckdb.DuckDBPyConnection,
    value: str,
    texts: Sequence[str],
    nulls: Mapping[str, Any],
) -> ValueType | None:
    """The one reading that all texts have; of two that differ, none, as it would be a guess."""
    fitting = _fitting(connection, value, by_shape(texts), nulls)
    if not fitting:
        return None
    first, *others = fitting
    for other in others:
        if other.candidate.family == first.candidate.family and _differ(
            connection, value, first.form, other.form
        ):
            either = f"{first.candidate.shown} or {other.candidate.shown}"
            return ValueType(remark=f"text, as it may be written by {either}")
    return first.type


def _fitting(
    connection: duckdb.DuckDBPyConnection,
    value: str,
    candidates: Iterable[Candidate],
    nulls: Mapping[str, Any],
) -> list[_Fitting]:
    """The candidates by which validation reads all texts."""
    fitting = []
    for candidate in candidates:
        kind = candidate.fields["type"]
        reading = {name: said for name, said in candidate.fields.items() if name != "type"}
        reading |= nulls
        form = value_form({"name": "it", "type": kind, **reading})
        misread = f"{form.text} IS NOT NULL AND ({value_of(form)}) IS NULL"
        (misfits,) = _row(
            connection, f"SELECT count(*) FILTER (WHERE {misread}) FROM {_read(value, form)}"
        )
        if not misfits:
            fitting.append(_Fitting(candidate, form, ValueType(kind, reading=reading)))
    return fitting


def _differ(
    connection: duckdb.DuckDBPyConnection, value: str, one: ValueForm, other: ValueForm
) -> bool:
    """Whether a text is another value by the other form."""
    values = [
        f"SELECT {value_of(form)} AS value, number FROM {_read(value, form)}"
        for form in (one, other)
    ]
    (count,) = _row(
        connection,
        f"SELECT count(*) FROM ({values[0]}) AS one JOIN ({values[1]}) AS other USING (number)"
        " WHERE one.value IS DISTINCT FROM other.value",
    )
    return bool(count)


def _read(value: str, form: ValueForm) -> str:
    """The sample's texts of a column, as validation reads them, and the numbers of their rows."""
    relation = f"(SELECT {value} AS {text_column('it')}, rowid AS number FROM sample)"
    return f"{with_readings(relation, [form])} AS readings"


def _null_tokens(connection: duckdb.DuckDBPyConnection, value: str) -> list[str]:
    listed = ", ".join(map(sql_literal, NULL_TOKENS))
    found = connection.execute(
        f"SELECT DISTINCT {value} FROM sample WHERE {value} IN ({listed}) ORDER BY 1"
    ).fetchall()
    return [str(token) for (token,) in found]


def _plain_type(
    connection: duckdb.DuckDBPyConnection, value: str, present: int, table: str = "sample"
) -> ValueType:
    shape = _shape(connection, value, table)
    kinds = [kind for kind in _candidates(shape) if kind is not None]
    casts = ", ".join(f"count({_cast(value, kind)})" for kind in kinds)
    counts = dict(zip(kinds, _row(connection, f"SELECT {casts} FROM {table}"), strict=True))
    for least in (present, present - dirt(present)):
        for kind in kinds:
            if counts[kind] >= least:
                return ValueType(kind, present - counts[kind])
    return ValueType(remark=shape.why_text)


@dataclass(frozen=True)
class _Shape:
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


def _shape(connection: duckdb.DuckDBPyConnection, value: str, table: str) -> _Shape:
    trimmed = f"trim({value})"
    is_number = f"regexp_full_match({trimmed}, {sql_literal(_NUMBER)})"
    is_code = f"regexp_full_match({trimmed}, {sql_literal(_EXPONENT)})"
    whole = f"length(regexp_replace(split_part({trimmed}, '.', 1), '[^0-9]', '', 'g'))"
    truth = f"CASE WHEN NOT {is_number} THEN {cast_text(value, 'boolean')} END"
    numbers, zeros, pluses, codes, *others = _row(
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
    return _Shape(numbers, zeros, pluses, codes, bent, *others)


def _is_bent(text: str) -> bool:
    """Whether a double is another number, and not one that was written with more digits."""
    number, double = Decimal(text), float(text)
    if Decimal(repr(double)) == number:
        return False
    digits = len(number.as_tuple().digits)
    return Decimal(f"{double:.{digits - 1}e}") != number


def _candidates(shape: _Shape) -> list[str | None]:
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


def _cast(value: str, kind: str) -> str:
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


def _row(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    row = connection.execute(sql).fetchone()
    return row if row is not None else ()
