"""S3 for small documents, and what a run froze there: its contract and its manifest."""

from __future__ import annotations

import functools
import json
from typing import IO, Any

from botocore.exceptions import ClientError

from contracts import layout
from contracts.dataset import DatasetSnapshot
from contracts.errors import NotFound
from contracts.manifest import ManifestEntry, ManifestPart, ManifestSummary
from runtime import clients


def read_bytes(bucket: str, key: str) -> bytes:
    """The whole of a small object.

    Raises:
        NotFound: no such bucket or key.
    """
    with clients.translated(f"reading s3://{bucket}/{key}"):
        body: bytes = clients.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def read_json(bucket: str, key: str) -> Any:
    return json.loads(read_bytes(bucket, key))


def write_json(bucket: str, key: str, value: Any) -> str:
    """Write (or overwrite) a JSON document; answers its URL."""
    body = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()
    with clients.translated(f"writing s3://{bucket}/{key}"):
        clients.client("s3").put_object(
            Bucket=bucket, Key=key, Body=body, ContentType="application/json"
        )
    return layout.s3_url(bucket, key)


def write_file(bucket: str, key: str, file: IO[bytes]) -> str:
    """Write (or overwrite) a JSON document that is read from an open file; answers its URL."""
    with clients.translated(f"writing s3://{bucket}/{key}"):
        clients.client("s3").put_object(
            Bucket=bucket, Key=key, Body=file, ContentType="application/json"
        )
    return layout.s3_url(bucket, key)


def write_json_once(bucket: str, key: str, value: Any) -> bool:
    """Write a JSON document unless there is one; False, and nothing changed, if there is.

    False can also come of our own first try, when its answer was lost and the client sent the
    request again: callers read what is there.

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


@functools.lru_cache(maxsize=64)
def read_snapshot(data_bucket: str, run_id: str) -> DatasetSnapshot:
    """The contract as the run read it; frozen, so it is kept for the sandbox's life."""
    key = layout.dataset_snapshot_key(run_id)
    return DatasetSnapshot.from_json(read_json(data_bucket, key))


def read_manifest_summary(data_bucket: str, run_id: str) -> ManifestSummary:
    """What was frozen; nothing in it is pending.

    Raises:
        NotFound: the run's objects were never listed.
    """
    key = layout.manifest_summary_key(run_id)
    return ManifestSummary.from_json(read_json(data_bucket, key))


@functools.lru_cache(maxsize=64)
def read_manifest_part(data_bucket: str, run_id: str, shard: int) -> ManifestPart:
    """The objects of a shard, as the attempt listed them that froze the manifest."""
    attempt = read_manifest_summary(data_bucket, run_id).run_attempt
    key = layout.manifest_part_key(run_id, shard, attempt)
    return ManifestPart.from_json(read_json(data_bucket, key))


def read_unit(data_bucket: str, run_id: str, unit: str) -> ManifestEntry:
    """The object that a unit stands for.

    Raises:
        NotFound: the unit id points past the end of its manifest part.
    """
    shard, index = layout.split_unit_id(unit)
    entries = read_manifest_part(data_bucket, run_id, shard).entries
    if index >= len(entries):
        raise NotFound(f"unit {unit} is not in the manifest of run {run_id}")
    return entries[index]
