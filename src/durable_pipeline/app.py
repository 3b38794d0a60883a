"""The entry points of the two orchestrator functions, which share their code.

`handle_messages` is triggered by SQS: it takes a batch of messages, or a single run request when it
is invoked directly. `handle_run` is the long-running function: it takes what start-run sends, one
shard of a large run, or a single run request.
"""

from __future__ import annotations

import logging
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration
from aws_durable_execution_sdk_python.types import DurableExecutionArn

from contracts.base import canonical_json
from contracts.errors import InvalidRequest, PipelineError, Problem
from contracts.messages import START_FLOW, HandedOver
from contracts.run import RunStatus
from contracts.run_request import RunRequest
from durable_pipeline.batch import Batch, Record
from durable_pipeline.intake import NOTHING_ASKED, parse_message
from durable_pipeline.operations import Operations, counted
from durable_pipeline.pipeline import Pipeline
from durable_pipeline.plan import Plan
from durable_pipeline.sdk import suspend_fast
from durable_pipeline.settings import Settings
from durable_pipeline.sharding.executions import execute_shards


class RunFailed(PipelineError):
    """The run ended as FAILED; raised so that its own execution fails too."""


_settings: Settings | None = None


def settings() -> Settings:
    """The function's settings, read at the first call."""
    global _settings
    if _settings is None:
        _settings = Settings.from_environment()
        if _settings.fast_suspend and (why := suspend_fast()):
            logging.getLogger(__name__).warning(why)
    return _settings


def use_settings(chosen: Settings) -> None:
    """Replace the settings from the environment; for tests."""
    global _settings
    _settings = chosen


@durable_execution
def handle_messages(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    """Run what the messages ask for; returns the ones that go back to the queue."""
    context = counted(context, Operations())
    execution_arn = context.execution_context.durable_execution_arn
    if _is_sqs_batch(event):
        records = [Record.from_event(record) for record in event["Records"]]
        return Batch(context, settings(), execution_arn).process(records)
    return _run_directly(event, Pipeline(context, settings(), execution_arn))


@durable_execution
def handle_run(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    """Run one run, or one shard or some shards of one, however long it takes."""
    context = counted(context, Operations())
    execution_arn = context.execution_context.durable_execution_arn
    pipeline = Pipeline(context, settings(), execution_arn, of_long_runs=True)
    of_shards = execute_shards(event, context, settings(), execution_arn)
    if of_shards is not None:
        return of_shards.to_json()
    if "handedOverBy" in event:
        handed_over = HandedOver.from_json(event)
        if handed_over.wait_seconds:
            context.wait(Duration(seconds=handed_over.wait_seconds), name="wait-for-attempt")
        return _run(pipeline, handed_over.request, handed_over.handed_over_by)
    return _run_directly(event, pipeline)


def _run_directly(event: dict[str, Any], pipeline: Pipeline) -> dict[str, Any]:
    parsed_arn = DurableExecutionArn.from_arn(pipeline.execution_arn)
    name = parsed_arn.execution_name if parsed_arn else pipeline.execution_arn
    most = pipeline.settings.units_side_by_side
    request = parse_message(canonical_json(event), default_run_id=name[-40:], units_at_most=most)
    if request is None:
        pipeline.context.logger.info("nothing to start", extra={"why": NOTHING_ASKED})
        return {}
    return _run(pipeline, request)


def _run(
    pipeline: Pipeline, request: RunRequest, handed_over_by: str | None = None
) -> dict[str, Any]:
    """Prepare and execute one run, or hand it over to the long-running function."""
    prepared = pipeline.prepare(request, handed_over_by)
    run_id = prepared.run_id or request.run_id
    of_long_runs = pipeline.of_long_runs
    if prepared.plan and not of_long_runs and _is_handed_over(prepared.plan, pipeline.settings):
        return {"runId": run_id, "handedOverTo": pipeline.hand_over(prepared.plan)}
    if prepared.standing:
        return {"runId": run_id, "standing": prepared.standing}
    if prepared.refused:
        raise InvalidRequest("run", [Problem("request", prepared.refused)])
    result = prepared.result
    if prepared.plan:
        result = pipeline.execute(prepared.plan)
        if result is None:
            return {"runId": run_id, "handedOverTo": pipeline.hand_over(prepared.plan)}
    if result is None or result.status is RunStatus.FAILED:
        raise RunFailed(f"run {run_id} failed: {result.reason if result else 'no plan'}")
    return result.to_json()


def _is_handed_over(plan: Plan, of_function: Settings) -> bool:
    if plan.claim.start_flow >= START_FLOW or plan.manifest.waiting:
        at_once = of_function.units_side_by_side
        return plan.is_long(of_function.short_run_seconds, units_side_by_side=at_once)
    return len(plan.manifest.shard_sizes) > 1


def _is_sqs_batch(event: dict[str, Any]) -> bool:
    records = event.get("Records")
    return isinstance(records, list) and all(
        isinstance(record, dict) and record.get("eventSource") == "aws:sqs" for record in records
    )
