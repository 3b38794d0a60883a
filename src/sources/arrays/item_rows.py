"""Matches the rows of a job's output to the items of a batch.

A job over a batch of items leaves every item as one row of its output, in the items' order, or as
one line of its `rejected.jsonl` (validation.job_output.refuse_lost_items has checked the counts).
So the n-th row is the n-th item that the job did not reject.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from contracts import layout
from contracts.errors import InvalidData
from runtime import s3

Reject = Mapping[str, Any]
_DEFAULT_FILES = ("data/part-00000.csv",)


def by_item(rejects: Sequence[Reject], job_output_url: str, items: int) -> list[tuple[int, Reject]]:
    """Rejected rows, each with its item: its line in the batch, from 1.

    Args:
        rejects: of validate; those of the job itself name the item's line already.
        job_output_url: the output prefix of the last job.
        items: how many the batch holds.

    Raises:
        InvalidData: a line is no item's, or no row's of the output.
    """
    bucket, prefix = layout.split_s3_url(job_output_url)
    report = s3.read_json(bucket, f"{prefix}report.json")
    file = report.get("files", _DEFAULT_FILES)[0]
    of_output = [reject for reject in rejects if reject["source"] == job_output_url + file]
    of_job = [reject for reject in rejects if reject["source"] != job_output_url + file]
    rejected = _item_lines(of_job, job_output_url, items)
    left = [item for item in range(1, items + 1) if item not in rejected]
    found = [(int(reject["line"]), reject) for reject in of_job]
    if not of_output:
        return found
    rows = None
    if report.get("format", "csv") == "csv":
        rows = _rows_by_line(s3.read_bytes(bucket, prefix + file).decode("utf-8-sig"))
    for reject in of_output:
        line = int(reject["line"])
        row = line if rows is None else rows.get(line, 0)  # of Parquet, the row's number
        if not 1 <= row <= len(left):
            raise InvalidData(f"{reject['source']}: line {line} is no row of one of {items} items")
        found.append((left[row - 1], reject))
    return found


def _item_lines(rejects: Iterable[Reject], url: str, items: int) -> set[int]:
    lines: set[int] = set()
    for reject in rejects:
        line = reject.get("line")
        if not isinstance(line, int) or not 1 <= line <= items or line in lines:
            raise InvalidData(
                f"{url}rejected.jsonl: line is {line!r}; of a batch it is the number of the item,"
                f" 1 to {items}, each at most once"
            )
        lines.add(line)
    return lines


def _rows_by_line(text: str) -> dict[int, int]:
    """The number of each row, from 1, by the line it begins in; the first line is the header."""
    reader = csv.reader(io.StringIO(text, newline=""))
    rows: dict[int, int] = {}
    begins = 1
    for fields in reader:
        if fields:
            rows[begins] = len(rows)
        begins = reader.line_num + 1
    return rows
