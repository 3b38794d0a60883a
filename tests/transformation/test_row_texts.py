"""Values of valid rows as the texts that give the same values again."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scratch_duckdb import connect

from reading_rules.values.casts import column_type
from reading_rules.values.forms import value_form, value_of, with_readings
from transformation.row_texts import text_of

DAYS = st.dates(date(1970, 1, 1), date(2068, 12, 31))
TIMES = st.datetimes(datetime.fromisoformat("1970-01-02"), datetime.fromisoformat("2060-01-01"))
MINUTES = TIMES.map(lambda at: at.replace(second=0, microsecond=0))
NOON = TIMES.map(lambda at: at.replace(hour=12, minute=0, second=0, microsecond=0))
MONEY = st.decimals(-(10**9), 10**9, places=3)


def there_and_back(column: dict[str, Any], value: Any) -> tuple[str | None, Any]:
    """A value's text, and the value of that."""
    form = value_form({"name": "x", **column})
    given_value = f"CAST(? AS {column_type(form.kind)})"
    with connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        made = f'(SELECT {text_of("v", form)} AS "text-x" FROM (SELECT {given_value} AS v))'
        found = connection.execute(
            f'SELECT "text-x", {value_of(form)} FROM {with_readings(made, [form])}', [value]
        ).fetchone()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ({"type": "string", "trim": True, "nulls": ["NA"]}, st.sampled_from(["x", "a b"])),
        ({"type": "date", "format": "%d.%m.%Y"}, DAYS),
        ({"type": "date", "format": ["%d-%b-%y", "%Y%m%d"]}, DAYS),
        ({"type": "timestamp", "format": ["%d.%m.%Y %H:%M", "%Y%m%d%H%M%S%f"]}, TIMES),
        ({"type": "timestamp", "format": "%d.%m.%Y %I:%M %p"}, MINUTES),
        ({"type": "timestamp", "format": "%d.%m.%Y %H:%M:%S.%f%z"}, TIMES),
        ({"type": "timestamp", "format": "epoch-seconds"}, TIMES),
        ({"type": "timestamp", "format": "epoch-millis"}, TIMES),
        ({"type": "timestamp", "zone": "Europe/Berlin"}, TIMES),
        ({"type": "timestamp", "zone": "Europe/Berlin", "format": "%d.%m.%Y %H:%M"}, NOON),
        ({"type": "decimal(18,3)", "decimal": ",", "thousands": "."}, MONEY),
        ({"type": "decimal(18,3)", "thousands": ","}, MONEY),
        ({"type": "integer", "thousands": "."}, st.integers(-(2**63), 2**63 - 1)),
        ({"type": "decimal(18,3)", "percent": True}, MONEY),
        ({"type": "decimal(38,38)", "percent": True}, st.just(Decimal("0.1"))),
        ({"type": "double", "percent": True, "decimal": ","}, st.sampled_from([0.125, -3.0, 1.1])),
        ({"type": "boolean", "trueValues": ["J"], "falseValues": ["N"]}, st.booleans()),
    ],
    ids=str,
)
@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_a_value_is_written_as_its_column_says(
    column: dict[str, Any], values: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    value = data.draw(values)
    text, again = there_and_back(column, value)
    assert text is not None
    assert again == value


def test_what_no_form_can_write_has_no_text() -> None:
    column = {"type": "timestamp", "format": "%d.%m.%Y"}
    assert there_and_back(column, "2026-01-05 10:00:00")[0] is None
    assert there_and_back({"type": "double", "percent": True}, 1e-30)[0] is None


def test_a_value_of_no_form_is_as_its_type_writes_it() -> None:
    assert there_and_back({"type": "decimal(5,2)"}, "1.5") == ("1.50", Decimal("1.50"))
    assert there_and_back({"type": "date", "format": "%d.%m.%Y"}, None) == (None, None)
