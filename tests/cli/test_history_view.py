"""Events of a durable execution become one row per operation, in the shape of the code."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from cli_world import EXECUTION_ARN, FakeLambda, History

from cli.client.executions import fetch_events, fetch_execution
from cli.client.history import read_history

NOTHING = {"Payload": "{}", "Truncated": False}


def a_small_run() -> History:
    history = History()
    history.add(
        "ExecutionStarted", "execution", details={"Input": NOTHING, "ExecutionTimeout": 900}
    )
    history.invoke("claim", "claim-run", '{"outcome": "CLAIMED", "runAttempt": 1}')
    history.add("ContextStarted", "units", Name="units", SubType="Map", details={})
    history.add("ContextStarted", "u0", Name="unit-00000-000", ParentId="units", details={})
    history.add(
        "CallbackStarted",
        "callback",
        Name="await-job",
        ParentId="u0",
        details={"CallbackId": "callback-id"},
    )
    history.invoke("submit", "submit-job", parent="u0")
    history.add("InvocationCompleted")
    history.add(
        "CallbackSucceeded",
        "callback",
        Name="await-job",
        ParentId="u0",
        details={"Result": {"Payload": '{"jobId": "j1"}', "Truncated": False}},
    )
    history.invoke("validate", "validate", parent="u0")
    done = {"Result": NOTHING}
    history.add("ContextSucceeded", "u0", Name="unit-00000-000", ParentId="units", details=done)
    history.add("ContextSucceeded", "units", Name="units", details=done)
    history.add("ExecutionSucceeded", "execution", details=done)
    return history


def test_operations_come_in_the_shape_of_the_code() -> None:
    execution = read_history(a_small_run().events)

    assert [(op.depth, op.name) for op in execution.operations] == [
        (0, "claim-run"),
        (0, "units"),
        (1, "unit-00000-000"),
        (2, "await-job"),
        (2, "submit-job"),
        (2, "validate"),
    ]
    assert execution.status == "SUCCEEDED"
    assert execution.invocations == 1


def test_operations_know_the_unit_whose_context_they_lie_in() -> None:
    units = {op.name: op.unit_id for op in read_history(a_small_run().events).operations}

    assert units["claim-run"] is None
    assert units["units"] is None
    assert units["validate"] == "00000-000"


def test_the_order_of_events_does_not_matter() -> None:
    events = a_small_run().events

    assert read_history(reversed(events)) == read_history(events)


def test_an_operation_without_its_end_is_under_way() -> None:
    history = History()
    history.add("ExecutionStarted", "execution", details={})
    history.add("ChainedInvokeStarted", "a", Name="validate", details={})

    execution = read_history(history.events)

    assert execution.status == "RUNNING"
    assert execution.seconds is None
    (operation,) = execution.operations
    assert (operation.status, operation.ended, operation.seconds) == ("STARTED", False, None)


def test_a_call_that_was_tried_again_is_one_row() -> None:
    history = History()
    history.failed_invoke("a", "validate")
    history.add("WaitStarted", "w", Name="validate-backoff-1", details={"Duration": 2})
    history.add("WaitSucceeded", "w", Name="validate-backoff-1", details={"Duration": 2})
    history.invoke("b", "validate", '{"valid": 3}')

    (operation,) = read_history(history.events).operations

    assert (operation.status, operation.attempts) == ("SUCCEEDED", 2)
    assert operation.seconds == 5  # from the first call to the last response
    assert operation.error is None


def test_two_calls_of_one_name_that_succeed_are_two_rows() -> None:
    history = History()
    history.invoke("a", "submit-job")
    history.invoke("b", "submit-job")

    assert len(read_history(history.events).operations) == 2


def test_the_same_call_in_two_units_is_two_rows() -> None:
    history = History()
    history.add("ContextStarted", "u0", Name="unit-00000-000", details={})
    history.failed_invoke("a", "validate", parent="u0")
    history.add("ContextStarted", "u1", Name="unit-00000-001", details={})
    history.invoke("b", "validate", parent="u1")

    rows = [op for op in read_history(history.events).operations if op.name == "validate"]

    assert [(op.unit_id, op.status) for op in rows] == [
        ("00000-000", "FAILED"),
        ("00000-001", "SUCCEEDED"),
    ]


def test_a_step_counts_its_tries_and_shows_the_last_error() -> None:
    history = History()
    error = {"Payload": {"ErrorType": "Throttled", "ErrorMessage": "slow down"}}
    retry = {"CurrentAttempt": 1, "NextAttemptDelaySeconds": 2}
    history.add("StepStarted", "s", Name="step", details={})
    history.add("StepFailed", "s", Name="step", details={"Error": error, "RetryDetails": retry})
    assert read_history(history.events).operations[0].status == "RETRYING"

    history.add("StepStarted", "s", Name="step", details={})
    history.add("StepFailed", "s", Name="step", details={"Error": error})

    (operation,) = read_history(history.events).operations
    assert (operation.status, operation.attempts) == ("FAILED", 2)
    assert operation.error == "Throttled: slow down"


@pytest.mark.parametrize(
    ("event_type", "status"),
    [
        ("ChainedInvokeTimedOut", "TIMED_OUT"),
        ("ChainedInvokeStopped", "STOPPED"),
        ("ChainedInvokeFailed", "FAILED"),
    ],
)
def test_every_way_to_end_has_its_status(event_type: str, status: str) -> None:
    history = History()
    history.add("ChainedInvokeStarted", "a", Name="validate", details={})
    history.add(event_type, "a", Name="validate", details={})

    assert read_history(history.events).operations[0].status == status


def test_events_of_a_later_version_of_the_service_are_passed_over() -> None:
    history = a_small_run()
    history.add("ExecutionPaused", "execution", details={})
    history.add("SomethingNew", "x", Name="new")

    assert read_history(history.events).status == "SUCCEEDED"


def test_a_failed_execution_reports_its_error() -> None:
    history = History()
    error = {"Payload": {"ErrorType": "RunFailed", "ErrorMessage": "run r failed"}}
    history.add("ExecutionStarted", "execution", details={})
    history.add("ExecutionFailed", "execution", details={"Error": error})

    execution = read_history(history.events)

    assert (execution.status, execution.error) == ("FAILED", "RunFailed: run r failed")


def test_all_pages_of_a_history_are_read() -> None:
    functions = FakeLambda({EXECUTION_ARN: a_small_run()}, page_size=4)

    execution = fetch_execution(functions, EXECUTION_ARN)

    assert execution is not None
    assert execution.status == "SUCCEEDED"


def test_an_execution_past_its_retention_is_none() -> None:
    assert fetch_execution(FakeLambda(), EXECUTION_ARN) is None


def test_the_events_of_these_tests_fit_the_services_model() -> None:
    client: Any = boto3.client(
        "lambda", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    events = a_small_run().events
    with Stubber(client) as stubber:
        stubber.add_response("get_durable_execution_history", {"Events": events})
        assert fetch_events(client, EXECUTION_ARN) == events
