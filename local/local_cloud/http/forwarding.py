"""What is forwarded to the substrate: operations whose result holds for the local cloud.

The substrate knows many more, and returns an empty list, or a success without effect, for what it
does not hold of ours: alarms, log insights, backups, rotations. What is not in the table is refused
by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs

from local.local_cloud.http.refusals import not_emulated
from local.local_cloud.http.routing import Route

FORM: Final = "application/x-www-form-urlencoded"
_TAGS: Final = "TagResource UntagResource ListTagsForResource"
FORWARDED: Final[Mapping[str, frozenset[str]]] = {
    service: frozenset(operations.split())
    for service, operations in {
        # Message move tasks and ListDeadLetterSourceQueues are ours (message_moves).
        "sqs": """
            SendMessage SendMessageBatch ReceiveMessage DeleteMessage DeleteMessageBatch
            ChangeMessageVisibility ChangeMessageVisibilityBatch CreateQueue DeleteQueue PurgeQueue
            GetQueueUrl GetQueueAttributes SetQueueAttributes ListQueues
            TagQueue UntagQueue ListQueueTags
            """,
        "sns": f"""
            CreateTopic DeleteTopic ListTopics GetTopicAttributes SetTopicAttributes Subscribe
            ConfirmSubscription Unsubscribe ListSubscriptions ListSubscriptionsByTopic
            GetSubscriptionAttributes SetSubscriptionAttributes Publish PublishBatch {_TAGS}
            """,
        "dynamodb": """
            GetItem PutItem UpdateItem DeleteItem Query Scan BatchGetItem BatchWriteItem
            TransactGetItems TransactWriteItems CreateTable UpdateTable DeleteTable DescribeTable
            ListTables DescribeTimeToLive TagResource UntagResource ListTagsOfResource
            """,
        # Roles that are made by call are ours, too (permissions.roles); what else changes one would
        # not change what is enforced.
        "iam": """
            GetRole ListRoles GetRolePolicy ListRolePolicies
            GetPolicy ListPolicies GetPolicyVersion ListPolicyVersions
            """,
        "secretsmanager": """
            CreateSecret GetSecretValue BatchGetSecretValue PutSecretValue UpdateSecret
            DescribeSecret ListSecrets ListSecretVersionIds DeleteSecret RestoreSecret
            UpdateSecretVersionStage TagResource UntagResource
            """,
        # Logs of functions are ours (function_logs); those of jobs are put here.
        "logs": f"""
            CreateLogGroup DeleteLogGroup DescribeLogGroups CreateLogStream DeleteLogStream
            DescribeLogStreams PutLogEvents GetLogEvents FilterLogEvents {_TAGS}
            """,
        "kms": """
            CreateKey DescribeKey ListKeys CreateAlias UpdateAlias DeleteAlias ListAliases Encrypt
            Decrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateRandom GetKeyPolicy
            PutKeyPolicy EnableKey DisableKey TagResource UntagResource ListResourceTags
            """,
        # The substrate's documents and commands do nothing: only parameters are real.
        "ssm": """
            PutParameter GetParameter GetParameters GetParametersByPath GetParameterHistory
            DescribeParameters DeleteParameter DeleteParameters LabelParameterVersion
            """,
    }.items()
}
# Parts of a bucket or an object that the substrate stores and nothing acts on.
S3_REFUSED: Final = frozenset((
    "abac", "accelerate", "acl", "analytics", "annotation", "intelligent-tiering", "inventory",
    "legal-hold", "logging", "metadataAnnotationTable", "metadataConfiguration",
    "metadataInventoryTable", "metadataJournalTable", "metadataTable", "metrics", "object-lock",
    "renameObject", "replication", "requestPayment", "restore", "retention", "select", "session",
    "torrent", "website",
))  # fmt: skip
_S3: Final = frozenset({"s3", ""})  # an empty name is an unsigned request, which S3 allows
_RPC_PATH: Final = re.compile(r"/service/[^/]+/operation/([A-Za-z]+)$")


def with_operation(where: Route, path: str, body: bytes) -> Route:
    """The route with the operation of a request that carries no `X-Amz-Target`.

    Args:
        path: as in the request line, with query.
        body: of a query protocol request; empty otherwise.
    """
    if where.operation or where.service in _S3:
        return where
    location, _, query = path.partition("?")
    if match := _RPC_PATH.search(location):
        return replace(where, operation=match[1])
    form = body.decode("utf-8", "replace") if body else query
    return replace(where, operation=parse_qs(form).get("Action", [""])[0])


def names_operation_in_body(where: Route, headers: Mapping[str, str]) -> bool:
    """Whether it is a request of the query protocol; an object's content type is its own affair."""
    return where.service not in _S3 and (headers.get("content-type") or "").startswith(FORM)


def check_forwarded(where: Route, path: str) -> None:
    """Let through what the substrate does truly.

    Raises:
        ServiceError: it does not; names the service and the operation.
    """
    if where.service in _S3:
        keys = parse_qs(path.partition("?")[2], keep_blank_values=True).keys()
        for refused in sorted(S3_REFUSED & keys):
            raise not_emulated(f"s3 ?{refused}")
        return
    if where.service not in FORWARDED:
        named = f" ({where.operation})" if where.operation else ""
        raise not_emulated(f"the service {where.service}{named}")
    if where.operation not in FORWARDED[where.service]:
        raise not_emulated(f"{where.service} {where.operation or 'without an operation'}")
