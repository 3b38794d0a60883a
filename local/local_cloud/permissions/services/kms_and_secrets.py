"""What requests of AWS KMS and AWS Secrets Manager ask IAM for."""

from __future__ import annotations

from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.services.requests import Body, arn_of


def key_calls(operation: str, body: Body) -> list[Call] | None:
    """The calls of a request; None: no rule says."""
    if operation in ("CreateKey", "ListKeys", "ListAliases", "GenerateRandom"):
        return [Call(f"kms:{operation}", "*")]
    key = str(body.get("KeyId") or body.get("TargetKeyId") or "")
    if not key or "alias/" in key:
        return None
    return [
        Call(f"kms:{operation}", key if key.startswith("arn:") else arn_of("kms", f"key/{key}"))
    ]


def secret_calls(operation: str, body: Body) -> list[Call] | None:
    """The calls of a request; None: no rule says."""
    if operation in ("ListSecrets", "BatchGetSecretValue"):
        return [Call(f"secretsmanager:{operation}", "*")]
    secret = str(body.get("SecretId") or body.get("Name") or "")
    if not secret:
        return None
    arn = secret if secret.startswith("arn:") else arn_of("secretsmanager", f"secret:{secret}")
    return [Call(f"secretsmanager:{operation}", arn)]
