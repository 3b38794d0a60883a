from __future__ import annotations

import json
import re
from typing import Any

import pytest
from control_fakes import LOST_RESPONSE, NOW, Executions, arn, claimed, request

from contracts.errors import (
    NotConfigured,
    NotFound,
    OwnershipLost,
    RunConflict,
    TransientFailure,
)
from contracts.messages import ClaimRun, StartedRun, StartRun
from runs.claims import claim_run
from runs.long.execution_name import execution_name
from steps.start_run import Settings, handler, start_run

SETTINGS = Settings(
    ledger_table="ledger",
    long_run_function="long-run:live",
    environment="test",
    stack_name="pipeline",
)
NAME = execution_name("test", "pipeline", "r1", 1)
OLD_NAME = "test-r1-1"


@pytest.fixture
def executions(clients: Any) -> Executions:
    fake = Executions()
    clients.use("lambda", fake)
    return fake


def start(cloud: Any, execution: str = "one", attempt: int = 1, **fields: Any) -> StartedRun:
    message = StartRun(request=request(**fields), run_attempt=attempt, execution_arn=arn(execution))
    return start_run(message, SETTINGS, cloud.ledger, NOW)


def holder(cloud: Any) -> str:
    return str(cloud.ledger.get_item("r1", "RUN")["holder"])


def test_the_long_execution_is_started_by_name_and_holds_the_run(
    cloud: Any, executions: Executions
) -> None:
    sent = claimed(cloud.ledger)

    response = start(cloud)

    assert response == StartedRun(execution_arn=arn(NAME), execution_name=NAME)
    assert holder(cloud) == arn(NAME)
    assert json.loads(executions.started[NAME]) == {
        "request": sent.to_json(),
        "runAttempt": 1,
        "handedOverBy": arn("one"),
    }


def test_a_repeated_start_starts_nothing_new(cloud: Any, executions: Executions) -> None:
    claimed(cloud.ledger)

    assert start(cloud) == start(cloud)
    assert list(executions.started) == [NAME]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("service", "operation"), [("lambda", "invoke"), ("dynamodb", "update_item")]
)
def test_a_start_that_broke_off_is_repeated_to_the_same_end(
    cloud: Any, clients: Any, executions: Executions, service: str, operation: str, after: bool
) -> None:
    claimed(cloud.ledger)
    clients.break_once(service, operation, LOST_RESPONSE, after=after)
    with pytest.raises(TransientFailure):
        start(cloud)

    start(cloud)

    assert list(executions.started) == [NAME]
    assert holder(cloud) == arn(NAME)


def test_the_new_execution_may_claim_the_run_first(
    cloud: Any, clients: Any, executions: Executions
) -> None:
    sent = claimed(cloud.ledger)
    early = ClaimRun(request=sent, execution_arn=arn(NAME), handed_over_by=arn("one"))
    clients.meanwhile("dynamodb", "update_item", lambda: claim_run(early, cloud.ledger, NOW))

    assert start(cloud).execution_arn == arn(NAME)
    assert list(executions.started) == [NAME]


def test_a_run_that_was_taken_over_is_not_started(cloud: Any, executions: Executions) -> None:
    claimed(cloud.ledger)
    cloud.ledger.update("r1", "RUN", {"run_attempt": 2, "holder": arn("two")})

    with pytest.raises(OwnershipLost, match="attempt 2"):
        start(cloud)
    assert not executions.started


def test_a_run_that_is_taken_over_meanwhile_stays_with_the_other(
    cloud: Any, clients: Any, executions: Executions
) -> None:
    claimed(cloud.ledger)
    taken = {"run_attempt": 2, "holder": arn("two")}
    clients.meanwhile("dynamodb", "update_item", lambda: cloud.ledger.update("r1", "RUN", taken))

    with pytest.raises(OwnershipLost, match=re.escape(arn("two"))):
        start(cloud)
    assert holder(cloud) == arn("two")
    assert list(executions.started) == [NAME]


def test_a_name_taken_by_other_content_is_a_conflict(cloud: Any, executions: Executions) -> None:
    claimed(cloud.ledger)
    executions.started[NAME] = b"{}"

    with pytest.raises(RunConflict, match=NAME):
        start(cloud)


def claimed_by_a_release_of_before(cloud: Any) -> None:
    claimed(cloud.ledger)
    cloud.ledger.update("r1", "RUN", {}, ("stack_named_attempt",))


def test_a_run_that_an_earlier_release_started_is_not_started_under_another_name(
    cloud: Any, executions: Executions
) -> None:
    """Its start was made, the response lost, and the stack updated before the step was repeated."""
    claimed_by_a_release_of_before(cloud)
    start(cloud)

    start(cloud)

    assert list(executions.started) == [OLD_NAME]


def test_an_attempt_that_takes_such_a_run_over_has_the_stack_in_its_name(
    cloud: Any, executions: Executions
) -> None:
    claimed_by_a_release_of_before(cloud)
    executions.status[arn("one")] = "FAILED"
    takes_over = ClaimRun(request=request(), execution_arn=arn("two"))
    assert claim_run(takes_over, cloud.ledger, NOW).run_attempt == 2

    start(cloud, "two", attempt=2)

    assert list(executions.started) == [execution_name("test", "pipeline", "r1", 2)]


def test_a_run_nobody_claimed_is_not_started(cloud: Any, executions: Executions) -> None:
    with pytest.raises(NotFound, match="r1"):
        start(cloud)
    assert not executions.started


def test_a_function_that_is_not_durable_is_named(cloud: Any, executions: Executions) -> None:
    claimed(cloud.ledger)
    executions.durable = False

    with pytest.raises(NotConfigured, match="long-run:live"):
        start(cloud)


@pytest.mark.parametrize("environment", ["dev", "e" * 16])
def test_names_fit_the_service_and_differ(environment: str) -> None:
    names = {
        execution_name(environment, stack, run_id, attempt)
        for stack in ("orders", "s" * 128, "s" * 127 + "t")
        for run_id in ("a" * 40, "a" * 39 + "b", "r-1_x")
        for attempt in (1, 2, 100)
    }

    assert len(names) == 27
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names)


def test_the_handler_speaks_json(cloud: Any, executions: Executions, lambda_context: Any) -> None:
    message = StartRun(request=claimed(cloud.ledger), run_attempt=1, execution_arn=arn("one"))

    response = handler(message.to_json(), lambda_context)

    assert response == {"executionArn": arn(NAME), "executionName": NAME}
    assert list(executions.started) == [NAME]
