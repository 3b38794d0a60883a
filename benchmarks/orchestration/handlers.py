"""The two functions of the benchmark: a chain of stages, and one stage."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durable_pipeline import app


@durable_execution
def chain(event: dict[str, Any], context: DurableContext) -> int:
    """Invoke the stage so many times, one after another, each with the result before."""
    app.settings()  # as the orchestrators do; FastSuspend takes effect here
    number = 0
    for _ in range(event["stages"]):
        number = context.invoke("stage", number, name="stage")
    return number


def stage(number: int, _: object) -> int:
    return number + 1
