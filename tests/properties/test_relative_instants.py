"""Any amount of time from any instant, in zones with clock changes of all kinds."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from contracts.times.relative import RelativeInstant, zone_named

ZONES = ["UTC", "Europe/Berlin", "America/Santiago", "Asia/Kathmandu", "Australia/Lord_Howe"]


@given(
    st.integers(-3000, 3000),
    st.sampled_from(["min", "h", "d", "w", "mo", "y"]),
    st.sampled_from(["now", "today", "hour", "week", "month", "year"]),
    st.datetimes(datetime(1990, 1, 1), datetime(2080, 1, 1)),  # noqa: DTZ001
    st.sampled_from(ZONES),
)
def test_one_more_is_later_and_what_is_too_much_says_so(
    number: int, unit: str, name: str, as_of: datetime, zone: str
) -> None:
    def at(amount: int) -> datetime | str:
        text = f"{name}{amount:+d}{unit}"
        relative = RelativeInstant.parse(text)
        assert relative is not None
        try:
            return relative.at(as_of.replace(tzinfo=UTC), zone_named(zone))
        except ValueError as error:
            return str(error)

    first, second = at(number), at(number + 1)
    for found, amount in ((first, number), (second, number + 1)):
        if isinstance(found, str):
            assert unit == "y"
            assert found == f"{name}{amount:+d}{unit} lies outside the years 1 to 9999"
    if isinstance(first, datetime) and isinstance(second, datetime):
        # A month may end earlier than the day, and two times of a day fall into one gap.
        assert first <= second
        assert first < second or unit not in ("min", "h", "w", "y") or name in ("month", "year")
