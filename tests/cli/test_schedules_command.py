"""`pipeline schedules`: what contracts say becomes what EventBridge Scheduler has."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cli_world import World, pipeline
from json_documents import document

from cli.exit_codes import NOT_FOUND, REFUSED, SUCCEEDED

CONTRACT = """
name: {name}
source: {{prefix: landing/readings/}}
columns: [{{name: id, type: string}}]
targets: {{dynamodb: {{key: [id]}}}}
schedules: {schedules}
"""
NIGHTLY = "{name: nightly, cron: 15 2 * * *, zone: Europe/Berlin}"


class FakeScheduler:
    """Keeps what it is given; adds what AWS adds."""

    def __init__(self) -> None:
        self.schedules: dict[str, dict[str, Any]] = {}
        self.writes = 0

    def get_paginator(self, operation: str) -> FakeScheduler:
        assert operation == "list_schedules"
        return self

    def paginate(self, GroupName: str) -> list[dict[str, Any]]:  # noqa: N803
        assert GroupName == "stack"
        return [{"Schedules": [{"Name": name} for name in self.schedules]}]

    def get_schedule(self, GroupName: str, Name: str) -> dict[str, Any]:  # noqa: N803
        assert GroupName == "stack"
        held = self.schedules[Name]
        retry = {"RetryPolicy": {"MaximumRetryAttempts": 185}}
        return {**held, "Name": Name, "Arn": "arn", "Target": {**held["Target"], **retry}}

    def create_schedule(self, Name: str, **fields: Any) -> None:  # noqa: N803
        assert Name not in self.schedules
        self.schedules[Name], self.writes = fields, self.writes + 1

    def update_schedule(self, Name: str, **fields: Any) -> None:  # noqa: N803
        assert Name in self.schedules
        assert not fields.keys() & {"Name", "Arn"}
        self.schedules[Name], self.writes = fields, self.writes + 1

    def delete_schedule(self, GroupName: str, Name: str) -> None:  # noqa: N803
        assert GroupName == "stack"
        del self.schedules[Name]


@pytest.fixture
def scheduler(local: World) -> FakeScheduler:
    fake = FakeScheduler()
    local.deployment._clients["scheduler"] = fake  # noqa: SLF001 - as `client` would make it
    local.deployment.client("s3").create_bucket(Bucket="code")
    contract(local, f"[{NIGHTLY}]")
    return fake


def contract(local: World, schedules: str, name: str = "readings") -> None:
    body = CONTRACT.format(name=name, schedules=schedules).encode()
    local.deployment.client("s3").put_object(Bucket="code", Key=f"datasets/{name}.yaml", Body=body)


def schedules(*words: str, status: int = SUCCEEDED) -> list[tuple[str, str, bool]]:
    result = pipeline("schedules", *words, "--json")
    assert result.exit_code == status, result.output
    found = document(f"schedules {words[0]}", result.stdout)["schedules"]
    return [(one["name"], one["change"], one["paused"]) for one in found]


def test_contracts_become_schedules(local: World, scheduler: FakeScheduler) -> None:
    assert schedules("ls") == [("readings.nightly", "CREATED", False)]
    assert schedules("apply", "--dry-run") == [("readings.nightly", "CREATED", False)]
    assert scheduler.schedules == {}

    assert schedules("apply") == [("readings.nightly", "CREATED", False)]

    made = scheduler.schedules["readings.nightly"]
    assert made["ScheduleExpression"] == "cron(15 2 * * ? *)"
    assert (made["ScheduleExpressionTimezone"], made["State"]) == ("Europe/Berlin", "ENABLED")
    assert (made["Target"]["Arn"], made["Target"]["RoleArn"]) == ("queue-arn", "role-arn")
    assert json.loads(made["Target"]["Input"]) == {
        "datasetName": "readings",
        "schedule": "nightly",
        "asOf": "<aws.scheduler.scheduled-time>",
        "startDateTime": "yesterday",
        "endDateTime": "today",
        "zone": "Europe/Berlin",
    }
    assert schedules("apply") == [("readings.nightly", "UNCHANGED", False)]
    assert scheduler.writes == 1
    assert local.sent() == []


def test_changes_follow_the_contracts_and_a_pause_stays(
    local: World, scheduler: FakeScheduler
) -> None:
    pipeline("schedules", "apply")
    assert schedules("pause", "readings") == [("readings.nightly", "UNCHANGED", True)]
    contract(local, "[{name: nightly, cron: 15 3 * * *}, {name: hourly, cron: 0 * * * *}]")

    text = pipeline("schedules", "ls").stdout
    assert "paused, its contract has changed" in text
    assert "not applied yet" in text
    assert schedules("apply") == [
        ("readings.hourly", "CREATED", False),
        ("readings.nightly", "UPDATED", True),
    ]
    assert scheduler.schedules["readings.nightly"]["State"] == "DISABLED"
    assert scheduler.schedules["readings.nightly"]["ScheduleExpressionTimezone"] == "UTC"

    contract(local, "[{name: hourly, cron: 0 * * * *}]")
    assert "in no contract any more" in pipeline("schedules", "ls").stdout
    assert "readings.nightly: removed" in pipeline("schedules", "apply").stdout
    assert scheduler.schedules.keys() == {"readings.hourly"}


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_where_no_schedule_is_applied_all_of_them_are_none(
    scheduler: FakeScheduler, command: str
) -> None:
    result = pipeline("schedules", command, "--all")
    assert (result.exit_code, scheduler.writes) == (0, 0)
    assert "no schedule is applied: pipeline schedules apply" in result.stdout


def test_pausing_and_resuming(scheduler: FakeScheduler) -> None:
    pipeline("schedules", "apply")
    assert "readings.nightly: was not paused" in pipeline("schedules", "resume", "--all").stdout
    before = scheduler.schedules["readings.nightly"]
    assert "readings.nightly: paused" in pipeline("schedules", "pause", "--all").stdout
    assert "was paused before" in pipeline("schedules", "pause", "readings.nightly").stdout
    paused = scheduler.schedules["readings.nightly"]
    assert {**before, "State": "DISABLED", "Target": ...} == {**paused, "Target": ...}
    assert paused["Target"].items() >= before["Target"].items()
    assert schedules("resume", "readings.nightly") == [("readings.nightly", "UNCHANGED", False)]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("pause",), REFUSED, "no schedules were named"),
        (("pause", "readings", "--all"), REFUSED, "schedules and --all were given"),
        (("resume", "orders"), NOT_FOUND, "there is no schedule orders; there are none"),
    ],
)
@pytest.mark.usefixtures("scheduler")
def test_what_cannot_be_done(words: tuple[str, ...], status: int, said: str) -> None:
    result = pipeline("schedules", *words)
    assert result.exit_code == status
    assert said in result.output


def test_a_broken_contract_changes_nothing(local: World, scheduler: FakeScheduler) -> None:
    contract(local, "[{name: secondly, cron: '* * * * * *'}]", name="zeta")
    result = pipeline("schedules", "apply")
    assert result.exit_code == REFUSED
    assert "needs five fields" in result.output
    assert scheduler.schedules == {}
