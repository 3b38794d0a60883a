# ruff: noqa: S608 -- the relation and its expressions are those of steps.reading
"""Every line of a text file is part of a row that was read, or of one that was kept as malformed.

The counts of a scan are its own word. DuckDB passes over lines without one where a quote is not
closed for long, or a record is larger than its buffer; so the lines are counted apart from it.
"""

from __future__ import annotations

from contracts.errors import InvalidData
from steps import malformed
from steps.duck import Workspace
from steps.fetching import Fetched
from steps.reading import LONGEST_RECORD, Source

_HEIGHTS = (
    "SELECT coalesce(sum(1 + strlen(told) - strlen(replace(told, chr(10), ''))), 0)"
    " FROM (SELECT trim(raw, chr(10) || chr(13)) AS told FROM malformed)"
)


def check_lines(
    space: Workspace, fetched: Fetched, source: Source, readable: int, unread: int, url: str
) -> None:
    """Hold the records of a plain text against its lines.

    Args:
        readable: rows that were read, of JSON lines with the empty ones.
        unread: records of the table `malformed`.

    Raises:
        InvalidData: lines are missing among the records, or there twice.
    """
    if not fetched.is_plain_text or not source.in_lines:
        return
    lines = max(0, fetched.look.lines - (source.first_line - 1))
    least = readable + (unread if source.record else space.number(_HEIGHTS))
    if least == lines:
        return
    if source.breaks and fetched.look.quotes:
        least += space.number(f"SELECT coalesce(sum({source.breaks}), 0) FROM {source.passing}")
    if least == lines:
        return
    empty = _empty_lines(fetched)
    if least <= lines <= least + empty:
        return
    wrong = least - lines if least > lines else lines - least - empty
    raise InvalidData(
        f"{url}: {wrong:,} of its {lines:,} lines are {'there twice' if least > lines else 'lost'}"
        " when it is read as this dataset's format says: a quote is not closed, or a record is"
        f" longer than {LONGEST_RECORD:,} bytes{_near(space, fetched)}; mend the object"
    )


def _near(space: Workspace, fetched: Fetched) -> str:
    """Where to look: the first record that a quote made unreadable."""
    for record in malformed.malformed_rows(space, fetched, "utf-8"):
        if "quote" in record.reason:
            return f", perhaps at line {record.line}"
    quote = fetched.quote.encode()
    with fetched.path.open("rb") as file:
        odd = (number for number, line in enumerate(file, 1) if line.count(quote) % 2)
        line = next(odd, None)
    return f", perhaps at line {line}" if line else ""


def _empty_lines(fetched: Fetched) -> int:
    with fetched.path.open("rb") as file:
        return sum(line in (b"\n", b"\r\n") for line in file)
