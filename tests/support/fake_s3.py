"""S3 in memory: the operations that publish_files uses, with conditional writes.

Every operation may be watched, or end the function's process before or after its effect.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any

from botocore.exceptions import ClientError
from job_fakes import Killed, service_error


@dataclass
class StoredObject:
    body: bytes
    metadata: dict[str, str]

    @property
    def etag(self) -> str:
        digest = md5(self.body + repr(self.metadata).encode(), usedforsecurity=False)
        return f'"{digest.hexdigest()}"'


class Body(io.BytesIO):
    """A body as botocore gives it."""

    def iter_lines(self, chunk_size: int = 1024) -> Iterator[bytes]:
        del chunk_size
        yield from (line.rstrip(b"\n") for line in self)


@dataclass
class FakeS3:
    """Attributes:
    calls: how many operations were begun since `kill_at`.
    before, after: called around each operation with its name.
    """

    objects: dict[tuple[str, str], StoredObject] = field(default_factory=dict)
    calls: int = 0
    before: Callable[[str], object] = lambda _name: None
    after: Callable[[str], object] = lambda _name: None
    _kill_at: int | None = None
    _kill_after: bool = False
    _lock: Any = field(default_factory=threading.RLock)

    def kill_at(self, call: int, *, after: bool) -> None:
        """End the process at the so many-th operation from now on."""
        self.calls, self._kill_at, self._kill_after = 0, call, after

    def spare(self) -> None:
        self._kill_at = None

    def put(self, bucket: str, key: str, body: bytes | str) -> None:
        """As somebody else, whom nobody kills."""
        self.objects[bucket, key] = StoredObject(
            body.encode() if isinstance(body, str) else body, {}
        )

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        return sorted(k for b, k in self.objects if b == bucket and k.startswith(prefix))

    # -- the client

    def put_object(self, Bucket: str, Key: str, Body: Any = b"", **options: Any) -> Any:
        def put() -> dict[str, str]:
            known = self.objects.get((Bucket, Key))
            if options.get("IfNoneMatch") == "*" and known is not None:
                raise service_error("PutObject", "PreconditionFailed", 412)
            if (etag := options.get("IfMatch")) is not None:
                if known is None:
                    raise service_error("PutObject", "NoSuchKey", 404)
                if known.etag != etag:
                    raise service_error("PutObject", "PreconditionFailed", 412)
            body = Body if isinstance(Body, bytes) else Body.read()
            made = StoredObject(body, options.get("Metadata", {}))
            self.objects[Bucket, Key] = made
            return {"ETag": made.etag}

        return self._call("put_object", put)

    def get_object(self, Bucket: str, Key: str) -> Any:
        found = self._call("get_object", lambda: self._found(Bucket, Key))
        return {"Body": Body(found.body), "ETag": found.etag, "Metadata": found.metadata}

    def head_object(self, Bucket: str, Key: str) -> Any:
        found = self._call("head_object", lambda: self._found(Bucket, Key))
        return {"ETag": found.etag, "Metadata": found.metadata}

    def get_paginator(self, name: str) -> Any:
        assert name == "list_objects_v2"
        return self

    def paginate(self, Bucket: str, Prefix: str, Delimiter: str = "") -> Iterator[Any]:
        def page() -> dict[str, Any]:
            keys = [
                key
                for key in self.keys(Bucket, Prefix)
                if not Delimiter or Delimiter not in key.removeprefix(Prefix)
            ]
            return {
                "Contents": [{"Key": key, "ETag": self.objects[Bucket, key].etag} for key in keys]
            }

        yield self._call("list_objects_v2", page)

    def delete_objects(self, Bucket: str, Delete: dict[str, Any]) -> Any:
        def delete() -> dict[str, Any]:
            for each in Delete["Objects"]:
                self.objects.pop((Bucket, each["Key"]), None)
            return {}

        return self._call("delete_objects", delete)

    def _found(self, bucket: str, key: str) -> StoredObject:
        if (bucket, key) not in self.objects:
            raise ClientError(
                {"Error": {"Code": "NoSuchKey"}, "ResponseMetadata": {"HTTPStatusCode": 404}},
                "GetObject",
            )
        return self.objects[bucket, key]

    def _call(self, name: str, run: Callable[[], Any]) -> Any:
        with self._lock:
            self.calls += 1
            call = self.calls
        self.before(name)
        self._trip(call, after=False)
        try:
            with self._lock:
                response = run()
        except ClientError:
            self._trip(call, after=True)
            raise
        self._trip(call, after=True)
        self.after(name)
        return response

    def _trip(self, call: int, *, after: bool) -> None:
        if self._kill_at == call and self._kill_after is after:
            raise Killed
