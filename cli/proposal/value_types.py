"""Which contract type the texts of a sample's column have, by the casts of validation itself.

Real samples are dirty: a column gets the type that nearly all its values have. A type that would
change what a value says, such as a number for a postcode, is none: what stays text loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import duckdb

from cli.proposal.readings import NULL_TOKENS, Candidate, by_name, by_shape
from cli.proposal.text_shapes import candidate_types, row_of, shape_of, storable_cast
from reading_rules.sql import text_column
from reading_rules.values.casts import cast_text
from reading_rules.values.forms import ValueForm, value_form, value_of, with_readings
from tabular.sql import sql_literal

_DIRT: Final = 0.02  # of the values may be of another type, and of a key's be absent
_ROWS_FOR_DIRT: Final = 50
_TEXTS: Final = 500  # different ones of a column, which show what may be tried
_DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?"
_WHOLE: Final = r"[0-9]+"
_DAMAGED: Final = r"[1-9](\.[0-9]{1,9})?E\+1[0-9]"  # 4.00638E+12, of a spreadsheet: 4006381333931


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
        (counted,) = row_of(connection, f"SELECT count({bare}) FROM sample")
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
    others, days, wrong = row_of(
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
    (present,) = row_of(connection, "SELECT count(text) FROM trimmed")
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
        (misfits,) = row_of(
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
    (count,) = row_of(
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
    shape = shape_of(connection, value, table)
    kinds = [kind for kind in candidate_types(shape) if kind is not None]
    casts = ", ".join(f"count({storable_cast(value, kind)})" for kind in kinds)
    counts = dict(zip(kinds, row_of(connection, f"SELECT {casts} FROM {table}"), strict=True))
    for least in (present, present - dirt(present)):
        for kind in kinds:
            if counts[kind] >= least:
                return ValueType(kind, present - counts[kind])
    return ValueType(remark=shape.why_text)
