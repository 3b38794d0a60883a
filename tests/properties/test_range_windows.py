"""Windows of a range: they cover it, each instant once, and follow the zone's calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.times.relative import zone_named
from contracts.times.windows import WINDOWS_AT_MOST, boundaries

ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca")
INSTANTS = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=0, tzinfo=UTC)
)
LENGTHS = st.builds(
    lambda n, unit: f"{n}{unit}", st.integers(1, 40), st.sampled_from(["h", "d", "w", "mo"])
)


@given(INSTANTS, st.integers(1, 400 * 3600), LENGTHS, st.sampled_from(ZONES))
def test_windows_cover_their_range_once(
    start: datetime, seconds: int, length: str, zone: str
) -> None:
    end = start + timedelta(seconds=seconds)
    found = boundaries(start, end, length, zone_named(zone))
    assert (found[0], found[-1]) == (start, end)
    assert all(before < after for before, after in pairwise(found))
    assert boundaries(start, end, length, zone_named(zone)) == found


@given(INSTANTS, st.integers(1, 300), st.integers(1, 30), st.sampled_from(ZONES))
def test_days_begin_at_the_same_local_time(
    start: datetime, days: int, number: int, zone: str
) -> None:
    """But for the day that a clock change begins in, where that time may not be there."""
    where = zone_named(zone)
    found = boundaries(start, start + timedelta(days=days), f"{number}d", where)
    local = [at.astimezone(where) for at in found[:-1]]
    same = [at.time() == local[0].time() for at in local]
    assert same.count(False) <= 1 + days // 90


def days(*texts: str) -> list[datetime]:
    return [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in texts]


def test_months_are_counted_from_the_start() -> None:
    found = boundaries(*days("2026-01-31", "2026-05-02"), "1mo", UTC)
    assert found == days("2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-02")


def test_the_day_of_a_clock_change_is_longer() -> None:
    berlin = zone_named("Europe/Berlin")
    found = boundaries(*days("2026-10-24T22:00", "2026-10-26T23:00"), "1d", berlin)
    assert [after - before for before, after in pairwise(found)] == [
        timedelta(hours=25),
        timedelta(hours=24),
    ]


def test_a_day_that_the_calendar_left_out_is_no_window() -> None:
    """Samoa had no 30 December 2011."""
    apia = zone_named("Pacific/Apia")
    found = boundaries(*days("2011-12-28T10:00", "2012-01-01T10:00"), "1d", apia)
    local = [at.astimezone(apia).day for at in found]
    assert local == [28, 29, 31, 1, 2]


def test_ten_thousand_windows_are_the_most() -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    most = start + timedelta(hours=WINDOWS_AT_MOST)
    assert len(boundaries(start, most, "1h", UTC)) == WINDOWS_AT_MOST + 1
    with pytest.raises(ValueError, match="more than 10,000 windows of 1h"):
        boundaries(start, most + timedelta(seconds=1), "1h", UTC)


@pytest.mark.parametrize("length", ["0d", "d", "1", "1y", "-1d", "1.5h", "1d ", "100000d"])
def test_what_is_no_length_is_refused(length: str) -> None:
    with pytest.raises(ValueError, match="is no length of a window"):
        boundaries(*days("2026-01-01", "2026-01-02"), length, UTC)


def test_the_last_window_of_all_ends_with_the_range() -> None:
    found = boundaries(*days("9999-12-01", "9999-12-31"), "1mo", UTC)
    assert found == days("9999-12-01", "9999-12-31")
