"""Reads a file's header and finds the positions of the contract's columns in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from contracts.dataset import CsvFormat
from contracts.errors import InvalidData
from reading_rules import header
from tabular.workspace import MEGABYTE


def header_of(path: Path, form: CsvFormat, source: str, at: int = 1) -> list[str] | None:
    """Column names of a text's first line, lower case; None when there is no line.

    Args:
        at: which line of the source it is.

    Raises:
        InvalidData: it is no header.
    """
    with path.open("rb") as file:
        block = file.readline(MEGABYTE)
    if not block:
        return None
    try:
        line = header.first_line_of(block, form.encoding)
        names = header.field_names(line, form.delimiter, form.quote)
    except header.HeaderError as error:
        raise _invalid(source, error, at) from error
    return [header.folded(name) for name in names]


def positions_of(
    found: Sequence[str], names: Mapping[str, str], source: str, at: int = 1
) -> dict[str, int]:
    """Where each contract column stands among the file's columns.

    Args:
        found: the names of the file's columns.
        names: what each column is called in the file, by its own name.
        source: how messages name the file.
        at: in which line of it they stand.

    Raises:
        InvalidData: one is missing, there twice, or there by both its names.
    """
    try:
        return header.positions_of(found, names)
    except header.HeaderError as error:
        raise _invalid(source, error, at) from error


def _invalid(source: str, error: header.HeaderError, at: int) -> InvalidData:
    return InvalidData(f"{source}, line {at}: {error}")
