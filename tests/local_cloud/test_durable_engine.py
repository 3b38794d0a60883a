"""Durable executions in sandboxes, through boto3."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from lambda_cloud import LambdaCloud, durable, eventually, plain

from local.local_cloud.durable import history
from local.local_cloud.durable.store import StatusEvents

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    functions = [
        plain("add"),
        plain("describe"),
        plain("fail"),
        plain("fail_until"),
        plain("short-nap", "nap", timeout_seconds=0.3),
        durable("steps", "add_in_steps"),
        durable("failing", "fail"),
        durable("invoke", "invoke"),
        durable("callback", "await_callback"),
        durable("wait", "wait"),
        durable("retry", "fail_until"),
        durable("poll", "poll"),
        durable("brief", "wait", seconds=1),
        durable("long", "wait", seconds=3600),
        durable("map", "map_invoke"),
        durable("idle-callback", "map_with_idle_callback"),
        durable("big-step", "big_step"),
        durable("die-once", "die_once"),
        durable("exit-always", "exit_always"),
    ]
    with LambdaCloud(functions, tmp_path_factory.mktemp("logs")) as cloud:
        yield cloud


def error_code(call, *arguments, **parameters):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **parameters)
    return caught.value.response["Error"]["Code"]


def published_callback_id(path):
    return eventually(lambda: path.exists() and path.read_text())


def test_a_durable_function_returns_when_its_execution_has_ended(cloud):
    result, response = cloud.invoke("steps:live", {"numbers": [1, 2, 3]})
    assert result == {"total": 6}
    assert response["ExecutedVersion"] == "1"
    arn = response["DurableExecutionArn"]
    assert arn.startswith(
        "arn:aws:lambda:us-east-1:000000000000:function:steps:1/durable-execution/"
    )
    execution = cloud.get(arn)
    assert execution["Status"] == "SUCCEEDED"
    assert json.loads(execution["InputPayload"]) == {"numbers": [1, 2, 3]}
    assert json.loads(execution["Result"]) == {"total": 6}
    assert execution["Version"] == "1"
    assert execution["DurableConfig"]["ExecutionTimeout"] == 60
    assert execution["EndTimestamp"] >= execution["StartTimestamp"]
    compact = cloud.client.get_durable_execution(
        DurableExecutionArn=arn, IncludeExecutionData=False
    )
    assert not {"InputPayload", "Result"} & compact.keys()


def test_a_failed_execution_is_a_function_error(cloud):
    error, response = cloud.invoke("failing:live", {})
    assert response["FunctionError"] == "Unhandled"
    assert error["errorMessage"] == "no way"
    execution = cloud.get(response["DurableExecutionArn"])
    assert execution["Status"] == "FAILED"
    assert execution["Error"]["ErrorType"] == "ValueError"


def test_a_durable_function_needs_a_qualifier(cloud):
    with pytest.raises(ClientError, match="unqualified ARN") as caught:
        cloud.invoke("steps", {"numbers": []})
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"
    assert cloud.invoke("steps:$LATEST", {"numbers": []})[0] == {"total": 0}


def test_a_function_of_more_than_15_minutes_cannot_be_awaited(cloud):
    with pytest.raises(ClientError, match="greater than 15 minutes"):
        cloud.invoke("long:live", {"seconds": 1})


def test_a_named_start_happens_once(cloud):
    first = cloud.start("steps:live", {"numbers": [1]}, "only-once")
    assert "/durable-execution/only-once/" in first
    assert cloud.start("steps:live", {"numbers": [1]}, "only-once") == first
    assert cloud.ended(first)["Status"] == "SUCCEEDED"
    assert cloud.start("steps:live", {"numbers": [1]}, "only-once") == first
    with pytest.raises(cloud.client.exceptions.DurableExecutionAlreadyStartedException):
        cloud.start("steps:live", {"numbers": [2]}, "only-once")
    assert (
        error_code(cloud.start, "steps:live", {}, "not a name") == "InvalidParameterValueException"
    )


def test_a_named_start_happens_once_when_asked_for_at_the_same_time(cloud):
    with ThreadPoolExecutor(8) as pool:
        arns = pool.map(lambda _: cloud.start("wait:live", {"seconds": 1}, "at-once"), range(8))
        assert len(set(arns)) == 1


def test_a_callback_is_completed(cloud, tmp_path):
    arn = cloud.start("callback:live", {"id_file": str(tmp_path / "id")})
    callback_id = published_callback_id(tmp_path / "id")
    cloud.client.send_durable_execution_callback_heartbeat(CallbackId=callback_id)
    cloud.client.send_durable_execution_callback_success(CallbackId=callback_id, Result=b'{"a":1}')
    assert json.loads(cloud.ended(arn)["Result"]) == {"response": '{"a":1}'}


def test_a_callback_can_be_completed_before_it_is_awaited_but_only_once(cloud, tmp_path):
    arn = cloud.start("callback:live", {"id_file": str(tmp_path / "id")})
    callback_id = published_callback_id(tmp_path / "id")
    cloud.client.send_durable_execution_callback_success(CallbackId=callback_id, Result=b"first")
    closed = "CallbackTimeoutException"
    for _ in range(2):
        succeed = cloud.client.send_durable_execution_callback_success
        heartbeat = cloud.client.send_durable_execution_callback_heartbeat
        assert error_code(succeed, CallbackId=callback_id, Result=b"second") == closed
        assert error_code(heartbeat, CallbackId=callback_id) == closed
        cloud.ended(arn)
    assert json.loads(cloud.ended(arn)["Result"]) == {"response": "first"}


def test_a_callback_can_fail(cloud, tmp_path):
    arn = cloud.start("callback:live", {"id_file": str(tmp_path / "id")})
    cloud.client.send_durable_execution_callback_failure(
        CallbackId=published_callback_id(tmp_path / "id"),
        Error={"ErrorType": "JobFailed", "ErrorMessage": "out of memory"},
    )
    result = json.loads(cloud.ended(arn)["Result"])
    assert result["message"] == "out of memory"


def test_an_unknown_callback_is_refused(cloud):
    send = cloud.client.send_durable_execution_callback_heartbeat
    assert error_code(send, CallbackId="bm9uc2Vuc2U=") == "InvalidParameterValueException"
    unknown = "eyJhcm4iOiJhcm46eCIsIm9wIjoieSJ9"
    assert error_code(send, CallbackId=unknown) == "ResourceNotFoundException"


def test_a_callback_without_heartbeats_times_out(cloud, tmp_path):
    event = {"id_file": str(tmp_path / "id"), "heartbeat": 2}
    arn = cloud.start("callback:live", event)
    callback_id = published_callback_id(tmp_path / "id")
    for _ in range(6):
        time.sleep(0.4)
        cloud.client.send_durable_execution_callback_heartbeat(CallbackId=callback_id)
    assert cloud.get(arn)["Status"] == "RUNNING"
    assert "heartbeat" in json.loads(cloud.ended(arn)["Result"])["message"]
    send = cloud.client.send_durable_execution_callback_success
    assert error_code(send, CallbackId=callback_id) == "CallbackTimeoutException"
    details = next(
        event["CallbackStartedDetails"]
        for event in cloud.history(arn)
        if event["EventType"] == "CallbackStarted"
    )
    assert (details["HeartbeatTimeout"], details["Timeout"]) == (2, 60)


@pytest.mark.parametrize(
    ("function", "payload", "expected"),
    [
        ("add", {"left": 1, "right": 2}, 3),
        ("add:$LATEST", {"left": 1, "right": 2}, 3),
        ("steps:live", {"numbers": [4, 5]}, {"total": 9}),
        ("arn:aws:lambda:us-east-1:000000000000:function:steps:1", {"numbers": []}, {"total": 0}),
    ],
)
def test_a_durable_function_invokes_other_functions(cloud, function, payload, expected):
    result, _ = cloud.invoke("invoke:live", {"function": function, "payload": payload})
    assert result == expected


@pytest.mark.parametrize(
    ("function", "payload", "error_type", "message"),
    [
        ("fail", 3, "ValueError", "cannot do 3"),
        ("failing:live", {}, "ValueError", "no way"),
        ("short-nap", {"pids": "/dev/null"}, "Sandbox.Timedout", "timed out after 0.30 seconds"),
        ("nobody", {}, "ResourceNotFoundException", "function:nobody:$LATEST"),
        ("steps", {"numbers": []}, "InvalidParameterValueException", "unqualified ARN"),
        ("brief:live", {"seconds": 5}, "ChainedInvoke.Timeout", "timed out after 1 seconds"),
    ],
)
def test_what_goes_wrong_in_an_invoked_function_reaches_the_caller(
    cloud, function, payload, error_type, message
):
    result, _ = cloud.invoke("invoke:live", {"function": function, "payload": payload})
    assert result["error_type"] == error_type
    assert message in result["message"]


@pytest.mark.parametrize("concurrency", [1, 4, 12])
def test_a_map_invokes_a_function_per_item(cloud, concurrency):
    event = {"function": "add", "numbers": list(range(12)), "concurrency": concurrency}
    result, _ = cloud.invoke("map:live", event)
    assert result == list(range(1, 13))


def test_an_end_that_comes_while_another_branch_works_is_not_passed_over(cloud):
    assert cloud.ended(cloud.start("idle-callback:live", {}))["Status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("function", "event", "expected"),
    [
        ("wait", {"seconds": 1}, "waited"),
        ("retry", {"attempts": 3}, 3),
        ("poll", {"polls": 3}, 3),
    ],
)
def test_what_falls_due_while_an_invocation_ends_wakes_its_execution(
    cloud, monkeypatch, function, event, expected
):
    executor = cloud.service._engine.executor
    complete_due_operations = executor._fire_due_operations

    def followed_by_the_end_of_an_invocation(arn):
        due = complete_due_operations(arn)
        executor._schedule_earliest_pending(arn)  # the last thing that an invocation's end does
        return due

    monkeypatch.setattr(executor, "_fire_due_operations", followed_by_the_end_of_an_invocation)

    execution = cloud.ended(cloud.start(f"{function}:live", event))

    assert execution["Status"] == "SUCCEEDED"
    assert json.loads(execution["Result"]) == expected


def test_an_execution_can_be_stopped(cloud):
    arn = cloud.start("long:live", {"seconds": 3000})
    asleep = {"WaitStarted", "InvocationCompleted"}
    eventually(lambda: asleep <= {event["EventType"] for event in cloud.history(arn)})
    error = {"ErrorType": "Cancelled", "ErrorMessage": "by the operator"}
    response = cloud.client.stop_durable_execution(DurableExecutionArn=arn, Error=error)
    execution = cloud.get(arn)
    assert execution["Status"] == "STOPPED"
    assert execution["Error"] == error
    assert execution["EndTimestamp"] == response["StopTimestamp"]
    assert cloud.history(arn)[-1]["EventType"] == "ExecutionStopped"
    cloud.client.stop_durable_execution(DurableExecutionArn=arn)
    assert cloud.get(arn)["Error"] == error


def test_an_execution_times_out(cloud):
    arn = cloud.start("brief:live", {"seconds": 3000})
    assert cloud.ended(arn)["Status"] == "TIMED_OUT"
    assert "WaitSucceeded" not in {event["EventType"] for event in cloud.history(arn)}


def test_an_execution_survives_the_death_of_its_process(cloud, tmp_path):
    result, response = cloud.invoke("die-once:live", {"marker": str(tmp_path / "marker")})
    assert result == {"result": "survived", "other_process": True}
    completions = [
        event["InvocationCompletedDetails"]
        for event in cloud.history(response["DurableExecutionArn"])
        if event["EventType"] == "InvocationCompleted"
    ]
    errors = [details["Error"]["Payload"] for details in completions if "Error" in details]
    assert [error["ErrorType"] for error in errors] == ["Runtime.ExitError"]
    assert len({details["RequestId"] for details in completions}) == len(completions) >= 2


def test_an_execution_whose_process_always_dies_fails(cloud):
    error, _ = cloud.invoke("exit-always:live", {})
    assert error["errorType"] == "Runtime.ExitError"
    assert "exit status 7" in error["errorMessage"]


def test_a_step_result_over_256_kb_fails_the_execution(cloud):
    assert cloud.invoke("big-step:live", {"bytes": 262_142})[0] == "stored"
    error, response = cloud.invoke("big-step:live", {"bytes": 262_143})
    assert response["FunctionError"] == "Unhandled"
    assert "262144 bytes" in error["errorMessage"]


def test_the_history_reports_what_happened(cloud):
    result, response = cloud.invoke(
        "invoke:live", {"function": "add", "payload": {"left": 1, "right": 1}}
    )
    arn = response["DurableExecutionArn"]
    events = cloud.history(arn)
    types = [event["EventType"] for event in events]
    assert types[0] == "ExecutionStarted"
    assert types[-1] == "ExecutionSucceeded"
    assert types.count("InvocationCompleted") == 2
    assert [event["EventId"] for event in events] == list(range(1, len(events) + 1))
    started = next(e for e in events if e["EventType"] == "ChainedInvokeStarted")
    assert started["Name"] == "call"
    assert started["ChainedInvokeStartedDetails"]["FunctionName"] == "add"
    assert json.loads(started["ChainedInvokeStartedDetails"]["Input"]["Payload"])["left"] == 1
    ended = next(e for e in events if e["EventType"] == "ChainedInvokeSucceeded")
    assert ended["ChainedInvokeSucceededDetails"]["Result"]["Payload"] == "2"
    bare = cloud.history(arn, IncludeExecutionData=False)
    assert "Payload" not in bare[0]["ExecutionStartedDetails"]["Input"]


def test_the_history_of_a_child_names_its_execution(cloud):
    _, response = cloud.invoke(
        "invoke:live", {"function": "steps:live", "payload": {"numbers": [1, 2]}}
    )
    started = next(
        event["ChainedInvokeStartedDetails"]
        for event in cloud.history(response["DurableExecutionArn"])
        if event["EventType"] == "ChainedInvokeStarted"
    )
    assert started["ExecutedVersion"] == "1"
    child = cloud.history(started["DurableExecutionArn"])
    steps = [e["StepSucceededDetails"] for e in child if e["EventType"] == "StepSucceeded"]
    assert [details["Result"]["Payload"] for details in steps] == ["1", "3"]
    assert [details["RetryDetails"]["CurrentAttempt"] for details in steps] == [1, 1]


def test_the_history_comes_in_pages_and_backwards(cloud):
    _, response = cloud.invoke("steps:live", {"numbers": list(range(10))})
    arn = response["DurableExecutionArn"]
    whole = cloud.history(arn)
    assert cloud.history(arn, PaginationConfig={"PageSize": 7}) == whole
    backwards = cloud.history(arn, ReverseOrder=True, PaginationConfig={"PageSize": 7})
    assert backwards == whole[::-1]


def test_a_long_history_is_made_once_until_its_execution_changes(cloud, monkeypatch):
    monkeypatch.setattr(history, "PAGE", 3)
    executor, made = cloud.service._engine.executor, []
    make = executor.get_execution_history

    def counted(*arguments, **named):
        made.append(arguments)
        return make(*arguments, **named)

    arn = cloud.start("long:live", {"seconds": 3000})
    asleep = {"WaitStarted", "InvocationCompleted"}
    eventually(lambda: asleep <= {event["EventType"] for event in cloud.history(arn)})
    cloud.client.stop_durable_execution(DurableExecutionArn=arn)
    monkeypatch.setattr(executor, "get_execution_history", counted)
    events = cloud.history(arn, PaginationConfig={"PageSize": 1})
    assert [event["EventType"] for event in events][-1] == "ExecutionStopped"
    assert len(events) > 3
    assert len(made) <= 1, "none where the last look came after all that ended"
    bare = cloud.history(arn, IncludeExecutionData=False)
    assert "Payload" not in bare[0]["ExecutionStartedDetails"]["Input"]
    assert len(made) <= 2


def test_executions_are_listed_by_name_status_version_and_time(cloud):
    def names(**filters):
        pages = cloud.client.get_paginator("list_durable_executions_by_function").paginate(
            FunctionName="wait", PaginationConfig={"PageSize": 2}, **filters
        )
        executions = [one for page in pages for one in page["DurableExecutions"]]
        found = [one["DurableExecutionName"] for one in executions]
        return [name for name in found if name.startswith("list-")]

    arns = [cloud.start("wait:live", {"seconds": s}, f"list-{s}") for s in (1, 20, 30, 40)]
    cloud.start("wait:$LATEST", {"seconds": 50}, "list-latest")
    cloud.ended(arns[0])
    assert names() == ["list-latest", "list-40", "list-30", "list-20", "list-1"]
    assert names(ReverseOrder=True) == names()[::-1]
    assert names(Statuses=["SUCCEEDED"]) == ["list-1"]
    assert names(Statuses=["RUNNING", "FAILED"], Qualifier="live") == [
        "list-40",
        "list-30",
        "list-20",
    ]
    assert names(DurableExecutionName="list-30") == ["list-30"]
    started = cloud.get(arns[2])["StartTimestamp"]
    assert names(StartedAfter=started + timedelta(seconds=60)) == []
    assert len(names(StartedBefore=datetime.now(UTC) + timedelta(seconds=60))) == 5
    unknown = cloud.client.list_durable_executions_by_function
    assert error_code(unknown, FunctionName="nobody") == "ResourceNotFoundException"


def test_changes_of_status_are_reported_as_events(cloud):
    while not cloud.status_events.empty():
        cloud.status_events.get()
    arn = cloud.start("failing:live", {}, "watched")
    cloud.ended(arn)
    events = []

    def last_status():
        while not cloud.status_events.empty():
            event = cloud.status_events.get()
            if event["detail"]["durableExecutionArn"] == arn:
                events.append(event)
        return len(events) == 2

    eventually(last_status)
    assert [event["detail"]["status"] for event in events] == ["RUNNING", "FAILED"]
    assert events[0]["source"] == "aws.lambda"
    assert events[0]["detail-type"] == "Durable Execution Status Change"
    assert events[0]["detail"]["durableExecutionName"] == "watched"
    assert events[0]["detail"]["functionArn"].endswith(":function:failing:1")
    assert "endTimestamp" not in events[0]["detail"]
    assert events[1]["detail"]["endTimestamp"] >= events[1]["detail"]["startTimestamp"]


def test_a_listener_that_fails_is_reported_the_next_event_all_the_same():
    reported, failures = [], []

    def listen(event):
        reported.append(event["number"])
        raise RuntimeError("not now")

    events = StatusEvents(listen, lambda: failures.append(1))
    events.start()
    for number in (1, 2):
        events.publish({"number": number})
    events.stop()
    assert (reported, failures) == ([1, 2], [1, 1])


def test_unknown_executions_are_refused(cloud):
    arn = "arn:aws:lambda:us-east-1:000000000000:function:steps:1/durable-execution/a/b"
    get, stop = cloud.client.get_durable_execution, cloud.client.stop_durable_execution
    assert error_code(get, DurableExecutionArn=arn) == "ResourceNotFoundException"
    assert error_code(stop, DurableExecutionArn=arn) == "ResourceNotFoundException"


def test_an_event_source_invokes_without_http(cloud):
    result = cloud.service.invoke("steps", b'{"numbers": [1]}', qualifier="live")
    assert (result.status, result.function_error) == (200, None)
    assert json.loads(result.payload) == {"total": 1}
    assert result.execution_arn is not None
