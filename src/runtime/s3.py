"""S3 for small documents."""

from __future__ import annotations

import json
from typing import IO, Any

from botocore.exceptions import ClientError

from contracts import layout
from contracts.errors import NotFound
from runtime import clients


def read_bytes(bucket: str, key: str, at_most: int | None = None) -> bytes:
    """The whole of a small object, or so many bytes of its beginning at most.

    Raises:
        NotFound: no such bucket or key.
    """
    with clients.translated(f"reading s3://{bucket}/{key}"):
        body: bytes = clients.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read(at_most)
    return body


def read_json(bucket: str, key: str) -> Any:
    return json.loads(read_bytes(bucket, key))


def write_json(bucket: str, key: str, value: Any) -> str:
    """Write (or overwrite) a JSON document; returns its URL."""
    write_body(
        bucket, key, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()
    )
    return layout.s3_url(bucket, key)


def write_body(bucket: str, key: str, body: bytes) -> None:
    """Write (or overwrite) a JSON document that is a text already."""
    with clients.translated(f"writing s3://{bucket}/{key}"):
        clients.client("s3").put_object(
            Bucket=bucket, Key=key, Body=body, ContentType="application/json"
        )


def write_file(bucket: str, key: str, file: IO[bytes]) -> str:
    """Write (or overwrite) a JSON document that is read from an open file; returns its URL."""
    with clients.translated(f"writing s3://{bucket}/{key}"):
        clients.client("s3").put_object(
            Bucket=bucket, Key=key, Body=file, ContentType="application/json"
        )
    return layout.s3_url(bucket, key)


def write_json_once(bucket: str, key: str, value: Any) -> bool:
    """Write a JSON document unless there is one; False, and nothing changed, if there is.

    False can also mean that our own first try succeeded, its response was lost, and the client sent
    the request again. So callers read what is there.

    Raises:
        Conflict: another write of the same key is going on at this moment.
    """
    body = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()
    with clients.translated(f"writing s3://{bucket}/{key}"):
        try:
            clients.client("s3").put_object(
                Bucket=bucket, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*"
            )
        except ClientError as error:
            if clients.error_code(error) == "PreconditionFailed":
                return False
            raise
    return True


def exists(bucket: str, key: str) -> bool:
    try:
        with clients.translated(f"looking at s3://{bucket}/{key}"):
            clients.client("s3").head_object(Bucket=bucket, Key=key)
    except NotFound:
        return False
    return True
