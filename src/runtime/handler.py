"""What every step handler shares: settings, parsing, logging and errors."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import MISSING, fields
from datetime import datetime
from typing import Any, Protocol, TypeVar

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import ValidationError

from contracts.base import Contract
from contracts.costs.usage import METERED, USAGE
from contracts.errors import InvalidInput, PipelineError, Problem
from runtime.metering import meter
from runtime.service_time import service_clock

logger = Logger()
NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "DurablePipeline")
metrics = Metrics(namespace=NAMESPACE)

Settings = TypeVar("Settings")
Message = TypeVar("Message", bound=Contract)
Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any] | None]


class Clock(Protocol):
    """The time, passed in so that tests need not wait."""

    def __call__(self) -> datetime: ...


class RemainingTime(Protocol):
    """Seconds until the invocation ends; passed in, like the clock."""

    def __call__(self) -> float: ...


_clock: Clock = service_clock


def utc_now() -> datetime:
    """The time of the handlers' clock."""
    return _clock()


def use_clock(clock: Clock = service_clock) -> None:
    """Make handlers use this clock, as tests do; without one, the services' time."""
    global _clock
    _clock = clock


def settings_from_environment(settings_class: type[Settings]) -> Settings:
    """Read a frozen dataclass of `str` fields from the variables named like them, in capitals.

    A field with a default may be absent. This is the only place where steps read the environment.

    Raises:
        RuntimeError: variables are missing; names all of them.
    """
    values: dict[str, str] = {}
    missing: list[str] = []
    for field in fields(settings_class):  # type: ignore[arg-type]
        variable = field.name.upper()
        if variable in os.environ:
            values[field.name] = os.environ[variable]
        elif field.default is MISSING:
            missing.append(variable)
    if missing:
        raise RuntimeError(f"missing environment variables: {', '.join(sorted(missing))}")
    return settings_class(**values)


def step_handler(
    message_class: type[Message],
) -> Callable[[Callable[[Message], Contract | None]], Handler]:
    """Turn a function of one message into a Lambda handler.

    The handler parses the event, puts the run id (and the unit and job key where there are any)
    into every log line, and encodes the response; a caller who asks (METERED) also learns what the
    call has used. Errors are logged once and leave as they are: the class name becomes the
    `error_type` by which the orchestrator decides on retries.
    """

    def decorate(function: Callable[[Message], Contract | None]) -> Handler:
        name = _step_of(function)

        @functools.wraps(function)
        def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:
            meter.begin(name, int(getattr(context, "memory_limit_in_mb", None) or 0))
            trace = {**_trace_keys(event), "request_id": context.aws_request_id}
            with logger.append_context_keys(**trace):
                try:
                    response = function(_parse(message_class, event))
                except PipelineError as error:
                    logger.warning("step failed", extra={"error": repr(error)})
                    raise
                except Exception:
                    logger.exception("step failed unexpectedly")
                    raise
                finally:
                    flush_metrics()
            if event.get(METERED):
                return {**(response.to_json() if response else {}), USAGE: meter.so_far()}
            return None if response is None else response.to_json()

        vars(handler)["message_class"] = message_class  # compared with the step's declaration
        return handler

    return decorate


def timed_step_handler(
    message_class: type[Message],
) -> Callable[[Callable[[Message, RemainingTime], Contract | None]], Handler]:
    """As `step_handler`, for functions that stop in time: they are also given the time left."""

    def decorate(function: Callable[[Message, RemainingTime], Contract | None]) -> Handler:
        @functools.wraps(function)
        def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:
            def left() -> float:
                return context.get_remaining_time_in_millis() / 1000

            @functools.wraps(function)
            def in_time(message: Message) -> Contract | None:
                return function(message, left)

            return step_handler(message_class)(in_time)(event, context)

        vars(handler)["message_class"] = message_class
        return handler

    return decorate


def _step_of(function: Callable[..., Any]) -> str:
    """The step function's name, which is that of its handler's module."""
    return function.__module__.rpartition(".")[2].replace("_", "-")


def flush_metrics() -> None:
    """Emit the metrics, if there are any: Powertools warns of an empty set."""
    if metrics.metric_set:
        metrics.flush_metrics()


def count_of_function(name: str, function: str) -> None:
    """Emit 1 for a metric per function: the function's name distinguishes the stacks.

    Its dimensions are `FunctionName` and, as of every metric of Powertools, `service`.
    """
    with single_metric(name, MetricUnit.Count, 1, namespace=NAMESPACE) as metric:
        metric.add_dimension("FunctionName", function)


def _parse(message_class: type[Message], event: dict[str, Any]) -> Message:
    try:
        return message_class.from_json(event)
    except ValidationError as error:
        problems = [
            Problem(".".join(str(part) for part in item["loc"]) or "message", item["msg"])
            for item in error.errors()
        ]
        raise InvalidInput(f"{message_class.__name__} message", problems) from error


def _trace_keys(event: dict[str, Any]) -> dict[str, str]:
    """Run id, unit id and job key of a message, at whichever level they are."""
    keys: dict[str, str] = {}
    for source in (event, event.get("request") or {}, event.get("key") or {}):
        for name, key in (("runId", "run_id"), ("unitId", "unit_id"), ("stage", "stage")):
            if isinstance(source, dict) and isinstance(source.get(name), str):
                keys[key] = source[name]
    return keys
