# ruff: noqa: S608 -- the relation comes from steps.reading
"""The header of a CSV file, and where in it the contract's columns stand."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from contracts.dataset import CsvFormat
from contracts.errors import InvalidData
from steps.duck import MEGABYTE, Workspace
from steps.fetching import Fetched


def header_of(
    space: Workspace, fetched: Fetched, form: CsvFormat, lines: str, source: str
) -> list[str] | None:
    """Column names of the first line, lower case; None when there is no line.

    Args:
        lines: a relation of the file's lines.

    Raises:
        InvalidData: it is no header.
    """
    if fetched.compression != "none":
        row = space.connection.execute(f"SELECT * FROM {lines} LIMIT 1").fetchone()
        if row is None:
            return None
        line = row[0] or ""
    else:
        with fetched.path.open("rb") as file:
            first = file.readline(MEGABYTE)
        if not first:
            return None
        try:
            line = first.replace(b"\r", b"\n").partition(b"\n")[0].decode("utf-8-sig")
        except UnicodeDecodeError as error:
            encoding = form.encoding.upper()
            raise InvalidData(f"{source}, line 1: the header is not {encoding}") from error
    reader = csv.reader([line], delimiter=form.delimiter, quotechar=form.quote)
    header = [field.strip().lower() for field in next(reader, [])]
    if not header:
        raise InvalidData(f"{source}, line 1: the header is expected here, but the line is empty")
    return header


def positions_of(header: Sequence[str], names: Sequence[str], source: str) -> dict[str, int]:
    """Where each contract column stands among the file's columns.

    Raises:
        InvalidData: one is missing, or there twice.
    """
    missing = [name for name in names if name not in header]
    if missing:
        raise InvalidData(
            f"{source}, line 1: the header lacks {', '.join(missing)};"
            f" it has {', '.join(header)[:400]}"
        )
    twice = [name for name in names if header.count(name) > 1]
    if twice:
        raise InvalidData(f"{source}, line 1: the header has {', '.join(twice)} more than once")
    return {name: header.index(name) for name in names}
