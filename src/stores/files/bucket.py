"""Writes objects to the output bucket, never over those of a later attempt of the run.

S3 shows an object when all of it is there ("PutObject" in the Amazon S3 API Reference), and puts or
deletes it on the condition that nobody else has changed it since it was looked at ("How to prevent
object overwrites with conditional writes" and "How to perform conditional deletes" in the Amazon S3
User Guide). The condition is on the content: of the same bytes it does not matter who wrote them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from contracts import layout
from contracts.errors import (
    Conflict,
    InvalidData,
    NotConfigured,
    NotFound,
    OwnershipLost,
    PipelineError,
    Throttled,
    TransientFailure,
)
from runtime import clients

OBJECT_BYTES_AT_MOST: Final = 5 * 1024**3  # of one put: "Uploading objects", S3 User Guide
_ATTEMPT: Final = "run-attempt"  # metadata of every object put here
_CHANGED: Final = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})
_TRIES: Final = 5
_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}


@dataclass(frozen=True)
class _Found:
    """An object that is there: its ETag, with quotes, and the attempt that wrote it."""

    etag: str
    attempt: int


@contextmanager
def writable(bucket: str, doing: str) -> Iterator[None]:
    """Translate errors of S3; those that do not pass say what to do about the bucket.

    Raises:
        NotConfigured: the bucket cannot be written.
    """
    try:
        with clients.translated(doing):
            yield
    except (Throttled, TransientFailure, Conflict):
        raise
    except PipelineError as error:
        raise NotConfigured(
            f"the output bucket {bucket} cannot be written: {error}. Give the parameter"
            " OutputBucketName a bucket of this account and Region that the stack's functions"
            " may write to, or leave it empty: then the stack makes one"
        ) from error


class OutputBucket:
    """The output bucket, as one attempt of a run writes to it. Threads may share it.

    Args:
        attempt: of the run.
    """

    def __init__(self, bucket: str, attempt: int) -> None:
        self._bucket, self._attempt = bucket, attempt
        self._client = clients.client("s3")  # made here: making clients is not thread-safe

    def put(self, path: Path, key: str) -> None:
        """Put a file as an object; one that this or an earlier attempt has put is replaced.

        Raises:
            OwnershipLost: a later attempt has put it.
            InvalidData: it is too large for one object.
            NotConfigured: the bucket cannot be written.
            Conflict: the object keeps changing.
        """
        size = path.stat().st_size
        if size > OBJECT_BYTES_AT_MOST:
            raise InvalidData(
                f"{key} would have {size:,} bytes, more than S3 takes at once; make the contract's"
                " limits.partMegabytes smaller"
            )
        condition = {"IfNoneMatch": "*"}
        for _ in range(_TRIES):
            if self._put(path, key, condition):
                return
            found = self._find(key)
            if found is not None and found.attempt > self._attempt:
                raise OwnershipLost(
                    f"{self._url(key)} was written by attempt {found.attempt} of the run"
                )
            condition = {"IfMatch": found.etag} if found else {"IfNoneMatch": "*"}
        raise Conflict(f"{self._url(key)} changed again and again")

    def remove(self, key: str) -> None:
        """Remove an object unless a later attempt has put it, also in this moment."""
        found = self._find(key)
        if found is None or found.attempt > self._attempt:
            return
        with writable(self._bucket, f"removing {self._url(key)}"):
            try:
                self._client.delete_object(Bucket=self._bucket, Key=key, IfMatch=found.etag)
            except ClientError as error:
                if clients.error_code(error) not in (*_CHANGED, "NoSuchKey"):
                    raise

    def _put(self, path: Path, key: str, condition: dict[str, str]) -> bool:
        """Whether the condition held."""
        with writable(self._bucket, f"writing {self._url(key)}"), path.open("rb") as file:
            try:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=file,
                    Metadata={_ATTEMPT: str(self._attempt)},
                    **_headers(key),
                    **condition,
                )
            except ClientError as error:
                code = clients.error_code(error)
                if code in _CHANGED or (code == "NoSuchKey" and "IfMatch" in condition):
                    return False
                raise
        return True

    def _find(self, key: str) -> _Found | None:
        try:
            with clients.translated(f"looking at {self._url(key)}"):
                head = self._client.head_object(Bucket=self._bucket, Key=key)
        except NotFound:
            return None
        attempt = str(head["Metadata"].get(_ATTEMPT, ""))
        return _Found(head["ETag"], int(attempt) if attempt.isdecimal() else 0)

    def _url(self, key: str) -> str:
        return layout.s3_url(self._bucket, key)


def _headers(key: str) -> dict[str, Any]:
    """The media type and encoding that readers of an object see."""
    endings = key.rpartition("/")[2].split(".")[1:]
    headers = {"ContentType": _TYPES[endings[0]]}
    if endings[-1] in ("gz", "zst"):
        headers["ContentType"] = {"gz": "application/gzip", "zst": "application/zstd"}[endings[-1]]
    return headers
