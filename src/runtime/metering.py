"""What one invocation of a step function uses: its own time, and the requests that it sends.

A sandbox serves one invocation at a time, so there is one meter. Requests are counted as they are
sent, retries included, since they are billed so. DynamoDB says itself what a request consumed.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from contracts.costs.usage import Amounts, Meter

# Amazon S3 pricing, "Requests & data retrievals": what is not in the first two is priced as GET.
_S3_WRITES: Final = ("Put", "Copy", "Create", "Complete", "Upload", "List", "Restore")
_S3_FREE: Final = ("Delete", "Abort")
_DYNAMODB_READS: Final = ("Get", "BatchGet", "TransactGet", "Query", "Scan")
_ASKED: Final = "ReturnConsumedCapacity"
_BILLED_ERRORS: Final = (None, "ConditionalCheckFailedException", "TransactionCanceledException")
_BY_REQUEST: Final = {"sqs": Meter.SQS_REQUESTS, "sns": Meter.SNS_REQUESTS}


class InvocationMeter:
    """Amounts of the present invocation."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # of the threads that send requests
        self._amounts: Amounts = {}
        self._function = ""
        self._megabytes = 0
        self._begun_ns = time.monotonic_ns()

    def begin(self, function: str, megabytes: int) -> None:
        """An invocation of this function begins."""
        with self._lock:
            self._amounts = {}
        self._function, self._megabytes = function, megabytes
        self._begun_ns = time.monotonic_ns()

    def count(self, meter: Meter, amount: int = 1) -> None:
        with self._lock:
            self._amounts[meter.value] = self._amounts.get(meter, 0) + amount

    def so_far(self) -> Amounts:
        """What it has used by now; the time rounded up to a millisecond, as Lambda bills it."""
        milliseconds = math.ceil((time.monotonic_ns() - self._begun_ns) / 1_000_000)
        with self._lock:
            amounts = dict(self._amounts)
        if self._megabytes:
            amounts[Meter.MB_MS.of(self._function)] = self._megabytes * milliseconds
        return amounts


meter: Final = InvocationMeter()


def count_requests_of(client: Any, service: str, counter: InvocationMeter = meter) -> None:
    """Count what this client sends, where the service bills requests."""
    events = client.meta.events
    if service == "s3":

        def sent_to_s3(operation_name: str, **_: Any) -> None:
            if operation_name.startswith(_S3_FREE):
                return
            writes = operation_name.startswith(_S3_WRITES)
            counter.count(Meter.S3_WRITES if writes else Meter.S3_READS)

        events.register("request-created.s3", sent_to_s3)
    elif service == "dynamodb":

        def ask(params: dict[str, Any], model: Any, **_: Any) -> None:
            if model.input_shape is not None and _ASKED in model.input_shape.members:
                params.setdefault(_ASKED, "TOTAL")

        def consumed(parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
            units = _units_of(parsed)
            if model.name.startswith(_DYNAMODB_READS):
                counter.count(Meter.DYNAMODB_HALF_READS, math.ceil(units * 2))
            else:
                counter.count(Meter.DYNAMODB_WRITES, math.ceil(units))

        events.register("provide-client-params.dynamodb", ask)
        events.register("after-call.dynamodb", consumed)
    elif service in _BY_REQUEST:
        of_service = _BY_REQUEST[service]
        events.register(f"request-created.{service}", lambda **_: counter.count(of_service))


def _units_of(parsed: Mapping[str, Any]) -> float:
    """One unit where the service does not say; none of a request that it did not execute.

    A write whose condition does not hold is billed (Amazon DynamoDB Developer Guide, "Read and
    write operations").
    """
    consumed = parsed.get("ConsumedCapacity")
    parts = consumed if isinstance(consumed, list) else [consumed] if consumed else []
    if parts:
        return float(sum(part.get("CapacityUnits", 1.0) for part in parts))
    code = parsed.get("Error", {}).get("Code")
    return 1.0 if code in _BILLED_ERRORS else 0.0
