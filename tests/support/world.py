"""A small stateful stand-in for the step functions: what a run does, without AWS.

It keeps a ledger in memory and handles every operation the way the real steps do, so that the
orchestration can be tried alone. Failures are planned with `world.fail(…)`.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from aws_durable_execution_sdk_python.execution import DurableExecutionInvocationInput
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner
from aws_durable_execution_sdk_python_testing import runner as testing_runner
from aws_durable_execution_sdk_python_testing.invoker import InProcessInvoker
from aws_durable_execution_sdk_python_testing.stores.memory import InMemoryExecutionStore

from contracts import errors
from contracts.errors import PipelineError
from contracts.manifest import Waiting, first_of, ranges
from contracts.messages import LOAD_FLOW, START_FLOW, UNIT_FLOW, LoadedDataset
from contracts.messages import operations as limits
from contracts.source.unit_part import UnitPart, stage_and_part
from contracts.steps import declared, step_functions
from durable_pipeline import app
from durable_pipeline.plan import operations_per_unit
from durable_pipeline.settings import Settings
from local.local_cloud.durable.executor import ResumingExecutor
from local.local_cloud.durable.state import invocation_input

# What submit-job reports to a unit that begins by no job; the rest it raises.
_OF_A_SUBMISSION = {name for name, value in vars(errors).items() if isinstance(value, type)} - {
    "OwnershipLost"
}
PIPELINE = "pipeline"
LONG_RUN = "long-run"
JOB_FUNCTION = "function-of-a-job"

vars(testing_runner)["Executor"] = ResumingExecutor  # or runs with several units may hang


class PrunedStateInvoker(InProcessInvoker):
    """Gives handlers the state that AWS gives them: without what completed contexts stand for."""

    def create_invocation_input(self, execution: Any) -> DurableExecutionInvocationInput:
        given = super().create_invocation_input(execution)
        return replace(
            given, initial_execution_state=invocation_input(execution).initial_execution_state
        )


vars(testing_runner)["InProcessInvoker"] = PrunedStateInvoker


class World:
    """The steps of one deployment."""

    def __init__(self) -> None:
        self.objects = 3
        self.unit_seconds = 10
        self.jobs: list[dict[str, Any]] = [
            {
                "stage": "clean",
                "engine": "glue",
                "timeoutSeconds": 900,
                "attempts": 1,
                "queueSeconds": 86400,
            }
        ]
        self.group: int | None = None  # objects of each unit; the job of a bad one fails
        self.bad: dict[str, set[int]] = defaultdict(set)  # their places, by stage of the chain
        self.targets = ["dynamodb"]
        self.of_items = False
        self.load_flow = LOAD_FLOW
        self.rejected_items = 1  # of the ten of each batch
        self.set_aside = 0  # of the six rows of each unit
        self.unwritten = 0  # rows of each unit that are missing in its files
        self.published: list[dict[str, Any]] = []  # responses of publish-files, the next one first
        self.permanent: bool | None = None  # what record-run says of a run that FAILED
        self.warehouse = False
        self.pools_full: set[str] = set()  # datasets whose jobs find no room
        self.input_url: str | None = None
        self.slices: list[dict[str, Any]] = []
        self.units_per_shard: int | None = None
        self.shard_sizes: list[int] = []
        self.packs = True  # False: an earlier release has frozen the manifest
        self.plans: dict[tuple[str, int], dict[str, Any]] = {}  # by run and attempt
        self.claim: dict[str, Any] = {"outcome": "CLAIMED", "runAttempt": 1}
        self.job_responses: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.cancelled_as: dict[str, Any] = {}
        self.function_errors: list[Exception | None] = []
        self.function_calls: list[dict[str, Any]] = []
        self.responses: dict[str, dict[str, Any]] = {}  # of steps that have no method here
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.units: dict[str, dict[str, Any]] = {}
        self.ends: list[dict[str, Any]] = []  # of units, whichever step recorded them
        self.stored_before: set[str] = set()
        self.stopping = False
        self.committed: Counter[str] = Counter()  # by execution; a closed one has no room left
        self.closed: set[str] = set()
        self.begun: set[tuple[str, str]] = set()  # units whose allowance is committed
        self._lost_ends: Counter[str] = Counter()
        self.lost = 0
        self.running = 0
        self.most_running = 0
        self.hidden = 0
        self.excluded = 0
        self.reason: str | None = None
        self.looked_at: str | None = None
        self.already_stored: int | None = None
        self.skipped: str | None = None
        self.waits: dict[str, list[Waiting]] = {}  # by run: responses before its manifest is there
        self.not_ready: dict[str, Any] | None = None
        self.drawn: dict[str, str] = {}
        self._failures: dict[str, list[Exception | None]] = defaultdict(list)
        self._lock = threading.Lock()

    # -- what a test plans and asks

    def fail(self, operation: str, *errors: Exception | None, unit: str | None = None) -> None:
        """The next calls of an operation (for one unit, if named) raise these; None: no error.

        `start-unit` also fails where submit-job carries it, `ended` where a store has recorded the
        unit's end, and `submission of load` where store-redshift submits.
        """
        self._failures[f"{operation}/{unit}" if unit else operation] += errors

    def lose_ends(self, unit: str, times: int) -> None:
        """So often the unit's end is recorded, and the response lost."""
        self._lost_ends[unit] = times

    def count(self, operation: str) -> int:
        return sum(name == operation for name, _ in self.calls)

    def payloads(self, operation: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.calls if name == operation]

    def starts(self) -> list[dict[str, Any]]:
        """Messages that asked whether a unit begins, whichever step carried them."""
        found = [
            payload if payload.get("kind") == "start" else payload.get("start")
            for _, payload in self.calls
        ]
        return [each for each in found if each]

    def submissions(self) -> list[dict[str, Any]]:
        """Messages that submitted a job, whichever step carried them."""
        found = [
            payload if name == "submit-job" else payload.get("submit")
            for name, payload in self.calls
        ]
        return [each for each in found if each]

    def events(self) -> list[str]:
        return [payload["event"] for payload in self.payloads("notify")]

    def unit_status(self) -> Counter[str]:
        return Counter(unit["status"] for unit in self.units.values())

    # -- the steps

    def handler(self, operation: str) -> Callable[[dict[str, Any], Any], Any]:
        """What stands for a step function.

        A declared step that has no method here returns what is in `responses`, else the defaults of
        its response.
        """
        response = getattr(self, f"_{operation.replace('-', '_')}", None)
        response = response or self._defaults(operation)

        def handle(payload: dict[str, Any], _context: Any) -> Any:
            with self._lock:
                self.calls.append((operation, payload))
                unit = payload.get("unitId") or payload.get("key", {}).get("unitId")
                unit = unit or payload.get("shard")
                error = self._planned_failure(operation, unit)
                if error is not None and "start" in payload:
                    return self._begin_with_job(payload, error)
                if error is not None:
                    raise error
                if operation == "record-unit" and payload["kind"] == "start":
                    self._fail_if_planned("start-unit", unit)
                return response(payload)

        return handle

    def _fail_if_planned(self, operation: str, unit: Any) -> None:
        error = self._planned_failure(operation, unit)
        if error is not None:
            raise error

    def _planned_failure(self, operation: str, unit: Any) -> Exception | None:
        for name in (f"{operation}/{unit}", operation):
            error = self._failures[name].pop(0) if self._failures[name] else None
            if error is not None:
                return error
        return None

    def _defaults(self, operation: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        if operation in self.responses:
            return lambda _payload: self.responses[operation]
        response = next(step.response for step in declared() if step.function == operation)
        required = [name for name, field in response.model_fields.items() if field.is_required()]
        if required:
            raise LookupError(
                f"World does not know what {operation} returns: set world.responses[{operation!r}],"
                f" or give defaults to {', '.join(required)} of {response.__name__}"
            )
        return lambda _payload: response().to_json()

    def _claim_run(self, payload: dict[str, Any]) -> dict[str, Any]:
        drawn = {}
        if drawn_for := payload.get("drawnFor"):
            next_id = f"20261120T081500Z-{len(self.drawn):08d}"
            drawn = {"runId": self.drawn.setdefault(drawn_for, next_id)}
        return {
            **drawn,
            "endDateTime": payload["request"].get("endDateTime", "2026-11-20T00:00:00Z"),
            "holder": payload["executionArn"],
            "status": "CLAIMED",
            "startFlow": START_FLOW,
            "unitFlow": UNIT_FLOW,
            **self.claim,
        }

    def _load_dataset(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {
            "name": payload["request"]["datasetName"],
            "version": "abc123",
            "unitSeconds": self.unit_seconds,
            "jobs": self.jobs,
            "targets": self.targets,
            "warehouse": self._has_warehouse,
            "ofItems": self.of_items,
            "halves": self.group is not None,
            "loadFlow": self.load_flow,
            "inputUrl": self.input_url,
            "warehouseQueueSeconds": 7200,
            "poolsFull": payload["request"]["datasetName"] in self.pools_full,
        }

    @property
    def planned_operations(self) -> int:
        """Durable operations that are planned for a unit of the dataset."""
        request = {"request": {"datasetName": "orders"}}
        return operations_per_unit(LoadedDataset.from_json(self._load_dataset(request)))

    @property
    def _has_warehouse(self) -> bool:
        return self.warehouse or "redshift" in self.targets

    def _list_urls(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        if payload.get("kind") == "freeze-plan":
            self.plans[payload["runId"], payload["runAttempt"]] = payload
            return None
        if payload.get("kind") == "read-shard":
            return self._read_shard(payload)
        size = self.units_per_shard or payload["unitsPerShard"]
        sizes = [min(size, self.objects - first) for first in range(0, self.objects, size)]
        self.shard_sizes = sizes
        waits = self.waits.get(payload["request"]["runId"])
        if waits:
            waiting = {"waiting": waits.pop(0).to_json()}
            nothing = {"objects": 0, "totalBytes": 0, "shardSizes": [], "pending": []}
            return {"manifestUrl": "s3://data/manifest", **nothing, **waiting}
        pending = self._pending(payload.get("shard", 0))
        return {
            "manifestUrl": "s3://data/manifest",
            "objects": self.objects,
            "hidden": self.hidden,
            "excluded": self.excluded,
            **({"reason": self.reason} if self.reason else {}),
            **({"notReady": self.not_ready} if self.not_ready else {}),
            **({"lookedAt": self.looked_at} if self.looked_at else {}),
            **({} if self.already_stored is None else {"alreadyStored": self.already_stored}),
            **({"skipped": self.skipped} if self.skipped else {}),
            "totalBytes": 100,
            "shardSizes": sizes,
            **({"packObjects": 1000} if self.packs else {}),
            **({"items": 10 * self.objects} if self.of_items else {}),
            "pending": pending,
        }

    def _pending(self, shard: int) -> list[tuple[int, int]]:
        return list(
            ranges(
                position
                for position in range(self.shard_sizes[shard] if self.shard_sizes else 0)
                if f"{shard:05d}-{position:03d}" not in self.stored_before
            )
        )

    def _read_shard(self, payload: dict[str, Any]) -> dict[str, Any]:
        """As `runs.long.shard_plans` reads it; its tests are with it."""
        frozen = self.plans[payload["runId"], payload["runAttempt"]]
        tolerated = frozen.get("toleratedLosses")
        pending = self._pending(payload["shard"])
        if self.stopping:
            return {"plan": frozen["plan"], "halted": True}
        if tolerated is not None and self.lost > tolerated:
            first = first_of(tuple((first, end) for first, end in pending))
            return {"plan": frozen["plan"], "pending": first, "halted": True}
        return {"plan": frozen["plan"], "pending": pending}

    def _start_run(self, payload: dict[str, Any]) -> dict[str, Any]:
        name = f"test-{payload['request']['runId']}-{payload['runAttempt']}"
        return {"executionArn": f"arn:{name}", "executionName": name}

    def _record_unit(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        if payload["kind"] == "start":
            return self._start_unit(payload)
        if payload["kind"] == "round":
            return {} if self.stopping else {"runAttempt": payload["runAttempt"] + 1}
        return self._end_unit(payload)

    def _end_unit(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        before = self.units.get(payload["unitId"], {}).get("status")
        if payload.get("perhapsEnded") and before == "STORED":
            return {"status": "STORED"}
        self.running -= self.units.get(payload["unitId"], {}).get("status") == "RUNNING"
        self.units[payload["unitId"]] = payload
        self.ends.append(payload)
        self.lost += payload["status"] == "FAILED"
        if execution := payload.get("executionArn"):
            first = (execution, payload["unitId"]) in self.begun
            self.begun.discard((execution, payload["unitId"]))
            used = payload["operations"] - payload["allowance"] if first else payload["repeats"]
            self.committed[execution] += used
        if self._lost_ends[payload["unitId"]] > 0:
            self._lost_ends[payload["unitId"]] -= 1
            raise type("TransientFailure", (PipelineError,), {})("the response was lost")
        return None

    def _start_unit(self, payload: dict[str, Any]) -> dict[str, Any]:
        """As `runs.unit.beginning` decides; its tests are with it."""
        unit, execution = payload["unitId"], payload.get("executionArn")
        failed_fast = "toleratedLosses" in payload and self.lost > payload["toleratedLosses"]
        if execution and (self.stopping or failed_fast):
            self.units[unit] = {"status": "NOT_STARTED"}
            reason = "STOPPED" if self.stopping else "FAILED_FAST"
            return {"begin": False, "reason": reason, "why": "planned"}
        if execution:
            needed = self.committed[execution] + payload["allowance"] + payload["reserved"]
            if execution in self.closed or needed > limits.OPERATIONS:
                self.closed.add(execution)
                return {"begin": False, "reason": "OPERATIONS", "why": "too few are left"}
            self.committed[execution] += payload["allowance"] - payload["asking"]
            self.begun.add((execution, unit))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.units[unit] = {"status": "RUNNING"}
        return {"allowance": payload["allowance"]} if execution else {}

    def _submit_job(self, payload: dict[str, Any]) -> dict[str, Any]:
        return self._begin_with_job(payload) if "start" in payload else self._submitted(payload)

    def _begin_with_job(
        self, payload: dict[str, Any], error: Exception | None = None
    ) -> dict[str, Any]:
        """As the step does: an error of ours in the submission leaves the unit begun, with no job.

        Args:
            error: of the submission.
        """
        if error is not None and type(error).__name__ not in _OF_A_SUBMISSION:
            raise error
        self._fail_if_planned("start-unit", payload["key"]["unitId"])
        began = self._start_unit(payload["start"])
        if error is not None or not began.get("begin", True):
            return {"began": began}
        return {"began": began, "status": self._submitted(payload)}

    def _submitted(self, payload: dict[str, Any]) -> dict[str, Any]:
        if payload["engine"] == "lambda" and not self.job_responses[payload["key"]["stage"]]:
            status = {**self._job_status(payload["key"]), **self._of_group(payload["key"])}
            event = {"JOB_ID": status["jobId"], "OUTPUT_URL": status["outputUrl"]}
            call = {"function": JOB_FUNCTION, "event": event}
            return {**status, "engine": "lambda", "state": "RUNNING", "call": call}
        return self._job(payload["key"], payload)

    def job_function(self, event: dict[str, Any], _context: Any) -> str:
        """A function of the user's own; what it returns is nobody's concern."""
        with self._lock:
            self.function_calls.append(event)
            error = self.function_errors.pop(0) if self.function_errors else None
        if error is not None:
            raise error
        return "whatever"

    def _check_job(self, payload: dict[str, Any]) -> dict[str, Any]:
        return self._job(payload["key"], payload)

    def _cancel_job(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {
            **self._job_status(payload["key"]),
            "state": "TIMED_OUT",
            "error": payload["reason"],
            **self.cancelled_as,
        }

    def _job(self, key: dict[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
        """Job responses are planned per stage; without a plan a job has succeeded at once."""
        planned = self.job_responses[key["stage"]]
        response = planned.pop(0) if planned else {}
        if callable(response):
            response = response(payload["callbackId"], self._job_status(key))
        return {**self._job_status(key), **self._of_group(key), **response}

    def _of_group(self, key: dict[str, Any]) -> dict[str, Any]:
        """What a job of several objects comes to: it fails if one of those that it reads is bad."""
        if self.group is None:
            return {}
        stage, part = stage_and_part(key["stage"])
        part = part or UnitPart(0, self.group - 1)
        found = {"objects": len(part), "serviceId": f"jr_{key['stage']}_{key['attempt']}"}
        bad = [place for place in self.bad[stage] if part.first <= place <= part.last]
        if not bad:
            return found
        return {**found, "state": "FAILED", "error": f"object {bad[0]} is bad"}

    def _job_status(self, key: dict[str, Any]) -> dict[str, Any]:
        return {
            "jobId": f"job-{key['unitId']}-{key['stage']}-{key['attempt']}",
            "stage": key["stage"],
            "engine": "glue",
            "attempt": key["attempt"],
            "state": "SUCCEEDED",
            "outputUrl": f"s3://data/{key['unitId']}/{key['stage']}/{key['attempt']}/",
        }

    def _validate(self, _payload: dict[str, Any]) -> dict[str, Any]:
        counts = {"rowsIn": 13, "filtered": 1, "rejected": 2, "removed": 3, "valid": 7}
        return {**counts, "validUrl": "s3://data/valid"}

    def _transform(self, _payload: dict[str, Any]) -> dict[str, Any]:
        response = {"rows": 6, "removed": 1, "outputUrl": "s3://data/output/"}
        if self.set_aside:
            unstorable = {"rejected": self.set_aside, "rejectedUrl": "s3://data/unstorable.jsonl"}
            response = {**response, **unstorable, "rows": 6 - self.set_aside}
        return response

    def _store_files(self, payload: dict[str, Any]) -> dict[str, Any]:
        stored = {"rows": payload["rows"] - self.unwritten, "files": 1, "bytes": 100}
        return self._ended_by(payload, stored)

    def _store_dynamodb(self, payload: dict[str, Any]) -> dict[str, Any]:
        stored = self.slices.pop(0) if self.slices else {"rows": 6 - self.set_aside}
        return self._ended_by(payload, stored)

    def _ended_by(self, payload: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
        """As `runs.unit.ending` decides; its tests are with it."""
        end = payload.get("end")
        if end is None or "nextRow" in stored or stored["rows"] != end["rows"]:
            return stored
        outcome = end["outcome"]
        outcome["rows"]["superseded"] += stored.get("superseded", 0)
        self._end_unit(outcome)
        self._fail_if_planned("ended", payload["unitId"])
        return {**stored, "ended": True}

    def _store_redshift(self, payload: dict[str, Any]) -> dict[str, Any]:
        prepared = {"statementsUrl": "s3://data/load.json", "rows": 6}
        if "submit" not in payload:
            return prepared
        try:
            self._fail_if_planned("submission of load", payload["unitId"])
            return {**prepared, "status": self._submitted(payload["submit"])}
        except PipelineError:
            return prepared

    def _prepare_warehouse(self, _payload: dict[str, Any]) -> dict[str, Any]:
        return {}

    def _explain_load(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"message": f"{payload['error']}; part-00000.parquet, row 7, column note"}

    def _record_items(self, payload: dict[str, Any]) -> dict[str, Any]:
        good = 10 - self.rejected_items
        stored = 0 if "failure" in payload else good
        totals = {"total": 10, "rejected": self.rejected_items}
        return {**totals, "stored": stored, "failed": good - stored}

    def _record_run(self, payload: dict[str, Any]) -> dict[str, Any]:
        status = payload.get("status")
        failed = self.objects - self.unit_status()["STORED"] - len(self.stored_before)
        default = 50 if self.of_items else 0
        tolerated = payload["request"].get("toleratedFailurePercentage", default)
        items: dict[str, Any] = {}
        lost: float = failed
        if self.of_items:
            items = {"items": {"total": 10 * self.objects}}
            lost += (self.objects - failed) * self.rejected_items / 10
        if status is None:
            status = "FAILED" if 100 * lost / self.objects > tolerated else "SUCCEEDED"
        result = {
            **items,
            "runId": payload["request"]["runId"],
            "datasetName": payload["request"]["datasetName"],
            "status": status,
            "units": {"total": self.objects, "failed": failed},
            "reason": payload.get("reason", f"{failed} failed"),
            "warehouseError": payload.get("warehouseError"),
            "files": payload.get("files"),
            "filesError": payload.get("filesError"),
            "permanent": self.permanent if status == "FAILED" else None,
        }
        statements = {"statementsUrl": "s3://x/y"} if self._has_warehouse else {}
        return {"result": result, **statements}

    def _publish_files(self, _payload: dict[str, Any]) -> dict[str, Any]:
        totals = {"manifestUrl": "s3://output/p/_runs/r.json", "files": 3, "rows": 18}
        return self.published.pop(0) if self.published else {"totals": totals}

    def _notify(self, _payload: dict[str, Any]) -> None:
        return None

    def _reject_message(self, _payload: dict[str, Any]) -> None:
        return None


class Execution:
    """A finished durable execution: its result and its operations."""

    def __init__(self, result: Any, history: Any) -> None:
        self._result = result
        self._history = history

    @property
    def status(self) -> str:
        return str(self._result.status.value)

    @property
    def response(self) -> Any:
        return json.loads(self._result.result)

    @property
    def error(self) -> Any:
        return self._result.error

    def recording(self) -> dict[str, Any]:
        """The history as JSON, to be replayed by later code."""
        operations = [dict(operation.to_json_dict()) for operation in self._history.operations]
        return {
            "arn": self._history.durable_execution_arn,
            "operations": operations,
            "response": self.response,
        }

    def named(self, operation: str) -> list[Any]:
        """The operations of this name, in the order in which they began."""
        return [each for each in self._history.operations if each.name == operation]

    def operations(self) -> Counter[str]:
        return Counter(operation.name for operation in self._result.get_all_operations())


def execution_arn(
    function: str, name: str, invocation_id: str = "inv-12345678-1234-1234-1234-123456789012"
) -> str:
    """The ARN of an execution; the invocation id is the one that the runner gives to all."""
    return (
        f"arn:aws:lambda:us-west-2:123456789012:function:{function}"
        f":$LATEST/durable-execution/{name}/{invocation_id}"
    )


class ServiceShapedArns(InMemoryExecutionStore):
    """Gives executions ARNs of the service's shape, which the orchestrator reads names from."""

    def save(self, execution: Any) -> None:
        start = execution.start_input
        if not execution.durable_execution_arn.startswith("arn:"):
            execution.durable_execution_arn = execution_arn(
                start.function_name, start.execution_name, start.invocation_id
            )
        super().save(execution)


@contextmanager
def closing_runner(
    handler: Callable[[Any, Any], Any],
) -> Iterator[DurableFunctionTestRunner]:
    """A test runner whose event loop is closed in the end; version 1.4.0 only stops it."""
    runner = DurableFunctionTestRunner(handler, skip_time=True, store=ServiceShapedArns())
    try:
        yield runner
    finally:
        runner.close()
        loop = runner._scheduler._loop
        runner._scheduler._thread.join(timeout=5)
        loop.close()


class Deployment:
    """The two durable functions over a world of steps, on the testing SDK's runner."""

    def __init__(
        self, world: World, *, heartbeat_seconds: int = 180, redeliver_permanent: bool = False
    ) -> None:
        self.world = world
        self._heartbeat_seconds = heartbeat_seconds
        self._redeliver_permanent = redeliver_permanent
        self.runner: Any = None

    def run(
        self,
        event: Any,
        handler: Callable[[Any, Any], Any] = app.handle_messages,
        execution_name: str = "execution-1",
        patience: int = 120,
    ) -> Execution:
        """Run to the end, for which it has so many seconds."""
        settings = Settings(
            functions={name: name for name in step_functions()},
            heartbeat_seconds=self._heartbeat_seconds,
            redeliver_permanent=self._redeliver_permanent,
            megabytes={"validate": 2048},
        )
        app.use_settings(settings)
        with closing_runner(handler) as runner:
            self.runner = runner
            for operation in step_functions():
                runner.register_function(operation, self.world.handler(operation))
            runner.register_function(JOB_FUNCTION, self.world.job_function)
            runner.register_durable_function(LONG_RUN, app.handle_run)
            result = runner.run(
                input=json.dumps(event),
                execution_timeout=patience,
                function_name=LONG_RUN if handler is app.handle_run else PIPELINE,
                execution_name=execution_name,
            )
            return Execution(result, runner._store.list_all()[0])


def sqs_event(*bodies: dict[str, Any] | str) -> dict[str, Any]:
    """An SQS batch; the messages have the ids m-1, m-2, …"""
    return {
        "Records": [
            {
                "messageId": f"m-{number}",
                "eventSource": "aws:sqs",
                "body": body if isinstance(body, str) else json.dumps(body),
            }
            for number, body in enumerate(bodies, start=1)
        ]
    }


def error_named(name: str, message: str = "planned") -> Exception:
    """An error of ours by its class name, as it arrives from a step."""
    return type(name, (PipelineError,), {})(message)
