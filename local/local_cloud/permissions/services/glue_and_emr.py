"""What requests of AWS Glue and Amazon EMR ask IAM for."""

from __future__ import annotations

from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.services.requests import Body, arn_of


def glue_calls(operation: str, body: Body) -> list[Call] | None:
    """The calls of a request; None: no rule says."""
    name = body.get("JobName")
    if name is None:
        return [Call(f"glue:{operation}", "*")] if operation in ("ListJobs", "GetJobs") else None
    return [Call(f"glue:{operation}", arn_of("glue", f"job/{name}"))]


def cluster_calls(operation: str, body: Body) -> list[Call] | None:
    """The calls of a request; None: no rule says."""
    cluster = body.get("ClusterId") or body.get("JobFlowId")
    if cluster is None:
        only = operation == "ListClusters"
        return [Call("elasticmapreduce:ListClusters", "*")] if only else None
    return [Call(f"elasticmapreduce:{operation}", arn_of("elasticmapreduce", f"cluster/{cluster}"))]
