"""What requests of the Lambda, EMR Serverless and EventBridge Scheduler APIs ask IAM for.

Service Authorization Reference, pages of the same names; AWS Lambda Developer
Guide, "Security and permissions for Lambda durable functions": operations on an execution are
checked against its own ARN, which extends that of the function's version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from aws_durable_execution_sdk_python_testing.token import CallbackToken

from local.local_cloud.http.rest_routes import Request, decode
from local.local_cloud.http.services import ACCOUNT_ID, REGION, HttpRequest, ServiceError
from local.local_cloud.permissions.calls import Call

_FUNCTION: Final = re.compile(
    r"(?:arn:aws:lambda:[^:]*:[^:]*:function:|[^:]*:function:)?([A-Za-z0-9_-]+)(?::([^:]+))?"
)
_OF_FUNCTIONS: Final[Mapping[str, str]] = {
    "Invoke": "InvokeFunction",
    "GetFunction": "GetFunction",
    "GetFunctionConfiguration": "GetFunctionConfiguration",
    "ListAliases": "ListAliases",
    "GetAlias": "GetAlias",
    "ListDurableExecutionsByFunction": "ListDurableExecutionsByFunction",
}
_SERVERLESS: Final = re.compile(r"/applications(?:/([^/]+))?(/jobruns)?(?:/([^/]+))?")
_SCHEDULE_ARN: Final = f"arn:aws:scheduler:{REGION}:{ACCOUNT_ID}:schedule"
_SERVERLESS_ARN: Final = f"arn:aws:emr-serverless:{REGION}:{ACCOUNT_ID}:/applications"


def lambda_calls(
    method: str, path: str, headers: Mapping[str, str], body: bytes
) -> list[Call] | None:
    """The calls of a request; None: no rule says.

    Raises:
        ServiceError: it is no request of the Lambda API.
    """
    location, _, text = path.partition("?")
    query = parse_qs(text, keep_blank_values=True)
    request = decode("lambda", HttpRequest(method, location, query, headers, body))
    operation = request.operation
    if operation == "ListFunctions":
        return [Call("lambda:ListFunctions", "*")]
    if operation in _OF_FUNCTIONS:
        arn = _function_arn(request)
        return [Call(f"lambda:{_OF_FUNCTIONS[operation]}", arn)] if arn else None
    if execution := request.uri.get("DurableExecutionArn"):
        return [Call(f"lambda:{operation}", execution)]
    if callback := request.uri.get("CallbackId"):
        return [Call(f"lambda:{operation}", _execution_of(callback))]
    return None


def _function_arn(request: Request) -> str | None:
    """With the qualifier that name or query carry: policies distinguish versions."""
    match = _FUNCTION.fullmatch(request.uri["FunctionName"])
    if match is None:
        return None
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{match[1]}"
    qualifier = match[2] or request.query_value("Qualifier")
    return f"{arn}:{qualifier}" if qualifier else arn


def _execution_of(callback_id: str) -> str:
    """The execution that waits for a callback.

    Raises:
        ServiceError: it is no id of a callback.
    """
    try:
        return str(CallbackToken.from_str(callback_id).execution_arn)
    except (ValueError, KeyError, TypeError) as error:
        message = f"Invalid callback id: {callback_id}"
        raise ServiceError("InvalidParameterValueException", message) from error


def serverless_calls(method: str, path: str, body: bytes) -> list[Call] | None:
    """The calls of a request of EMR Serverless; None: no rule says."""
    match = _SERVERLESS.fullmatch(path.partition("?")[0].rstrip("/"))
    if match is None:
        return None
    application, runs, run = (unquote(part) if part else "" for part in match.groups())
    arn = f"{_SERVERLESS_ARN}/{application}"
    names = {
        ("GET", False, False, False): ("ListApplications", "*"),
        ("GET", True, False, False): ("GetApplication", arn),
        ("GET", True, True, False): ("ListJobRuns", arn),
        ("POST", True, True, False): ("StartJobRun", arn),
        ("GET", True, True, True): ("GetJobRun", f"{arn}/jobruns/{run}"),
        ("DELETE", True, True, True): ("CancelJobRun", f"{arn}/jobruns/{run}"),
    }
    found = names.get((method, bool(application), bool(runs), bool(run)))
    if found is None:
        return None
    calls = [Call(f"emr-serverless:{found[0]}", found[1])]
    if found[0] == "StartJobRun":
        request: Any = json.loads(body or b"{}")
        service = {"iam:passedtoservice": ("emr-serverless.amazonaws.com",)}
        calls.append(Call("iam:PassRole", str(request.get("executionRoleArn", "")), service))
    return calls


def scheduler_calls(
    method: str, path: str, headers: Mapping[str, str], body: bytes
) -> list[Call] | None:
    """The calls of a request of EventBridge Scheduler; None: no rule says.

    Raises:
        ServiceError: it is no request of that API.
    """
    location, _, text = path.partition("?")
    query = parse_qs(text, keep_blank_values=True)
    request = decode("scheduler", HttpRequest(method, location, query, headers, body))
    if request.operation == "ListSchedules":
        return [Call("scheduler:ListSchedules", "*")]
    name = request.uri.get("Name")
    if name is None or not request.operation.endswith("Schedule"):
        return None
    asked: Any = json.loads(body or b"{}")
    group = asked.get("GroupName") or request.query_value("groupName") or "default"
    calls = [Call(f"scheduler:{request.operation}", f"{_SCHEDULE_ARN}/{group}/{name}")]
    if role := asked.get("Target", {}).get("RoleArn"):
        service = {"iam:passedtoservice": ("scheduler.amazonaws.com",)}
        calls.append(Call("iam:PassRole", str(role), service))
    return calls
