"""Upload a file as an object only where none is, decided by S3 itself.

Between a look and an upload another one can put its object. S3 refuses a PutObject, or the end of a
multipart upload, with `If-None-Match: *` where the key has an object (User Guide, "Conditional
writes"). The managed upload of boto3 does not pass that parameter on, so it is added to the calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from boto3.exceptions import S3UploadFailedError

_DECIDING: Final = ("PutObject", "CompleteMultipartUpload")
_REFUSALS: Final = ("PreconditionFailed", "ConditionalRequestConflict")


class ObjectExists(Exception):
    """There is an object at the key; nothing was uploaded."""


def put_object(s3: Any, file: Path, bucket: str, key: str, *, replace: bool) -> None:
    """Upload a file, in parts if it is large.

    Args:
        replace: an object that is there, too.

    Raises:
        ObjectExists: the key has an object by now.
        S3UploadFailedError: the upload failed otherwise.
    """
    with nullcontext() if replace else _only_if_absent(s3):
        try:
            s3.upload_file(str(file), bucket, key)
        except S3UploadFailedError as error:
            if any(code in str(error) for code in _REFUSALS):
                raise ObjectExists(key) from error
            raise


@contextmanager
def _only_if_absent(s3: Any) -> Iterator[None]:
    events = [f"provide-client-params.s3.{operation}" for operation in _DECIDING]
    for event in events:
        s3.meta.events.register(event, _condition, unique_id=event)
    try:
        yield
    finally:
        for event in events:
            s3.meta.events.unregister(event, unique_id=event)


def _condition(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {**params, "IfNoneMatch": "*"}
