"""`pipeline backfill`: planned, started, looked at, paused, resumed, stopped."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cli_world import FakeLambda, History, World, pipeline
from json_documents import document, error_of

from cli.client.backfill_actions import stop_runs
from cli.exit_codes import FAILED, NOT_FOUND, REFUSED, SUCCEEDED
from cli.views.backfills import stopped_text
from contracts.ledger_items import BackfillItem, WindowsItem, place_in_list
from contracts.messages import (
    ControlBackfill,
    ControlledBackfill,
    ControlOutcome,
    StopOutcome,
    StoppedRun,
    StopRun,
)
from contracts.run_request import parse_timestamp
from contracts.times.backfill import BackfillRequest, BackfillStatus
from ledger.encoding import to_wire

CONTRACT = b"""
name: orders
source: {prefix: landing/orders/, partition: dt=%Y-%m-%d/}
columns: [{name: id, type: string}]
targets: {dynamodb: {key: [id]}}
"""
RANGE = ("orders", "--from", "2026-11-01", "--to", "2026-11-05", "--name", "november")
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:backfill:live"
REQUEST = BackfillRequest.from_json(
    {
        "backfillId": "november",
        "datasetName": "orders",
        "startDateTime": "2026-11-01",
        "endDateTime": "2026-11-05",
        "window": "1d",
    }
)


class Functions(FakeLambda):
    """Starts of the function of backfills, and what the reaper is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.started: dict[str, bytes] = {}
        self.asked: list[ControlBackfill] = []
        self.outcome = ControlOutcome.DONE
        self.stopping = False
        self.stops: list[StopRun] = []
        self.begun_after = 0  # requests to stop a run until there is one
        self.statuses: dict[str, str] = {}

    def list_durable_executions_by_function(self, **call: Any) -> dict[str, Any]:
        assert call["FunctionName"] == FUNCTION.removesuffix(":live")
        name = call["DurableExecutionName"]
        there = [{"Status": self.statuses.get(name, "RUNNING")}] if name in self.started else []
        return {"DurableExecutions": there}

    def invoke(self, **call: Any) -> dict[str, Any]:
        if call["FunctionName"] == FUNCTION:
            name = call["DurableExecutionName"]
            if self.started.setdefault(name, call["Payload"]) != call["Payload"]:
                code = "DurableExecutionAlreadyStartedException"
                raise ClientError({"Error": {"Code": code, "Message": code}}, "Invoke")
            return {"StatusCode": 202, "DurableExecutionArn": f"arn:{name}"}
        event = json.loads(call["Payload"])
        if event["detail-type"] == "Stop Run":
            self.stops.append(StopRun.from_json(event["detail"]))
            begun = len(self.stops) > self.begun_after
            stopped = StoppedRun(
                run_id=self.stops[-1].run_id,
                outcome=StopOutcome.STOPPING if begun else StopOutcome.UNKNOWN,
            )
            return {"Payload": io.BytesIO(json.dumps(stopped.to_json()).encode())}
        assert event["detail-type"] == "Control Backfill"
        self.asked.append(ControlBackfill.from_json(event["detail"]))
        response = ControlledBackfill(
            backfill_id="november",
            outcome=self.outcome,
            status=BackfillStatus.RUNNING,
            stopping=self.stopping,
        )
        return {"Payload": io.BytesIO(json.dumps(response.to_json()).encode())}


@pytest.fixture
def functions(local: World) -> Functions:
    functions = Functions()
    local.deployment._clients["lambda"] = functions  # noqa: SLF001 - as `client` would make it
    s3 = local.deployment.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="datasets/orders.yaml", Body=CONTRACT)
    s3.put_object(Bucket="data", Key="landing/orders/dt=2026-11-02/a.csv", Body=b"id\n1\n")
    return functions


def put(world: World, states: str = "sfr.", **more: Any) -> BackfillItem:
    """A backfill in the ledger, with its windows."""
    known: dict[str, Any] = {
        "backfill_id": "november",
        "status": BackfillStatus.RUNNING,
        "request": REQUEST.canonical(),
        "states": states,
        "dataset_name": "orders",
        "execution_arn": "arn:first",
        "created_at": "2026-11-20T08:00:00Z",
    }
    item = BackfillItem(**{**known, **more})
    dynamodb = world.deployment.client("dynamodb")
    for each in (item, *WindowsItem.all_of(item.backfill_id, REQUEST.boundaries())):
        dynamodb.put_item(TableName="ledger", Item=to_wire(each.to_item()))
    return item


# -- start


def test_a_dry_run_shows_windows_objects_and_bytes_and_starts_nothing(functions: Functions) -> None:
    found = document("backfill start", pipeline("backfill", *RANGE, "--dry-run", "--json").stdout)
    assert (found["outcome"], found["backfillId"], found["status"]) == ("PLANNED", "november", None)
    plan = found["plan"]
    assert (plan["chosen"], plan["objects"], plan["bytes"]) == (4, 1, 5)
    assert [each["outcome"] for each in plan["windows"]] == ["LEFT"] * 4
    assert plan["windows"][1]["objects"] == 1
    text = pipeline("backfill", *RANGE, "--dry-run").stdout
    assert "would be run: 4 windows, 1 objects, 5 bytes" in text
    assert "2026-11-02" in text
    assert functions.started == {}


def test_it_is_started_by_name_once(functions: Functions) -> None:
    result = pipeline("backfill", *RANGE, "--json")
    found = document("backfill start", result.stdout)
    assert found["outcome"] == "STARTED"
    (name,) = functions.started
    assert "backfill-november" in name
    assert json.loads(functions.started[name])["request"] == REQUEST.to_json()

    again = pipeline("backfill", "start", *RANGE)
    assert again.exit_code == SUCCEEDED
    assert "pipeline backfill show november" in again.stdout
    assert len(functions.started) == 1


def test_an_execution_that_died_before_it_began_is_followed_by_another(
    functions: Functions,
) -> None:
    first = json.loads(pipeline("backfill", *RANGE, "--json").stdout)["executionArn"]
    functions.histories[first] = died = History()
    died.add("ExecutionStarted")
    assert (
        document("backfill start", pipeline("backfill", *RANGE, "--json").stdout)["executionArn"]
        == first
    )
    error = {"ErrorType": "Throttled", "ErrorMessage": "slow\x1b down"}
    died.add("ExecutionFailed", details={"Error": {"Payload": error, "Truncated": False}})

    found = document("backfill start", pipeline("backfill", *RANGE, "--json").stdout)
    assert (found["outcome"], len(functions.started)) == ("STARTED", 2)
    assert found["executionArn"] == f"arn:{list(functions.started)[1]}" != first
    assert found["diedBefore"] == f"{first} FAILED: Throttled: slow\x1b down"
    assert len(set(functions.started.values())) == 1
    text = pipeline("backfill", *RANGE).stdout
    assert "is started" in text
    assert "ended before it began: arn:" in text
    assert "\x1b" not in text
    assert len(functions.started) == 2


def test_where_all_executions_die_it_is_not_said_to_be_started(functions: Functions) -> None:
    class Dying(dict[str, History]):
        def __contains__(self, arn: object) -> bool:
            died = self.setdefault(str(arn), History())
            died.add("ExecutionTimedOut")
            return True

    functions.histories = Dying()
    result = pipeline("backfill", *RANGE)
    assert result.exit_code == FAILED
    assert "ended before it began" in result.stderr
    assert "TIMED_OUT" in result.stderr


def test_the_same_command_says_that_it_runs_already(local: World, functions: Functions) -> None:
    put(local)
    text = pipeline("backfill", *RANGE).stdout
    assert "was started before, and is RUNNING: 1 of 4 windows done, 1 failed, 1 running" in text
    found = document("backfill start", pipeline("backfill", *RANGE, "--json").stdout)
    assert (found["outcome"], found["counts"]["done"]) == ("EXISTS", 1)
    assert functions.started == {}


@pytest.mark.usefixtures("functions")
class TestWhereRunsExpire:
    """A deployment that knows runs for a day, and that they succeeded for three weeks more."""

    LONG_AGO = ("orders", "--from", "today-60d", "--to", "today-58d", "--name", "old")
    LATELY = ("orders", "--from", "today-3d", "--to", "today-1d", "--name", "new")

    @pytest.fixture(autouse=True)
    def parameters(self, request: pytest.FixtureRequest) -> None:
        request.getfixturevalue("local")
        self.deployed_with(LedgerRetentionDays="1", RunFilesRetentionDays="2")

    @staticmethod
    def deployed_with(**parameters: str) -> None:
        file = Path(".local", "cloud.json")
        described = json.loads(file.read_text())
        described["parameters"].update(parameters)
        file.write_text(json.dumps(described))

    @pytest.mark.parametrize(
        ("only", "effect"),
        [("missing", "look missing, and are run again"), ("failed", "are passed over")],
    )
    def test_a_range_before_that_is_warned_of(self, only: str, effect: str) -> None:
        for more in (("--dry-run",), ()):
            words = ("backfill", *self.LONG_AGO, "--only", only, *more)
            found = document("backfill start", pipeline(*words, "--json").stdout)
            ended = parse_timestamp(found["knownFrom"])
            assert datetime.now(UTC) - ended > timedelta(days=22)
            assert datetime.now(UTC) - ended < timedelta(days=22, minutes=5)
        text = pipeline("backfill", *self.LONG_AGO, "--only", only, "--dry-run").stdout
        assert "warning: runs that ended before " in text
        assert effect in text

    def test_no_other_is(self) -> None:
        asked: list[tuple[str, ...]] = [self.LATELY, (*self.LONG_AGO, "--only", "all")]
        for words in asked:
            assert "warning" not in pipeline("backfill", *words, "--dry-run").stdout
        self.deployed_with(LedgerRetentionDays="0")
        assert "warning" not in pipeline("backfill", *self.LONG_AGO, "--dry-run").stdout

    def test_the_start_says_so_too(self) -> None:
        text = pipeline("backfill", *self.LONG_AGO).stdout
        assert "is started" in text
        assert "warning: runs that ended before " in text

    def test_a_window_of_an_expired_run_counts_as_stored(self, local: World) -> None:
        request = {
            "runId": "r1",
            "datasetName": "orders",
            "startDateTime": "2026-11-01T00:00:00Z",
            "endDateTime": "2026-11-03T00:00:00Z",
        }
        local.put_run(
            "r1",
            status="SUCCEEDED",
            request=json.dumps(request),
            end_date_time="2026-11-03T00:00:00Z",
            expired_at="2026-11-20T08:00:00Z",
            **place_in_list("2026-11-03T08:00:00Z", "r1"),
        )
        printed = pipeline("backfill", *RANGE, "--dry-run", "--json").stdout
        plan = document("backfill start", printed)["plan"]
        outcomes = [each["outcome"] for each in plan["windows"]]
        assert outcomes == ["STORED_BEFORE"] * 2 + ["LEFT"] * 2


@pytest.mark.parametrize("known", [True, False])
def test_a_name_of_another_backfill_is_refused(
    local: World, functions: Functions, known: bool
) -> None:
    if known:
        put(local)
    else:
        pipeline("backfill", *RANGE)
    result = pipeline("backfill", *RANGE, "--at-once", "2", "--json")
    assert result.exit_code == REFUSED
    assert "that asks for something else" in error_of(result.stdout)["message"]
    assert len(functions.started) == (not known)


def test_all_that_is_wrong_is_said_before_anything_starts(functions: Functions) -> None:
    words = ("--from", "2026-11-05", "--to", "2026-11-01", "--zone", "Mars", "--at-once", "0")
    result = pipeline("backfill", "nothing", *words)
    assert result.exit_code == REFUSED
    for part in ("--zone", "--at-once", "there is no dataset nothing", "nothing was started"):
        assert part in result.stderr
    assert functions.started == {}
    both = pipeline("backfill", *RANGE, "--fail-fast", "--max-failures", "2")
    assert both.exit_code == REFUSED


@pytest.mark.parametrize(
    ("name", "refused"), [("orders-r2", True), ("orders-r10", True), ("orders-r", False)]
)
def test_a_name_that_repeated_runs_of_another_have_is_refused(
    functions: Functions, name: str, refused: bool
) -> None:
    result = pipeline("backfill", *RANGE[:-1], name)
    assert result.exit_code == (REFUSED if refused else SUCCEEDED)
    assert ("--name: must not end in -r and a number" in result.stderr) == refused
    assert len(functions.started) == (not refused)


def test_failing_fast_is_to_tolerate_no_failure(functions: Functions) -> None:
    pipeline("backfill", *RANGE, "--fail-fast")
    (payload,) = functions.started.values()
    assert json.loads(payload)["request"]["maxFailures"] == 0


# -- look


def test_one_is_shown_with_what_failed_and_what_to_do(local: World, functions: Functions) -> None:  # noqa: ARG001
    put(local, reasons={"1": "InvalidRequest: \x1b[31mno"})
    found = document("backfill show", pipeline("backfill", "show", "nov", "--json").stdout)
    assert found["counts"] == {
        "total": 4,
        "done": 1,
        "empty": 0,
        "failed": 1,
        "running": 1,
        "left": 1,
        "passedOver": 0,
    }
    (failed,) = found["failed"]
    assert failed["startDateTime"] == "2026-11-02T00:00:00Z"
    assert failed["reason"] == "InvalidRequest: \x1b[31mno"
    (running,) = found["running"]
    assert (running["status"], running["runId"]) == (None, "bf-november-20261103T000000Z")
    text = pipeline("backfill", "show", "@last").stdout
    assert "Windows: 4 = 1 done + 1 failed + 1 running + 1 left + 0 passed over" in text
    assert "[##########----------] 2 of 4 (1 failed), 50%" in text
    assert "Running now (1)" in text
    assert "pipeline backfill pause november" in text
    assert "\x1b" not in text


def test_a_run_that_was_stopped_is_not_running_now(local: World, functions: Functions) -> None:  # noqa: ARG001
    put(local, states="rr..")
    local.put_run("bf-november-20261101T000000Z", status="STOPPED")
    local.put_run("bf-november-20261102T000000Z", status="RUNNING")
    text = pipeline("backfill", "show", "november").stdout
    running, _, ended = text.partition("Ended, not counted yet (1)")
    assert "Running now (1)" in running
    assert "bf-november-20261102T000000Z" in running
    assert "bf-november-20261101T000000Z" not in running
    assert "bf-november-20261101T000000Z" in ended


def test_the_reason_of_a_run_is_shown(local: World, functions: Functions) -> None:  # noqa: ARG001
    put(local, states="sf..", status=BackfillStatus.PAUSED)
    local.put_run("bf-november-20261102T000000Z", status="FAILED", reason="no such bucket")
    text = pipeline("backfill", "show", "november").stdout
    assert "no such bucket" in text
    assert "pipeline show bf-november-20261102T000000Z" in text
    assert "pipeline backfill resume november --failed" in text


def test_backfills_are_listed_the_newest_first(local: World, functions: Functions) -> None:  # noqa: ARG001
    assert "there are no backfills" in pipeline("backfill", "ls").stdout
    put(local, states="ssss", status=BackfillStatus.SUCCEEDED)
    put(local, backfill_id="october", created_at="2026-11-21T08:00:00Z")
    found = document("backfill ls", pipeline("backfill", "ls", "--json").stdout)["backfills"]
    assert [each["backfillId"] for each in found] == ["october", "november"]
    text = pipeline("backfill", "ls").stdout
    assert "2/4" in text
    assert "4/4" in text


def test_an_unknown_one_and_an_ambiguous_beginning(local: World, functions: Functions) -> None:  # noqa: ARG001
    assert pipeline("backfill", "show", "november").exit_code == NOT_FOUND
    put(local)
    put(local, backfill_id="november-2")
    result = pipeline("backfill", "pause", "nov")
    assert result.exit_code == REFUSED
    assert "november and november-2" in result.stderr
    assert pipeline("backfill", "pause", "november").exit_code == SUCCEEDED


# -- control


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("pause", "november"), {"action": "pause"}),
        (("resume", "november", "--failed"), {"action": "resume", "failedToo": True}),
        (("stop", "november", "--reason", "wrong"), {"action": "stop", "reason": "wrong"}),
    ],
)
def test_the_reaper_is_asked(
    local: World, functions: Functions, words: tuple[str, ...], asked: dict[str, Any]
) -> None:
    put(local)
    found = document(f"backfill {words[0]}", pipeline("backfill", *words, "--json").stdout)
    assert found["outcome"] == "DONE"
    (message,) = functions.asked
    assert {"failedToo": False, **message.to_json()} == {
        "backfillId": "november",
        "failedToo": False,
        **asked,
    }


@pytest.mark.parametrize(
    ("outcome", "status", "said"),
    [
        (ControlOutcome.DONE, SUCCEEDED, "goes on"),
        (ControlOutcome.ALREADY, SUCCEEDED, "is running already"),
        (ControlOutcome.NOTHING_LEFT, REFUSED, "no window of backfill november is left"),
        (ControlOutcome.ENDED, REFUSED, "nothing to resume"),
    ],
)
def test_what_came_of_it_is_said(
    local: World, functions: Functions, outcome: ControlOutcome, status: int, said: str
) -> None:
    put(local)
    functions.outcome = outcome
    result = pipeline("backfill", "resume", "november")
    assert result.exit_code == status
    assert said in result.stdout


def test_a_reason_that_is_too_long_is_refused(local: World, functions: Functions) -> None:
    put(local)
    assert pipeline("backfill", "stop", "november", "--reason", "x" * 501).exit_code == REFUSED
    assert functions.asked == []


class TestStoppingItsRuns:
    RUN = "bf-november-20261103T000000Z"

    def test_the_runs_of_its_windows_are_stopped_too(
        self, local: World, functions: Functions
    ) -> None:
        put(local, "sfr.")
        functions.stopping = True
        text = pipeline("backfill", "stop", "november", "--runs", "--reason", "wrong").stdout
        assert "is being stopped; runs of its windows are stopped" in text
        assert f"run {self.RUN} is being stopped" in text
        assert [each.run_id for each in functions.stops] == [self.RUN]
        assert functions.stops[0].reason == "wrong"
        found = document(
            "backfill stop", pipeline("backfill", "stop", "november", "--runs", "--json").stdout
        )
        assert found["runs"] == [{"runId": self.RUN, "outcome": "STOPPING"}]

    def test_without_that_they_go_on(self, local: World, functions: Functions) -> None:
        put(local, "sfr.")
        functions.stopping = True
        assert "windows that run go on" in pipeline("backfill", "stop", "november").stdout
        assert functions.stops == []

    def test_one_that_had_no_run_yet_is_looked_at_again(
        self, local: World, functions: Functions
    ) -> None:
        put(local, "sfr.")
        functions.begun_after = 2
        stopped = stop_runs(local.deployment, "november", None, sleep=lambda _: None)
        assert [(each.run_id, each.outcome) for each in stopped] == [
            (self.RUN, StopOutcome.STOPPING)
        ]
        assert len(functions.stops) == 3

    def test_one_that_does_not_begin_is_said(self, local: World, functions: Functions) -> None:
        put(local, "sfr.")
        functions.begun_after = 1000
        (stopped,) = stop_runs(local.deployment, "november", None, sleep=lambda _: None)
        assert stopped.outcome is StopOutcome.UNKNOWN
        assert "has not begun yet; repeat the command" in stopped_text(stopped)

    def test_one_that_has_ended_has_no_runs_to_stop(
        self, local: World, functions: Functions
    ) -> None:
        put(local, "sfs.", status=BackfillStatus.STOPPED)
        functions.outcome = ControlOutcome.ENDED
        result = pipeline("backfill", "stop", "november", "--runs")
        assert (result.exit_code, functions.stops) == (REFUSED, [])


def test_an_execution_of_other_options_that_died_does_not_hold_the_name_for_ever(
    functions: Functions,
) -> None:
    """Nothing of it is in the ledger, so there is nothing to resume."""
    pipeline("backfill", *RANGE)
    (first,) = functions.started
    functions.statuses[first] = "FAILED"
    found = document(
        "backfill start", pipeline("backfill", *RANGE, "--at-once", "2", "--json").stdout
    )
    assert found["outcome"] == "STARTED"
    assert found["diedBefore"] == "an execution that asked for something else"
    first, second = functions.started
    assert json.loads(functions.started[second])["request"]["atOnce"] == 2
    again = document(
        "backfill start", pipeline("backfill", *RANGE, "--at-once", "2", "--json").stdout
    )
    assert again["executionArn"] == found["executionArn"]
    assert len(functions.started) == 2
