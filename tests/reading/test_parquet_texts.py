"""The SQL that makes texts of a Parquet file's bytes, held against Python's own numbers."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from scratch_duckdb import connect

from reading_rules.parquet.schema import INT96, WIDE_DECIMAL, Shape
from reading_rules.parquet.texts import text_of
from tabular.sql import sql_literal

LAST_NANOSECOND = 86_400 * 10**9 - 1
UNIX_DAY = 2_440_588


def texts_of(shape: Shape, values: list[bytes]) -> list[tuple[str, bool]]:
    """The text of each value, and whether it is a fault."""
    found = text_of("x", shape)
    ((fault, _),) = found.faults
    rows = ", ".join(
        f"({n}, from_hex({sql_literal(value.hex())}))" for n, value in enumerate(values)
    )
    with connect() as connection:
        return connection.execute(
            f"SELECT {found.sql}, {fault} FROM (VALUES {rows}) AS t(n, x) ORDER BY n"
        ).fetchall()


def int96(day: int, nanoseconds: int) -> bytes:
    return nanoseconds.to_bytes(8, "little") + day.to_bytes(4, "little", signed=True)


@pytest.mark.parametrize(("digits", "scale"), [(39, 0), (39, 39), (57, 20), (76, 2), (76, 76)])
def test_a_decimal_of_any_length_of_bytes_has_its_digits(digits: int, scale: int) -> None:
    draw = random.Random(digits * 100 + scale)  # noqa: S311 -- values of a test
    numbers = [0, 1, -1, 10**18 - 1, -(10**18), 10**digits - 1, 1 - 10**digits, 2**32, -(2**64)]
    numbers += [draw.randrange(-(10 ** draw.randint(1, digits)), 10**digits) for _ in range(300)]
    least = [number.bit_length() // 8 + 1 for number in numbers]
    longest = ((10**digits).bit_length() + 7) // 8 + 1
    values = [
        number.to_bytes(draw.randint(size, max(size, longest)), "big", signed=True)
        for number, size in zip(numbers, least, strict=True)
    ]

    found = texts_of(Shape(WIDE_DECIMAL, digits=digits, scale=scale), values)

    assert found == [(written(number, scale), False) for number in numbers]


def written(number: int, scale: int) -> str:
    digits = str(abs(number)).rjust(scale + 1, "0")
    point = f".{digits[-scale:]}" if scale else ""
    return f"{'-' if number < 0 else ''}{digits[: len(digits) - scale]}{point}"


def test_bytes_that_are_no_decimal_are_a_fault() -> None:
    shape = Shape(WIDE_DECIMAL, digits=40)
    assert texts_of(shape, [b"", b"\x01" * 40]) == [("", True), ("01" * 40, True)]


def test_an_int96_is_the_instant_of_its_day_and_nanoseconds() -> None:
    draw = random.Random(96)  # noqa: S311 -- values of a test
    first, last = (datetime(1, 1, 1) - datetime(1970, 1, 1)).days, 2_932_896  # noqa: DTZ001
    drawn = [(first, 0), (last, LAST_NANOSECOND), (0, 0), (0, 999), (-1, LAST_NANOSECOND)]
    drawn += [
        (draw.randint(first, last), draw.randint(0, LAST_NANOSECOND) // 10**zeros * 10**zeros)
        for zeros in (0, 3, 6, 9)
        for _ in range(100)
    ]

    found = texts_of(Shape(INT96), [int96(UNIX_DAY + day, nanos) for day, nanos in drawn])

    assert found == [(moment(*one), False) for one in drawn]


def moment(day: int, nanoseconds: int) -> str:
    micros, rest = divmod(nanoseconds, 1000)
    at = datetime(1970, 1, 1) + timedelta(days=day, microseconds=micros)  # noqa: DTZ001
    shown = f"{at.year:04}-{at:%m-%d %H:%M:%S}"
    return f"{shown}.{at:%f}{rest:03}".rstrip("0").rstrip(".")


def test_an_int96_that_is_no_time_is_a_fault() -> None:
    nothing = [int96(UNIX_DAY, LAST_NANOSECOND + 1), int96(2**31 - 1, 0), int96(-(2**31), 0)]
    assert [fault for _, fault in texts_of(Shape(INT96), nothing)] == [True, True, True]


def test_an_interval_that_duckdb_takes_for_a_negative_one_is_a_fault() -> None:
    found = text_of("x", Shape("INTERVAL"))
    ((fault, _),) = found.faults
    rows = "(INTERVAL '14 months 3 days'), (INTERVAL '-1 month'), (INTERVAL '1 month -1 day')"
    with connect() as connection:
        read = connection.execute(
            f"SELECT {found.sql}, {fault} FROM (VALUES {rows}) AS t(x)"
        ).fetchall()

    assert read == [
        ("1 year 2 months 3 days", False),
        ("-1 month", True),
        ("1 month -1 day", True),
    ]
