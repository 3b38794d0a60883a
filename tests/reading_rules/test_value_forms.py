"""Texts as values where a contract says how they are written: exact, and nothing guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scratch_duckdb import connect

from reading_rules.sql import sql_literal
from reading_rules.values.forms import faults, value_form, value_of, with_readings
from reading_rules.values.times import time_form

Read = tuple[str | None, str | None]


def read(column: dict[str, Any], texts: list[str | None]) -> list[Read]:
    """The value of each text as DuckDB writes it, and the rule that it breaks."""
    form = value_form({"name": "x", **column})
    relation = with_readings('(SELECT unnest(?::VARCHAR[]) AS "text-x")', [form])
    broken = " ".join(
        f"WHEN {fault.broken} THEN {sql_literal(fault.rule)}" for fault in faults(form, "a value")
    )
    with connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(
            f"SELECT CAST(x AS VARCHAR), CASE {broken} END"
            f" FROM (SELECT *, {value_of(form)} AS x FROM {relation})",
            [texts],
        ).fetchall()


def check(column: dict[str, Any], expected: dict[str, str | None]) -> None:
    """Of each text its value; `!rule` for one that breaks this."""
    found = read(column, list(expected))
    shown = {
        text: value if rule is None else f"!{rule}"
        for text, (value, rule) in zip(expected, found, strict=True)
    }
    assert shown == expected


DATE = {"type": "date"}
TIME = {"type": "timestamp"}


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (
            {**DATE, "format": "%d.%m.%Y"},
            {
                "05.01.2026": "2026-01-05",
                "5.1.2026": "2026-01-05",
                " 05.01.2026 ": "2026-01-05",
                "29.02.2024": "2024-02-29",
                "29.02.2026": "!type",
                "005.01.2026": "!type",
                "05.01.26": "!type",
                "05.01.20260": "!type",
                "05.01.2026 00:00": "!type",
                "05. 01.2026": "!type",
                "2026-01-05": "!type",
                "01.01.0000": "!type",
                "01.01.0001": "0001-01-01",
                "31.12.9999": "9999-12-31",
            },
        ),
        (
            {**DATE, "format": "%Y%m%d"},
            {"20260105": "2026-01-05", "2026115": "!type", "20261301": "!type"},
        ),
        ({**DATE, "format": "%d%b%Y"}, {"5JAN2026": "2026-01-05", "5Jän2026": "!type"}),
        (
            {**DATE, "format": "%B %d, %Y"},
            {"January 5, 2026": "2026-01-05", "Jan 5, 2026": "!type"},
        ),
        (
            {**DATE, "format": "%d-%b-%y"},  # as POSIX has it: 69 to 99 are of the last century
            {"05-JAN-26": "2026-01-05", "05-JAN-68": "2068-01-05", "05-JAN-69": "1969-01-05"},
        ),
        (
            {**DATE, "format": ["%d/%m/%Y", "%m/%d/%Y"]},
            {
                "05/01/2026": "!ambiguous",
                "13/01/2026": "2026-01-13",
                "01/13/2026": "2026-01-13",
                "02/02/2026": "2026-02-02",
                "13/13/2026": "!type",
            },
        ),
        (
            {**DATE, "format": ["%d.%m.%Y", "%Y-%m-%d"]},
            {"05.01.2026": "2026-01-05", "2026-01-06": "2026-01-06", "1": "!type"},
        ),
        (
            {**TIME, "format": "%d.%m.%Y %H:%M:%S.%f"},
            {
                "05.01.2026 10:11:12.5": "2026-01-05 10:11:12.5",
                "05.01.2026 10:11:12.000005": "2026-01-05 10:11:12.000005",
                "05.01.2026 10:11:12.0000005": "!type",
                "05.01.2026 24:00:00.0": "!type",
                "05.01.2026 23:59:60.0": "!type",
            },
        ),
        (
            {**TIME, "format": "%m/%d/%Y %I:%M %p"},
            {
                "1/5/2026 12:30 AM": "2026-01-05 00:30:00",
                "1/5/2026 12:30 pm": "2026-01-05 12:30:00",
                "1/5/2026 13:30 PM": "!type",
            },
        ),
        (
            {**TIME, "format": "%d.%m.%Y %H:%M%z"},
            {
                "05.01.2026 12:30Z": "2026-01-05 12:30:00",
                "05.01.2026 12:30+02": "2026-01-05 10:30:00",
                "05.01.2026 12:30-0230": "2026-01-05 15:00:00",
                "05.01.2026 12:30+02:30": "2026-01-05 10:00:00",
                "05.01.2026 12:30+16": "!type",
                "05.01.2026 12:30": "!type",
                "01.01.0001 00:30+02": "!type",
            },
        ),
        (
            {**TIME, "format": "epoch-seconds"},
            {
                "1767607200": "2026-01-05 10:00:00",
                "1767607200.1234560": "2026-01-05 10:00:00.123456",
                "1767607200.1234567": "!type",
                "-0.5": "1969-12-31 23:59:59.5",
                "-62135596800": "0001-01-01 00:00:00",
                "-62135596801": "!type",
                "253402300799.999999": "9999-12-31 23:59:59.999999",
                "253402300800": "!type",
                "1.7676072e9": "!type",
            },
        ),
        (
            {**TIME, "format": "epoch-millis"},
            {
                "1767607200123": "2026-01-05 10:00:00.123",
                "1767607200123.456": "2026-01-05 10:00:00.123456",
                "1767607200123.4567": "!type",
                "-1": "1969-12-31 23:59:59.999",
                "999999999999999999": "!type",
            },
        ),
        (
            {**TIME, "format": ["epoch-millis", "%Y-%m-%d %H:%M:%S"]},
            {
                "1767607200123": "2026-01-05 10:00:00.123",
                "2026-01-05 10:00:00": "2026-01-05 10:00:00",
            },
        ),
        (
            {**TIME, "zone": "Europe/Berlin"},
            {
                "2026-07-01 12:00:00": "2026-07-01 10:00:00",
                "2026-03-29 01:59:59": "2026-03-29 00:59:59",
                "2026-03-29 02:00:00": "!zone",
                "2026-03-29 02:59:59": "!zone",
                "2026-03-29 03:00:00": "2026-03-29 01:00:00",
                "2026-10-25 01:59:59": "2026-10-24 23:59:59",
                "2026-10-25 02:00:00": "!zone",
                "2026-10-25 02:59:59.999999": "!zone",
                "2026-10-25 03:00:00": "2026-10-25 02:00:00",
                "2026-10-25T02:30:00+01:00": "2026-10-25 01:30:00",
                "2026-10-25T02:30:00+02": "2026-10-25 00:30:00",
                "2026-11-01": "2026-10-31 23:00:00",
                "0001-01-01": "!type",
                "noon": "!type",
            },
        ),
        (  # a whole day that no clock showed
            {**TIME, "zone": "Pacific/Apia", "format": ["%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M"]},
            {
                "29.12.2011 23:59": "2011-12-30 09:59:00",
                "30.12.2011 12:00": "!zone",
                "31/12/2011 00:00": "2011-12-30 10:00:00",
            },
        ),
        (  # half an hour
            {
                **TIME,
                "zone": "Australia/Lord_Howe",
                "format": ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M%z"],
            },
            {
                "2026-04-05 01:45": "!zone",
                "2026-04-05 01:45+11:00": "2026-04-04 14:45:00",
                "2026-10-04 02:15": "!zone",
                "2026-10-04 02:30": "2026-10-03 15:30:00",
            },
        ),
        (
            {**TIME, "zone": "Europe/Berlin", "format": ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"]},
            {"05/01/2026 00:00": "!ambiguous", "13/01/2026 00:00": "2026-01-12 23:00:00"},
        ),
        (
            {"type": "decimal(10,2)", "decimal": ",", "thousands": "."},
            {
                "1.299,99": "1299.99",
                "1299,99": "1299.99",
                "-1.000.000,5": "-1000000.50",
                "1.234": "1234.00",
                "0,5": "0.50",
                ",5": "0.50",
                "1,500": "1.50",
                "1,505": "!type",
                "1.29": "!type",
                "1.23.456": "!type",
                "1.234.56": "!type",
                "1,234.50": "!type",
                "100000000,00": "!type",
                "1e2": "100.00",
            },
        ),
        (
            {"type": "decimal(10,2)", "decimal": ","},
            {"1,5": "1.50", "1.5": "!type", "1.234": "!type"},
        ),
        (
            {"type": "decimal(38,10)", "decimal": ",", "thousands": "'"},
            {"1'234'567'890'123'456'789'012,012345678": "1234567890123456789012.0123456780"},
        ),
        ({"type": "double", "decimal": ","}, {"1,5e3": "1500.0"}),
        (
            {"type": "integer", "thousands": " "},
            {
                "1 234": "1234",
                "1\u00a0234\u202f567": "1234567",
                "12 34": "!type",
                "1 234,0": "!type",
            },
        ),
        (
            {"type": "decimal(10,3)", "percent": True},
            {
                "12.5%": "0.125",
                "12.5 %": "0.125",
                "-1%": "-0.010",
                "+.5%": "0.005",
                "100%": "1.000",
                "12.50%": "0.125",
                "12.55%": "!type",
                "12.5": "!type",
                "%": "!type",
                "1e1%": "!type",
            },
        ),
        ({"type": "double", "percent": True, "decimal": ","}, {"12,5%": "0.125", "0,1%": "0.001"}),
        (
            {"type": "boolean", "trueValues": ["J", "ja"], "falseValues": ["N"]},
            {"J": "true", " ja": "true", "N": "false", "j": "!type", "true": "!type"},
        ),
        (
            {"trim": True, "nulls": ["NA", "-"]},
            {"\u00a0a b\t": "a b", " NA ": None, "-": None, "na": "na", " \u3000": None},
        ),
        ({"nulls": ["NA"]}, {"NA": None, " NA": " NA", "NAN": "NAN"}),
        ({"type": "integer", "nulls": ["-999"]}, {"-999": None, "-998": "-998", "x": "!type"}),
        ({"type": "integer", "trim": True}, {"\u00a07\t": "7"}),
    ],
    ids=str,
)
def test_a_text_is_the_value_that_is_written_or_none(
    column: dict[str, Any], expected: dict[str, str | None]
) -> None:
    check(column, expected)


def test_a_missing_text_breaks_nothing() -> None:
    for column in (
        {**DATE, "format": ["%d.%m.%Y", "%Y-%m-%d"]},
        {**TIME, "zone": "Europe/Berlin"},
        {"type": "decimal(5,2)", "percent": True},
        {"type": "boolean", "trueValues": ["1"], "falseValues": ["0"]},
        {"trim": True},
    ):
        assert read(column, [None]) == [(None, None)]


EPOCH = datetime.fromisoformat("1970-01-01")
FIRST, LAST = datetime.fromisoformat("1972-01-01"), datetime.fromisoformat("2037-12-31")


@settings(deadline=None, max_examples=10)
@given(moments=st.lists(st.datetimes(FIRST, LAST), min_size=1, max_size=20))
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"])
def test_a_zone_knows_what_python_knows_of_it(zone: str, moments: list[datetime]) -> None:
    values = read({**TIME, "zone": zone}, [moment.isoformat() for moment in moments])
    for moment, (value, rule) in zip(moments, values, strict=True):
        found = {
            at.astimezone(UTC).replace(tzinfo=None)
            for at in (moment.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
            if at.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == moment
        }
        if len(found) == 1:
            assert rule is None
            assert value is not None
            assert datetime.fromisoformat(value) == found.pop()
        else:
            assert (value, rule) == (None, "zone")


MICROS: Final = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)


@settings(deadline=None, max_examples=10)
@given(
    st.lists(MICROS, min_size=1, max_size=20),
    st.sampled_from([("epoch-seconds", 6), ("epoch-millis", 3)]),
)
def test_an_epoch_is_exact_to_the_microsecond(times: list[int], form: tuple[str, int]) -> None:
    name, digits = form
    last = Decimal(1).scaleb(-digits)
    texts = [str(Decimal(micros).scaleb(-digits).quantize(last)) for micros in times]
    for micros, (value, rule) in zip(times, read({**TIME, "format": name}, texts), strict=True):
        assert rule is None
        assert value is not None
        assert datetime.fromisoformat(value) == EPOCH + timedelta(microseconds=micros)


@settings(deadline=None, max_examples=10)
@given(st.lists(st.decimals(-(10**15), 10**15, places=4), min_size=1, max_size=20))
def test_a_percentage_loses_no_digit(numbers: list[Decimal]) -> None:
    column = {"type": "decimal(38,6)", "percent": True}
    values = read(column, [f"{number:f}%" for number in numbers])
    for number, (value, rule) in zip(numbers, values, strict=True):
        assert rule is None
        assert Decimal(str(value)) == number.scaleb(-2)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("%d.%m", "must hold a year"),
        ("dd.mm.yyyy", "must hold a year"),
        ("%Y-%m-%d %Q", "has %Q"),
        ("%Y-%m-%d %", "has %"),
        ("%Y-%m-%d %H:%H", "says the same twice (%H)"),
        ("%Y %y %m %d", "says the same twice"),
        ("%Y-%m-%d %S", "%S without %M"),
        ("%Y-%m-%d %I:%M", "%I without %p"),
        ("%Y-%m-%d %H:%M:%S%f%z1", "behind %z"),
        ("%f%Y-%m-%d %H:%M:%S", "digits right behind %f"),
        ("%Y-%m\n%d", "control character"),
    ],
)
def test_what_is_no_form_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        time_form(text)
    assert why in str(caught.value)
