"""An object store that is a directory: what every way reads from and writes to.

Getting and putting is copying a file in blocks, the same for every way, so that all of them pay for
the same bytes. `FileS3` speaks as much of boto3's S3 client as the steps use.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

CHUNK: Final = 1024 * 1024


class Store:
    """Objects under a directory, by key."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        return self.root / key

    def fetch(self, key: str, path: Path, head: str = "") -> Path:
        """Copy an object to a file, after a line of our own where one is given."""
        with self.path(key).open("rb") as source, path.open("wb") as file:
            file.write(head.encode())
            shutil.copyfileobj(source, file, CHUNK)
        return path

    def keep(self, path: Path, key: str) -> None:
        with path.open("rb") as source:
            self.put(source, key)

    def put(self, source: BinaryIO, key: str) -> None:
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(source, file, CHUNK)


class FileS3:
    """The calls of an S3 client that `validation` and `transformation` make."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:
        path = self._store.path(Key)
        return {"Body": path.open("rb"), "ContentLength": path.stat().st_size}

    def head_object(self, *, Key: str, **_: Any) -> dict[str, Any]:
        return {"ContentLength": self._store.path(Key).stat().st_size}

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> dict[str, Any]:
        target = self._store.path(Key)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(Body)
        return {}

    def upload_fileobj(self, *, Fileobj: BinaryIO, Key: str, **_: Any) -> None:
        self._store.put(Fileobj, Key)

    def list_objects_v2(self, *, Prefix: str, **_: Any) -> dict[str, Any]:
        root = self._store.root
        keys = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
        found = [key for key in sorted(keys) if key.startswith(Prefix)]
        stats = [self._store.path(key).stat() for key in found]
        return {
            "Contents": [
                {
                    "Key": key,
                    "Size": stat.st_size,
                    "ETag": "none",
                    "LastModified": datetime.fromtimestamp(stat.st_mtime, UTC),
                }
                for key, stat in zip(found, stats, strict=True)
            ]
        }

    def get_paginator(self, _operation: str) -> FileS3:
        return self

    def paginate(self, *, Prefix: str, **_: Any) -> list[dict[str, Any]]:
        return [self.list_objects_v2(Prefix=Prefix)]

    def delete_objects(self, *, Delete: dict[str, Any], **_: Any) -> dict[str, Any]:
        for entry in Delete["Objects"]:
            self._store.path(entry["Key"]).unlink(missing_ok=True)
        return {}
