"""The S3 objects that COPY reads and UNLOAD writes."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from local.local_cloud.http.clients import ServiceClients, split_s3_url
from local.local_cloud.redshift.tokens import SqlError

_GZIP_MAGIC: Final = b"\x1f\x8b"


class Objects:
    """S3 as the warehouse sees it; errors become those of the statement."""

    def __init__(self, clients: ServiceClients) -> None:
        self._clients = clients

    def under(self, url: str) -> list[str]:
        """The URLs of all objects whose key begins as this URL does, sorted.

        Raises:
            SqlError: none do, or S3 refuses.
        """
        bucket, prefix = split_s3_url(url)
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        with _Translated(f"listing {url}"):
            keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        if not keys:
            raise SqlError(f"The specified S3 prefix '{prefix}' does not exist")
        return [f"s3://{bucket}/{key}" for key in sorted(keys)]

    def of_manifest(self, url: str, needs_length: bool) -> Iterator[str]:
        """The URLs that a manifest names and that are there.

        Args:
            needs_length: whether each entry must have `meta.content_length` (columnar formats).

        Raises:
            SqlError: the manifest is broken, or a mandatory object is missing.
        """
        try:
            entries = json.loads(self.read(url))["entries"]
            named = [(str(entry["url"]), bool(entry.get("mandatory")), entry) for entry in entries]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SqlError(f"the manifest {url} is not valid: {error!r}") from error
        for entry_url, mandatory, entry in named:
            if needs_length and "content_length" not in (entry.get("meta") or {}):
                raise SqlError(f"the manifest {url} lacks meta.content_length of {entry_url}")
            if self._exists(entry_url):
                yield entry_url
            elif mandatory:
                raise SqlError(f"{entry_url}, mandatory in the manifest {url}, does not exist")

    def read(self, url: str) -> bytes:
        bucket, key = split_s3_url(url)
        with _Translated(f"reading {url}"):
            body: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def download(self, url: str, file: Path, compressed: bool) -> Path:
        """Fetch an object into a file, decompressed.

        Raises:
            SqlError: it cannot be read, or is (not) gzip although it should not (should) be.
        """
        bucket, key = split_s3_url(url)
        with _Translated(f"reading {url}"):
            self._s3.download_file(bucket, key, str(file))
        with file.open("rb") as stream:
            is_gzip = stream.read(2) == _GZIP_MAGIC
        if is_gzip and not compressed:
            raise SqlError(f"{url} is compressed with gzip, but COPY has no GZIP")
        if not compressed:
            return file
        plain = file.with_suffix(".plain")
        try:
            with gzip.open(file, "rb") as packed, plain.open("wb") as out:
                shutil.copyfileobj(packed, out)
        except (OSError, EOFError) as error:
            raise SqlError(f"{url} is not readable as gzip: {error}") from error
        file.unlink()
        return plain

    def upload(self, file: Path, url: str) -> None:
        bucket, key = split_s3_url(url)
        with _Translated(f"writing {url}"):
            self._s3.upload_file(str(file), bucket, key)

    def any_under(self, url: str) -> bool:
        bucket, prefix = split_s3_url(url)
        with _Translated(f"listing {url}"):
            response = self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
        return bool(response.get("Contents"))

    def _exists(self, url: str) -> bool:
        bucket, key = split_s3_url(url)
        try:
            self._s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise SqlError(f"reading {url}: {error}") from error
        return True

    @property
    def _s3(self) -> Any:
        return self._clients.get("s3")


class _Translated:
    """Raises boto's errors as those of the statement."""

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, ClientError | BotoCoreError):
            raise SqlError(f"S3ServiceException: {self._doing}: {error}") from error
