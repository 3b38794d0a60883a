"""What requests of the services with a flat list of parameters ask IAM for.

Service Authorization Reference, one page for each service; where another document is meant, it is
named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from local.local_cloud.permissions.calls import Call
from local.local_cloud.services import ACCOUNT_ID, REGION

Body = Mapping[str, Any]
# The calls of one operation's request; None: no rule says.
Rule = Callable[[str, Body], list[Call] | None]


def _arn(service: str, resource: str, region: str = REGION, account: str = ACCOUNT_ID) -> str:
    return f"arn:aws:{service}:{region}:{account}:{resource}"


def _queue(operation: str, body: Body) -> list[Call] | None:
    if operation == "ListQueues":
        return [Call("sqs:ListQueues", "*")]
    name = body.get("QueueName") or str(body.get("QueueUrl", "")).rpartition("/")[2]
    if not name and not body.get("SourceArn"):
        return None
    arn = str(body.get("SourceArn") or _arn("sqs", name))
    # "Amazon SQS API permissions": a batch needs what its single operation needs.
    calls = [Call(f"sqs:{operation.removesuffix('Batch')}", arn)]
    if operation == "StartMessageMoveTask":
        # SQS Developer Guide, "Configuring permissions for a dead-letter queue redrive".
        more = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
        calls += [Call(action, arn) for action in more]
        if destination := body.get("DestinationArn"):
            calls.append(Call("sqs:SendMessage", str(destination)))
    return calls


_TRANSACTIONS: Final = {
    "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem", "Get": "GetItem",
}  # fmt: skip


def _table(operation: str, body: Body) -> list[Call] | None:
    if operation == "ListTables":
        return [Call("dynamodb:ListTables", "*")]
    if operation in ("TransactWriteItems", "TransactGetItems"):
        entries = [entry for one in body.get("TransactItems") or [] for entry in one.items()]
        if any(kind not in _TRANSACTIONS or not one.get("TableName") for kind, one in entries):
            return None
        return [
            Call(
                f"dynamodb:{_TRANSACTIONS[kind]}", _table_arn(one["TableName"]), _leading_keys(one)
            )
            for kind, one in entries
        ] or None
    if operation in ("BatchGetItem", "BatchWriteItem"):
        names = body.get("RequestItems") or {}
        return [Call(f"dynamodb:{operation}", _table_arn(name)) for name in names] or None
    if operation in ("TagResource", "UntagResource", "ListTagsOfResource"):
        resource = body.get("ResourceArn")
        return [Call(f"dynamodb:{operation}", str(resource))] if resource else None
    if not body.get("TableName"):  # PartiQL: the tables stand in its text
        return None
    arn = _table_arn(str(body["TableName"]))
    index = body.get("IndexName")
    target = f"{arn}/index/{index}" if index else arn
    return [Call(f"dynamodb:{operation}", target, _leading_keys(body))]


def _leading_keys(body: Body) -> dict[str, tuple[str, ...]]:
    """The partition key of a single item, where its key has no other attribute.

    Amazon DynamoDB Developer Guide, "Using IAM policy conditions for fine-grained access control".
    Which of two attributes is the partition key, or which of a whole item, a request does not say.
    """
    key = body.get("Key")
    if not isinstance(key, Mapping) or len(key) != 1:
        return {}
    (typed,) = key.values()
    return {"dynamodb:leadingkeys": tuple(str(value) for value in typed.values())}


def _table_arn(name: str) -> str:
    return name if name.startswith("arn:") else _arn("dynamodb", f"table/{name}")


def _topic(operation: str, body: Body) -> list[Call] | None:
    if operation in ("ListTopics", "ListSubscriptions"):
        return [Call(f"sns:{operation}", "*")]
    arn = body.get("TopicArn") or body.get("ResourceArn") or body.get("TargetArn")
    if arn is None and "Name" in body:
        arn = _arn("sns", str(body["Name"]))
    if arn is None:  # a subscription's, whose last part is its own
        arn = str(body.get("SubscriptionArn", "")).rpartition(":")[0]
    if not arn:
        return None
    return [Call(f"sns:{operation.removesuffix('Batch')}", str(arn))]


def _glue(operation: str, body: Body) -> list[Call] | None:
    name = body.get("JobName")
    if name is None:
        return [Call(f"glue:{operation}", "*")] if operation in ("ListJobs", "GetJobs") else None
    return [Call(f"glue:{operation}", _arn("glue", f"job/{name}"))]


def _cluster(operation: str, body: Body) -> list[Call] | None:
    cluster = body.get("ClusterId") or body.get("JobFlowId")
    if cluster is None:
        only = operation == "ListClusters"
        return [Call("elasticmapreduce:ListClusters", "*")] if only else None
    return [Call(f"elasticmapreduce:{operation}", _arn("elasticmapreduce", f"cluster/{cluster}"))]


def _statement(operation: str, body: Body) -> list[Call]:
    """Redshift Management Guide, "Authorizing access to the Amazon Redshift Data API"."""
    target = "*"
    if cluster := body.get("ClusterIdentifier"):
        target = _arn("redshift", f"cluster:{cluster}")
    elif workgroup := body.get("WorkgroupName"):
        target = _arn("redshift-serverless", f"workgroup/{workgroup}")
    starts = operation in ("ExecuteStatement", "BatchExecuteStatement")
    calls = [Call(f"redshift-data:{operation}", target if starts else "*")]
    if secret := body.get("SecretArn"):
        calls.append(Call("secretsmanager:GetSecretValue", str(secret)))
    elif starts or operation in _CATALOGUE:
        calls += _temporary_credentials(body, target)
    return calls


_CATALOGUE: Final = ("DescribeTable", "ListDatabases", "ListSchemas", "ListTables")


def _temporary_credentials(body: Body, target: str) -> list[Call]:
    """Whoever connects without a secret.

    Amazon Redshift Data API Reference, "ExecuteStatement"; the resources: Redshift Management
    Guide, "Create an IAM role with permissions to call GetClusterCredentials".
    """
    cluster = body.get("ClusterIdentifier")
    if not cluster:
        return [Call("redshift-serverless:GetCredentials", target)]
    database = _arn("redshift", f"dbname:{cluster}/{body.get('Database', '')}")
    if user := body.get("DbUser"):
        who = _arn("redshift", f"dbuser:{cluster}/{user}")
        return [Call("redshift:GetClusterCredentials", arn) for arn in (who, database)]
    return [Call("redshift:GetClusterCredentialsWithIAM", database)]


_OF_STREAMS: Final = frozenset({"GetLogEvents", "PutLogEvents", "CreateLogStream",
                                "DeleteLogStream"})  # fmt: skip


_OF_TAGS: Final = ("TagResource", "UntagResource", "ListTagsForResource")


def _log(operation: str, body: Body) -> list[Call] | None:
    if operation == "DescribeLogGroups":
        return [Call("logs:DescribeLogGroups", _arn("logs", "log-group::log-stream:"))]
    named = body.get("logGroupIdentifier") or body.get("resourceArn") or body.get("logGroupName")
    group = str(named or "")
    if not group or body.get("logGroupNames") or body.get("logGroupIdentifiers"):
        return None
    arn = (
        group.removesuffix(":*") if group.startswith("arn:") else _arn("logs", f"log-group:{group}")
    )
    if operation in _OF_STREAMS:
        arn = f"{arn}:log-stream:{body.get('logStreamName', '')}"
    elif operation not in _OF_TAGS:
        # API Reference, "LogGroup": the ARN that policies use ends in `:*`, but for tags.
        arn = f"{arn}:*"
    return [Call(f"logs:{operation}", arn)]


_OF_COMMANDS: Final = frozenset({"CancelCommand", "ListCommands", "ListCommandInvocations",
                                 "GetCommandInvocation", "DescribeParameters"})  # fmt: skip


def _ssm(operation: str, body: Body) -> list[Call] | None:
    if operation in _OF_COMMANDS:
        return [Call(f"ssm:{operation}", "*")]
    if operation == "SendCommand":
        if body.get("Targets") or not body.get("InstanceIds"):
            return None  # which instances a target is, only the Systems Manager knows
        # Systems Manager User Guide, "Setting up Run Command": document and every instance.
        document = _arn("ssm", f"document/{body.get('DocumentName', '')}", account="")
        if not str(body.get("DocumentName", "")).startswith("AWS-"):
            document = _arn("ssm", f"document/{body.get('DocumentName', '')}")
        return [
            Call("ssm:SendCommand", arn)
            for arn in (document, *(_instance(str(i)) for i in body.get("InstanceIds", [])))
        ]
    names = body.get("Names") or [body.get("Name") or body.get("Path")]
    if names == [None] or "Parameter" not in operation:
        return None
    return [
        Call(f"ssm:{operation}", _arn("ssm", f"parameter/{str(name).removeprefix('/')}"))
        for name in names
    ]


def _instance(instance: str) -> str:
    managed = instance.startswith("mi-")
    kind = ("ssm", "managed-instance") if managed else ("ec2", "instance")
    return _arn(kind[0], f"{kind[1]}/{instance}")


def _key(operation: str, body: Body) -> list[Call] | None:
    if operation in ("CreateKey", "ListKeys", "ListAliases", "GenerateRandom"):
        return [Call(f"kms:{operation}", "*")]
    key = str(body.get("KeyId") or body.get("TargetKeyId") or "")
    if not key or "alias/" in key:
        return None
    return [Call(f"kms:{operation}", key if key.startswith("arn:") else _arn("kms", f"key/{key}"))]


def _secret(operation: str, body: Body) -> list[Call] | None:
    if operation in ("ListSecrets", "BatchGetSecretValue"):
        return [Call(f"secretsmanager:{operation}", "*")]
    secret = str(body.get("SecretId") or body.get("Name") or "")
    if not secret:
        return None
    arn = secret if secret.startswith("arn:") else _arn("secretsmanager", f"secret:{secret}")
    return [Call(f"secretsmanager:{operation}", arn)]


_OF_RULES: Final = frozenset({
    "DeleteRule", "DescribeRule", "DisableRule", "EnableRule", "ListTargetsByRule", "PutRule",
    "PutTargets", "RemoveTargets",
})  # fmt: skip


def _event(operation: str, body: Body) -> list[Call] | None:
    if operation in ("ListRules", "TestEventPattern"):
        return [Call(f"events:{operation}", "*")]
    if operation == "PutEvents":
        buses = dict.fromkeys(_bus(entry) for entry in body.get("Entries") or [])
        arns = (_arn("events", f"event-bus/{bus}") for bus in buses)
        return [Call("events:PutEvents", arn) for arn in arns] or None
    rule = body.get("Name") or body.get("Rule")
    if operation not in _OF_RULES or not rule:
        return None
    bus = _bus(body)
    name = rule if bus == "default" else f"{bus}/{rule}"
    calls = [Call(f"events:{operation}", _arn("events", f"rule/{name}"))]
    # EventBridge User Guide, "Identity-based policies": whoever names a role passes it.
    context = {"iam:passedtoservice": ("events.amazonaws.com",)}
    passed = [one.get("RoleArn") for one in (body, *(body.get("Targets") or []))]
    return calls + [Call("iam:PassRole", str(r), context) for r in dict.fromkeys(passed) if r]


def _bus(named: Mapping[str, Any]) -> str:
    """The name of a bus, which requests also give as an ARN."""
    return str(named.get("EventBusName") or "default").rpartition("event-bus/")[2]


def _metric(operation: str, body: Body) -> list[Call]:
    names = body.get("AlarmNames")
    if operation == "DescribeAlarms" and isinstance(names, list) and names:
        return [Call("cloudwatch:DescribeAlarms", _arn("cloudwatch", f"alarm:{n}")) for n in names]
    if operation == "DescribeAlarms":
        return [Call("cloudwatch:DescribeAlarms", _arn("cloudwatch", "alarm:*"))]
    if operation == "PutMetricData" and (namespace := body.get("Namespace")):
        context = {"cloudwatch:namespace": (str(namespace),)}
        return [Call("cloudwatch:PutMetricData", "*", context)]
    return [Call(f"cloudwatch:{operation}", "*")]


def _iam(operation: str, body: Body) -> list[Call]:
    resource = "*"
    if arn := body.get("PolicyArn"):
        resource = str(arn)
    if name := body.get("RoleName"):
        resource = _arn("iam", f"role/{name}", region="")
    return [Call(f"iam:{operation}", resource)]


def _sts(operation: str, body: Body) -> list[Call] | None:
    if operation == "GetCallerIdentity":  # needs no permission ("GetCallerIdentity")
        return []
    only = operation == "AssumeRole"
    return [Call("sts:AssumeRole", str(body.get("RoleArn", "")))] if only else None


RULES: Final[Mapping[str, Rule]] = {
    "sqs": _queue,
    "dynamodb": _table,
    "sns": _topic,
    "glue": _glue,
    "elasticmapreduce": _cluster,
    "redshift-data": _statement,
    "logs": _log,
    "ssm": _ssm,
    "kms": _key,
    "secretsmanager": _secret,
    "events": _event,
    "monitoring": _metric,
    "iam": _iam,
    "sts": _sts,
}
