"""What the pipeline relies on and no document says outright: one claim per check. Pure.

docs/local-cloud.md lists these beside the documented behaviours; a test keeps the two lists equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

CLAIMS: Final[Mapping[str, str]] = MappingProxyType({
    "invoke-right": "a chained invoke is allowed by lambda:InvokeFunction on ARN and ARN:*",
    "invoke-arn": "which of ARN and ARN:* the service checks for a chained invoke",
    "error-types": "a failed chained invoke reports the error's class name, without its module",
    "known-rows": "the functions and their layer store known rows as they are, and reject others",
    "batch-acknowledged": "a succeeded run's message is acknowledged by the execution's result",
    "notifications": "the encrypted topic delivers to its queue, and the consumer receives it once",
    "glue-modules": "a Glue Python shell job can install the module that the template names",
    "glue-event": "the event of a Glue run's end wakes the job watcher",
    "callback-right": "the job watcher may complete callbacks by its right on FUNCTION_ARN:*",
    "copy-role": "the warehouse reads the data bucket with its role, and has the known rows",
    "statement-visibility": "a load that one role submits can be described by another one",
    "load-event": "the event of a load's end wakes the job watcher",
    "emr-engine": "a step of the EMR cluster reads and writes the run's files",
    "emr-event": "the event of an EMR step's end wakes the job watcher",
    "emr-ssm-engine": "a command on the instance adds the step, and its output names it",
    "emr-serverless-engine": "a job run of the application reads and writes the run's files",
    "emr-serverless-event": "the event of an EMR Serverless run's end wakes the job watcher",
    "upload-event": "the event of an uploaded object starts a run",
    "status-event": "the event of a stopped execution wakes the reaper",
    "execution-read-right": "GetDurableExecution is allowed by a right on FUNCTION_ARN:*",
    "stop-cancels-job": "the job of a stopped run is cancelled at its engine",
    "alarms": "the alarms exist by name, and none lacks data because its metric is wrong",
    "alarm-metrics": "AWS/Lambda metrics have the single dimension FunctionName",
    "own-metrics": "a metric in the embedded format has the dimensions FunctionName and service",
    "concurrency": "the account allows the executions that the parameters ask for",
})  # fmt: skip


class Verdict(StrEnum):
    """What came of a check."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SKIPPED = "skipped"
    NOT_CONFIGURED = "not configured"
    NOT_SHOWN = "cannot be shown here"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        evidence: what was seen, or why nothing could be.
    """

    verdict: Verdict
    evidence: str


Check = Callable[[Any], Finding]


class Concluded(Exception):
    """A check ends early with this finding, as what it looks at is not there."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.evidence)
        self.finding = finding


def passed(evidence: str) -> Finding:
    return Finding(Verdict.PASS, evidence)


def failed(evidence: str) -> Finding:
    return Finding(Verdict.FAIL, evidence)


def skipped(evidence: str) -> Finding:
    return Finding(Verdict.SKIPPED, evidence)


def not_configured(parameter: str) -> Finding:
    return Finding(Verdict.NOT_CONFIGURED, f"the parameter {parameter} is empty")


def not_shown(evidence: str) -> Finding:
    return Finding(Verdict.NOT_SHOWN, evidence)
