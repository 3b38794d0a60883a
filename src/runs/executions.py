"""The status of a durable execution, for the functions that clean up after it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from contracts.errors import NotFound, RunStopped
from contracts.ledger_items import RunItem
from contracts.run import RunStatus
from contracts.run_request import parse_timestamp
from runtime import clients
from runtime.handler import count_of_function

ALIVE: Final = frozenset({"RUNNING", "PAUSING", "PAUSED"})
# Of a child that has ended by itself. No document says whether stopping its parent ends it as well.
_CHILD_ENDED: Final = frozenset(
    {"ChainedInvokeSucceeded", "ChainedInvokeFailed", "ChainedInvokeTimedOut"}
)
GONE: Final = "GONE"  # the service does not know the execution (any more)
# No document says how soon a started execution can be read, so "not known" counts only once its run
# has not changed for so long (inferred).
SETTLING: Final = timedelta(minutes=5)
# How an execution ends badly, and the metric that counts it: no document names the dimensions of
# Lambda's own metrics of durable executions, so alarms stand on these.
ENDED_BADLY: Final = {
    "STOPPED": "ExecutionsStopped",
    "TIMED_OUT": "ExecutionsTimedOut",
    "FAILED": "ExecutionsFailed",
}
REASONS: Final = {
    "STOPPED": "its execution was stopped",
    "TIMED_OUT": "its execution ran out of time",
    "FAILED": "its execution failed",
    "SUCCEEDED": "its execution ended without an outcome of this run",
    GONE: "its execution is not known any more",
}


@dataclass(frozen=True)
class Ended:
    """An execution's status (GONE if the service does not know it) and its error's message."""

    status: str
    message: str | None = None

    @property
    def alive(self) -> bool:
        return self.status in ALIVE

    @property
    def run_status(self) -> RunStatus:
        return RunStatus.STOPPED if self.status == "STOPPED" else RunStatus.FAILED

    @property
    def reason(self) -> str:
        reason = REASONS.get(self.status, f"its execution ended as {self.status}")
        return f"{reason}: {self.message}" if self.message else reason


class Executions(Protocol):
    """Looks up the status of an execution."""

    def __call__(self, arn: str) -> Ended: ...


def execution(arn: str) -> Ended:
    """Ask the service for the status of an execution."""
    try:
        with clients.translated(f"asking for execution {arn}"):
            response = clients.client("lambda").get_durable_execution(
                DurableExecutionArn=arn, IncludeExecutionData=True
            )
    except NotFound:
        return Ended(GONE)
    return Ended(str(response["Status"]), response.get("Error", {}).get("ErrorMessage"))


def execution_status(arn: str) -> str:
    """The durable execution's status, or GONE if the service does not know it."""
    try:
        with clients.translated(f"asking for execution {arn}"):
            response = clients.client("lambda").get_durable_execution(
                DurableExecutionArn=arn, IncludeExecutionData=False
            )
    except NotFound:
        return GONE
    return str(response["Status"])


def stop_execution(arn: str, why: str) -> None:
    """Stop an execution from outside; the service runs no more of its code.

    Raises:
        NotFound: the service does not know it.
    """
    error = {"ErrorType": RunStopped.__name__, "ErrorMessage": why}
    with clients.translated(f"stopping execution {arn}"):
        clients.client("lambda").stop_durable_execution(DurableExecutionArn=arn, Error=error)


def children_going_on(arn: str, operations: Collection[str]) -> list[tuple[str, str]]:
    """The executions that this one started by these operations, chained invokes, and whose end it
    has not heard of: operation and ARN, the latest first.

    Args:
        operations: their names.
    """
    asked = {"DurableExecutionArn": arn, "IncludeExecutionData": False, "ReverseOrder": True}
    ended: set[str] = set()
    found: list[tuple[str, str]] = []
    while True:
        with clients.translated(f"reading the history of execution {arn}"):
            page = clients.client("lambda").get_durable_execution_history(**asked)
        for event in page["Events"]:  # an operation's end comes before its start
            child = event.get("ChainedInvokeStartedDetails", {}).get("DurableExecutionArn")
            if event["EventType"] in _CHILD_ENDED:
                ended.add(event["Id"])
            elif child and event.get("Name") in operations and event["Id"] not in ended:
                found.append((event["Name"], child))
        if not page.get("NextMarker"):
            return found
        asked["Marker"] = page["NextMarker"]


def function_of(arn: str) -> str:
    """The name of the execution's function."""
    # arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME:VERSION/durable-execution/…
    return arn.split(":")[6]


def is_settling(run: RunItem, status: str, now: datetime) -> bool:
    """Whether an unknown execution may be too new for the service to report, rather than gone.

    Args:
        status: of the execution that holds the run.
    """
    return is_settling_since(run.updated_at or run.claimed_at, status, now)


def is_settling_since(changed: str | None, status: str, now: datetime) -> bool:
    """As `is_settling`, of an execution that was recorded then."""
    return status == GONE and now - parse_timestamp(changed) < SETTLING


def count_end(arn: str, status: str) -> None:
    """Count an execution that ended badly, by function; a repeated call counts it again."""
    count_of_function(ENDED_BADLY[status], function_of(arn))
