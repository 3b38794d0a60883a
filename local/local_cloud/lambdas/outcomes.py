"""What one invocation of a function came to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from local.local_cloud.lambdas.functions import FunctionSpec
from local.local_cloud.lambdas.sandbox import RuntimeRequest, SandboxExited, SandboxTimedOut

RESPONSE_BYTES: Final = 6_291_556
MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True)
class Outcome:
    """What one invocation came to.

    Attributes:
        payload: the handler's result as JSON, or Lambda's error document.
        failed: whether the payload is an error document.
        request_id: as the function saw it.
    """

    payload: bytes
    failed: bool
    request_id: str


def finished(request: RuntimeRequest, request_id: str) -> Outcome:
    """What a sandbox that came to its end has said."""
    if request.path.endswith("/error"):
        return Outcome(request.body, failed=True, request_id=request_id)
    if len(request.body) > RESPONSE_BYTES:
        message = (
            f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES} bytes)."
        )
        return failed("Function.ResponseSizeTooLarge", message, request_id)
    return Outcome(request.body, failed=False, request_id=request_id)


def broken(error: SandboxExited | SandboxTimedOut, spec: FunctionSpec, request_id: str) -> Outcome:
    """What a sandbox that did not come to an end of its own has left.

    Of one that was killed when it had used up the function's memory, Lambda says so by the type
    Runtime.OutOfMemory (aws-lambda-runtime-interface-emulator); the message is that of any kill
    (inferred).
    """
    if isinstance(error, SandboxTimedOut):
        error_type = "Sandbox.Timedout"
        reason = f"Task timed out after {spec.timeout_seconds:.2f} seconds"
    elif error.peak_bytes >= spec.memory_mb * MEGABYTE:
        error_type, reason = "Runtime.OutOfMemory", str(error)
    else:
        error_type, reason = "Runtime.ExitError", str(error)
    return failed(error_type, f"RequestId: {request_id} Error: {reason}", request_id)


def failed(error_type: str, message: str, request_id: str) -> Outcome:
    """Lambda's error document."""
    document = {"errorType": error_type, "errorMessage": message}
    return Outcome(json.dumps(document).encode(), failed=True, request_id=request_id)
