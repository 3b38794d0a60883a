"""Reporting to a durable execution what became of its job, by the callback it waits for."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from contracts.job import JobStatus
from runtime import clients


class Delivery(StrEnum):
    """What the durable execution service made of it.

    DELIVERED. CLOSED: completed before, or timed out; it never takes another result. UNKNOWN: not
    known yet (its checkpoint is on the way), or not any more (the execution has ended).
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

    Every method raises Throttled, TransientFailure or PipelineError for what is no refusal.
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
