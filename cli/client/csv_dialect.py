"""Rows as CSV of a contract that says more than a delimiter and a quote. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from contracts.dataset import CsvFormat

_LINE_END: Final = "\r\n"


def says_more(form: CsvFormat) -> bool:
    """Whether the standard library's writer does not know all of it."""
    more = (form.skip_lines, form.footer_lines, form.comment, form.escape)
    return len(form.delimiter) > 1 or any(more)


def written(rows: Iterable[Sequence[str | None]], form: CsvFormat) -> str:
    """The rows, the header among them, with empty lines where the contract skips lines.

    Every value is quoted, so that none begins a comment.
    """
    lines = [""] * (form.skip_lines or 0)
    lines += [form.delimiter.join(_field(value, form) for value in row) for row in rows]
    lines += [""] * (form.footer_lines or 0)
    return "".join(line + _LINE_END for line in lines)


def _field(value: str | None, form: CsvFormat) -> str:
    if not value:
        return ""
    if form.escape:
        value = value.replace(form.escape, 2 * form.escape)
    return f"{form.quote}{value.replace(form.quote, 2 * form.quote)}{form.quote}"
