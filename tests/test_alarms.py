"""Alarms of template.yaml: only what CloudWatch's documentation shows, on metrics that exist.

CloudWatch checks an alarm when it is created, and one that it refuses rolls the whole stack back.
The pages (https://docs.aws.amazon.com/…):
  PutMetricAlarm          AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
  MetricDataQuery         AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html
  limits of alarms        AmazonCloudWatch/latest/monitoring/alarm-limits.html
  metric math             AmazonCloudWatch/latest/monitoring/using-metric-math.html
  missing data            AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from deployed_template import functions, referred, resources, variables

from remote_jobs.pools.limits import count_broken_file
from runs.executions import ENDED_BADLY, count_end
from runs.expectations.watching import count_overdue

ALARMS = resources("AWS::CloudWatch::Alarm")
EXECUTION = "arn:aws:lambda:us-east-1:123456789012:function:long-run-XYZ:7/durable-execution/a/b"
Metric = tuple[str, str, frozenset[str]]

# Metrics of AWS that alarms stand on: namespace, name, dimensions, and the page that says so.
LAMBDA_PAGE = "lambda/latest/dg/monitoring-metrics-types.html"
SQS_PAGE = "AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html"
DOCUMENTED: dict[Metric, str] = {
    ("AWS/Lambda", "Errors", frozenset({"FunctionName"})): LAMBDA_PAGE,
    ("AWS/Lambda", "Invocations", frozenset({"FunctionName"})): LAMBDA_PAGE,
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", frozenset({"QueueName"})): SQS_PAGE,
    ("AWS/SQS", "ApproximateAgeOfOldestMessage", frozenset({"QueueName"})): SQS_PAGE,
}
STATISTICS = {"SampleCount", "Average", "Sum", "Minimum", "Maximum"}
COMPARISONS = {
    "GreaterThanOrEqualToThreshold",
    "GreaterThanThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
}
MISSING_DATA = {"breaching", "notBreaching", "ignore", "missing"}
MATH_FUNCTIONS = {"SUM", "FILL", "METRICS"}  # those of the metric math page that are used here
METRICS_OF_AN_ALARM = 10
OF_ONE_METRIC = {"Namespace", "MetricName", "Dimensions", "Period", "Unit", "Statistic"}
LONGEST_EVALUATION = 86_400  # seconds: EvaluationPeriods times Period


def queries_of(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """The metrics that an alarm reads, each as a MetricStat."""
    if "Metrics" in alarm:
        return [query["MetricStat"] for query in alarm["Metrics"] if "MetricStat" in query]
    metric = {name: alarm[name] for name in ("Namespace", "MetricName", "Dimensions")}
    return [{"Metric": metric, "Period": alarm["Period"], "Stat": alarm["Statistic"]}]


def problems_of(alarm: dict[str, Any]) -> list[str]:
    """What of an alarm the documentation does not show."""
    found = []
    if alarm["ComparisonOperator"] not in COMPARISONS:
        found.append(f"ComparisonOperator {alarm['ComparisonOperator']}")
    if alarm["TreatMissingData"] not in MISSING_DATA:
        found.append(f"TreatMissingData {alarm['TreatMissingData']}")
    if "Metrics" in alarm:
        found += math_problems(alarm)
    queries = queries_of(alarm)
    if len(queries) > METRICS_OF_AN_ALARM:
        found.append(f"{len(queries)} metrics")
    for query in queries:
        if query["Stat"] not in STATISTICS:
            found.append(f"statistic {query['Stat']}")
        # 10, 20, 30 seconds are for metrics of high resolution
        if query["Period"] % 60 or not query["Period"]:
            found.append(f"period {query['Period']}")
        if query["Period"] * alarm["EvaluationPeriods"] > LONGEST_EVALUATION:
            found.append("evaluates more than a day")
    return found


def math_problems(alarm: dict[str, Any]) -> list[str]:
    found = [f"{name} beside Metrics" for name in sorted(OF_ONE_METRIC & set(alarm))]
    ids = [query["Id"] for query in alarm["Metrics"]]
    found += [f"id {name}" for name in ids if not re.fullmatch("[a-z][a-zA-Z0-9_]*", name)]
    if len(set(ids)) < len(ids):
        found.append("ids that are not unique")
    if [query.get("ReturnData") for query in alarm["Metrics"]].count(True) != 1:
        found.append("not one ReturnData")
    for query in alarm["Metrics"]:
        if "ReturnData" not in query:  # its default is true
            found.append(f"{query['Id']} without ReturnData")
        if "Expression" in query:
            found += expression_problems(str(query["Expression"]), ids)
    return found


def expression_problems(expression: str, ids: list[str]) -> list[str]:
    """What of an expression is no metric math of functions, ids of queries and numbers.

    A Metrics Insights query (SELECT …) is no metric math: its grammar has its own page, and none of
    ours needs it.
    """
    rest = expression
    call = re.compile(r"([A-Z_]+)\(([^()]*)\)")
    found = []
    while match := call.search(rest):
        if match[1] not in MATH_FUNCTIONS:
            found.append(f"function {match[1]}")
        arguments = [part.strip() for part in match[2].split(",") if part.strip()]
        known = {*ids, "0"}
        found += [f"argument {part}" for part in arguments if part not in known]
        rest = f"{rest[: match.start()]}0{rest[match.end() :]}"
    return found if rest == "0" else [*found, f"expression {rest}"]


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_an_alarm_is_made_only_of_what_the_documentation_shows(name: str) -> None:
    assert problems_of(ALARMS[name]) == []


VALID = {
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "ignore",
    "EvaluationPeriods": 1,
}
ONE = {"Namespace": "N", "MetricName": "M", "Dimensions": [], "Period": 60, "Statistic": "Sum"}


def math(expression: str, metrics: int = 1, **query: Any) -> dict[str, Any]:
    stat = {"Metric": {}, "Period": 60, "Stat": "Sum"}
    queries: list[dict[str, Any]] = [
        {"Id": f"m{number}", "MetricStat": stat, "ReturnData": False} for number in range(metrics)
    ]
    return VALID | {
        "Metrics": [*queries, {"Id": "e", "Expression": expression, "ReturnData": True} | query]
    }


@pytest.mark.parametrize(
    ("alarm", "problem"),
    [
        (VALID | ONE, None),
        (math("SUM(FILL(METRICS(), 0))", 10), None),
        (math("SUM(METRICS())", 11), "11 metrics"),
        (math("SELECT SUM(Errors) FROM X WHERE a = 'b' OR a = 'c'"), "expression"),
        (math("TOTAL(METRICS())"), "function TOTAL"),
        (math("SUM(m7)"), "argument m7"),
        (math("SUM(m0)", Id="Errors"), "id Errors"),
        (math("SUM(m0)", Id="m0"), "ids that are not unique"),
        (math("SUM(m0)", ReturnData=False), "not one ReturnData"),
        (math("SUM(m0)") | {"Period": 60}, "Period beside Metrics"),
        (VALID | ONE | {"Period": 45}, "period 45"),
        (VALID | ONE | {"Period": 86_400, "EvaluationPeriods": 2}, "more than a day"),
        (VALID | ONE | {"Statistic": "Total"}, "statistic Total"),
        (VALID | ONE | {"TreatMissingData": "good"}, "TreatMissingData good"),
        (VALID | ONE | {"ComparisonOperator": "AtLeast"}, "ComparisonOperator AtLeast"),
    ],
)
def test_what_the_documentation_does_not_show_is_found(
    alarm: dict[str, Any], problem: str | None
) -> None:
    found = "; ".join(problems_of(alarm))
    assert problem in found if problem else not found


def emitted(capsys: pytest.CaptureFixture[str]) -> set[Metric]:
    """Metrics in the embedded metric format that were written since the last look."""
    found = set()
    for line in capsys.readouterr().out.splitlines():
        for directive in json.loads(line)["_aws"]["CloudWatchMetrics"]:
            for dimensions in directive["Dimensions"]:
                for metric in directive["Metrics"]:
                    found.add((directive["Namespace"], metric["Name"], frozenset(dimensions)))
    return found


def test_every_metric_of_an_alarm_is_emitted_by_us_or_documented(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE"):
        monkeypatch.setenv(name, variables("ReaperFunction")[name])
    for status in ENDED_BADLY:
        count_end(EXECUTION, status)
    count_broken_file("job-watcher-XYZ")
    count_overdue("reaper-XYZ")
    ours = emitted(capsys)
    assert len(ours) == len(ENDED_BADLY) + 2

    assert used_by_alarms() - ours == set(DOCUMENTED)


def used_by_alarms() -> set[Metric]:
    return {
        (
            query["Metric"]["Namespace"],
            query["Metric"]["MetricName"],
            frozenset(part["Name"] for part in query["Metric"]["Dimensions"]),
        )
        for alarm in ALARMS.values()
        for query in queries_of(alarm)
    }


def test_what_is_counted_names_the_function_and_the_service(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "durable-pipeline")
    count_end(EXECUTION, "FAILED")
    line = json.loads(capsys.readouterr().out)
    assert (line["FunctionName"], line["service"]) == ("long-run-XYZ", "durable-pipeline")
    assert line["ExecutionsFailed"] == [1.0]


@pytest.mark.parametrize("function", ["PipelineFunction", "LongRunFunction"])
@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT"])
def test_an_execution_that_ends_badly_raises_an_alarm(function: str, status: str) -> None:
    watched = [
        {part["Name"]: part["Value"] for part in alarm["Dimensions"]}
        for alarm in ALARMS.values()
        if alarm.get("MetricName") == ENDED_BADLY[status]
    ]
    service = variables(function)["POWERTOOLS_SERVICE_NAME"]
    assert {"FunctionName": {"Ref": function}, "service": service} in watched


def test_errors_of_every_step_raise_an_alarm() -> None:
    watched = {
        referred(part["Value"])
        for alarm in ALARMS.values()
        for query in queries_of(alarm)
        if query["Metric"]["MetricName"] == "Errors"
        for part in query["Metric"]["Dimensions"]
    }
    durable = {name for name, function in functions().items() if "DurableConfig" in function}
    assert watched == set(functions()) - durable


def test_alarms_reach_the_topic() -> None:
    for alarm in ALARMS.values():
        assert [referred(action) for action in alarm["AlarmActions"]] == ["NotificationTopic"]


def test_a_watcher_that_is_not_woken_raises_an_alarm() -> None:
    assert ALARMS["SilentWatcherAlarm"]["TreatMissingData"] == "breaching"
