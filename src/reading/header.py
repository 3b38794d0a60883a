"""The header of a file."""

from __future__ import annotations

import csv
from pathlib import Path

from contracts.dataset import CsvFormat
from contracts.errors import InvalidData
from tabular.workspace import MEGABYTE


def header_of(path: Path, form: CsvFormat, source: str) -> list[str] | None:
    """Column names of a text's first line, lower case; None when there is no line.

    Raises:
        InvalidData: it is no header.
    """
    with path.open("rb") as file:
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
