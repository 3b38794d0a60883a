"""Alarms as the local cloud evaluates them: on what it knows, and never on silence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.local_cloud.alarms import Alarms, Measurements
from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.services import ServiceError
from local.local_cloud.lambdas.invocation_counts import InvocationCounts

NOW = 1_800_000_000.0
COMMON = {
    "EvaluationPeriods": 1,
    "Threshold": 2,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "TreatMissingData": "notBreaching",
}


class World:
    """Functions that ran, logs, queues, and the alarms on them."""

    def __init__(self, clients: ServiceClients, logs: Path) -> None:
        self.now = NOW
        self.clients = clients
        self.logs = logs
        self.counts = InvocationCounts(clock=lambda: self.now)
        self.oldest: dict[str, float] = {}

    def measured(self) -> Measurements:
        return Measurements(
            self.counts, self.logs, self.clients, self.oldest.get, clock=lambda: self.now
        )

    def state(self, **alarm: Any) -> tuple[str, str]:
        measured = self.measured()
        alarms = Alarms({"a": COMMON | alarm}, measured, clock=lambda: self.now)
        (found,) = alarms.call("DescribeAlarms", {})["MetricAlarms"]
        return found["StateValue"], found["StateReason"]

    def ran(self, function: str, *failed: bool) -> None:
        for one in failed:
            self.counts.add(function, failed=one)

    def wrote(self, metric: str, value: Any, age: float = 1, **dimensions: str) -> None:
        declared = {"Namespace": "N", "Dimensions": [[*dimensions]], "Metrics": [{"Name": metric}]}
        about = {"Timestamp": int((self.now - age) * 1000), "CloudWatchMetrics": [declared]}
        line = {"_aws": about, metric: value} | dimensions
        with (self.logs / "f.log").open("a") as log:
            log.write("plain\n" + json.dumps(line) + "\n")


@pytest.fixture
def world(moto_endpoint: str, tmp_path: Path) -> Iterator[World]:
    clients = ServiceClients(moto_endpoint)
    yield World(clients, tmp_path)
    clients.close()


def of(namespace: str, name: str, statistic: str = "Sum", **dimensions: str) -> dict[str, Any]:
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        "Statistic": statistic,
        "Period": 300,
    }


ERRORS = of("AWS/Lambda", "Errors", FunctionName="f")


def test_errors_of_a_function_raise_its_alarm_for_a_period(world: World) -> None:
    assert world.state(**ERRORS) == ("OK", "no data: notBreaching")
    world.ran("f", True, False)
    world.ran("g", True, True)
    assert world.state(**ERRORS)[0] == "OK"
    world.ran("f", True)
    assert world.state(**ERRORS)[0] == "ALARM"
    world.now += 301
    assert world.state(**ERRORS)[0] == "OK"


def test_a_function_that_does_not_run_raises_the_alarm_on_silence(world: World) -> None:
    alarm = of("AWS/Lambda", "Invocations", FunctionName="f") | {
        "ComparisonOperator": "LessThanThreshold",
        "Threshold": 1,
        "TreatMissingData": "breaching",
    }
    assert world.state(**alarm)[0] == "ALARM"
    world.ran("f", False)
    assert world.state(**alarm)[0] == "OK"


def test_errors_of_several_functions_are_added_up(world: World) -> None:
    stats = [
        {
            "Id": name,
            "ReturnData": False,
            "MetricStat": {
                "Metric": {name: ERRORS[name] for name in ("Namespace", "MetricName")}
                | {"Dimensions": [{"Name": "FunctionName", "Value": name}]},
                "Stat": "Sum",
                "Period": "300",
            },
        }
        for name in ("f", "g", "silent")
    ]
    errors = {"Id": "errors", "Expression": "SUM(FILL(METRICS(), 0))", "ReturnData": True}
    world.ran("f", True)
    assert world.state(Metrics=[errors, *stats])[0] == "OK"
    world.ran("g", True)
    assert world.state(Metrics=[errors, *stats])[0] == "ALARM"
    other = errors | {"Expression": "AVG(METRICS())"}
    state, reason = world.state(Metrics=[other, *stats])
    assert state == "INSUFFICIENT_DATA"
    assert "AVG(METRICS())" in reason


def test_a_metric_of_ours_counts_with_exactly_its_dimensions(world: World) -> None:
    alarm = of("N", "Failed", FunctionName="f", service="s")
    world.wrote("Failed", [1.0], FunctionName="f")
    world.wrote("Failed", [1.0], FunctionName="g", service="s")
    world.wrote("Failed", [5.0], age=400, FunctionName="f", service="s")
    world.wrote("Failed", [1.0], FunctionName="f", service="s")
    assert world.state(**alarm)[0] == "OK"
    world.wrote("Failed", 1, FunctionName="f", service="s")
    assert world.state(**alarm) == ("ALARM", "2 against 2 (GreaterThanOrEqualToThreshold)")


def test_dead_letters_raise_their_alarm(world: World) -> None:
    sqs = world.clients.get("sqs")
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    alarm = of("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", QueueName="dead")
    assert world.state(**alarm)[0] == "OK"
    for body in "ab":
        sqs.send_message(QueueUrl=url, MessageBody=body)
    assert world.state(**alarm)[0] == "ALARM"


def test_an_alarm_looks_at_the_age_of_the_oldest_message(world: World) -> None:
    world.clients.get("sqs").create_queue(QueueName="work")
    alarm = of("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", QueueName="work")
    assert world.state(**alarm) == ("OK", "no data: notBreaching")

    world.oldest["work"] = NOW - 1
    assert world.state(**alarm)[0] == "OK"
    world.now += 1.5
    assert world.state(**alarm) == ("ALARM", "2.5 against 2 (GreaterThanOrEqualToThreshold)")


def test_ages_by_period_are_of_the_message_that_is_the_oldest_now(world: World) -> None:
    world.clients.get("sqs").create_queue(QueueName="work")
    world.oldest["work"] = NOW - 90
    dimension = {"Name": "QueueName", "Value": "work"}
    asked = {"Namespace": "AWS/SQS", "Dimensions": [dimension], "Statistics": ["Maximum"]}

    points = statistics(world, "ApproximateAgeOfOldestMessage", **asked)

    ages = [(point["Timestamp"] - NOW, point["Maximum"]) for point in points]
    assert ages == [(-120, 30), (-60, 90), (0, 90)]


def test_an_alarm_has_been_on_since_it_was_first_seen_on(world: World) -> None:
    alarms = Alarms({"a": COMMON | ERRORS}, world.measured(), clock=lambda: world.now)

    def since() -> float:
        (found,) = alarms.call("DescribeAlarms", {})["MetricAlarms"]
        return float(found["StateUpdatedTimestamp"]) - NOW

    assert since() == 0  # it is well
    world.now += 100
    world.ran("f", True, True)
    assert since() == 100
    world.now += 50
    assert since() == 100


@pytest.mark.parametrize(
    "alarm",
    [
        of("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", QueueName="nobody"),
        of("AWS/SQS", "NumberOfMessagesSent", "Maximum", QueueName="q"),
        of("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", QueueName="nobody"),
        of("AWS/Lambda", "Duration", FunctionName="f"),
        of("AWS/Lambda", "DurableExecutionFailed", FunctionName="f"),
        ERRORS | {"EvaluationPeriods": 2},
    ],
)
def test_what_is_not_measured_is_never_taken_for_all_is_well(
    world: World, alarm: dict[str, Any]
) -> None:
    state, reason = world.state(**alarm)
    assert state == "INSUFFICIENT_DATA"
    assert reason.startswith("the local cloud does not measure ")


def test_alarms_are_chosen_by_name_prefix_and_state(world: World) -> None:
    measured = world.measured()
    alarms = Alarms(
        {"one": COMMON | ERRORS, "two": COMMON | ERRORS | {"TreatMissingData": "breaching"}},
        measured,
    )

    def names(**request: Any) -> list[str]:
        found = alarms.call("DescribeAlarms", request)["MetricAlarms"]
        return [alarm["AlarmName"] for alarm in found]

    assert names() == ["one", "two"]
    assert names(AlarmNames=["two"]) == ["two"]
    assert names(AlarmNamePrefix="o") == ["one"]
    assert names(StateValue="ALARM") == ["two"]


def test_counts_are_forgotten_after_an_hour(world: World) -> None:
    world.ran("f", True)
    world.now += 3602
    world.ran("f", False)
    assert world.counts.within("f", 0, world.now + 1) == (1, 0)


def statistics(world: World, name: str, **more: Any) -> list[dict[str, Any]]:
    measured = world.measured()
    alarms = Alarms({}, measured, clock=lambda: world.now)
    request = {
        "Namespace": "AWS/Lambda",
        "MetricName": name,
        "Dimensions": [{"Name": "FunctionName", "Value": "f"}],
        "StartTime": NOW - 180,
        "EndTime": NOW + 60,
        "Period": 60,
        "Statistics": ["Sum"],
        **more,
    }
    points: list[dict[str, Any]] = alarms.call("GetMetricStatistics", request)["Datapoints"]
    return points


def test_statistics_by_period_and_none_of_periods_without_data(world: World) -> None:
    world.now = NOW - 150
    world.ran("f", False, False)
    world.now = NOW + 10
    world.ran("f", True)

    points = statistics(world, "Invocations")

    assert [(point["Timestamp"], point["Sum"]) for point in points] == [(NOW - 180, 2), (NOW, 1)]
    errors = statistics(world, "Errors", Statistics=["Sum", "SampleCount"])
    assert [(point["Sum"], point["SampleCount"]) for point in errors] == [(0, 2), (1, 1)]


def test_statistics_that_are_not_measured_are_refused(world: World) -> None:
    with pytest.raises(ServiceError, match="does not measure AWS/Lambda Duration"):
        statistics(world, "Duration")
    with pytest.raises(ServiceError, match="1440 are allowed"):
        statistics(world, "Invocations", StartTime=NOW - 1441 * 60, EndTime=NOW)
