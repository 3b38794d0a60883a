"""Plain functions in sandboxes, through boto3."""

from __future__ import annotations

import base64
import json
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from lambda_cloud import ACCOUNT, FIXTURES, REGION, LambdaCloud, durable, eventually, plain

from local.local_cloud.lambdas.functions import FunctionSpec, access_key_id

pytestmark = pytest.mark.cloud

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    functions = [
        plain("describe", environment={"COLOUR": "blue"}, memory_mb=512, aliases={"live": "1"}),
        plain("other", "describe", environment={"COLOUR": "red"}),
        plain("add"),
        plain("fail"),
        plain("nap"),
        plain("meet"),
        plain("short-nap", "nap", timeout_seconds=2),
        plain("leave"),
        plain("be_killed", memory_mb=400),
        plain("speak"),
        plain("big"),
        plain("fail_until"),
        plain("call_other"),
        FunctionSpec("broken", "broken_module.handler", (FIXTURES,)),
        durable("durable", "add_in_steps"),
    ]
    with LambdaCloud(functions, tmp_path_factory.mktemp("logs")) as cloud:
        yield cloud


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_a_function_returns_and_is_reused(cloud):
    first, response = cloud.invoke("describe", {"a": 1})
    second, _ = cloud.invoke("describe", {"a": 2})
    assert first["event"] == {"a": 1}
    assert response["StatusCode"] == 200
    assert response["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in response
    assert second["pid"] == first["pid"]


def test_a_function_has_its_own_environment_and_nothing_of_the_callers(cloud, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_DEVELOPER", "x")
    seen, _ = cloud.invoke("describe")
    other, _ = cloud.invoke("other")
    environment = seen["environment"]
    assert environment["COLOUR"] == "blue"
    assert other["environment"]["COLOUR"] == "red"
    assert "SECRET_OF_THE_DEVELOPER" not in environment
    assert "HOME" not in environment
    assert environment["AWS_ENDPOINT_URL"] == cloud.endpoint_url
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "describe"
    assert environment["AWS_ACCESS_KEY_ID"] == access_key_id("describe")
    assert environment["AWS_ACCESS_KEY_ID"] != other["environment"]["AWS_ACCESS_KEY_ID"]
    assert seen["memory"] == "512"
    assert seen["directory"] == str(FIXTURES)
    assert seen["path"][0] == str(FIXTURES)
    assert 0 < seen["remaining"] <= 10_000


@pytest.mark.parametrize(
    ("name", "qualifier", "arn", "version"),
    [
        ("describe", None, f"{ARN}:describe", "$LATEST"),
        ("describe:live", None, f"{ARN}:describe:live", "1"),
        ("describe", "live", f"{ARN}:describe:live", "1"),
        ("describe:1", None, f"{ARN}:describe:1", "1"),
        ("describe:$LATEST", None, f"{ARN}:describe:$LATEST", "$LATEST"),
        (f"{ACCOUNT}:function:describe", None, f"{ARN}:describe", "$LATEST"),
        (f"{ARN}:describe:live", None, f"{ARN}:describe:live", "1"),
        (f"{ARN}:describe", "1", f"{ARN}:describe:1", "1"),
    ],
)
def test_a_function_is_found_by_every_form_of_its_name(cloud, name, qualifier, arn, version):
    parameters = {"Qualifier": qualifier} if qualifier else {}
    seen, response = cloud.invoke(name, **parameters)
    assert seen["arn"] == arn
    assert seen["version"] == version
    assert response["ExecutedVersion"] == version


@pytest.mark.parametrize(
    ("name", "parameters", "code"),
    [
        ("nobody", {}, "ResourceNotFoundException"),
        ("describe:dead", {}, "ResourceNotFoundException"),
        (f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:add", {}, "ResourceNotFoundException"),
        ("describe:live", {"Qualifier": "1"}, "InvalidParameterValueException"),
        ("add", {"DurableExecutionName": "x"}, "InvalidParameterValueException"),
        ("describe", {"TenantId": "x"}, "InvalidParameterValueException"),
    ],
)
def test_an_invocation_that_cannot_be_is_refused(cloud, name, parameters, code):
    with pytest.raises(ClientError) as caught:
        cloud.invoke(name, **parameters)
    assert caught.value.response["Error"]["Code"] == code


def test_a_payload_must_be_json_and_not_too_large(cloud):
    with pytest.raises(cloud.client.exceptions.InvalidRequestContentException):
        cloud.client.invoke(FunctionName="describe", Payload=b"{")
    with pytest.raises(cloud.client.exceptions.RequestTooLargeException):
        cloud.invoke("describe", "x" * 1_100_000, InvocationType="Event")


def test_an_exception_is_a_function_error(cloud):
    error, response = cloud.invoke("fail", 7)
    assert response["FunctionError"] == "Unhandled"
    assert response["StatusCode"] == 200
    assert error["errorType"] == "ValueError"
    assert error["errorMessage"] == "cannot do 7"
    assert "plain_handlers.py" in error["stackTrace"][0]


def test_a_module_that_cannot_be_imported_is_a_function_error(cloud):
    error, response = cloud.invoke("broken")
    assert response["FunctionError"] == "Unhandled"
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert "there_is_no_such_module" in error["errorMessage"]


def test_a_timeout_kills_the_function_and_what_it_started(cloud, tmp_path):
    pids = tmp_path / "pids"
    error, response = cloud.invoke("short-nap", {"pids": str(pids)})
    assert response["FunctionError"] == "Unhandled"
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Task timed out after 2.00 seconds")
    eventually(lambda: not any(is_running(pid) for pid in json.loads(pids.read_text())))


def test_a_process_that_ends_is_a_function_error_and_is_replaced(cloud):
    error, _ = cloud.invoke("leave", {"status": 3})
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Runtime exited with error: exit status 3")
    error, _ = cloud.invoke("leave", {"status": 0})
    assert error["errorMessage"].endswith("Runtime exited without providing a reason")


@pytest.mark.parametrize(
    ("megabytes", "error_type"), [(400, "Runtime.OutOfMemory"), (1, "Runtime.ExitError")]
)
def test_a_function_that_is_killed_with_its_memory_used_up_is_said_to_lack_it(
    cloud, megabytes, error_type
):
    error, _ = cloud.invoke("be_killed", {"megabytes": megabytes})
    assert error["errorType"] == error_type
    assert error["errorMessage"].endswith("Runtime exited with error: signal: killed")


def test_a_function_can_be_killed_while_it_runs(cloud, tmp_path):
    pids = tmp_path / "pids"
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(cloud.invoke, "nap", {"pids": str(pids)})
        eventually(pids.exists)
        assert cloud.service.kill_sandboxes("nap") == 1
        error, _ = future.result()
    assert error["errorType"] == "Runtime.ExitError"
    assert "killed" in error["errorMessage"]


def test_a_function_killed_while_idle_is_not_missed(cloud):
    first, _ = cloud.invoke("describe")
    cloud.service.kill_sandboxes("describe")
    second, response = cloud.invoke("describe")
    assert "FunctionError" not in response
    assert second["pid"] != first["pid"]


def test_a_process_with_a_thousand_open_files_makes_sandboxes(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    try:
        with ExitStack() as stack, (tmp_path / "open").open("w") as file:
            while (descriptor := os.dup(file.fileno())) < 1100:
                stack.callback(os.close, descriptor)
            stack.callback(os.close, descriptor)
            cloud = stack.enter_context(LambdaCloud([plain("describe")], tmp_path / "cloud"))
            _, response = cloud.invoke("describe")
            assert "FunctionError" not in response
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_concurrent_invocations_have_processes_of_their_own(cloud, tmp_path):
    event = {"place": str(tmp_path), "number": 4}
    with ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(lambda _: cloud.invoke("meet", event)[0], range(4)))
    assert len(set(responses)) == 4


def test_what_a_function_prints_is_in_its_log_and_in_the_tail(cloud):
    _, response = cloud.invoke("speak", "me", LogType="Tail")
    assert base64.b64decode(response["LogResult"]) == b"heard me\n"
    assert "heard me\n" in (cloud.log_dir / "speak.log").read_text()


def test_a_response_over_six_megabytes_is_a_function_error(cloud):
    error, response = cloud.invoke("big", {"bytes": 6_291_556})
    assert response["FunctionError"] == "Unhandled"
    assert error["errorType"] == "Function.ResponseSizeTooLarge"
    assert len(cloud.invoke("big", {"bytes": 6_000_000})[0]) == 6_000_000


def test_an_event_is_acknowledged_at_once_and_repeated_twice(cloud, tmp_path):
    calls = tmp_path / "calls"
    event = {"calls": str(calls), "times": 3}
    payload, response = cloud.invoke("fail_until", event, InvocationType="Event")
    assert (response["StatusCode"], payload) == (202, None)
    eventually(lambda: calls.exists() and calls.read_text().count("call") == 3)


def test_a_dry_run_runs_nothing(cloud, tmp_path):
    calls = tmp_path / "calls"
    event = {"calls": str(calls), "times": 1}
    _, response = cloud.invoke("fail_until", event, InvocationType="DryRun")
    assert response["StatusCode"] == 204
    assert not calls.exists()


def test_a_function_reaches_the_local_cloud_by_boto3(cloud):
    event = {"function": "add", "payload": {"left": 2, "right": 3}}
    assert cloud.invoke("call_other", event)[0] == 5


def test_client_context_reaches_the_function(cloud):
    context = base64.b64encode(b'{"custom": {"k": "v"}}').decode()
    assert cloud.invoke("describe", ClientContext=context)[0]["client"] == {"k": "v"}


def test_functions_and_aliases_are_described(cloud):
    names = [
        function["FunctionName"]
        for page in cloud.client.get_paginator("list_functions").paginate(
            PaginationConfig={"PageSize": 5}
        )
        for function in page["Functions"]
    ]
    assert {"describe", "durable", "add"} <= set(names)
    configuration = cloud.client.get_function(FunctionName="durable:live")["Configuration"]
    assert configuration["FunctionArn"] == f"{ARN}:durable:live"
    assert configuration["Version"] == "1"
    assert configuration["DurableConfig"]["ExecutionTimeout"] == 60
    described = cloud.client.get_function_configuration(FunctionName="describe")
    assert described["Environment"]["Variables"] == {"COLOUR": "blue"}
    aliases = cloud.client.list_aliases(FunctionName="describe")["Aliases"]
    assert [alias["Name"] for alias in aliases] == ["live"]
    assert cloud.client.get_alias(FunctionName="describe", Name="live")["FunctionVersion"] == "1"
    with pytest.raises(cloud.client.exceptions.ResourceNotFoundException):
        cloud.client.get_alias(FunctionName="describe", Name="dead")


def test_what_is_not_emulated_is_refused_by_name(cloud):
    with pytest.raises(ClientError, match="PublishVersion") as caught:
        cloud.client.publish_version(FunctionName="describe")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
