"""`expect` in a contract: by when which day's data has to be stored."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from control_fakes import DATASET
from pydantic import ValidationError

from contracts.errors import InvalidDataset
from contracts.times.expectation import Expectation
from dataset_loading.file import parse_dataset

DAY = timedelta(hours=24)


def expect(**fields: Any) -> Expectation:
    return Expectation.model_validate({"by": "06:00", **fields})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({}, "2026-11-02T06:00"),
        ({"day": "today"}, "2026-11-01T06:00"),
        ({"zone": "Europe/Berlin"}, "2026-11-02T05:00"),
        ({"zone": "America/New_York", "by": "23:30"}, "2026-11-03T04:30"),
        ({"zone": "Pacific/Auckland"}, "2026-11-01T17:00"),
    ],
)
def test_a_day_is_due_at_a_time_of_its_zone(fields: dict[str, Any], due: str) -> None:
    assert expect(**fields).due(date(2026, 11, 1)) == at(due)


def test_a_time_that_a_clock_change_skips_is_behind_the_gap() -> None:
    """In Berlin 02:30 of 2026-03-29 does not exist."""
    assert expect(by="02:30", zone="Europe/Berlin").due(date(2026, 3, 28)) == at("2026-03-29T01:30")
    assert expect(by="02:30", zone="Europe/Berlin").due(date(2026, 3, 27)) == at("2026-03-28T01:30")


def test_of_a_time_that_comes_twice_the_first_counts() -> None:
    """In Berlin 02:30 of 2026-10-25 is 00:30 and 01:30 UTC."""
    twice = expect(by="02:30", zone="Europe/Berlin")
    assert twice.due(date(2026, 10, 24)) == at("2026-10-25T00:30")
    assert twice.last_due(at("2026-10-25T00:29"), DAY) == date(2026, 10, 23)
    assert twice.last_due(at("2026-10-25T01:31"), DAY) == date(2026, 10, 24)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_the_day_of_a_clock_change_has_23_or_25_hours(day: str, hours: int) -> None:
    begin, end = expect(zone="Europe/Berlin").span(date.fromisoformat(day), in_utc=False)
    assert end - begin == timedelta(hours=hours)


def test_the_most_recent_day_is_looked_at_for_a_day() -> None:
    daily = expect(zone="Europe/Berlin")
    assert daily.last_due(at("2026-11-02T04:59"), DAY) == date(2026, 10, 31)
    assert daily.last_due(at("2026-11-02T05:00"), DAY) == date(2026, 11, 1)
    assert expect(day="today").last_due(at("2026-11-02T06:00"), DAY) == date(2026, 11, 2)


def test_days_without_data_are_not_expected() -> None:
    """2026-11-01 is a Sunday; the data of Friday is due on Saturday."""
    weekdays = expect(weekdays=["mon", "tue", "wed", "thu", "fri"])
    assert weekdays.last_due(at("2026-10-31T06:00"), DAY) == date(2026, 10, 30)
    assert weekdays.last_due(at("2026-11-02T07:00"), DAY) is None
    assert weekdays.last_due(at("2026-11-02T07:00"), 7 * DAY) == date(2026, 10, 30)
    assert weekdays.last_due(at("2026-11-03T06:00"), DAY) == date(2026, 11, 2)


def test_a_day_counts_as_far_as_it_has_passed_when_it_is_due() -> None:
    today = expect(day="today", zone="Europe/Berlin")
    assert today.span(date(2026, 11, 1), in_utc=False) == (
        at("2026-10-31T23:00"),
        at("2026-11-01T05:00"),
    )
    ahead = expect(zone="Pacific/Auckland")
    assert ahead.span(date(2026, 11, 1), in_utc=True)[1] == at("2026-11-01T17:00")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"by": "6:00"}, "pattern"),
        ({"by": "24:00"}, "pattern"),
        ({"by": 960}, "in quotes"),
        ({"zone": "Berlin"}, "Berlin is no time zone; write it as Europe/Berlin"),
        ({"day": "tomorrow"}, "'yesterday' or 'today'"),
        ({"weekdays": []}, "at least 1 item"),
        ({"weekdays": ["sunday"]}, "'mon'"),
        ({"weekdays": ["mon", "mon"]}, "names a day twice"),
        ({"by": "00:00", "day": "today"}, "comes before that day's data can begin; say a later"),
        ({"until": "07:00"}, "not permitted"),
    ],
)
def test_what_cannot_be_meant_says_why(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as refused:
        expect(**fields)
    assert why in str(refused.value)


def problems(expectation: str) -> str:
    with pytest.raises(InvalidDataset) as refused:
        parse_dataset(f"{DATASET}expect: {expectation}\n", "orders.yaml")
    return str(refused.value)


def test_every_problem_is_reported_with_its_line() -> None:
    found = problems("{by: 16:00, zone: Berlin, weekday: mon}")
    for said in ("expect.by", "16:00", "in quotes", "expect.zone", "did you mean weekdays?"):
        assert said in found


def test_a_time_before_the_partition_begins_is_refused() -> None:
    """Partitions are days in UTC: in Auckland it is 13:00 when they begin."""
    found = problems('{by: "06:00", zone: Pacific/Auckland, day: today}')
    assert "06:00 Pacific/Auckland comes before that day's data can begin (dates of part" in found
    dataset, _ = parse_dataset(f'{DATASET}expect: {{by: "06:00"}}\n', "orders.yaml")
    assert dataset.expect == expect()
