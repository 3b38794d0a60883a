"""Functions with tenant isolation, from a template as AWS's conformance tests have it."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from lambda_cloud import FIXTURES, LambdaCloud, eventually, plain

from local.local_cloud.cloud import LocalCloud
from local.local_cloud.lambdas.functions import HostSettings
from local.local_cloud.lambdas.pool import IDLE_SECONDS, FunctionHost

pytestmark = pytest.mark.cloud

TEMPLATE = FIXTURES / "tenants" / "template.yaml"
ENABLED = "enabled with tenancy configuration. Add a valid tenant ID"
NOT_ENABLED = "not enabled with tenancy configuration"


@pytest.fixture(scope="module")
def lambdas(tmp_path_factory):
    with LocalCloud(TEMPLATE, tmp_path_factory.mktemp("state"), port=0) as cloud:
        client = boto3.client(
            "lambda",
            endpoint_url=cloud.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        yield client
        client.close()


def invoke(client, name, event, **parameters):
    response = client.invoke(FunctionName=name, Payload=json.dumps(event), **parameters)
    return json.loads(response["Payload"].read()), response


def call(client, target, tenant, payload="x"):
    """The result of a chained invoke, and the events of its start."""
    event = {"target": target, "tenant": tenant, "payload": payload}
    result, response = invoke(client, "caller:$LATEST", event)
    history = client.get_durable_execution_history(
        DurableExecutionArn=response["DurableExecutionArn"]
    )
    return result, [
        one["ChainedInvokeStartedDetails"]
        for one in history["Events"]
        if one["EventType"] == "ChainedInvokeStarted"
    ]


def test_the_tenancy_of_a_template_is_shown(lambdas):
    isolated = lambdas.get_function_configuration(FunctionName="echo-tenant")
    assert isolated["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}
    assert "TenancyConfig" not in lambdas.get_function_configuration(FunctionName="caller")


@pytest.mark.parametrize("name", ["plain-tenant", "echo-tenant:$LATEST"])
def test_a_function_sees_its_tenant_and_shares_no_process_between_two(lambdas, name):
    blue, _ = invoke(lambdas, name, "x", TenantId="blue")
    green, _ = invoke(lambdas, name, "x", TenantId="green")
    again, _ = invoke(lambdas, name, "x", TenantId="blue")
    assert (blue["tenant"], green["tenant"], again["tenant"]) == ("blue", "green", "blue")
    assert blue["pid"] != green["pid"]
    assert again["pid"] == blue["pid"]


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("plain-tenant", {}, ENABLED),
        ("plain-tenant", {"InvocationType": "Event"}, ENABLED),
        ("echo-tenant:$LATEST", {}, ENABLED),
        ("caller:$LATEST", {"TenantId": "blue"}, NOT_ENABLED),
        ("plain-tenant", {"TenantId": "a,b"}, "TenantId must be 1 to 256 characters"),
    ],
)
def test_an_invocation_with_a_wrong_or_without_a_tenant_is_refused(
    lambdas, name, parameters, message
):
    with pytest.raises(ClientError, match=message) as caught:
        invoke(lambdas, name, {}, **parameters)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"


@pytest.mark.parametrize("target", ["ECHO_TENANT", "PLAIN_TENANT"])
def test_a_chained_invoke_hands_its_tenant_on_and_the_history_shows_it(lambdas, target):
    result, [started] = call(lambdas, target, "blue")
    assert result["event"] == "x"
    assert result["tenant"] == "blue"
    assert started["TenantId"] == "blue"


def test_a_chained_invoke_without_a_tenant_shows_none(lambdas):
    result, [started] = call(lambdas, "ECHO", None)
    assert result["tenant"] is None
    assert "TenantId" not in started


@pytest.mark.parametrize(
    ("target", "tenant", "message"),
    [
        ("ECHO_TENANT", None, ENABLED),
        ("PLAIN_TENANT", None, ENABLED),
        ("ECHO", "blue", NOT_ENABLED),
    ],
)
def test_a_chained_invoke_that_lambda_would_refuse_fails(lambdas, target, tenant, message):
    result, _ = call(lambdas, target, tenant)
    assert message in result["error"]


def test_an_asynchronous_invocation_hands_its_tenant_on(tmp_path: Path):
    functions = [plain("note", tenant_isolated=True, handler="note_tenant")]
    with LambdaCloud(functions, tmp_path) as cloud:
        noted = tmp_path / "noted"
        cloud.invoke("note", {"path": str(noted)}, InvocationType="Event", TenantId="blue")
        eventually(lambda: noted.exists() and noted.read_text() == "blue")

    assert noted.read_text() == "blue"


@pytest.mark.slow
def test_pools_of_tenants_that_are_gone_are_forgotten(tmp_path: Path):
    now = [0.0]
    functions = [plain("add", tenant_isolated=True)]
    settings = HostSettings("http://127.0.0.1:9", "us-east-1", "000000000000", tmp_path)
    host = FunctionHost(functions, settings, clock=lambda: now[0])
    host.start()
    try:
        for number in range(3):
            host.invoke("add", "1", b'{"left": 1, "right": 1}', tenant_id=str(number))
        host.end_idle()
        assert len(host._pools) == 3
        now[0] += IDLE_SECONDS + 1
        host.end_idle()
        assert host._pools == {}
        outcome = host.invoke("add", "1", b'{"left": 1, "right": 1}', tenant_id="0")
        assert outcome.payload == b"2"
    finally:
        host.stop()
