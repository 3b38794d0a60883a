"""Glue, Redshift Data and callbacks with a memory, for tests of jobs.

Every request is checked against botocore's service model, so a parameter that the service does not
know fails here too. Errors are botocore's, with the services' codes.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any, Final

import botocore.session
from botocore.exceptions import ClientError
from botocore.model import ServiceModel
from botocore.validate import validate_parameters


class Killed(BaseException):
    """The function's process ends here: no handler sees this one."""


@dataclass
class FakeClock:
    now: datetime = datetime(2026, 11, 20, 8, 15, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@cache
def service_model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def service_error(operation: str, code: str, status: int = 400) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": f"{code} was planned by the test"},
            "ResponseMetadata": {"HTTPStatusCode": status},
        },
        operation,
    )


class FakeService:
    """Keeps the requests; breaks as planned, before or after the request took effect."""

    service = ""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.meta = SimpleNamespace(region_name="us-east-1")
        self._breaks: list[tuple[str, BaseException, bool]] = []
        self._lock = threading.RLock()

    def break_once(self, operation: str, error: BaseException, *, after: bool = False) -> None:
        self._breaks.append((operation, error, after))

    def refuse_once(self, operation: str, code: str, status: int = 400) -> None:
        self.break_once(operation, service_error(operation, code, status))

    def count(self, operation: str) -> int:
        return sum(name == operation for name, _ in self.requests)

    def _call(self, operation: str, request: dict[str, Any], run: Callable[..., Any]) -> Any:
        with self._lock:
            shape = service_model(self.service).operation_model(operation).input_shape
            validate_parameters(request, shape)
            self.requests.append((operation, request))
            self._trip(operation, after=False)
            response = run(**request)
            self._trip(operation, after=True)
            return response

    def _trip(self, operation: str, *, after: bool) -> None:
        for planned in self._breaks:
            if planned[0] == operation and planned[2] is after:
                self._breaks.remove(planned)
                raise planned[1]


class FakeGlue(FakeService):
    """Job runs that go on until the test says otherwise."""

    service = "glue"

    def __init__(self, clock: FakeClock, *names: str, places: int = 1000, page: int = 200) -> None:
        super().__init__()
        self._clock, self._names, self._places, self._page = clock, set(names), places, page
        self.runs: list[dict[str, Any]] = []
        self.definition: dict[str, Any] = {"ExecutionProperty": {"MaxConcurrentRuns": places}}
        self.while_starting: Callable[[], None] = lambda: None

    def finish(self, state: str = "SUCCEEDED", error: str | None = None, run: int = -1) -> None:
        message = {"ErrorMessage": error} if error else {}
        ended = {} if state in ("RUNNING", "STOPPING") else {"CompletedOn": self._clock()}
        self.runs[run] |= {"JobRunState": state, **message, **ended}

    def run_of(self, run_id: str) -> dict[str, Any]:
        return next(run for run in self.runs if run["Id"] == run_id)

    def get_job(self, **request: Any) -> Any:
        return self._call("GetJob", request, self._define)

    def start_job_run(self, **request: Any) -> Any:
        return self._call("StartJobRun", request, self._start)

    def get_job_runs(self, **request: Any) -> Any:
        return self._call("GetJobRuns", request, self._list)

    def get_job_run(self, **request: Any) -> Any:
        return self._call("GetJobRun", request, self._get)

    def batch_stop_job_run(self, **request: Any) -> Any:
        return self._call("BatchStopJobRun", request, self._stop)

    def _define(self, JobName: str) -> Any:
        self._known("GetJob", JobName)
        return {"Job": {"Name": JobName, **self.definition}}

    def _start(self, JobName: str, Arguments: dict[str, str], Timeout: int) -> Any:
        self.while_starting()
        self._known("StartJobRun", JobName)
        if sum(run["JobRunState"] in ("STARTING", "RUNNING") for run in self.runs) >= self._places:
            raise service_error("StartJobRun", "ConcurrentRunsExceededException")
        run = {
            "Id": f"jr_{len(self.runs):04d}",
            "JobName": JobName,
            "JobRunState": "STARTING",
            "StartedOn": self._clock(),
            "Arguments": dict(Arguments),
            "Timeout": Timeout,
            "LogGroupName": "/aws-glue/python-jobs",
        }
        self.runs.append(run)
        return {"JobRunId": run["Id"]}

    def _list(self, JobName: str, MaxResults: int, NextToken: str = "0") -> Any:
        self._known("GetJobRuns", JobName)
        runs = [run for run in reversed(self.runs) if run["JobName"] == JobName]
        first = int(NextToken)
        end = first + min(MaxResults, self._page)
        token = {"NextToken": str(end)} if end < len(runs) else {}
        return {"JobRuns": runs[first:end], **token}

    def _get(self, JobName: str, RunId: str) -> Any:
        for run in self.runs:
            if run["JobName"] == JobName and run["Id"] == RunId:
                return {"JobRun": run}
        raise service_error("GetJobRun", "EntityNotFoundException")

    def _stop(self, JobName: str, JobRunIds: list[str]) -> Any:
        run = self._get(JobName, JobRunIds[0])["JobRun"]
        if run["JobRunState"] not in ("STARTING", "RUNNING", "WAITING"):
            detail = {"ErrorCode": "InvalidInputException", "ErrorMessage": "not running"}
            return {"Errors": [{"JobRunId": run["Id"], "ErrorDetail": detail}]}
        run["JobRunState"] = "STOPPING"
        return {"SuccessfulSubmissions": [{"JobRunId": run["Id"]}], "Errors": []}

    def _known(self, operation: str, name: str) -> None:
        if name not in self._names:
            raise service_error(operation, "EntityNotFoundException")


class FakeRedshift(FakeService):
    """Batches that stay STARTED until the test says otherwise; tokens are honoured."""

    service = "redshift-data"

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self.statements: list[dict[str, Any]] = []

    def finish(self, status: str = "FINISHED", error: str | None = None) -> None:
        self.statements[-1] |= {"Status": status, **({"Error": error} if error else {})}

    def batch_execute_statement(self, **request: Any) -> Any:
        return self._call("BatchExecuteStatement", request, self._execute)

    def list_statements(self, **request: Any) -> Any:
        return self._call("ListStatements", request, self._list)

    def describe_statement(self, **request: Any) -> Any:
        return self._call("DescribeStatement", request, self._describe)

    def cancel_statement(self, **request: Any) -> Any:
        return self._call("CancelStatement", request, self._cancel)

    def _execute(self, ClientToken: str, StatementName: str, **request: Any) -> Any:
        for statement in self.statements:
            if statement["ClientToken"] == ClientToken:
                return {"Id": statement["Id"]}
        statement = {
            "Id": str(uuid.uuid4()),
            "StatementName": StatementName,
            "ClientToken": ClientToken,
            "Status": "STARTED",
            "request": request,
        }
        self.statements.append(statement)
        return {"Id": statement["Id"]}

    def _list(self, StatementName: str, Status: str, MaxResults: int) -> Any:
        assert Status == "ALL"  # else only finished statements are listed
        found = [s for s in self.statements if s["StatementName"].startswith(StatementName)]
        return {"Statements": found[:MaxResults]}

    def _describe(self, Id: str) -> Any:
        for statement in self.statements:
            if statement["Id"] == Id:
                return statement
        raise service_error("DescribeStatement", "ResourceNotFoundException")

    def _cancel(self, Id: str) -> Any:
        statement = self._describe(Id)
        if statement["Status"] != "STARTED":
            raise service_error("CancelStatement", "ValidationException")
        statement["Status"] = "ABORTED"
        return {"Status": True}


@dataclass
class FakeCallback:
    results: list[str] = field(default_factory=list)
    heartbeats: int = 0
    timed_out: bool = False


class FakeDurable(FakeService):
    """The part of Lambda that takes callbacks; one that is not made yet is not found."""

    service = "lambda"

    def __init__(self, *callback_ids: str) -> None:
        super().__init__()
        self.callbacks = {callback_id: FakeCallback() for callback_id in callback_ids}

    def make(self, callback_id: str) -> FakeCallback:
        return self.callbacks.setdefault(callback_id, FakeCallback())

    def send_durable_execution_callback_success(self, **request: Any) -> Any:
        return self._call("SendDurableExecutionCallbackSuccess", request, self._success)

    def send_durable_execution_callback_heartbeat(self, **request: Any) -> Any:
        return self._call("SendDurableExecutionCallbackHeartbeat", request, self._heartbeat)

    def _success(self, CallbackId: str, Result: bytes) -> Any:
        self._open(CallbackId).results.append(Result.decode())
        return {}

    def _heartbeat(self, CallbackId: str) -> Any:
        self._open(CallbackId).heartbeats += 1
        return {}

    def _open(self, callback_id: str) -> FakeCallback:
        operation = "SendDurableExecutionCallbackSuccess"
        callback = self.callbacks.get(callback_id)
        if callback is None:
            raise service_error(operation, "ResourceNotFoundException", 404)
        if callback.results or callback.timed_out:
            raise service_error(operation, "CallbackTimeoutException")
        return callback


READS: Final = ("query", "scan")
READING: Final = ("get_", "batch_get_", "describe_", "list_", "head_")


class Fate:
    """Kills the function at one of its outside calls, before or after the call took effect.

    Calls that only read do not count: who dies there leaves what who dies before the next effect
    leaves.

    Attributes:
        names: of the calls so far.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.decide: Callable[[int, bool], bool] = lambda _call, _after: False
        self.names: list[str] = []

    @property
    def calls(self) -> int:
        return len(self.names)

    def kill_at(self, call: int, *, after: bool) -> None:
        self.names.clear()
        self.decide = lambda number, is_after: number == call and is_after is after

    def spare(self) -> None:
        self.decide = lambda _call, _after: False

    def over(self, client: Any) -> Any:
        """The client, with this hanging over every operation."""
        return _Doomed(client, self)

    def strike(self, number: int, *, after: bool) -> None:
        if self.decide(number, after):
            raise Killed

    def next_call(self, name: str) -> int:
        with self._lock:
            self.names.append(name)
            return self.calls


class _Doomed:
    def __init__(self, client: Any, fate: Fate) -> None:
        self._client, self._fate = client, fate

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name in READS or name.startswith(READING) or not callable(real):
            return real

        def call(*names: Any, **request: Any) -> Any:
            number = self._fate.next_call(name)
            self._fate.strike(number, after=False)
            response = real(*names, **request)
            self._fate.strike(number, after=True)
            return response

        return call
