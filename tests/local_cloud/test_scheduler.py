"""EventBridge Scheduler as the local cloud has it, asked by boto3's own requests."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from local.local_cloud.events.bus import Rule, Target
from local.local_cloud.events.scheduler import SchedulerService, next_due
from local.local_cloud.events.schedules import parse_schedule
from local.local_cloud.http.refusals import error_response
from local.local_cloud.http.services import HttpRequest, ServiceError
from local.local_cloud.permissions.rest_calls import scheduler_calls

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 1, 12, 0, 30, tzinfo=UTC)
QUEUE = "arn:aws:sqs:us-east-1:000000000000:work"
ROLE = "arn:aws:iam::000000000000:role/schedules"


class World:
    def __init__(self) -> None:
        self.now = NOON
        self.sent: list[tuple[str, str]] = []
        self.allowed = True
        self.service = SchedulerService(self.deliver, self.may_deliver, lambda: self.now)
        self.service.use(self.deliver, ["stack"])
        self.client: Any = boto3.client(
            "scheduler",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - no secret
        )
        self.client.meta.events.register("before-send.scheduler", self.respond)

    def deliver(self, target: str, text: str) -> None:
        self.sent.append((target, text))

    def may_deliver(self, rule: Rule, target: Target) -> bool:
        assert (rule.source, target.role_arn) == ("aws.scheduler", ROLE)
        return self.allowed

    def respond(self, request: Any, **_: Any) -> AWSResponse:
        parts = urlsplit(request.url)
        body = request.body or b""
        try:
            query = parse_qs(parts.query)
            response = self.service.handle(
                HttpRequest(request.method, parts.path, query, request.headers, body)
            )
        except ServiceError as error:
            response = error_response(error, "scheduler", dict(request.headers))

        class Raw:
            def stream(self, **_: Any) -> Iterator[bytes]:
                yield response.body

        return AWSResponse(request.url, response.status, response.headers, Raw())

    def create(self, name: str = "orders.nightly", **fields: Any) -> Any:
        return self.client.create_schedule(Name=name, **{**REQUEST, **fields})


REQUEST: dict[str, Any] = {
    "GroupName": "stack",
    "ScheduleExpression": "cron(15 2 * * ? *)",
    "ScheduleExpressionTimezone": "Europe/Berlin",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "Target": {
        "Arn": QUEUE,
        "RoleArn": ROLE,
        "Input": json.dumps({"asOf": "<aws.scheduler.scheduled-time>"}),
    },
}


@pytest.fixture
def world() -> World:
    return World()


def test_it_is_sent_when_due_with_the_time_that_it_was_due(world: World) -> None:
    world.create()
    world.service.send_due()
    assert world.sent == []

    world.now = datetime(2026, 11, 2, 1, 15, 7, tzinfo=UTC)  # 02:15:07 in Berlin
    world.service.send_due()
    world.service.send_due()

    assert world.sent == [(QUEUE, '{"asOf": "2026-11-02T01:15:00Z"}')]


def test_what_is_paused_removed_or_not_allowed_sends_nothing(world: World) -> None:
    world.create("a", State="DISABLED")
    world.create("b")
    world.client.delete_schedule(GroupName="stack", Name="b")
    world.create("c")
    world.allowed = False
    world.now += timedelta(days=2)
    world.service.send_due()
    assert world.sent == []


def test_it_is_read_back_listed_and_replaced(world: World) -> None:
    arn = world.create()["ScheduleArn"]
    assert arn == "arn:aws:scheduler:us-east-1:000000000000:schedule/stack/orders.nightly"
    world.create("other")
    found = world.client.get_schedule(GroupName="stack", Name="orders.nightly")
    assert {name: found[name] for name in REQUEST} == REQUEST
    assert (found["State"], found["Arn"]) == ("ENABLED", arn)
    pages = world.client.get_paginator("list_schedules").paginate(
        GroupName="stack", PaginationConfig={"PageSize": 1}
    )
    names = [one["Name"] for page in pages for one in page["Schedules"]]
    assert names == ["orders.nightly", "other"]
    assert world.client.list_schedules(GroupName="default")["Schedules"] == []

    hourly = {**REQUEST, "ScheduleExpression": "cron(0 * * * ? *)"}
    world.client.update_schedule(Name="orders.nightly", **hourly)
    world.now = NOON.replace(hour=13, second=1, minute=0)
    world.service.send_due()
    assert world.sent == [(QUEUE, '{"asOf": "2026-11-01T13:00:00Z"}')]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"ScheduleExpression": "cron(15 2 * *)"}, "ValidationException"),
        ({"ScheduleExpressionTimezone": "Europe/Berln"}, "ValidationException"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}},
         "ValidationException"),
        ({"GroupName": "other"}, "ResourceNotFoundException"),
        ({"EndDate": NOON}, "ValidationException"),
        ({"Name": "a b"}, "ValidationException"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(world: World, fields: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        world.client.create_schedule(**{"Name": "one", **REQUEST, **fields})
    assert refused.value.response["Error"]["Code"] == code


def test_one_name_is_one_schedule(world: World) -> None:
    world.create()
    with pytest.raises(world.client.exceptions.ConflictException):
        world.create()
    with pytest.raises(world.client.exceptions.ResourceNotFoundException):
        world.client.get_schedule(GroupName="stack", Name="no")
    with pytest.raises(world.client.exceptions.ResourceNotFoundException):
        world.client.update_schedule(Name="no", **REQUEST)


def test_schedules_of_groups_that_are_gone_are_gone(world: World) -> None:
    world.create()
    world.service.use(world.deliver, [])
    world.now += timedelta(days=2)
    world.service.send_due()
    assert world.sent == []


def due(cron: str, after: datetime, zone: ZoneInfo = BERLIN) -> str | None:
    found = next_due(parse_schedule(cron), zone, after)
    return found and found.isoformat()


def test_a_time_that_a_clock_change_skips_is_not_due() -> None:
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)  # the clocks go from 02:00 to 03:00
    assert due("cron(30 2 * * ? *)", before) == "2026-03-30T00:30:00+00:00"
    assert due("cron(30 3 * * ? *)", before) == "2026-03-29T01:30:00+00:00"


def test_a_time_that_comes_twice_is_due_once() -> None:
    before = datetime(2026, 10, 24, 12, tzinfo=UTC)  # and back from 03:00 to 02:00
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert due("cron(30 2 * * ? *)", before) == first.isoformat()
    assert due("cron(30 2 * * ? *)", first) == "2026-10-26T01:30:00+00:00"
    assert due("cron(30 2 * * ? *)", first + timedelta(minutes=45)) == "2026-10-26T01:30:00+00:00"


def test_the_clock_wakes_for_what_is_made_while_it_waits() -> None:
    world = World()
    world.now = datetime(2026, 11, 1, 12, 0, 59, tzinfo=UTC)
    world.service.start()
    try:
        world.create(ScheduleExpression="cron(* * * * ? *)")
        world.now += timedelta(seconds=2)
        world.create("other")  # a change looks at the clock again
        end = time.monotonic() + 10
        while not world.sent and time.monotonic() < end:
            time.sleep(0.01)
        assert world.sent
    finally:
        world.service.stop()


def test_what_each_call_needs() -> None:
    body = json.dumps({"GroupName": "stack", "Target": {"RoleArn": ROLE}}).encode()
    arn = "arn:aws:scheduler:us-east-1:000000000000:schedule/stack/one"
    made = scheduler_calls("POST", "/schedules/one", {}, body)
    assert made is not None
    assert [(call.action, call.resource) for call in made] == [
        ("scheduler:CreateSchedule", arn),
        ("iam:PassRole", ROLE),
    ]
    (read,) = scheduler_calls("GET", "/schedules/one?groupName=stack", {}, b"") or []
    assert (read.action, read.resource) == ("scheduler:GetSchedule", arn)
    (listed,) = scheduler_calls("GET", "/schedules?ScheduleGroup=stack", {}, b"") or []
    assert (listed.action, listed.resource) == ("scheduler:ListSchedules", "*")
    assert scheduler_calls("GET", "/schedule-groups/one", {}, b"") is None
