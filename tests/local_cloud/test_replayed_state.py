"""Handlers are given the state that AWS gives them: what a replay needs, in pages."""

from __future__ import annotations

import json
from collections import Counter
from types import SimpleNamespace

import pytest
from aws_durable_execution_sdk_python.lambda_service import (
    CallbackOptions,
    ContextDetails,
    Operation,
    OperationAction,
    OperationStatus,
    OperationType,
    OperationUpdate,
)
from aws_durable_execution_sdk_python_testing.exceptions import InvalidParameterValueException
from engine_harness import PENDING, SUCCEEDED, EngineHarness
from lambda_cloud import LambdaCloud, durable, eventually

from local.local_cloud.durable.state import PAGE_BYTES, visible_operations

STARTED, DONE, FAILED = OperationStatus.STARTED, OperationStatus.SUCCEEDED, OperationStatus.FAILED


def context(name, parent, status, *, replay_children=False):
    details = ContextDetails(replay_children=replay_children)
    return Operation(name, OperationType.CONTEXT, status, parent, context_details=details)


def step(name, parent):
    return Operation(name, OperationType.STEP, DONE, parent)


def visible(*operations):
    execution = SimpleNamespace(operations=operations)
    return [operation.operation_id for operation in visible_operations(execution)]


@pytest.mark.parametrize("status", [DONE, FAILED])
def test_a_completed_context_stands_for_all_below_it(status):
    assert visible(
        context("outer", None, status),
        context("inner", "outer", DONE),
        step("a", "inner"),
        step("b", "outer"),
        step("c", None),
    ) == ["outer", "c"]


def test_a_context_that_runs_shows_its_children():
    assert visible(
        context("outer", None, STARTED),
        context("done", "outer", DONE),
        step("a", "done"),
        context("open", "outer", STARTED),
        step("b", "open"),
    ) == ["outer", "done", "open", "b"]


def test_replayed_children_are_shown_unless_a_further_ancestor_stands_for_them():
    large = context("large", None, DONE, replay_children=True)
    assert visible(large, context("branch", "large", DONE), step("a", "branch")) == [
        "large",
        "branch",
    ]
    assert visible(
        context("outer", None, DONE),
        context("inner", "outer", DONE, replay_children=True),
        step("a", "inner"),
    ) == ["outer"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    functions = [durable("contexts", "contexts"), durable("large", "many_large_steps")]
    with LambdaCloud(functions, tmp_path_factory.mktemp("logs")) as cloud:
        yield cloud


@pytest.fixture
def given(cloud, monkeypatch):
    """The first pages of invocations, as they come."""
    inputs = []
    invoker = cloud.service._engine.invoker
    create = invoker.create_invocation_input

    def create_recorded(execution):
        made = create(execution)
        inputs.append(made.initial_execution_state)
        return made

    monkeypatch.setattr(invoker, "create_invocation_input", create_recorded)
    return inputs


@pytest.mark.cloud
@pytest.mark.parametrize(
    ("bytes_each", "of_the_map"),
    # the result of three large branches exceeds 256 KB
    [(10, []), (100_000, ["map-item-0", "map-item-1", "map-item-2"])],
)
def test_contexts_replay_right_without_their_children(
    cloud, given, tmp_path, bytes_each, of_the_map
):
    notes = tmp_path / "notes"
    event = {"notes": str(notes), "bytes": bytes_each}

    execution = cloud.ended(cloud.start("contexts:live", event))

    assert json.loads(execution["Result"]) == {
        "mapped": [bytes_each] * 3,
        "parallel": [4, 4],
        "nested": 3,
        "failure": "planned",
    }
    assert Counter(notes.read_text().split("\n")) == {
        "mapped": 3,
        "parallel": 2,
        "inner": 1,
        "outer": 1,
        "before the error": 1,
        "": 1,
    }
    names = [operation.name for operation in given[-1].operations[1:]]
    assert names == ["map", *of_the_map, "parallel", "outer", "failing", "pause"]
    ends = Counter(event["EventType"] for event in cloud.history(execution["DurableExecutionArn"]))
    assert ends["StepSucceeded"] == 8  # the history shows everything


@pytest.mark.cloud
def test_a_state_of_several_pages_is_replayed(cloud, given):
    event = {"bytes": 250_000, "steps": 24}  # 6 MB

    execution = cloud.ended(cloud.start("large:live", event))

    assert json.loads(execution["Result"]) == 24 * 250_000
    assert given[-1].next_marker
    assert len(given[-1].operations) < 25


def open_callback(name):
    return OperationUpdate(
        name,
        OperationType.CALLBACK,
        OperationAction.START,
        callback_options=CallbackOptions(),
    )


def test_the_state_comes_in_pages_of_the_size_asked_for():
    pages, refused = [], []

    def handler(invocation):
        invocation.checkpoint(*(open_callback(f"c{number}") for number in range(250)))
        read = engine.executor.get_execution_state
        marker = None
        while marker is not None or not pages:
            page = read(invocation.arn, invocation.token, marker, None if not pages else 100)
            pages.append([operation.operation_id for operation in page.operations])
            marker = page.next_marker
        for wrong in ("nonsense", "0:1"):
            with pytest.raises(InvalidParameterValueException) as caught:
                read(invocation.arn, invocation.token, wrong, 10)
            refused.append(str(caught.value))
        return SUCCEEDED

    with EngineHarness(handler) as engine:
        arn = engine.start()
        eventually(lambda: engine.status(arn) != "RUNNING")
        assert engine.status(arn) == "SUCCEEDED"
    assert [len(page) for page in pages] == [100, 100, 51]
    assert [one for page in pages for one in page][1:] == [f"c{number}" for number in range(250)]
    assert refused == ["Invalid marker"] * 2


def test_what_a_checkpoint_cannot_report_at_once_is_behind_its_marker():
    reported, rest = [], []
    result = b"x" * 1_000_000

    def handler(invocation):
        if invocation.number > 1:
            return PENDING
        created = invocation.checkpoint(*(open_callback(f"c{number}") for number in range(8)))
        for operation in created:
            engine.executor.send_callback_success(operation.callback_details.callback_id, result)
        reported.extend(invocation.checkpoint())
        page = engine.executor.get_execution_state(
            invocation.arn, invocation.token, invocation.marker, 1000
        )
        rest.extend(page.operations)
        return SUCCEEDED

    with EngineHarness(handler) as engine:
        arn = engine.start()
        eventually(lambda: engine.status(arn) != "RUNNING")
        assert engine.status(arn) == "SUCCEEDED"
    assert len(reported) * len(result) < PAGE_BYTES
    assert [one.operation_id for one in [*reported, *rest]] == [f"c{n}" for n in range(8)]
    assert all(one.status is DONE for one in [*reported, *rest])


def test_a_checkpoint_reports_nothing_below_a_context_that_it_completes():
    reported = []

    def update(kind, name, action, parent=None):
        return OperationUpdate(name, kind, action, parent_id=parent)

    def handler(invocation):
        context, step = OperationType.CONTEXT, OperationType.STEP
        begin, succeed = OperationAction.START, OperationAction.SUCCEED
        invocation.checkpoint(
            update(context, "child", begin), update(step, "inside", begin, "child")
        )
        reported.extend(
            invocation.checkpoint(
                update(step, "inside", succeed, "child"), update(context, "child", succeed)
            )
        )
        reported.extend(invocation.checkpoint())
        return SUCCEEDED

    with EngineHarness(handler) as engine:
        arn = engine.start()
        eventually(lambda: engine.status(arn) == "SUCCEEDED")
    assert [operation.operation_id for operation in reported] == ["child"]
