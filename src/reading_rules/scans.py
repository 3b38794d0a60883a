"""Reading a text's records with DuckDB's CSV reader, as SQL.

`ignore_errors` is no way to pass over what cannot be read: with DuckDB 2.0, good rows that follow a
bad quote are lost with it, without a word. So every scan stores its rejects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reading_rules.json.records import JSON_LINE
from reading_rules.sql import any_of, sql_literal

LONGEST_RECORD: Final = 2_000_000  # bytes; DuckDB's own default
# Longer ones, up to this, are rejected one by one; with what is longer still memory would not do.
LONGEST_HELD: Final = 32 * LONGEST_RECORD
REJECTS: Final = "unreadable"  # DuckDB's table of the records that it could not read


def field_labels(count: int) -> list[str]:
    """Names of a CSV record's fields, whatever the header calls them."""
    return [f"field-{number}" for number in range(count)]


def csv_scan(
    path: object,
    labels: Sequence[str],
    options: str,
    *,
    delimiter: str,
    quote: str,
    header: bool,
    pads: bool = False,
    marks_missing: bool = False,
) -> str:
    """Records as fields of these names, all of them text; empty and absent are both NULL.

    Args:
        options: further ones, such as `store_rejects`.
        header: whether the first line is one.
        pads: whether a record may lack its last fields.
        marks_missing: whether these are NULL and empty ones are not, in place of both.
    """
    if pads or marks_missing:
        options = f"null_padding = true, {options}"
    # No value without quotes is or has a line end.
    nulls = "'\r\n', allow_quoted_nulls = false" if marks_missing else "''"
    columns = ", ".join(f"{sql_literal(label)}: 'VARCHAR'" for label in labels)
    return (
        f"read_csv({sql_literal(path)}, auto_detect = false, header = {str(header).lower()},"
        f" delim = {sql_literal(delimiter)}, quote = {sql_literal(quote)},"
        f" escape = {sql_literal(quote)}, columns = {{{columns}}}, nullstr = {nulls},"
        f" {options})"
    )


def line_scan(path: object, options: str) -> str:
    """The lines as they are: \\x01 separates nothing that is text."""
    return (
        f"read_csv({sql_literal(path)}, auto_detect = false, header = false, delim = '\x01',"
        f" quote = '', escape = '', columns = {{{sql_literal(JSON_LINE[1:-1])}: 'VARCHAR'}},"
        f" {options})"
    )


def store_rejects(table: str = REJECTS, *, at_most: int = 0, has_size_limit: bool = True) -> str:
    """Options that put what cannot be read into this table, and the scan into `<table>_scan`.

    Args:
        at_most: how many records are stored; 0: all.
        has_size_limit: whether this DuckDB, from 2.0 on, can keep records that long whole.
    """
    options = (
        f"store_rejects = true, rejects_limit = {at_most}, rejects_table = '{table}',"
        f" rejects_scan = '{table}_scan'"
    )
    return options + (f", rejects_line_size_limit = {LONGEST_RECORD}" if has_size_limit else "")


def never_but_reads(fields: Sequence[str]) -> str:
    """SQL that is never true but reads these fields: a scan looks only at those that it needs, and
    what is not text of the encoding in another one would go unnoticed."""
    return any_of(f"strlen({name}) < 0" for name in fields)


def line_breaks(fields: Sequence[str]) -> str:
    """SQL: how many line breaks a record holds in its values, NULL for none.

    No operators between fields, as DuckDB nests a thousand of them at most.
    """
    all_of_it = f"concat_ws('', {', '.join(fields)})"
    count = f"strlen({all_of_it}) - strlen(replace({all_of_it}, chr(10), ''))"
    return f"CASE WHEN contains({all_of_it}, chr(10)) THEN {count} END"
