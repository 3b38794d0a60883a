"""AWS clients, made once per sandbox, and the translation of their errors into ours."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import boto3
from botocore import exceptions as botocore_errors
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contracts.errors import (
    Conflict,
    InvalidInput,
    NotConfigured,
    NotFound,
    PipelineError,
    Problem,
    Throttled,
    TransientFailure,
)
from runtime import object_listing
from runtime.metering import count_requests_of
from runtime.service_time import keep_time_by

THROTTLED: Final = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "ProvisionedThroughputExceededException",
        "SlowDown",
        "LimitExceededException",
    }
)
TRANSIENT: Final = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "ServiceException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "RequestTimeout",
        "RequestTimeoutException",
    }
)
CONSOLE: Final = "console.aws.amazon.com"
CONSOLES: Final = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}
# Requests of these have no idempotency token: repeating one after a lost response would start a
# second job. So the client does not retry; remote_jobs.submission looks the job up first.
SUBMITS_WITHOUT_TOKEN: Final = frozenset({"glue", "emr", "ssm"})
CONFLICT: Final = frozenset(
    {
        "TransactionConflictException",
        "ConcurrentModificationException",
        "ConditionalRequestConflict",  # S3: two conditional writes of one key at once
    }
)
NOT_FOUND: Final = frozenset(
    {
        "404",
        "NoSuchBucket",
        "NoSuchKey",
        "NotFound",
        "ResourceNotFoundException",
        "EntityNotFoundException",
        "QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue",
    }
)
# What botocore refuses before it sends anything; the same call is refused every time. Not among
# them is EndpointConnectionError: the name of a real endpoint may not be resolved for a while,
# which looks like one that does not exist.
INVALID_PARAMETERS: Final = (
    botocore_errors.ParamValidationError,
    botocore_errors.MissingParametersError,
    botocore_errors.RangeError,
    botocore_errors.UnknownKeyError,
    botocore_errors.UnknownParameterError,
    botocore_errors.InvalidDNSNameError,
    botocore_errors.InvalidHostLabelError,
    botocore_errors.UnsupportedS3ArnError,
    botocore_errors.UnsupportedS3AccesspointConfigurationError,
)
NOT_CONFIGURED: Final = (
    botocore_errors.NoCredentialsError,
    botocore_errors.PartialCredentialsError,
    botocore_errors.NoAuthTokenError,
    botocore_errors.UnknownCredentialError,
    botocore_errors.ProfileNotFound,
    botocore_errors.BaseEndpointResolverError,  # no region, or no endpoint of it is known
    botocore_errors.EndpointProviderError,
    botocore_errors.InvalidEndpointConfigurationError,
    botocore_errors.InvalidRegionError,
    botocore_errors.UnknownRegionError,
    botocore_errors.UnknownServiceError,
    botocore_errors.InvalidConfigError,
)


@functools.cache
def client(service: str) -> Any:
    """A boto3 client with retries and timeouts fit for a short-lived function.

    Cached for the sandbox; tests call `client.cache_clear()`.

    Raises:
        NotConfigured: the endpoint that is set for it is no URL.
        BotoCoreError: it lacks something else; `translated` makes it an error of ours.
    """
    once = service in SUBMITS_WITHOUT_TOKEN
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1 if once else 6},
        connect_timeout=5,
        read_timeout=20 if once else 60,
        max_pool_connections=32,
    )
    try:
        made = boto3.client(service, config=config)
    except BotoCoreError:
        raise
    except ValueError as error:  # botocore's "Invalid endpoint"
        raise NotConfigured(f"making a client of {service}: {error}") from error
    count_requests_of(made, service)
    if service == "dynamodb":  # every function uses it, and its responses are quick
        keep_time_by(made)
    if service == "s3":
        object_listing.read_pages_of(made)
    return made


def console(region: str) -> str:
    """The console of a Region: each partition has a domain of its own.

    AWS General Reference, "AWS Management Console endpoints", and for China and GovCloud the links
    of the Amazon ECS Developer Guide, "Amazon ECS-optimized Linux AMIs".
    """
    domain = next(
        (found for prefix, found in CONSOLES.items() if region.startswith(prefix)), CONSOLE
    )
    return f"https://{region}.{domain}"


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise boto's errors as ours; `doing` starts the message ("reading s3://bucket/key").

    Raises:
        Throttled, TransientFailure, Conflict, NotFound: by the error's code.
        InvalidInput, NotConfigured: nothing was sent, as the call or its setting is impossible.
        PipelineError: any other error of a service; permanent.
    """
    try:
        yield
    except ClientError as error:
        message = f"{doing}: {error}"
        code = error_code(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in THROTTLED or status == 429:
            raise Throttled(message) from error
        if code in NOT_FOUND:
            raise NotFound(message) from error
        if code in CONFLICT:
            raise Conflict(message) from error
        if code in TRANSIENT or status >= 500:
            raise TransientFailure(message) from error
        raise PipelineError(message) from error
    except INVALID_PARAMETERS as error:
        raise InvalidInput(doing, [Problem("parameters", _one_line(error))]) from error
    except NOT_CONFIGURED as error:
        raise NotConfigured(f"{doing}: {_one_line(error)}") from error
    except BotoCoreError as error:  # no response at all: connection, endpoint, read timeout
        raise TransientFailure(f"{doing}: {error}") from error


def _one_line(error: BotoCoreError) -> str:
    return " ".join(str(error).split())
