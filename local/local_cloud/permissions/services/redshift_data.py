"""What requests of the Amazon Redshift Data API ask IAM for."""

from __future__ import annotations

from typing import Final

from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.services.requests import Body, arn_of


def statement_calls(operation: str, body: Body) -> list[Call]:
    """The calls of a request.

    Amazon Redshift Management Guide, "Configuring IAM permissions" (of the Data API): the right to
    get a statement's result is one for both versions of the operation.
    """
    target = "*"
    if cluster := body.get("ClusterIdentifier"):
        target = arn_of("redshift", f"cluster:{cluster}")
    elif workgroup := body.get("WorkgroupName"):
        target = arn_of("redshift-serverless", f"workgroup/{workgroup}")
    starts = operation in ("ExecuteStatement", "BatchExecuteStatement")
    calls = [Call(f"redshift-data:{operation.removesuffix('V2')}", target if starts else "*")]
    if secret := body.get("SecretArn"):
        calls.append(Call("secretsmanager:GetSecretValue", str(secret)))
    elif starts or operation in _CATALOGUE:
        calls += _temporary_credentials(body, target)
    return calls


_CATALOGUE: Final = ("DescribeTable", "ListDatabases", "ListSchemas", "ListTables")


def _temporary_credentials(body: Body, target: str) -> list[Call]:
    """Whoever connects without a secret.

    Amazon Redshift Data API Reference, "ExecuteStatement"; the resources: Redshift Management
    Guide, "Step 3: Create an IAM role with permissions to call GetClusterCredentials".
    """
    cluster = body.get("ClusterIdentifier")
    if not cluster:
        return [Call("redshift-serverless:GetCredentials", target)]
    database = arn_of("redshift", f"dbname:{cluster}/{body.get('Database', '')}")
    if user := body.get("DbUser"):
        who = arn_of("redshift", f"dbuser:{cluster}/{user}")
        return [Call("redshift:GetClusterCredentials", arn) for arn in (who, database)]
    return [Call("redshift:GetClusterCredentialsWithIAM", database)]
