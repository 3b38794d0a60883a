"""Reports the end of a job to the durable execution that waits for its callback."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from contracts.job import JobStatus
from runtime import clients


class Delivery(StrEnum):
    """The durable execution service's response.

    DELIVERED: it took the result. CLOSED: the callback was completed before or timed out, and takes
    no other result. UNKNOWN: it is not known yet (its checkpoint is on the way), or no longer (the
    execution has ended).
    """

    DELIVERED = "DELIVERED"
    CLOSED = "CLOSED"
    UNKNOWN = "UNKNOWN"


REFUSALS = {
    "CallbackTimeoutException": Delivery.CLOSED,
    "ResourceNotFoundException": Delivery.UNKNOWN,
    "InvalidParameterValueException": Delivery.UNKNOWN,
}


class Callbacks:
    """Completes callbacks and sends heartbeats.

    Every method raises Throttled, TransientFailure or PipelineError if the service gave no such
    response.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def complete(self, callback_id: str, status: JobStatus) -> Delivery:
        """Report how the job ended; FAILED is a result like any other."""
        return self._send(
            f"completing callback {callback_id}",
            self._client.send_durable_execution_callback_success,
            CallbackId=callback_id,
            Result=json.dumps(status.to_json()).encode(),
        )

    def heartbeat(self, callback_id: str) -> Delivery:
        return self._send(
            f"heartbeating callback {callback_id}",
            self._client.send_durable_execution_callback_heartbeat,
            CallbackId=callback_id,
        )

    @staticmethod
    def _send(doing: str, operation: Any, **arguments: Any) -> Delivery:
        with clients.translated(doing):
            try:
                operation(**arguments)
            except ClientError as error:
                if refusal := REFUSALS.get(clients.error_code(error)):
                    return refusal
                raise
        return Delivery.DELIVERED
