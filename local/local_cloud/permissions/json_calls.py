"""What requests of the services with a flat list of parameters ask IAM for.

Service Authorization Reference, one page for each service; where another document is meant, it is
named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from local.local_cloud.permissions.services.cloudwatch import log_calls, metric_calls
from local.local_cloud.permissions.services.dynamodb import table_calls
from local.local_cloud.permissions.services.eventbridge import event_calls
from local.local_cloud.permissions.services.glue_and_emr import cluster_calls, glue_calls
from local.local_cloud.permissions.services.iam_and_sts import iam_calls, sts_calls
from local.local_cloud.permissions.services.kms_and_secrets import key_calls, secret_calls
from local.local_cloud.permissions.services.redshift_data import statement_calls
from local.local_cloud.permissions.services.requests import Rule
from local.local_cloud.permissions.services.sns import topic_calls
from local.local_cloud.permissions.services.sqs import queue_calls
from local.local_cloud.permissions.services.ssm import ssm_calls

# By signing name.
RULES: Final[Mapping[str, Rule]] = {
    "sqs": queue_calls,
    "dynamodb": table_calls,
    "sns": topic_calls,
    "glue": glue_calls,
    "elasticmapreduce": cluster_calls,
    "redshift-data": statement_calls,
    "logs": log_calls,
    "ssm": ssm_calls,
    "kms": key_calls,
    "secretsmanager": secret_calls,
    "events": event_calls,
    "monitoring": metric_calls,
    "iam": iam_calls,
    "sts": sts_calls,
}
