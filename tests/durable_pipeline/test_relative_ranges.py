"""Ranges that are relative: what they are, and that a claim fixes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from world import Deployment, World, sqs_event

from contracts.errors import InvalidRequest
from contracts.ledger_items import RunItem
from contracts.run import RunStatus
from contracts.run_request import RunRequest
from contracts.times.relative import RelativeInstant, zone_named
from durable_pipeline.batch import Record
from durable_pipeline.intake import parse_message

NOON = datetime(2026, 3, 29, 12, 30, tzinfo=UTC)  # Berlin: the clocks went forward this night
AUTUMN = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # Berlin: 02:30 for the second time
BERLIN = "Europe/Berlin"


def at(text: str, as_of: datetime = NOON, zone: str = BERLIN) -> str:
    relative = RelativeInstant.parse(text)
    assert relative is not None, text
    return relative.at(as_of, zone_named(zone)).isoformat().removesuffix("+00:00")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("now", "2026-03-29T12:30:00"),
        ("today", "2026-03-28T23:00:00"),
        ("today+1d", "2026-03-29T22:00:00"),  # 23 hours later
        ("today+24h", "2026-03-29T23:00:00"),
        ("yesterday", "2026-03-27T23:00:00"),
        ("tomorrow", "2026-03-29T22:00:00"),
        ("today-1d+6h", "2026-03-28T05:00:00"),
        ("today+2h", "2026-03-29T01:00:00"),  # 03:00, as 02:00 is not there
        ("hour-1h", "2026-03-29T11:00:00"),
        ("week", "2026-03-22T23:00:00"),
        ("week-1w", "2026-03-15T23:00:00"),
        ("month", "2026-02-28T23:00:00"),
        ("month-1mo", "2026-01-31T23:00:00"),
        ("year-1y", "2024-12-31T23:00:00"),
        ("now-90min", "2026-03-29T11:00:00"),
        ("-P1D", "2026-03-28T13:30:00"),  # the same time of day
        ("-PT24H", "2026-03-28T12:30:00"),
        ("-P1M", "2026-02-28T13:30:00"),  # there is no 29th
        ("+P1Y2M3W4DT5H6M", "2027-06-23T17:36:00"),
    ],
)
def test_what_a_relative_instant_is(text: str, instant: str) -> None:
    assert at(text) == instant


def test_an_hour_that_comes_twice_is_the_one_it_is() -> None:
    assert at("now", AUTUMN) == "2026-10-25T01:30:00"
    assert at("hour", AUTUMN) == "2026-10-25T01:00:00"
    assert at("now-1h", AUTUMN) == "2026-10-25T00:30:00"
    assert at("today+1d", AUTUMN) == "2026-10-25T23:00:00"  # 25 hours after today


def test_a_midnight_that_is_skipped_is_behind_the_gap() -> None:
    day = datetime(2026, 9, 6, 15, tzinfo=UTC)  # Santiago: 00:00 became 01:00
    assert at("today", day, "America/Santiago") == "2026-09-06T04:00:00"


@pytest.mark.parametrize(
    "text",
    ["", "P1D", "-P", "-PT", "today-", "today-1", "today-1x", "TODAY", "now -1d", "1d", "-1d"],
)
def test_what_is_no_relative_instant(text: str) -> None:
    assert RelativeInstant.parse(text) is None


def request(**fields: Any) -> RunRequest:
    asked = {"datasetName": "orders", "startDateTime": "yesterday", "runId": "r", **fields}
    parsed = parse_message(json.dumps(asked), "m")
    assert parsed is not None
    return parsed


def test_the_text_stays_until_the_range_is_fixed() -> None:
    asked = request(endDateTime="today", zone=BERLIN)
    assert asked.is_relative
    assert json.loads(asked.canonical())["startDateTime"] == "yesterday"
    assert RunRequest.from_json(json.loads(asked.canonical())) == asked
    start, end = asked.range_at(NOON)
    assert (start, end) == (
        datetime(2026, 3, 27, 23, tzinfo=UTC),
        datetime(2026, 3, 28, 23, tzinfo=UTC),
    )
    fixed = asked.with_range(start, end)
    assert not fixed.is_relative
    assert fixed.fixed_start == start
    assert RunRequest.from_json(fixed.to_json()) == fixed
    with pytest.raises(TypeError, match="was not fixed"):
        asked.fixed_start  # noqa: B018


def test_an_open_end_is_the_moment_it_is_relative_to() -> None:
    assert request().range_at(NOON)[1] == NOON
    assert request(startDateTime="2026-01-01").range_at(None)[1] is None
    asked = request(startDateTime="2026-01-01", asOf="2026-02-01")
    assert asked.range_at(asked.as_of)[1] == datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"startDateTime": "yesterdy"}, "or a relative one: yesterday, today-1d"),
        ({"zone": "Europe/Berln"}, "Europe/Berln is no time zone; write it as Europe/Berlin"),
        ({"zone": "../etc/passwd"}, "is no time zone"),
        ({"zone": "Europe"}, "is no time zone"),
        ({"startDateTime": "2026-11-01", "zone": BERLIN}, "zone goes with relative instants"),
        ({"endDateTime": "yesterday", "asOf": "2026-11-01"}, "must be after startDateTime"),
        ({"startDateTime": "today-99999y", "asOf": "2026-11-01"}, "outside the years 1 to 9999"),
        ({"asOf": "today"}, "ISO 8601"),
    ],
)
def test_what_cannot_be_is_refused_at_once(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        request(**fields)
    assert said in str(refused.value)


def run(**fields: Any) -> RunItem:
    asked = request(**{"endDateTime": "today", **fields})
    return RunItem(
        run_id="r",
        status=RunStatus.RUNNING,
        request=asked.canonical(),
        start_date_time="2026-03-28T00:00:00Z",
        end_date_time="2026-03-29T00:00:00Z",
        as_of="2026-03-29T12:30:00Z",
    )


def test_the_same_relative_range_is_the_same_request_whenever_it_is_sent() -> None:
    assert run().differences(request(endDateTime="today")) == {}
    as_of = {"endDateTime": "today", "asOf": "2026-03-29T12:30:00Z"}
    assert run().differences(request(**as_of)) == {}
    assert run(asOf=as_of["asOf"]).differences(request(endDateTime="today")) == {}


def test_the_range_that_it_came_to_is_the_same_request() -> None:
    fixed = {"startDateTime": "2026-03-28", "endDateTime": "2026-03-29"}
    assert run().differences(request(**fixed)) == {}
    assert (
        run().requested.to_json().items()
        >= {
            "startDateTime": "2026-03-28T00:00:00Z",
            "endDateTime": "2026-03-29T00:00:00Z",
        }.items()
    )


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"endDateTime": "today", "asOf": "2026-03-30"}, ["asOf"]),
        ({"endDateTime": "now"}, ["endDateTime"]),
        ({"endDateTime": "today", "zone": BERLIN}, ["zone"]),
        ({"startDateTime": "2026-03-27", "endDateTime": "2026-03-29"}, ["startDateTime"]),
        ({"endDateTime": "today", "query": "true"}, ["query"]),
    ],
)
def test_another_range_is_another_request(fields: dict[str, Any], names: list[str]) -> None:
    assert list(run().differences(request(**fields))) == names


def test_when_the_queue_got_a_message() -> None:
    attributes = {"SentTimestamp": "1774787400974"}
    record = Record.from_event({"messageId": "m", "body": "{}", "attributes": attributes})
    assert record.sent_at == NOON.replace(microsecond=974_000)
    assert Record.from_event({"messageId": "m", "body": "{}"}).sent_at is None


RELATIVE = {"datasetName": "orders", "startDateTime": "yesterday", "endDateTime": "today"}
FIXED = {"startDateTime": "2026-11-19T00:00:00Z", "endDateTime": "2026-11-20T00:00:00Z"}


def test_steps_after_the_claim_get_the_range_that_it_fixed(
    deployment: Deployment, world: World
) -> None:
    world.objects, world.claim = 1, {**world.claim, **FIXED}
    event = sqs_event(RELATIVE)
    event["Records"][0]["attributes"] = {"SentTimestamp": "1795161600000"}

    deployment.run(event)

    (claim,) = world.payloads("claim-run")
    assert claim["request"]["startDateTime"] == "yesterday"
    assert claim["sentAt"] == "2026-11-20T08:00:00Z"
    for step in ("load-dataset", "list-urls", "record-run"):
        (payload,) = world.payloads(step)
        assert payload["request"].items() >= FIXED.items(), step


def test_when_a_message_was_sent_is_not_said_where_it_does_not_matter(
    deployment: Deployment, world: World
) -> None:
    """Recorded histories know no such field."""
    event = sqs_event({**RELATIVE, **FIXED})
    event["Records"][0]["attributes"] = {"SentTimestamp": "1795161600000"}

    deployment.run(event)

    assert "sentAt" not in world.payloads("claim-run")[0]


def test_a_long_run_is_handed_over_with_the_range_that_was_fixed(
    deployment: Deployment, world: World
) -> None:
    world.claim = {**world.claim, **FIXED}
    deployment.run(sqs_event({**RELATIVE, "detached": True}))
    (started,) = world.payloads("start-run")
    assert started["request"].items() >= FIXED.items()


def test_an_unknown_zone_is_said_with_what_else_is_wrong() -> None:
    message = {"datasetName": "orders", "startDateTime": "yesterday", "runId": "r"}
    with pytest.raises(InvalidRequest) as refused:
        parse_message(json.dumps({**message, "zone": "Mars/X", "maxConcurrency": 1001}), "r")
    assert {problem.path for problem in refused.value.problems} == {"zone", "maxConcurrency"}
