"""The time in a key: strftime text and regular expressions, each in time linear in the key."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from contracts.dataset import Dataset, DatasetSnapshot, Source
from contracts.source.key_time import KeyTime
from contracts.source.linear_pattern import LinearPattern, NotLinear

TARGETS = {"dynamodb": {"key": ["id"]}}
DATE = r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)"


def instant(text: str, key: str) -> str:
    return KeyTime(text).instant(key).strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("text", "key", "found"),
    [
        ("events_%Y%m%d_%H.csv", "in/events_20261101_06.csv", "2026-11-01 06:00:00"),
        ("%Y-%m-%dT%H%M%S", "in/eu/x-2026-11-01T063059Z.json", "2026-11-01 06:30:59"),
        ("%Y%m%d", "in/shop9/20261101/part-7.csv", "2026-11-01 00:00:00"),
        ("%d.%m.%Y", "in/x 01.11.2026.csv", "2026-11-01 00:00:00"),
        ("dt=%Y-%m-%d/a_%Y%m%d.csv", "dt=2026-11-01/a_20261101.csv", "2026-11-01 00:00:00"),
        ("100%%(a.b)_%Y%m%d", "100%(a.b)_20261101", "2026-11-01 00:00:00"),
        ("%Y%m%d", "in/123456789012/20261345/20261101.csv", "2026-11-01 00:00:00"),
        (DATE, "in/x20261101.csv", "2026-11-01 00:00:00"),
        (rf".*_{DATE}(T(?P<hour>\d\d))?.*\.csv$", "a/b_20261101T06-x.csv", "2026-11-01 06:00:00"),
    ],
)
def test_the_instant_that_a_key_names(text: str, key: str, found: str) -> None:
    assert instant(text, key) == found


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("events_%Y%m%d.csv", "events_20261101xcsv"),  # a point is a point
        ("events_%Y%m%d.csv", "events_20261101_06.csv"),
        ("%Y%m%d", "20261101063000.csv"),  # part of a longer number
        ("%Y%m%d", "20260231"),
        ("dt=%Y-%m-%d/a_%Y%m%d", "dt=2026-11-01/a_20261102"),
        (DATE, "none.csv"),
        (r"(?P<year>\d+)-(?P<month>\d\d)-(?P<day>\d\d)", "9" * 400 + "-11-01"),
        (rf"(?P<shop>\d+)_{DATE}", "7_20261101"),
    ],
)
def test_a_key_that_names_none_is_no_more_than_left_out(text: str, key: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        KeyTime(text).instant(key)


# Each of them takes `re` longer than any run may take.
ENDLESS = [
    rf"^(?:[a-z]+)+_{DATE}",
    rf"(?:[a-z]*)*_{DATE}",
    rf"(?:a|a)+_{DATE}",
    rf"(?:a?){{400}}a{{400}}_{DATE}",
    rf".*.*.*.*.*.*.*.*_{DATE}",
    rf"(?P<x>(?:a|b|ab)*?)*_{DATE}",
]


@pytest.mark.parametrize("pattern", ENDLESS)
@pytest.mark.parametrize("letters", [28, 1000])
def test_no_key_stops_a_listing(pattern: str, letters: int) -> None:
    source = Source(prefix="in/", time_from="key", key_time=pattern)

    with pytest.raises(ValueError, match="no match"):
        KeyTime.of(source.key_time or "").instant("a" * letters)


HARMLESS = [
    DATE,
    rf"events_{DATE}\.csv",
    rf"^.*_{DATE}.*\.csv$",
    rf"[^/]+/dt={DATE}",
    rf"(?i)EVENTS_+{DATE}",
    rf"(?:eu|us|a*b)+_?{DATE}",
    rf"(?<!\d){DATE}(?!\d)(?:_\d+)*",
    rf"(?:a|ab)(?:c|bcd)*?d*{DATE}(?P<hour>\d\d)?",
    rf"\bx{{2,}}(?P<second>\d\d)?-?{DATE}\Z",
    rf"(?:x+y)*{DATE}",
]
LETTERS = "abcdxyEV_/-.2016\n"
STAMPS = ["20261101", "2026110106", "", "x20261101", "EVENTS__20261101"]


@pytest.mark.parametrize("pattern", HARMLESS)
def test_a_pattern_finds_what_it_always_found(pattern: str) -> None:
    dice = random.Random(pattern)  # noqa: S311 -- keys, the same ones each time
    linear = LinearPattern(pattern)
    for _ in range(200):
        before, after = ("".join(dice.choices(LETTERS, k=dice.randint(0, 12))) for _ in "ab")
        key = before + dice.choice(STAMPS) + after
        match = re.search(pattern, key)

        assert linear.search(key) == (match and match.groupdict()), key


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (rf"(.+)\1+_{DATE}", "a backreference"),
        (rf"(?=.*b)a*{DATE}", "a look-ahead"),
        (rf"a++b*{DATE}", "a possessive repeat"),
        (rf"(?>a+)b*{DATE}", "an atomic group"),
        (rf"(?i:a*){DATE}", "flags for a part"),
        (rf"a{{0,5000}}{DATE}", "more than 2,000 parts"),
    ],
)
def test_what_has_no_linear_match_is_refused_with_the_other_form(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"{why}.*events_%Y%m%d_%H.csv"):
        KeyTime(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("events_%Y%m", "must hold %Y, %m and %d"),
        ("events.csv", "must hold %Y, %m and %d"),
        ("%Y%m%d_%j%", "has %j, %; of strftime's directives it takes"),
        (DATE + "(", "is not a regular expression"),
        (r"(?P<year>\d{4})", "lacks the named groups month, day"),
        (DATE + "a{99999999999}", "is not a regular expression"),
    ],
)
def test_what_names_no_time_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        Source(prefix="in/", time_from="key", key_time=text)


def test_a_refusal_is_of_its_own_kind() -> None:
    with pytest.raises(NotLinear):
        LinearPattern(r"(a)\1*")


def test_a_contract_that_an_earlier_release_accepted_is_read_and_matched_as_before() -> None:
    text = rf"([a-z])_{DATE}(?:_\1)*"
    source = {"prefix": "in/", "timeFrom": "key", "keyTime": text}
    dataset = {"name": "a", "source": source, "columns": [{"name": "id"}], "targets": TARGETS}
    with pytest.raises(ValidationError, match="a backreference"):
        Dataset.from_json(dataset)
    frozen = {"version": "0123456789ab", "index": "a", "runId": "r", "outputColumns": []}
    frozen |= {"runStartedAt": "2026-11-01T00:00:00Z", "dataset": dataset}

    key_time = DatasetSnapshot.from_json(frozen).dataset.source.key_time

    found = KeyTime.of(key_time or "", frozen=True).instant("in/x_20261101_x.csv")
    assert found == datetime(2026, 11, 1, tzinfo=UTC)


def test_times_in_keys_are_of_utc() -> None:
    assert KeyTime("%Y%m%d").instant("20261101") == datetime(2026, 11, 1, tzinfo=UTC)
