"""When a schedule is due next: in its zone, around clock changes, and by all fields of cron."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cli.client.next_firing import next_firing
from contracts.run_request import format_timestamp, parse_timestamp
from contracts.times.schedule import aws_cron

AFTER = "2026-11-20T08:00:00Z"  # a Friday


@pytest.mark.parametrize(
    ("cron", "zone", "after", "due"),
    [
        ("* * * * *", "UTC", AFTER, "2026-11-20T08:01:00Z"),
        ("15 2 * * *", "UTC", AFTER, "2026-11-21T02:15:00Z"),
        ("15 2 * * *", "Europe/Berlin", AFTER, "2026-11-21T01:15:00Z"),
        ("0 9,17 * * *", "UTC", AFTER, "2026-11-20T09:00:00Z"),
        ("0 8 * * mon", "UTC", AFTER, "2026-11-23T08:00:00Z"),
        ("0 8 * * 0", "UTC", AFTER, "2026-11-22T08:00:00Z"),
        ("0 0 1 */3 *", "UTC", AFTER, "2027-01-01T00:00:00Z"),
        ("0 0 29 2 *", "UTC", AFTER, "2028-02-29T00:00:00Z"),
        # Skipped by the clock change of that day, so it is due the day after.
        ("30 2 * * *", "Europe/Berlin", "2027-03-28T00:00:00Z", "2027-03-29T00:30:00Z"),
        # There twice: the first counts, and is not due again.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T23:00:00Z", "2026-10-25T00:30:00Z"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
    ],
)
def test_it_is_due_next(cron: str, zone: str, after: str, due: str) -> None:
    found = next_firing(aws_cron(cron), zone, parse_timestamp(after))
    assert found is not None
    assert format_timestamp(found) == due


@pytest.mark.parametrize(
    "expression", ["rate(1 hour)", "cron(0 0 L * ? *)", "at(2026-11-20T08:00)"]
)
def test_an_expression_that_is_not_ours_is_not_known(expression: str) -> None:
    assert next_firing(expression, "UTC", datetime.now(UTC)) is None
