"""Claims about the account: alarms, metrics and the quota of concurrent executions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cli.verify.claims import Finding, failed, not_shown, passed
from cli.verify.session import Session

_TEMPLATE: Final = Path(__file__).resolve().parents[2] / "template.yaml"
_ALARM: Final = re.compile(r"^  (\w+Alarm):$", re.MULTILINE)
_NAMESPACE: Final = "DurablePipeline"
# Beside its batches, each with a step it waits for: the watcher, the reaper and the consumer.
_BESIDE_BATCHES: Final = 3


def alarms(session: Session) -> Finding:
    """CloudFormation names them STACK-ID-RANDOM; a new one has no state for its first minutes."""
    prefix = f"{session.deployment.stack_name}-"
    wanted = alarms_of_template()
    latest: list[Mapping[str, Any]] = []

    def all_with_a_state() -> bool | None:
        client = session.deployment.client("cloudwatch")
        pages = client.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix)
        latest[:] = [alarm for page in pages for alarm in page["MetricAlarms"]]
        return True if not _without_state(latest) else None

    patience = 0.0 if session.deployment.local else session.patience
    session.wait_for(all_with_a_state, "the alarms to have a state", patience)
    names = [str(alarm["AlarmName"]) for alarm in latest]
    missing = [one for one in wanted if not any(_is(name, prefix + one) for name in names)]
    if missing:
        return failed(f"no alarm named {', '.join(prefix + one for one in missing)}")
    if unmeasured := _without_state(latest):
        seen = f"{len(latest)} alarms exist, without data: {', '.join(unmeasured)}"
        return not_shown(seen) if session.deployment.local else failed(seen)
    return passed(", ".join(f"{alarm['AlarmName']} {alarm['StateValue']}" for alarm in latest))


def alarms_of_template() -> list[str]:
    """Their logical ids."""
    return _ALARM.findall(_TEMPLATE.read_text(encoding="utf-8"))


def alarm_metrics(session: Session) -> Finding:
    function = _name(session.deployment.output("JobWatcherFunctionArn"))
    return _metric(session, "AWS/Lambda", "Invocations", {"FunctionName": function})


def own_metrics(session: Session) -> Finding:
    """The stopped run was counted by the reaper under the name of its execution's function."""
    run = session.stopped()
    holder = run.run.holder if run.run else ""
    dimensions = {"FunctionName": _name(holder), "service": "durable-pipeline"}
    return _metric(session, _NAMESPACE, "ExecutionsStopped", dimensions)


def concurrency(session: Session) -> Finding:
    """Of the account and Region; a function that waits for a chained invoke is not running.

    Its limit is 1,000 by default, and less in a new account (AWS Lambda Developer Guide, "Lambda
    quotas").
    """
    settings = session.deployment.client("lambda").get_account_settings()
    limit = int(settings["AccountLimit"]["ConcurrentExecutions"])
    batches = int(session.parameter("MaximumConcurrency") or 5)
    needed = 2 * batches + _BESIDE_BATCHES
    seen = f"the account allows {limit} concurrent executions, MaximumConcurrency {batches} needs"
    if limit >= needed:
        return passed(f"{seen} {needed}")
    fits = max((limit - _BESIDE_BATCHES) // 2, 2)
    return failed(
        f"{seen} {needed}: deploy with MaximumConcurrency={fits}, or ask for more (Service Quotas,"
        " AWS Lambda, Concurrent executions)"
    )


def _metric(
    session: Session, namespace: str, metric: str, dimensions: Mapping[str, str]
) -> Finding:
    client = session.deployment.client("cloudwatch")
    began = datetime.fromtimestamp(session.began_at, UTC) - timedelta(minutes=1)

    def samples() -> float | None:
        response = client.get_metric_statistics(
            Namespace=namespace,
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=began,
            EndTime=datetime.now(UTC) + timedelta(minutes=1),
            Period=60,
            Statistics=["SampleCount"],
        )
        return sum(point["SampleCount"] for point in response["Datapoints"]) or None

    found = session.wait_for(samples, f"the metric {metric}", session.patience)
    seen = f"{namespace} {metric} of {', '.join(f'{a}={b}' for a, b in dimensions.items())}"
    return passed(f"{seen}: {found:g} samples") if found else failed(f"{seen}: no samples")


def _without_state(found: list[Mapping[str, Any]]) -> list[str]:
    return [str(one["AlarmName"]) for one in found if one["StateValue"] == "INSUFFICIENT_DATA"]


def _is(name: str, wanted: str) -> bool:
    return name == wanted or name.startswith(f"{wanted}-")


def _name(arn: str) -> str:
    """`arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME…` → `NAME`."""
    return arn.split(":")[6]
