"""What services bill by use, as amounts by meter: whole numbers that can be added up.

A meter is a `Meter`, or one of them with the function it was used by: `lambda-mb-ms:validate`.
Amounts travel from the steps through the orchestrator into the ledger; `costs` prices them. An
amount of a meter that this release does not know, of a later one, is added up like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

Amounts = dict[str, int]
METERED: Final = "metered"  # of a step's message, beside its fields: its response is to have USAGE
USAGE: Final = "used"  # of a step's response, beside its fields: what the call has used


class Meter(StrEnum):
    """What is counted, in which unit.

    The orchestrator counts the first seven, steps the next six, each in its own call; the others
    are what the engines of jobs report.

    OPERATIONS: durable operations.
    WRITTEN_BYTES: payloads of these operations.
    INVOCATIONS: of the orchestrator: one to begin with, and one after each wait.
    REQUESTS: invocations of a step function, failed ones included; by function.
    FAILED: those of them that failed, whose time nobody reports; by function.
    THROTTLED: invocations that Lambda refused for want of capacity, and does not bill; none of
        the others; by function.
    JOB_REQUESTS: invocations of functions of one's own that are jobs; their time is not known.
    MB_MS: memory times billed duration, in MB and milliseconds; by function.
    DYNAMODB_HALF_READS: half read request units.
    DYNAMODB_WRITES: write request units.
    S3_WRITES: PUT, COPY, POST and LIST requests. S3_READS: GET and the like.
    SQS_REQUESTS, SNS_REQUESTS: as named.
    GLUE_DPU_MS, GLUE_FLEX_DPU_MS: DPUs times milliseconds.
    EMR_MS: milliseconds that steps ran on a cluster.
    EMR_SERVERLESS_VCPU_MS, EMR_SERVERLESS_MEMORY_GB_MS, EMR_SERVERLESS_STORAGE_GB_MS: as named.
    REDSHIFT_MS, REDSHIFT_CLUSTER_MS: milliseconds that statements ran in a workgroup, or a cluster.
    """

    OPERATIONS = "operations"
    WRITTEN_BYTES = "written-bytes"
    INVOCATIONS = "orchestrator-invocations"
    REQUESTS = "lambda-requests"
    FAILED = "lambda-failed"
    THROTTLED = "lambda-throttled"
    JOB_REQUESTS = "lambda-jobs"
    MB_MS = "lambda-mb-ms"
    DYNAMODB_HALF_READS = "dynamodb-half-reads"
    DYNAMODB_WRITES = "dynamodb-writes"
    S3_WRITES = "s3-writes"
    S3_READS = "s3-reads"
    SQS_REQUESTS = "sqs-requests"
    SNS_REQUESTS = "sns-requests"
    GLUE_DPU_MS = "glue-dpu-ms"
    GLUE_FLEX_DPU_MS = "glue-flex-dpu-ms"
    EMR_MS = "emr-ms"
    EMR_SERVERLESS_VCPU_MS = "emr-serverless-vcpu-ms"
    EMR_SERVERLESS_MEMORY_GB_MS = "emr-serverless-memory-gb-ms"
    EMR_SERVERLESS_STORAGE_GB_MS = "emr-serverless-storage-gb-ms"
    REDSHIFT_MS = "redshift-ms"
    REDSHIFT_CLUSTER_MS = "redshift-cluster-ms"

    def of(self, function: str) -> str:
        """The meter of one function."""
        return f"{self.value}:{function}"


def added(parts: Iterable[Mapping[str, int] | None]) -> Amounts:
    """The sum, meter by meter; parts that are not known count as nothing."""
    total: Amounts = {}
    for part in parts:
        for meter, amount in (part or {}).items():
            total[meter] = total.get(meter, 0) + amount
    return total
