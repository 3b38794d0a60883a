"""What a unit has written as files into the output bucket (targets.files).

One record for each unit, in the data bucket, written once all of its files are there:

    runs/<run id>/files/<unit id>.json          (layout.files_record_key)
    {"runId", "unitId", "runAttempt", "rows", "bytes",
     "files": [{"key", "rows", "bytes", "partition": {column: value or null}}]}

Files come before the other targets. So a unit that failed later, or whose run was stopped, may have
a record as well: only the ledger says whether a unit is stored.
"""

from __future__ import annotations

import re
from typing import Final

from contracts.base import Contract

KEY_BYTES_AT_MOST: Final = 1024  # "Naming Amazon S3 objects" in the Amazon S3 User Guide
# Apache Hive's name for the partition of rows without a value (hive.exec.default.partition.name).
NULL_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"
PARTITIONS_PER_UNIT: Final = 1000  # at most
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9_.\-\u0080-\U0010ffff]")


class FileRecord(Contract):
    """One file of a unit.

    Attributes:
        key: in the output bucket.
        rows: how many it holds, without the header.
        bytes: its size.
        partition: the values of the `partitionBy` columns, as text and unescaped, in the contract's
            order; null where the rows have none. Empty without `partitionBy`.
    """

    key: str
    rows: int
    bytes: int
    partition: dict[str, str | None] = {}


class UnitFiles(Contract):
    """All files of a unit, in the order of their keys' partitions and parts.

    Attributes:
        run_attempt: the run's attempt that wrote them.
        rows, bytes: of all files together.
    """

    run_id: str
    unit_id: str
    run_attempt: int
    files: tuple[FileRecord, ...]
    rows: int
    bytes: int


class FilesTotals(Contract):
    """What a run has published in the output bucket (targets.files).

    Attributes:
        manifest_url: names each file (`contracts.output.manifest.OutputManifest`).
        superseded_by: a newer run over the same range, whose files count instead.
        removed: older files of partitions that this run has replaced.
    """

    manifest_url: str
    files: int = 0
    rows: int = 0
    bytes: int = 0
    supersedes: int = 0
    superseded_by: str | None = None
    removed: int = 0


def file_key(
    prefix: str, partition: dict[str, str | None], run_id: str, unit_id: str, part: int, ending: str
) -> str:
    """`<prefix><column>=<value>/…/<run id>-<unit id>-<part>.<ending>`.

    Args:
        prefix: of the target; ends with `/`.
        ending: without the dot, such as `csv.gz`.
    """
    return f"{prefix}{partition_path(partition)}{run_id}-{unit_id}-{part:05d}.{ending}"


def partition_path(partition: dict[str, str | None]) -> str:
    """`<column>=<value>/…`, as Hive lays partitions out; empty without columns."""
    return "".join(f"{name}={escaped(value)}/" for name, value in partition.items())


def escaped(value: str | None) -> str:
    """A partition's value as part of a key.

    ASCII characters other than letters, digits, `_`, `-` and `.` become `%` and two hex digits.
    Apache Hive and Spark escape fewer of them, and read all that are escaped so
    (`FileUtils.unescapePathName` and `ExternalCatalogUtils.unescapePathName`). They read each byte
    as a character of its own, so letters beyond ASCII stay as they are.
    """
    if value is None:
        return NULL_PARTITION
    return _NOT_PLAIN.sub(lambda match: f"%{ord(match[0]):02X}", value)


def unkeyable(value: str | None) -> str | None:
    """Why a value cannot be part of a key by itself; None if it can."""
    if value == "":
        return "an empty text, which readers of partitions take for no value at all"
    if value == NULL_PARTITION:
        return "the name of the partition of rows without a value"
    return None
