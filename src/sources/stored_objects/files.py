"""The files of stored objects in S3, and the index of those that count.

    <prefix>runs/<run>-<attempt>-<digest>   of one run, until it is merged
    <prefix>merged/<digest>                 of many; counts if the index names it
    <prefix>index.json                      replaced by conditional writes only

The index is there, if empty, before the first merged file: merged files without one are lost, and
neither read nor merged until they are made anew.

What is listed and read in the order of `read` misses nothing, whoever merges meanwhile: a run's
file is removed only after an index that names the merged one is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from contracts import layout
from contracts.base import Contract
from contracts.errors import InvalidData, NotFound, TransientFailure
from contracts.source.only_new import Scope
from runtime import clients
from sources.stored_objects.records import RECORD_BYTES

_TRIES: Final = 20
_CHUNK: Final = RECORD_BYTES * 48 * 1024  # bytes, about 1 MB
_DIGEST: Final = 16
REBUILD: Final = "pipeline dataset rebuild-stored"


class MergedFile(Contract):
    """A file that counts. `records` is how many it holds."""

    key: str
    records: int


class Index(Contract):
    """The merged files that count."""

    merged: tuple[MergedFile, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(file.key for file in self.merged)


class BrokenIndex(InvalidData):
    """The index cannot be read.

    Attributes:
        etag: of what is there, to be replaced.
    """

    def __init__(self, message: str, etag: str) -> None:
        super().__init__(message)
        self.etag = etag


@dataclass(frozen=True)
class Found:
    """An object of a listing. `size` in bytes."""

    key: str
    size: int


@dataclass(frozen=True)
class StoredFiles:
    """The files of one dataset, index and query.

    Attributes:
        s3: boto3's client.
        prefix: of their keys.
    """

    s3: Any
    bucket: str
    dataset_name: str
    prefix: str

    @classmethod
    def of(cls, s3: Any, bucket: str, scope: Scope) -> StoredFiles:
        prefix = layout.stored_objects_prefix(scope.dataset_name) + f"{scope.name}/"
        return cls(s3, bucket, scope.dataset_name, prefix)

    @property
    def _index_key(self) -> str:
        return f"{self.prefix}index.json"

    def add(self, run_id: str, run_attempt: int, content: bytes) -> str | None:
        """Write what a run has stored; the same again under the same key. None: nothing.

        The key has a digest of the content, so that nobody removes a file that has grown.
        """
        if not content:
            return None
        digest = hashlib.sha256(content).hexdigest()[:_DIGEST]
        key = f"{self.prefix}runs/{run_id}-{run_attempt}-{digest}"
        self.write(key, content)
        return key

    def records(self) -> Iterator[bytes]:
        """All files that count, in chunks of whole records. Records may come repeatedly.

        A file that was merged between the look at the index and the reading is gone, and the next
        look finds what it was merged into. No file is read twice: none ever changes.

        Raises:
            NotFound: one is missing that the index still names; says how to make it anew.
            InvalidData: one is broken; likewise.
            TransientFailure: others keep merging; the same call may succeed.
        """
        read: set[str] = set()
        for _ in range(_TRIES):
            runs = self.runs()  # before the index: what is merged meanwhile is in it
            index, etag = self.index()
            for key in [*(file.key for file in index.merged), *(file.key for file in runs)]:
                if key in read:
                    continue
                try:
                    yield from self._chunks(key)
                except NotFound as error:
                    if key in index.keys and self.index()[1] == etag:
                        raise NotFound(f"{error}; {self.advice}") from error
                    break  # merged
                read.add(key)
            else:
                return
        raise TransientFailure(f"the files below {self.prefix} are merged again and again")

    @property
    def advice(self) -> str:
        """What to do about files that are broken or missing."""
        return f"make the files anew: {REBUILD} {self.dataset_name}"

    def runs(self) -> list[Found]:
        """The files of runs that are not merged, by key."""
        return self._listed("runs/")

    def merged(self) -> list[Found]:
        """The merged files, whether they count or not."""
        return self._listed("merged/")

    def index(self) -> tuple[Index, str | None]:
        """The index, and its ETag; None: there is none yet, nor any merged file.

        Raises:
            NotFound: there is none, but merged files are there.
            BrokenIndex: it cannot be read.
        """
        url = layout.s3_url(self.bucket, self._index_key)
        found = self._read_index()
        if found is None and self.merged():
            found = self._read_index()  # the first merge of all may have come between
            if found is None:
                raise NotFound(f"{url} is missing, and merged files are there; {self.advice}")
        if found is None:
            return Index(), None
        content, etag = found
        try:
            return Index.from_json(json.loads(content)), etag
        except ValueError as error:
            raise BrokenIndex(f"{url} is broken ({error}); {self.advice}", etag) from error

    def _read_index(self) -> tuple[bytes, str] | None:
        try:
            with self._doing("reading", self._index_key):
                found = self.s3.get_object(Bucket=self.bucket, Key=self._index_key)
                return found["Body"].read(), str(found["ETag"])
        except NotFound:
            return None

    def replace_index(self, index: Index, etag: str | None) -> bool:
        """Write the index if it is still as its ETag says; False: it has changed.

        Args:
            etag: None: there must be none.
        """
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        try:
            self.write(self._index_key, json.dumps(index.to_json()).encode(), **condition)
        except PreconditionFailed:
            return False
        return True

    def write(self, key: str, content: bytes, **condition: str) -> None:
        """Put a file.

        Raises:
            PreconditionFailed: the condition does not hold.
        """
        with self._doing("writing", key):
            try:
                self.s3.put_object(Bucket=self.bucket, Key=key, Body=content, **condition)
            except ClientError as error:
                gone = "IfMatch" in condition and clients.error_code(error) == "NoSuchKey"
                if gone or clients.error_code(error) == "PreconditionFailed":
                    raise PreconditionFailed from error
                raise

    def read(self, key: str) -> bytes:
        """The whole of a file.

        Raises:
            NotFound: it is not there.
            InvalidData: it is broken.
        """
        return b"".join(self._chunks(key))

    def remove(self, key: str) -> None:
        with self._doing("removing", key):
            self.s3.delete_object(Bucket=self.bucket, Key=key)

    def _chunks(self, key: str) -> Iterator[bytes]:
        url = layout.s3_url(self.bucket, key)
        with self._doing("reading", key):
            found = self.s3.get_object(Bucket=self.bucket, Key=key)
            if found["ContentLength"] % RECORD_BYTES:
                raise InvalidData(f"{url} is broken: no whole number of records; {self.advice}")
            rest = b""
            with found["Body"] as body:
                while chunk := body.read(_CHUNK):
                    rest += chunk
                    whole = len(rest) - len(rest) % RECORD_BYTES
                    yield rest[:whole]
                    rest = rest[whole:]

    def _listed(self, below: str) -> list[Found]:
        found: list[Found] = []
        arguments = {"Bucket": self.bucket, "Prefix": self.prefix + below}
        while True:
            with self._doing("listing", self.prefix + below):
                page = self.s3.list_objects_v2(**arguments)
            found += [Found(each["Key"], each["Size"]) for each in page.get("Contents", ())]
            if not page.get("IsTruncated"):
                return found
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    def _doing(self, what: str, key: str) -> Any:
        return clients.translated(f"{what} {layout.s3_url(self.bucket, key)}")


class PreconditionFailed(Exception):
    """The object has changed since it was read."""
