"""The AWS CLI commands with which to look further: exact, ready to paste. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from cli.client.deployment import LOCAL_KEY, LOCAL_REGION, Deployment
from contracts import layout


def environment_commands(deployment: Deployment) -> list[str]:
    """What the shell needs before the others; nothing on AWS."""
    if not deployment.local:
        return []
    return [
        f"export AWS_ACCESS_KEY_ID={LOCAL_KEY} AWS_SECRET_ACCESS_KEY={LOCAL_KEY}"
        f" AWS_DEFAULT_REGION={deployment.region or LOCAL_REGION}"
    ]


def look_further(
    deployment: Deployment, run_id: str, dataset: str, execution_arn: str
) -> list[str]:
    """Commands for the history, the ledger, the run's objects and the queues."""
    run_key = json.dumps({":run": {"S": run_id}})
    bucket = deployment.output("DataBucketName")
    return [
        _aws(
            deployment,
            *("lambda", "get-durable-execution-history", "--include-execution-data"),
            *("--durable-execution-arn", execution_arn),
        ),
        _aws(
            deployment,
            *("lambda", "get-durable-execution", "--durable-execution-arn", execution_arn),
        ),
        _aws(
            deployment,
            *("dynamodb", "query", "--table-name", deployment.output("LedgerTable")),
            *("--key-condition-expression", "run_id = :run"),
            *("--expression-attribute-values", run_key),
        ),
        _aws(
            deployment,
            *("s3", "ls", "--recursive", f"s3://{bucket}/runs/{run_id}/"),
        ),
        _aws(
            deployment,
            *("s3", "cp", "--quiet"),
            layout.s3_url(bucket, layout.results_key(run_id)),
            "-",
        ),
        _aws(deployment, "s3", "ls", f"s3://{bucket}/quarantine/{dataset}/{run_id}/"),
        _aws(
            deployment,
            *("sqs", "receive-message", "--visibility-timeout", "0"),
            *("--message-attribute-names", "All"),
            *("--queue-url", deployment.output("DeadLetterQueueUrl")),
        ),
    ]


def _aws(deployment: Deployment, *arguments: str) -> str:
    endpoint: Sequence[str] = ()
    if deployment.endpoint_url:
        endpoint = ("--endpoint-url", deployment.endpoint_url)
    return shlex.join(["aws", *endpoint, *arguments])
