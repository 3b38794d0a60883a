# ruff: noqa: S608 -- names and texts are quoted by steps.duck; SQL has no other way to take them
"""A source file as a relation of texts that can be scanned as often as needed.

Nothing is read into tables: the relation is SQL over the file. The same rules as in
`jobs/clean_csv.py`, which has to stand alone; a test holds the two together. Values stay text here:
empty and absent are both NULL. Types are the business of `steps.checks`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from contracts.dataset import CsvFormat, Dataset, JsonFormat, JsonLinesFormat
from contracts.errors import InvalidData
from steps.duck import MEGABYTE, Workspace, quoted, text
from steps.fetching import Fetched
from steps.headers import header_of, positions_of

REJECTS: Final = "unread"  # the table of what a scan could not read, see `steps.malformed`
LONGEST_RECORD: Final = 2_000_000  # bytes; DuckDB's own default
_LINE: Final = '"json-line"'  # hyphens keep our columns apart from every contract column
_FOUND: Final = '"json-values"'
_IS_OBJECT: Final = f"(CASE WHEN json_valid({_LINE}) THEN json_type({_LINE}) END) = 'OBJECT'"


@dataclass(frozen=True)
class Source:
    """A file, ready to be scanned.

    Every record of the file is a row of the relation, but for those that DuckDB cannot read at all.

    Attributes:
        keeping: the relation, writing what cannot be read into the table `unread`; for one scan.
        passing: the same, passing over it; for every further scan.
        fields: SQL: a record's texts as VARCHAR[], for evidence.
        record: SQL: a record's own text; absent where it is made of its fields.
        columns: for each contract column, its position in `fields`.
        header: the names of the fields.
        malformed: SQL, true for a record that is no row and has to be rejected.
        blank: SQL, true for a record that is no row and means nothing.
        breaks: SQL, how many line breaks a record holds, NULL for none; absent: never any.
        first_line: the line of the first record.
        touched: SQL that is never true but reads the fields no column needs, so that every scan
            rejects the same rows for their encoding.
        ignored_columns: those the contract does not know.
        counted: how many records there are, where the file itself says so.
        in_lines: whether each record takes a line or more of its own.
        quote: of CSV.
    """

    keeping: str
    passing: str
    fields: str
    columns: dict[str, int]
    header: tuple[str, ...]
    record: str | None = None
    malformed: str | None = None
    blank: str | None = None
    breaks: str | None = None
    first_line: int = 1
    touched: str | None = None
    ignored_columns: tuple[str, ...] = ()
    counted: int | None = None
    in_lines: bool = True
    quote: str = '"'


def text_column(column: str) -> str:
    """Name of a column's text; the hyphen keeps it apart from every contract column."""
    return quoted(f"text-{column}")


def open_source(space: Workspace, fetched: Fetched, dataset: Dataset, source: str) -> Source:
    """Look at a file's head, and say how to scan it.

    Args:
        source: how messages name it.

    Raises:
        InvalidData: the file as a whole is unreadable, or lacks a column of the contract.
    """
    names = [column.name for column in dataset.columns]
    try:
        if isinstance(dataset.format, CsvFormat):
            return _csv(space, fetched, dataset.format, names, source)
        if isinstance(dataset.format, JsonLinesFormat):
            return _json(_lines_of(fetched), _lines_of(fetched, keep=False), names)
        if isinstance(dataset.format, JsonFormat):
            _refuse_open_array(fetched, source)
            items = _items_of(fetched)
            return dataclasses.replace(_json(items, items, names), in_lines=False)
        return _parquet(space, fetched, names, source)
    except duckdb.Error as error:
        raise unreadable(source, error) from error


def unreadable(source: str, error: Exception) -> InvalidData:
    return InvalidData(f"{source} cannot be read: {first_line(error)}")


def has_mixed_line_ends(error: Exception) -> bool:
    """Whether a scan failed for what `fetching.with_equal_line_ends` may mend."""
    return "CSV Parser state machine" in str(error)


def first_line(error: Exception) -> str:
    """The part of a DuckDB message that says what is wrong."""
    message = str(error)
    if has_mixed_line_ends(error):
        return "it is not CSV of this dialect"
    return " ".join(message.split("\n\n")[0].split("Possible ")[0].split())[:400]


def _csv(
    space: Workspace, fetched: Fetched, form: CsvFormat, names: Sequence[str], source: str
) -> Source:
    lines = _lines_of(fetched, keep=False)
    header = header_of(space, fetched, form, lines, source) if form.header else list(names)
    positions = positions_of(header or list(names), names, source)
    header = list(names) if header is None else header  # None: an empty file
    fields = [quoted(f"field-{number}") for number in range(len(header))]
    parallel = str(not _may_span_lines(space, fetched)).lower()
    texts = ", ".join(f"{fields[positions[name]]} AS {text_column(name)}" for name in names)
    spare = [field for n, field in enumerate(fields) if n not in positions.values()]

    def relation(rejects: str) -> str:
        columns = ", ".join(f"{text(field[1:-1])}: 'VARCHAR'" for field in fields)
        return (
            f"(SELECT *, {texts} FROM read_csv({text(fetched.path)}, auto_detect = false,"
            f" header = {str(form.header).lower()}, delim = {text(form.delimiter)},"
            f" quote = {text(form.quote)}, escape = {text(form.quote)}, columns = {{{columns}}},"
            f" nullstr = '', compression = {text(fetched.compression)}, parallel = {parallel},"
            f" {rejects}))"
        )

    return Source(
        keeping=relation(_rejects(keep=True)),
        passing=relation(_rejects(keep=False)),
        fields=f"[{', '.join(fields)}]",
        columns=positions,
        header=tuple(header),
        breaks=_breaks(fields),
        first_line=2 if form.header else 1,
        quote=form.quote,
        touched=" OR ".join(f"strlen({field}) < 0" for field in spare) or None,
        ignored_columns=tuple(name for name in header if name not in positions),
    )


def _may_span_lines(space: Workspace, fetched: Fetched) -> bool:
    """Whether a quote is open at the end of some line.

    Threads begin in the middle of a file, where DuckDB takes a line within a quoted value for a
    record if it looks like one and a quote elsewhere is wrong. Such a file is read by one.
    """
    if not fetched.is_plain_text:
        return True
    if not fetched.look.quotes:
        return False
    line, mark = _LINE, text(fetched.quote)
    odd = f"(strlen({line}) - strlen(replace({line}, {mark}, ''))) % 2 = 1"
    unread = f"SELECT count(*) FROM {_lines_of(fetched, keep=False)} WHERE {odd} LIMIT 1"
    try:
        return bool(space.number(unread))
    except duckdb.Error:  # not even lines: whatever it is, it is read in order
        return True


def _json(keeping: str, passing: str, names: Sequence[str]) -> Source:
    paths = ", ".join(text(f'$."{name}"') for name in names)
    texts = ", ".join(
        f"nullif({_FOUND}[{n}], '') AS {text_column(name)}" for n, name in enumerate(names, start=1)
    )
    # All columns in one look: the text is parsed once for them.
    found = f"json_extract_string(CASE WHEN {_IS_OBJECT} THEN {_LINE} END, [{paths}])"

    def relation(lines: str) -> str:
        return f"(SELECT *, {texts} FROM (SELECT {_LINE}, {found} AS {_FOUND} FROM {lines}))"

    return Source(
        keeping=relation(keeping),
        passing=relation(passing),
        fields=_FOUND,
        record=_LINE,
        columns={name: n for n, name in enumerate(names)},
        header=tuple(names),
        malformed=f"{_LINE} IS NOT NULL AND ({_IS_OBJECT}) IS NOT TRUE",
        blank=f"{_LINE} IS NULL",
    )


def _parquet(space: Workspace, fetched: Fetched, names: Sequence[str], source: str) -> Source:
    file = f"read_parquet({text(fetched.path)})"
    header = [
        row[0] for row in space.connection.execute(f"DESCRIBE SELECT * FROM {file}").fetchall()
    ]
    lower = [name.strip().lower() for name in header]
    positions = positions_of(lower, names, source)
    texts = ", ".join(
        f"nullif(CAST({quoted(header[positions[name]])} AS VARCHAR), '') AS {text_column(name)}"
        for name in names
    )
    relation = f"(SELECT {texts} FROM {file})"
    return Source(
        keeping=relation,
        passing=relation,
        fields=f"[{', '.join(text_column(name) for name in names)}]",
        columns={name: n for n, name in enumerate(names)},
        header=tuple(names),
        ignored_columns=tuple(
            name for name, small in zip(header, lower, strict=True) if small not in positions
        ),
        counted=space.number(f"SELECT count(*) FROM {file}"),
    )


def _rejects(*, keep: bool) -> str:
    """Options for what cannot be read.

    `ignore_errors` is no way to pass over it: with DuckDB 2.0 good rows that follow a bad quote are
    lost with it, without a word. So every scan stores what it rejects, if only one of them.
    """
    table = REJECTS if keep else f"{REJECTS}_again"
    return (
        f"store_rejects = true, rejects_limit = {0 if keep else 1}, rejects_table = '{table}',"
        f" rejects_scan = '{table}_scan', rejects_line_size_limit = {LONGEST_RECORD}"
    )


def _breaks(fields: Sequence[str]) -> str:
    some = " OR ".join(f"contains({field}, chr(10))" for field in fields)
    each = " + ".join(
        f"(strlen(coalesce({field}, '')) - strlen(replace(coalesce({field}, ''), chr(10), '')))"
        for field in fields
    )
    return f"CASE WHEN {some} THEN {each} END"


def _lines_of(fetched: Fetched, *, keep: bool = True) -> str:
    """A relation with the file's lines, unparsed: \\x01 separates nothing that is text."""
    return (
        f"read_csv({text(fetched.path)}, auto_detect = false, header = false, delim = '\x01',"
        f" quote = '', escape = '', columns = {{{text(_LINE[1:-1])}: 'VARCHAR'}},"
        f" compression = {text(fetched.compression)}, {_rejects(keep=keep)})"
    )


def _items_of(fetched: Fetched) -> str:
    """A relation with the text of each item of a JSON array."""
    return (
        f"(SELECT CAST(json AS VARCHAR) AS {_LINE}"
        f" FROM read_json_objects({text(fetched.path)}, format = 'array',"
        f" compression = {text(fetched.compression)}))"
    )


def _refuse_open_array(fetched: Fetched, source: str) -> None:
    """DuckDB takes an array that breaks off behind a comma for a whole one."""
    if not fetched.is_plain_text or not fetched.path.stat().st_size:
        return
    with fetched.path.open("rb") as file:
        file.seek(max(0, fetched.path.stat().st_size - MEGABYTE))
        if not file.read().rstrip().endswith(b"]"):
            raise InvalidData(f"{source}: the JSON array breaks off: it does not end with ]")
