"""When schedule expressions are due."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from local.local_cloud.events.schedules import ScheduleError, parse_schedule


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("rate(1 minute)", "2026-11-20T10:00:30", "2026-11-20T10:01:30"),
        ("rate(5 minutes)", "2026-11-20T10:00", "2026-11-20T10:05"),
        ("rate(2 days)", "2026-11-20T10:00", "2026-11-22T10:00"),
        ("cron(0 3 * * ? *)", "2026-11-20T03:00", "2026-11-21T03:00"),
        ("cron(0/15 * * * ? *)", "2026-11-20T10:07", "2026-11-20T10:15"),
        ("cron(30 8 ? * MON-FRI *)", "2026-11-20T09:00", "2026-11-23T08:30"),
        ("cron(0 0 1 JAN,JUL ? *)", "2026-11-20T10:00", "2027-01-01T00:00"),
        ("cron(0 0 29 2 ? *)", "2026-11-20T10:00", "2028-02-29T00:00"),
        ("cron(15,45 10-11 * * ? *)", "2026-11-20T10:45", "2026-11-20T11:15"),
        ("at(2026-12-01T00:00:00)", "2026-11-20T10:00", "2026-12-01T00:00"),
    ],
)
def test_the_next_time(expression: str, after: str, due: str) -> None:
    assert parse_schedule(expression)(at(after)) == at(due)


@pytest.mark.parametrize("expression", ["cron(0 0 * * ? 2020)", "at(2020-01-01T00:00:00)"])
def test_what_lies_in_the_past_is_never_due(expression: str) -> None:
    assert parse_schedule(expression)(at("2026-11-20T10:00")) is None


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("every minute", "is not rate"),
        ("rate(0 minutes)", "must be positive"),
        ("cron(0 3 * * *)", "six fields"),
        ("cron(0 3 * * * *)", "exactly one of the two day fields"),
        ("cron(0 3 L * ? *)", "'L' is not emulated"),
        ("cron(0 3 ? * 6#3 *)", "'6#3' is not emulated"),
        ("cron(61 3 * * ? *)", "61 is not between 0 and 59"),
        ("cron(5-3 3 * * ? *)", "runs backwards"),
    ],
)
def test_an_expression_that_is_not_understood_is_refused(expression: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=words):
        parse_schedule(expression)
