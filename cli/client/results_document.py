"""The results document of a run, which stays when the ledger's records of it have gone."""

from __future__ import annotations

from typing import Final

from botocore.exceptions import ClientError

from cli.client.deployment import Deployment
from contracts import layout

_NOT_TO_BE_SEEN: Final = frozenset({"403", "404", "AccessDenied", "NoSuchKey", "NotFound"})


def results_document(deployment: Deployment, run_id: str) -> str | None:
    """The URL of a run's results document; None: it is not there, or nobody may look."""
    bucket, key = deployment.output("DataBucketName"), layout.results_key(run_id)
    try:
        deployment.client("s3").head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NOT_TO_BE_SEEN:
            raise
        return None
    return layout.s3_url(bucket, key)
