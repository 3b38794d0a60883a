"""Corrected rows: read from a person's file, checked, and written as the dataset's format. Pure."""

from __future__ import annotations

import bz2
import csv
import difflib
import gzip
import io
import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cli.client.csv_dialect import says_more, written
from cli.client.quarantine import VALUES
from contracts.dataset import (
    CsvFormat,
    DatasetSnapshot,
    JsonFormat,
    JsonLinesFormat,
    ParquetFormat,
)
from reading_rules.csv.rules import plain_nulls
from reading_rules.plain_text import keys_of
from sources import zstd

PROBLEMS_AT_MOST: Final = 20
RUN_ID_CHARACTERS: Final = 40
Row = dict[str, str | None]


class UnusableRows(Exception):
    """The file cannot be sent; every problem with its line, one a line."""


@dataclass(frozen=True)
class CorrectedObject:
    """Rows as one object of the dataset, named by its content.

    Attributes:
        ending: of its key, such as `.csv`.
        digest: of the run and the bytes: the same rows of the same run give the same one.
    """

    rows: int
    body: bytes
    ending: str
    digest: str

    def run_id(self, run_id: str) -> str:
        """The run that sends the rows: one for the same rows, however often they are sent."""
        suffix = f"-mend-{self.digest[:8]}"
        return run_id[: RUN_ID_CHARACTERS - len(suffix)] + suffix


def corrected_object(text: str, snapshot: DatasetSnapshot) -> CorrectedObject:
    """The rows of a file of `pipeline rejected --out`, corrected, as an object of the dataset.

    Raises:
        UnusableRows: a line is no row, or names a column that the contract does not have.
    """
    rows = _rows(text, [column.name for column in snapshot.dataset.columns])
    body, ending = _written(rows, snapshot)
    digest = sha256(snapshot.run_id.encode() + b"\n" + body).hexdigest()
    return CorrectedObject(len(rows), body, ending, digest)


def _rows(text: str, columns: Sequence[str]) -> list[Row]:
    rows: list[Row] = []
    problems: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(_row(line, columns))
        except ValueError as error:
            problems.append(f"  line {number}: {error}")
    if not rows and not problems:
        problems.append("  there are no rows")
    if problems:
        more = len(problems) - PROBLEMS_AT_MOST
        shown = problems[:PROBLEMS_AT_MOST] + ([f"  and {more} more lines"] if more > 0 else [])
        raise UnusableRows("\n".join(shown))
    return rows


def _row(line: str, columns: Sequence[str]) -> Row:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None
    values = value.get(VALUES) if isinstance(value, dict) else None
    if not isinstance(values, dict):
        raise ValueError(f"has no `{VALUES}`; write the file by pipeline rejected RUN --out FILE")
    for name, found in values.items():
        if name not in columns:
            near = difflib.get_close_matches(name, columns, n=1)
            advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(columns)}"
            raise ValueError(f"`{VALUES}.{name}` is no column of the contract; {advice}")
        if isinstance(found, dict | list):
            raise ValueError(f"`{VALUES}.{name}` must be a text, a number, true, false or null")
    if all(found is None for found in values.values()):
        raise ValueError(f"every one of its `{VALUES}` is null: write them, or delete the line")
    return {
        name: found if found is None or isinstance(found, str) else json.dumps(found)
        for name, found in ((name, values.get(name)) for name in columns)
    }


def _written(rows: Sequence[Row], snapshot: DatasetSnapshot) -> tuple[bytes, str]:
    form = snapshot.dataset.format
    _refuse_nulls(rows, form.to_json())
    if snapshot.array is not None:  # its contract has the format of its batches
        body = _json(rows, snapshot.array.records)
        packed = snapshot.array.compression == "gzip"
        return gzip.compress(body, mtime=0) if packed else body, ".json"
    if isinstance(form, ParquetFormat):
        return _parquet(rows), ".parquet"
    if isinstance(form, JsonFormat):
        body, ending = _json(rows, form.records), ".json"
    elif isinstance(form, JsonLinesFormat):
        body, ending = b"".join(_object(row) + b"\n" for row in rows), ".jsonl"
    else:
        body, ending = _csv(rows, form), ".csv"
    return _packed(body, form.compression, f"rows{ending}"), ending


def _packed(body: bytes, compression: str, name: str) -> bytes:
    """Alike for the same rows; by `auto` the key says that nothing is packed."""
    if compression == "zstd":
        return zstd.compress(body)
    if compression == "bzip2":
        return bz2.compress(body)
    if compression == "zip":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(name), body, zipfile.ZIP_DEFLATED)
        return file.getvalue()
    return gzip.compress(body, mtime=0) if compression == "gzip" else body


def _refuse_nulls(rows: Sequence[Row], form: Mapping[str, Any]) -> None:
    """Refuse values that the contract would read as missing ones."""
    nulls = set(plain_nulls(form))
    problems = [
        f"  {name}: {value!r} stands for a missing value (format.nulls of the contract); write null"
        for row in rows
        for name, value in row.items()
        if value in nulls
    ]
    if problems:
        raise UnusableRows("\n".join(dict.fromkeys(problems)))


def _object(row: Row) -> bytes:
    present = {name: value for name, value in row.items() if value is not None}
    return json.dumps(present, ensure_ascii=False).encode()


def _json(rows: Sequence[Row], records: str | None = None) -> bytes:
    body = b"[\n" + b",\n".join(_object(row) for row in rows) + b"\n]"
    for key in reversed(keys_of(records) if records else []):
        body = b"{" + json.dumps(key).encode() + b": " + body + b"}"
    return body + b"\n"


def _csv(rows: Sequence[Row], form: CsvFormat) -> bytes:
    if says_more(form):
        head = [list(rows[0])] if form.header else []
        return _encoded(written([*head, *(list(row.values()) for row in rows)], form), form)
    text = io.StringIO()
    # Lines end in CR LF, and not in LF alone, so that values with a CR are quoted, too.
    writer = csv.writer(text, delimiter=form.delimiter, quotechar=form.quote, strict=True)
    if form.header:
        writer.writerow(list(rows[0]))
    for row in rows:
        writer.writerow(["" if value is None else value for value in row.values()])
    return _encoded(text.getvalue(), form)


def _encoded(text: str, form: CsvFormat) -> bytes:
    try:
        return text.encode({"windows-1252": "cp1252"}.get(form.encoding, form.encoding))
    except UnicodeEncodeError as error:
        lost = error.object[error.start : error.end]
        problem = f"  {lost!r} is no character of {form.encoding}, the contract's encoding"
        raise UnusableRows(problem) from None


def _parquet(rows: Sequence[Row]) -> bytes:
    # Only here: the other formats do without DuckDB.
    from tabular import workspace

    columns = ", ".join('"' + name + "\": 'VARCHAR'" for name in rows[0])
    with (
        tempfile.TemporaryDirectory(prefix="corrected-") as folder,
        workspace.connect() as connection,
    ):
        lines, path = Path(folder) / "rows.jsonl", Path(folder) / "rows.parquet"
        lines.write_bytes(b"".join(_object(row) + b"\n" for row in rows))
        read = f"read_json('{lines}', format = 'newline_delimited', columns = {{{columns}}})"
        connection.execute(f"COPY (SELECT * FROM {read}) TO '{path}' (FORMAT parquet)")  # noqa: S608
        return path.read_bytes()
