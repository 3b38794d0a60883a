"""Which errors are worth another call."""

from __future__ import annotations

import inspect

import pytest
from aws_durable_execution_sdk_python import InvokeError, StepError

from contracts import errors
from contracts.errors import REFUSED
from durable_pipeline.policies import (
    POLICIES,
    error_name,
    patient,
    policy_for,
    retry_invocation,
    retry_step,
    retry_submission,
)

NO_OTHER_WAY = {"OwnershipLost", "ChainedInvoke.Timeout", "Runtime.ImportModuleError"}


def test_every_error_of_ours_has_a_policy() -> None:
    ours = {
        name
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, errors.PipelineError)
    }

    assert ours <= set(POLICIES)
    assert ours >= REFUSED


@pytest.mark.parametrize("name", sorted(REFUSED | NO_OTHER_WAY))
def test_what_cannot_succeed_is_not_called_again(name: str) -> None:
    error = InvokeError(message="no", error_type=name)

    assert not retry_step(error, 1).should_retry


def test_delays_grow_up_to_their_limit() -> None:
    policy = policy_for("Throttled")

    assert all(1 <= policy.delay(1) <= 2 for _ in range(50))
    assert all(1 <= policy.delay(30) <= 60 for _ in range(50))
    assert max(policy.delay(6) for _ in range(200)) > 16


def test_attempts_are_bounded_and_the_first_call_counts() -> None:
    error = InvokeError(message="late", error_type="TransientFailure")

    assert [retry_step(error, made).should_retry for made in (1, 4, 5)] == [True, True, False]


@pytest.mark.parametrize("timeout_seconds", [60, 900, 3600, 8 * 3600, 7 * 24 * 3600])
def test_a_submission_is_repeated_for_as_long_as_the_job_may_wait(timeout_seconds: int) -> None:
    """Even if the dice always give the shortest delay; so only the deadline ends it."""
    policy = patient(timeout_seconds)
    shortest = [
        min(policy.first_delay * 2.0 ** (made - 1), policy.longest_delay) / 2
        for made in range(1, policy.attempts)
    ]

    assert sum(shortest) > timeout_seconds
    assert all(policy.delay(made) >= shortest[made - 1] for made in range(1, policy.attempts))
    average = 0.75 * policy.longest_delay
    assert timeout_seconds / average < 300, "durable operations, on average"


@pytest.mark.parametrize("timeout_seconds", [60, 900, 7 * 24 * 3600])
def test_a_deadline_is_noticed_soon_after_it_passed(timeout_seconds: int) -> None:
    longest = patient(timeout_seconds).longest_delay

    assert longest <= max(15, timeout_seconds / 8)
    assert longest <= 3600


def test_a_passing_error_is_not_retried_for_much_longer_than_the_job_may_take() -> None:
    policy = patient(900)
    longest = [
        min(policy.first_delay * 2.0 ** (made - 1), policy.longest_delay)
        for made in range(1, policy.attempts)
    ]

    assert sum(longest) < 3 * 900
    error = InvokeError(message="no place", error_type="EngineFull")
    retry = retry_submission(900)
    assert retry(error, 1).should_retry
    assert not retry(error, policy.attempts).should_retry
    assert not retry(InvokeError(message="no", error_type="NotConfigured"), 1).should_retry


def test_unknown_errors_are_tried_a_little() -> None:
    error = InvokeError(message="bug", error_type="KeyError")

    assert [retry_step(error, made).should_retry for made in (1, 2, 3)] == [True, True, False]


def test_only_a_steps_own_failure_is_retried() -> None:
    assert not retry_step(StepError(message="x", error_type="TransientFailure"), 1).should_retry
    assert not retry_step(RuntimeError("replay is broken"), 1).should_retry


def test_qualified_and_bare_names_are_the_same_error() -> None:
    assert error_name("contracts.errors.Throttled") == "Throttled"
    assert error_name("Sandbox.Timedout") == "Sandbox.Timedout"


def failed_as(error_type: str) -> InvokeError:
    return InvokeError(message="no", error_type=error_type)


def test_what_passes_uses_up_no_other_try() -> None:
    retry = retry_submission(900)
    errors_in_turn = ["EngineFull", "KeyError", "Throttled", "KeyError", "EngineFull", "KeyError"]

    decisions = [retry(failed_as(name), made) for made, name in enumerate(errors_in_turn, 1)]

    assert [decision.should_retry for decision in decisions] == [True] * 5 + [False]


def test_a_function_is_invoked_again_only_where_lambda_had_no_place_for_it() -> None:
    retry = retry_invocation(900)

    assert retry(failed_as("TooManyRequestsException"), 1).should_retry
    assert retry(failed_as("Lambda.TooManyRequestsException"), 9).should_retry
    assert not retry(failed_as("Throttled"), 1).should_retry, "raised by the function itself"
    assert not retry(failed_as("TransientFailure"), 1).should_retry
    assert not retry(RuntimeError("replay is broken"), 1).should_retry
    attempts = patient(900).attempts
    assert retry(failed_as("TooManyRequestsException"), attempts - 1).should_retry
    assert not retry(failed_as("TooManyRequestsException"), attempts).should_retry


def waits(error_type: str) -> tuple[int, float, float]:
    """How often it is called in all, and the shortest and the longest wait in seconds."""
    policy = policy_for(error_type)
    longest = sum(
        min(policy.first_delay * 2.0 ** (made - 1), policy.longest_delay)
        for made in range(1, policy.attempts)
    )
    return policy.attempts, longest / 2, longest


@pytest.mark.parametrize(
    "error_type",
    [
        "Runtime.ExitError",
        "Runtime.InitError",
        "Runtime.Unknown",
        "Runtime.OutOfMemory",
        "Sandbox.Failure",
        "Extension.Crash",
        "ServiceException",
        "Lambda.ServiceException",
        "ResourceConflictException",
    ],
)
def test_lambdas_own_failures_get_minutes(error_type: str) -> None:
    attempts, shortest, longest = waits(error_type)

    assert attempts >= 4
    assert 60 <= shortest < longest <= 300
    assert error_name(error_type) == error_type
    assert policy_for(error_type).delay(1) >= 5


@pytest.mark.parametrize(
    "error_type",
    [
        "Runtime.ImportModuleError",
        "Runtime.InvalidEntrypoint",
        "Runtime.HandlerNotFound",
        "Runtime.MarshalError",
    ],
)
def test_code_that_cannot_be_loaded_is_not_invoked_again(error_type: str) -> None:
    assert not retry_step(failed_as(error_type), 1).should_retry


@pytest.mark.parametrize(
    "error_type", ["Sandbox.Timedout", "Sandbox.Timeout", "Runtime.InvokeTimeout"]
)
def test_a_function_that_ran_out_of_time_is_tried_once_more_at_once(error_type: str) -> None:
    assert waits(error_type)[0] == 2
    assert policy_for(error_type).delay(1) <= 2
