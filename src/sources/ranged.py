"""An object in S3 as a file that is read range by range; it must stay as it was."""

from __future__ import annotations

import io
from typing import Any, Final

from botocore.exceptions import ClientError

from contracts.errors import InvalidData
from runtime import clients

RANGE_BYTES: Final = 8 * 1024 * 1024


class RangedObject(io.RawIOBase):
    """Any part of it can be read; best behind a `BufferedReader` of `RANGE_BYTES`."""

    def __init__(self, bucket: str, key: str, etag: str, size: int) -> None:
        """`etag` without quotes."""
        super().__init__()
        self._place = {"Bucket": bucket, "Key": key}
        self._url = f"s3://{bucket}/{key}"
        self._etag, self._size = etag, size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a place before the beginning")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, or read to the object's end."""
        first = self._position
        last = min(first + min(len(buffer), RANGE_BYTES), self._size) - 1
        if last < first:
            return 0
        with clients.translated(f"reading {self._url}"):
            try:
                response = clients.client("s3").get_object(
                    **self._place, Range=f"bytes={first}-{last}", IfMatch=f'"{self._etag}"'
                )
                data = response["Body"].read()
            except ClientError as error:
                if clients.error_code(error) in ("PreconditionFailed", "412"):
                    raise InvalidData(
                        f"{self._url} has changed while it was read; start a new run for it"
                    ) from error
                raise
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
