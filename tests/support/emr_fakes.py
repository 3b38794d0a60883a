"""EMR and Systems Manager with a memory, as `job_fakes` has Glue and Redshift."""

from __future__ import annotations

import json
import shlex
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from job_fakes import FakeClock, FakeService, service_error

CLUSTER = "j-CLUSTER"
INSTANCE = "i-0123456789abcdef0"


def refusal(operation: str, code: str, message: str) -> ClientError:
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }
    return ClientError(response, operation)


class FakeEmr(FakeService):
    """Steps that stay PENDING until the test says otherwise."""

    service = "emr"

    def __init__(self, clock: FakeClock, *clusters: str, places: int = 256, page: int = 50) -> None:
        super().__init__()
        self._clock, self._page, self._places = clock, page, places
        self._clusters = set(clusters or (CLUSTER,))
        self.steps: list[dict[str, Any]] = []
        self.concurrency: int | None = None  # as DescribeCluster says it; None: it does not
        self.while_adding: Callable[[], None] = lambda: None

    def finish(self, state: str = "COMPLETED", message: str | None = None, step: int = -1) -> None:
        status = self.steps[step]["Status"]
        status["State"] = state
        if message:
            log = "s3://logs/stderr.gz"
            status["FailureDetails"] = {"Reason": "Error.", "Message": message, "LogFile": log}

    def add_job_flow_steps(self, **request: Any) -> Any:
        return self._call("AddJobFlowSteps", request, self._add)

    def list_steps(self, **request: Any) -> Any:
        return self._call("ListSteps", request, self._list)

    def cancel_steps(self, **request: Any) -> Any:
        return self._call("CancelSteps", request, self._cancel)

    def describe_cluster(self, **request: Any) -> Any:
        return self._call("DescribeCluster", request, self._describe)

    def _describe(self, ClusterId: str) -> Any:
        if ClusterId not in self._clusters:
            raise _not_valid("Cluster", ClusterId)
        said = {} if self.concurrency is None else {"StepConcurrencyLevel": self.concurrency}
        return {"Cluster": {"Id": ClusterId, **said}}

    def _add(self, JobFlowId: str, Steps: list[dict[str, Any]]) -> Any:
        self.while_adding()
        operation = "AddJobFlowSteps"
        if JobFlowId not in self._clusters:
            raise refusal(operation, "ValidationException", "Specified job flow ID does not exist.")
        active = ("PENDING", "RUNNING", "CANCEL_PENDING")
        if sum(step["Status"]["State"] in active for step in self.steps) >= self._places:
            full = (
                "Maximum number of active steps(State = 'Running', 'Pending' or 'Cancel_Pending')"
                " for cluster exceeded."
            )
            raise refusal(operation, "ValidationException", full)
        (config,) = Steps
        step = {
            "Id": f"s-{len(self.steps):05d}",
            "Cluster": JobFlowId,
            "Name": config["Name"],
            "ActionOnFailure": config["ActionOnFailure"],
            "Config": config["HadoopJarStep"],
            "Status": {
                "State": "PENDING",
                "StateChangeReason": {},
                "Timeline": {"CreationDateTime": self._clock()},
            },
        }
        self.steps.append(step)
        return {"StepIds": [step["Id"]]}

    def _list(
        self,
        ClusterId: str,
        StepIds: list[str] | None = None,
        StepStates: list[str] | None = None,
        Marker: str = "0",
    ) -> Any:
        if ClusterId not in self._clusters:
            raise _not_valid("Cluster", ClusterId)
        assert len(StepIds or ()) <= 10, "EMR takes no more"
        steps = [step for step in reversed(self.steps) if step["Cluster"] == ClusterId]
        for step_id in StepIds or ():
            if all(step["Id"] != step_id for step in steps):
                raise _not_valid("Step", step_id)
        found = [
            step
            for step in steps
            if (StepIds is None or step["Id"] in StepIds)
            and (StepStates is None or step["Status"]["State"] in StepStates)
        ]
        first, end = int(Marker), int(Marker) + self._page
        return {"Steps": found[first:end], **({"Marker": str(end)} if end < len(found) else {})}

    def _cancel(self, ClusterId: str, StepIds: list[str], StepCancellationOption: str) -> Any:
        assert (ClusterId in self._clusters, StepCancellationOption) == (True, "TERMINATE_PROCESS")
        assert len(StepIds) <= 256
        steps = {step["Id"]: step for step in self.steps}
        for unknown in set(StepIds) - set(steps):
            raise _not_valid("Step", unknown)
        return {"CancelStepsInfoList": [self._cancel_step(steps[step]) for step in StepIds]}

    def _cancel_step(self, step: dict[str, Any]) -> dict[str, str]:
        state = step["Status"]["State"]
        if state not in ("PENDING", "RUNNING"):
            return {"StepId": step["Id"], "Status": "FAILED", "Reason": "not in a valid state"}
        step["Status"]["State"] = "CANCELLED" if state == "PENDING" else "CANCEL_PENDING"
        return {"StepId": step["Id"], "Status": "SUBMITTED"}


class FakeSsm(FakeService):
    """Commands that wait until the test lets the instance run them."""

    service = "ssm"

    def __init__(self, clock: FakeClock, emr: FakeEmr, *, page: int = 50) -> None:
        super().__init__()
        self._clock, self._emr, self._page = clock, emr, page
        self.commands: list[dict[str, Any]] = []

    def run(self) -> None:
        """Let the instance run what waits there; each command's `aws` adds its step."""
        for command in self.commands:
            if command["Status"] == "Pending":
                self.report(command, *self._run(command["script"]))

    def report(self, command: dict[str, Any], status: str, output: str) -> None:
        command |= {"Status": status, "StatusDetails": status, "Output": output}
        ran = status not in ("Pending", "Cancelled")
        command["ResponseStartDateTime"] = self._clock() if ran else None
        command["ResponseFinishDateTime"] = None if status == "Pending" else self._clock()

    def send_command(self, **request: Any) -> Any:
        return self._call("SendCommand", request, self._send)

    def list_commands(self, **request: Any) -> Any:
        return self._call("ListCommands", request, self._list)

    def list_command_invocations(self, **request: Any) -> Any:
        return self._call("ListCommandInvocations", request, self._invocations)

    def cancel_command(self, **request: Any) -> Any:
        return self._call("CancelCommand", request, self._cancel)

    def _run(self, script: str) -> tuple[str, str]:
        """Status and output of one try of the script."""
        call = script[script.index("$(aws ") + 2 : script.index(" 2>&1)")]
        words = shlex.split(call)
        value = dict(zip(words[3::2], words[4::2], strict=True))
        (step,) = json.loads(value["--steps"])
        try:
            response = self._emr.add_job_flow_steps(
                JobFlowId=value["--cluster-id"],
                Steps=[
                    {
                        "Name": step["Name"],
                        "ActionOnFailure": step["ActionOnFailure"],
                        "HadoopJarStep": {"Jar": step["Jar"], "Args": step["Args"]},
                    }
                ],
            )
        except ClientError as error:
            if "Maximum number of active steps" in str(error):
                return "Pending", ""  # it sleeps, and tries again
            return "Failed", str(error)
        return "Success", json.dumps(response, indent=4)

    def _send(
        self,
        InstanceIds: list[str],
        DocumentName: str,
        Comment: str,
        TimeoutSeconds: int,
        Parameters: dict[str, list[str]],
    ) -> Any:
        if InstanceIds != [INSTANCE]:
            raise service_error("SendCommand", "InvalidInstanceId")
        (script,) = Parameters["commands"]
        command = {
            "CommandId": str(uuid.uuid4()),
            "InstanceId": INSTANCE,
            "DocumentName": DocumentName,
            "Comment": Comment,
            "RequestedDateTime": self._clock(),
            "timeouts": (TimeoutSeconds, Parameters["executionTimeout"]),
            "script": script,
        }
        self.report(command, "Pending", "")
        self.commands.append(command)
        return {"Command": {"CommandId": command["CommandId"]}}

    def _list(self, Filters: list[dict[str, str]], MaxResults: int, NextToken: str = "0") -> Any:
        page, token = self._after(Filters, MaxResults, NextToken)
        return {"Commands": page, **token}

    def _invocations(
        self,
        Details: bool,
        CommandId: str | None = None,
        Filters: list[dict[str, str]] | None = None,
        MaxResults: int = 50,
        NextToken: str = "0",
    ) -> Any:
        assert Details, "else there is no output"
        if CommandId is not None:
            page, token = [c for c in self.commands if c["CommandId"] == CommandId], {}
            if not page:
                raise service_error("ListCommandInvocations", "InvalidCommandId")
        else:
            page, token = self._after(Filters or [], MaxResults, NextToken)
        reported = ("Output", "ResponseStartDateTime", "ResponseFinishDateTime")
        items = [{**c, "CommandPlugins": [{name: c[name] for name in reported}]} for c in page]
        return {"CommandInvocations": items, **token}

    def _cancel(self, CommandId: str) -> Any:
        for command in self.commands:
            if command["CommandId"] == CommandId and command["Status"] == "Pending":
                self.report(command, "Cancelled", "")
        return {}

    def _after(self, filters: list[dict[str, str]], size: int, token: str) -> tuple[Any, Any]:
        """A page of commands, newest first."""
        values = {each["key"]: each["value"] for each in filters}
        oldest = datetime.fromisoformat(values["InvokedAfter"].replace("Z", "+00:00"))
        found = [c for c in reversed(self.commands) if c["RequestedDateTime"] >= oldest]
        found = [c for c in found if c["DocumentName"] == values["DocumentName"]]
        first, end = int(token), int(token) + min(size, self._page)
        return found[first:end], {"NextToken": str(end)} if end < len(found) else {}


def _not_valid(what: str, name: str) -> ClientError:
    return refusal("ListSteps", "InvalidRequestException", f"{what} id '{name}' is not valid.")
