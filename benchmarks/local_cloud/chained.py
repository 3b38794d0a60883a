"""Chained invokes ten at a time: an orchestrator that maps a function over numbers."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import boto3
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import MapConfig
from botocore.config import Config

from local.local_cloud.http.front import Front
from local.local_cloud.lambdas.functions import DurableSpec, FunctionSpec
from local.local_cloud.lambdas.service import LambdaService

ROOT: Final = Path(__file__).resolve().parents[2]
SIDE_BY_SIDE: Final = 10
_NOWHERE: Final = 9  # nothing is forwarded


@durable_execution
def fan(event: dict[str, Any], context: DurableContext) -> int:
    """Invoke the stage with each number, ten at a time; their sum."""

    def one(child: DurableContext, number: int, *_: Any) -> int:
        return int(child.invoke("stage", number, name="stage"))

    config = MapConfig(max_concurrency=SIDE_BY_SIDE)
    return sum(context.map(range(event["invokes"]), one, name="fan", config=config).get_results())


def stage(number: int, _: object) -> int:
    return number + 1


def milliseconds(sizes: list[int], rounds: int) -> dict[int, float]:
    """From an execution's start to its end, for each invoke, the least of the rounds."""
    with _deployed() as client:
        _seconds(client, SIDE_BY_SIDE)  # starts the sandboxes
        return {
            size: min(_seconds(client, size) for _ in range(rounds)) / size * 1000 for size in sizes
        }


def _seconds(client: Any, invokes: int) -> float:
    arn = client.invoke(
        FunctionName="fan",
        Qualifier="live",
        InvocationType="Event",
        Payload=json.dumps({"invokes": invokes}),
    )["DurableExecutionArn"]
    execution = {"Status": "RUNNING"}
    while execution["Status"] == "RUNNING":
        time.sleep(0.02)
        execution = client.get_durable_execution(DurableExecutionArn=arn)
    if execution["Status"] != "SUCCEEDED" or json.loads(execution["Result"]) != sum(
        range(invokes + 1)
    ):
        raise RuntimeError(f"{arn} is {execution['Status']}")
    return float((execution["EndTimestamp"] - execution["StartTimestamp"]).total_seconds())


@contextmanager
def _deployed() -> Iterator[Any]:
    module = "benchmarks.local_cloud.chained"
    functions = [
        FunctionSpec(
            "fan",
            f"{module}.fan",
            (ROOT, ROOT / "src"),
            timeout_seconds=60,
            durable=DurableSpec(600, 1),
            aliases={"live": "1"},
        ),
        FunctionSpec("stage", f"{module}.stage", (ROOT, ROOT / "src")),
    ]
    front = Front(0, _NOWHERE)
    with tempfile.TemporaryDirectory() as folder:
        service = LambdaService(
            functions,
            endpoint_url=front.url,
            region="us-east-1",
            account_id="000000000000",
            on_status_change=lambda _: None,
            log_dir=Path(folder),
        )
        front.add_rest("lambda", service)
        front.start()
        service.start()
        try:
            yield boto3.client(
                "lambda",
                endpoint_url=front.url,
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",  # noqa: S106
                config=Config(retries={"max_attempts": 0}),
            )
        finally:
            service.stop()
            front.stop()
