"""The Parquet files that a step wrote for a unit, in order."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from contracts import layout
from contracts.errors import InvalidData, NotFound
from runtime import clients

_NUMBER: Final = re.compile(r"part-(\d{5,})\.parquet$")


@dataclass(frozen=True)
class Part:
    """One file: its key in the data bucket, its size in bytes, its ETag without quotes, and when
    it was written."""

    key: str
    size: int
    etag: str = ""
    last_modified: datetime | None = None

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]


def output_parts(bucket: str, run_id: str, unit_id: str, files: int | None = None) -> list[Part]:
    """`part-00000.parquet`, `part-00001.parquet` and so on.

    Args:
        files: how many there must be; what a broken-off repeat left behind them is passed over.
            None: as many as follow one another.

    Raises:
        NotFound: there are none, or fewer than that.
        InvalidData: a number is left out.
    """
    return parts(bucket, layout.output_prefix(run_id, unit_id), files)


def valid_parts(bucket: str, run_id: str, unit_id: str, files: int | None = None) -> list[Part]:
    """The parts that validate wrote."""
    return parts(bucket, layout.valid_prefix(run_id, unit_id), files)


def parts(bucket: str, prefix: str, files: int | None = None) -> list[Part]:
    """The same of any prefix."""
    where = layout.s3_url(bucket, prefix)
    found = _listed(bucket, prefix)
    if not found and files != 0:
        raise NotFound(f"the unit has no such rows: no {where}part-00000.parquet")
    count = max(found) + 1 if files is None else files
    missing = [number for number in range(count) if number not in found]
    if missing and files is not None:
        raise NotFound(f"{where}part-{missing[0]:05d}.parquet is not there; the unit has {files}")
    if missing:
        raise InvalidData(f"{where}part-{missing[0]:05d}.parquet is left out")
    return [found[number] for number in range(count)]


def digest_of(parts: Sequence[Part]) -> str:
    """16 hex digits that change when a part does."""
    described = [(part.name, part.size, part.etag) for part in parts]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]


def _listed(bucket: str, prefix: str) -> dict[int, Part]:
    with clients.translated(f"listing s3://{bucket}/{prefix}"):
        pages = clients.client("s3").get_paginator("list_objects_v2")
        entries = [
            entry
            for page in pages.paginate(Bucket=bucket, Prefix=f"{prefix}part-")
            for entry in page.get("Contents", ())
        ]
    numbered = ((_NUMBER.search(entry["Key"]), entry) for entry in entries)
    return {
        int(match[1]): Part(
            entry["Key"], entry["Size"], entry["ETag"].strip('"'), entry["LastModified"]
        )
        for match, entry in numbered
        if match
    }


def part_name(number: int) -> str:
    return f"part-{number:05d}.parquet"
