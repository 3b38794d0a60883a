"""Durable functions on the embedded local cloud: each stage is a function in its own process."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config

from contracts.steps import function_variable, step_functions
from local.local_cloud.http.front import Front
from local.local_cloud.lambdas.functions import DurableSpec, FunctionSpec
from local.local_cloud.lambdas.sandbox_runtime import STOP_POLL_VARIABLE
from local.local_cloud.lambdas.service import LambdaService

ROOT: Final = Path(__file__).resolve().parents[2]
SDK_SECONDS: Final = 0.1  # as the SDK has it, and so as on AWS
_NOWHERE: Final = 9  # nothing is forwarded
_CHAINS: Final = {"chain": "false", "chain-fast": "true"}


@dataclass(frozen=True)
class Execution:
    """One execution.

    Attributes:
        seconds: from its start to its end.
        billed: seconds of all its invocations.
        invocations: how many those were.
    """

    seconds: float
    billed: float
    invocations: int


class LambdaWay:
    """Starts executions, and reads their histories."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def run(self, stages: int, *, fast: bool) -> Execution:
        """A chain of so many stages, with FastSuspend or without."""
        response = self._client.invoke(
            FunctionName="chain-fast" if fast else "chain",
            Qualifier="live",
            InvocationType="Event",
            Payload=json.dumps({"stages": stages}),
        )
        arn = response["DurableExecutionArn"]
        while True:
            execution = self._client.get_durable_execution(DurableExecutionArn=arn)
            if execution["Status"] != "RUNNING":
                break
            time.sleep(0.05)
        if json.loads(execution.get("Result", "null")) != stages:
            raise AssertionError(f"{arn} ended as {execution['Status']}")
        spans = [event["InvocationCompletedDetails"] for event in self._invocations(arn)]
        lasted = [span["EndTimestamp"] - span["StartTimestamp"] for span in spans]
        return Execution(
            (execution["EndTimestamp"] - execution["StartTimestamp"]).total_seconds(),
            sum(each.total_seconds() for each in lasted),
            len(lasted),
        )

    def _invocations(self, arn: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("get_durable_execution_history")
        for page in pages.paginate(DurableExecutionArn=arn):
            yield from (e for e in page["Events"] if e["EventType"] == "InvocationCompleted")


@contextmanager
def deployed() -> Iterator[LambdaWay]:
    """The functions, deployed on an endpoint of their own."""
    front = Front(0, _NOWHERE)
    with tempfile.TemporaryDirectory() as folder:
        service = LambdaService(
            _functions(),
            endpoint_url=front.url,
            region="us-east-1",
            account_id="000000000000",
            on_status_change=lambda _: None,
            log_dir=Path(folder),
        )
        front.add_rest("lambda", service)
        front.start()
        service.start()
        client = boto3.client(
            "lambda",
            endpoint_url=front.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106
            config=Config(retries={"max_attempts": 0}),
        )
        try:
            yield LambdaWay(client)
        finally:
            service.stop()
            front.stop()


def _functions() -> list[FunctionSpec]:
    code = (ROOT / "src", ROOT)
    named = {function_variable(name): name for name in step_functions()}
    chains = [
        FunctionSpec(
            name,
            "benchmarks.orchestration.handlers.chain",
            code,
            {**named, "FAST_SUSPEND": fast, STOP_POLL_VARIABLE: str(SDK_SECONDS)},
            timeout_seconds=60,
            durable=DurableSpec(600, 1),
            aliases={"live": "1"},
        )
        for name, fast in _CHAINS.items()
    ]
    return [*chains, FunctionSpec("stage", "benchmarks.orchestration.handlers.stage", code)]
