# Built by `make jobs` from jobs/src/ and src/reading_rules/: change those, not this file.
"""Glue Python shell job: read one object, leave out what is malformed or filtered, write clean CSV.

    clean_csv.py --JOB_ID … --RUN_ID … --UNIT_ID … --JOB_KEY … --INPUT_URL s3://bucket/key
                 --OUTPUT_URL s3://bucket/prefix/ --DATASET_URL s3://bucket/key [--QUERY SQL]
                 [--INPUT_URLS s3://bucket/key]

Under OUTPUT_URL it writes data/part-00000.csv (the contract's columns as text, empty is missing),
rejected.jsonl (the malformed rows) and, last, report.json. A repeat overwrites all three.

With INPUT_URLS, a document that lists objects, it reads these one after another, as if each were
alone, and writes objects/0000/data/part-00000.csv and so on, by the objects' places in their unit;
report.json then lists what it did with each. An object that cannot be read fails the job.

It runs on Python 3.9 with boto3 and duckdb 1.4 or later.
"""

from __future__ import annotations

import argparse
import boto3
import bz2
import codecs
import csv
import duckdb
import gzip
import itertools
import json
import os
import re
import struct
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from fnmatch import fnmatchcase
from itertools import chain, islice
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, NoReturn, Optional, cast

# -- clean_csv_job.options -------------------------------------------------------------------------


USAGE = "Read objects, leave out what is malformed or filtered, write clean CSV."


class JobError(Exception):
    """What ends the job with one clear line."""


class InvalidData(JobError):
    """The object itself is the reason, or the query: another try would end in the same way.

    Its name is what the pipeline looks for in the line (docs/jobs.md).
    """


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The job's arguments; those that Glue adds are passed over."""
    parser = argparse.ArgumentParser(description=USAGE, allow_abbrev=False)
    for name in ("JOB_ID", "INPUT_URL", "OUTPUT_URL", "DATASET_URL"):
        parser.add_argument("--" + name, required=True)
    for name in ("RUN_ID", "UNIT_ID", "JOB_KEY", "QUERY", "INDEX", "INPUT_URLS"):
        parser.add_argument("--" + name)
    return parser.parse_known_args(joined(sys.argv[1:] if argv is None else argv))[0]


def joined(words: Sequence[str]) -> list[str]:
    """`--NAME value` as `--NAME=value`: argparse takes a value like `-items<-3` for an option."""
    pairs, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--") and "=" not in word and rest and not rest[0].startswith("--"):
            word = word + "=" + rest.pop(0)
        pairs.append(word)
    return pairs


def split_url(url: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or not key:
        raise JobError("not an S3 URL (s3://bucket/key): " + url)
    return bucket, key


def log(message: str, **fields: Any) -> None:
    print(json.dumps({"message": message, **fields}), flush=True)


# -- reading_rules.visible -------------------------------------------------------------------------


def visible(text: str) -> str:
    """A text in which what cannot be seen, or looks like a space, is written as `\\u200b`."""
    return "".join(
        letter if letter.isprintable() else _ESCAPES[ord(letter) > 0xFFFF].format(ord(letter))
        for letter in text
    )


_ESCAPES = ("\\u{:04x}", "\\U{:08x}")


# -- reading_rules.header --------------------------------------------------------------------------


class HeaderError(Exception):
    """A file's header does not fit the contract; the message goes on from "<file>, line 1: "."""


def folded(name: str) -> str:
    """A name of a file as names are compared where their case does not matter."""
    return name.strip().lower()


def first_line_of(block: bytes, encoding: str) -> str:
    """The first line of a text in UTF-8, without its end and its byte order mark.

    Args:
        block: the text from its beginning, at least one line of it.
        encoding: of the original, for the message.

    Raises:
        HeaderError: it is not text of the encoding.
    """
    line = block.replace(b"\r", b"\n").partition(b"\n")[0]
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HeaderError(f"the header is not {encoding.upper()}") from error


def field_names(line: str, delimiter: str, quote: str) -> list[str]:
    """The names in a header, without the spaces around them.

    Raises:
        HeaderError: there are none.
    """
    names = fields_of(line, delimiter, quote)
    if not names:
        raise HeaderError("the header is expected here, but the line is empty")
    return [name.strip() for name in names]


def fields_of(line: str, delimiter: str, quote: str) -> list[str]:
    """The fields of a record in one line, with a delimiter of one character or more."""
    if len(delimiter) == 1:
        return next(csv.reader([line], delimiter=delimiter, quotechar=quote), [])
    # The module knows one character only: one that is not there stands for all of them.
    other = next(one for one in map(chr, range(0xE000, 0xF8FF)) if one not in line)
    fields = next(
        csv.reader([line.replace(delimiter, other)], delimiter=other, quotechar=quote), []
    )
    return [field.replace(other, delimiter) for field in fields]


def positions_of(header: Sequence[str], names: Mapping[str, str]) -> dict[str, int]:
    """Where each contract column stands among the file's columns.

    A name that is there as it is written counts before one that differs in case or spaces.

    Args:
        names: what each column is called in the file, by its own name.

    Raises:
        HeaderError: one is missing, there twice, or there by both its names.
    """
    small = [folded(name) for name in header]

    def places(wanted: str) -> list[int]:
        exact = [at for at, name in enumerate(header) if name == wanted]
        return exact or [at for at, name in enumerate(small) if name == folded(wanted)]

    found: dict[str, list[int]] = {}
    for name, wanted in names.items():
        found[name] = places(wanted)
        own = [] if folded(wanted) == name else places(name)
        if found[name] and own:
            raise HeaderError(both_names(name, wanted, "the header"))
        found[name] = found[name] or own
    missing = [_shown(name, names[name]) for name, at in found.items() if not at]
    if missing:
        raise HeaderError(
            f"the header lacks {', '.join(missing)}; it has {visible(', '.join(header)[:400])}"
        )
    twice = [_shown(name, names[name]) for name, at in found.items() if len(at) > 1]
    if twice:
        raise HeaderError(f"the header has {', '.join(twice)} more than once")
    return {name: at[0] for name, at in found.items()}


def in_contract_names(header: Sequence[str], positions: Mapping[str, int]) -> list[str]:
    """A header with the contract's names in place of the file's, where it has one."""
    known = {at: name for name, at in positions.items()}
    return [known.get(at, name) for at, name in enumerate(header)]


def both_names(name: str, wanted: str, where: str) -> str:
    """What is wrong with a record or header that has a column by either of its names."""
    return (
        f'{where} has both "{visible(wanted)}" and {name}, and either would be column {name} of the'
        " contract; give the column another name, or leave one out of the file"
    )


def _shown(name: str, wanted: str) -> str:
    return name if name == wanted else f'"{visible(wanted)}" (column {name})'


# -- reading_rules.sql -----------------------------------------------------------------------------


def sql_identifier(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def sql_literal(value: object) -> str:
    """A quoted text literal."""
    return "'" + str(value).replace("'", "''") + "'"


def text_column(column: str) -> str:
    """Name of a column's text; the hyphen keeps it apart from every contract column."""
    return sql_identifier(f"text-{column}")


def or_null(text: str, nulls: Sequence[str]) -> str:
    """A text, but NULL where it is one of those that stand for a missing value; as it is for none.

    Args:
        text: SQL of it.
    """
    if not nulls:
        return text
    return f"CASE WHEN {text} NOT IN ({', '.join(map(sql_literal, nulls))}) THEN {text} END"


def any_of(conditions: Iterable[str]) -> str:
    """A condition that is true where one of these is."""
    return " OR ".join(f"({condition})" for condition in conditions) or "false"


# -- reading_rules.json.records --------------------------------------------------------------------


JSON_LINE: Final = '"json-line"'  # hyphens keep our columns apart from every contract column
IS_OBJECT: Final = f"(CASE WHEN json_valid({JSON_LINE}) THEN json_type({JSON_LINE}) END) = 'OBJECT'"
# An empty line is NULL; as one of spaces it is no record, and nothing wrong. The comparison spares
# all others a closer look.
IS_BLANK: Final = (
    f"{JSON_LINE} IS NULL OR ({JSON_LINE} < '!' AND trim({JSON_LINE}, concat(' ', chr(9))) = '')"
)
IS_NO_OBJECT: Final = f"({IS_BLANK}) IS NOT TRUE AND ({IS_OBJECT}) IS NOT TRUE"
NO_OBJECT: Final = "not a JSON object"
# Numbers that a double would change, in value or in spelling: long, with an exponent, small, minus
# zero, with a zero at the end. By what stands before or behind a number in JSON, as dates and other
# texts have much that looks like these; a text that still does only costs time.
_DELICATE: Final = r"[:,\[\s-]([0-9.]{16}|[0-9.]+[eE]|0\.000)|[:,\[\s]-0|\.[0-9]*0([\s,\]}]|$)"
_TOKENS: Final = r'("(?:[^"\\]|\\.)*")|(-?[0-9][-+0-9.eE]*)'
_SIGN: Final = "\\u0002"  # as JSON escapes it: stands before the digits of a number made a text
_SIGNED_NUMBER: Final = r'"\\u0002(-?[0-9][-+0-9.eE]*)"'


def json_pointer(key: str) -> str:
    """DuckDB's other notation, `$."key"`, knows wildcards and escapes; this takes any key."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def json_texts(names: Mapping[str, str], *, ignores_case: bool = False) -> str:
    """SQL for the texts of the columns as VARCHAR[], in their order; NULL for what is no object.

    Where columns have two names, or the case of keys is ignored, a last one is no column's: of an
    object with two values for a column it is that column and what is wrong, `name: reason`;
    otherwise NULL.

    Args:
        names: what each column is called in the file, by its own name.
        ignores_case: whether keys may be written in another case.
    """
    own = {name: len(names) + n for n, name in enumerate(_other_names(names), start=1)}
    keys = [*names.items(), *((name, name) for name in own)]
    if ignores_case:
        found = _values_of_any_case(keys)
    else:
        found = json_values(json_pointer(key) for _, key in keys)
    if not own:
        return found
    texts, faults = [], []
    for n, (name, key) in enumerate(names.items(), start=1):
        one = f"found[{n}]"
        if name in own:
            other = f"found[{own[name]}]"
            reason = f"{name}: {both_names(name, key, 'the record')}"
            both = f"{one} IS NOT NULL AND {other} IS NOT NULL"
            faults.append(f"WHEN {both} THEN {sql_literal(reason)}")
            one = f"coalesce({one}, {other})"
        texts.append(one)
    last = f"found[{len(keys) + 1}]" if ignores_case else "NULL"
    texts.append(f"CASE {' '.join(faults)} ELSE {last} END")
    listed = f"CASE WHEN found IS NOT NULL THEN [{', '.join(texts)}] END"
    return f"list_transform([{found}], lambda found: {listed})[1]"


def json_fault(found: str, names: Mapping[str, str], *, ignores_case: bool = False) -> str | None:
    """SQL of what `json_texts` says is wrong with an object; None where nothing can be.

    Args:
        found: SQL of its result.
    """
    return f"{found}[{len(names) + 1}]" if ignores_case or _other_names(names) else None


def parted_fault(fault: str) -> tuple[str, str]:
    """The column that a fault is about, and what is wrong with it."""
    column, _, reason = fault.partition(": ")
    return column, reason


def json_values(paths: Iterable[str]) -> str:
    """SQL for the texts at these paths, all in one look: each look parses the line again.

    DuckDB passes numbers through a double. Where that may change one, the line is read again with
    its numbers made texts; those within objects and arrays become numbers again afterwards.
    """
    return _texts_at(f"[{', '.join(sql_literal(path) for path in paths)}]")


def _values_of_any_case(keys: Iterable[tuple[str, str]]) -> str:
    """As `json_values`; a key that is there as it is written counts before another one.

    A last text says, `column: reason`, that an object has several keys that would do, none of them
    as it is written.

    Args:
        keys: each with its column's name.
    """
    every = f"CASE WHEN {IS_OBJECT} THEN json_keys({JSON_LINE}) END"
    names, lowered, values = "found[1]", "found[2]", "found[3]"
    texts, faults = [], []
    for column, key in keys:
        same, small = sql_literal(key), f"lower({sql_literal(key)})"
        several = f"len(list_filter({lowered}, lambda key: key = {small})) > 1"
        problem = (
            f'{column}: the record has several keys that are "{visible(key)}" but for their case,'
            " and the contract ignores it (format.caseInsensitive)"
        )
        is_there = f"list_contains({names}, {same})"
        faults.append(f"WHEN NOT {is_there} AND {several} THEN {sql_literal(problem)}")
        texts.append(
            f"CASE WHEN {is_there}"
            f" THEN {values}[list_position({names}, {same})]"
            f" ELSE {values}[list_position({lowered}, {small})] END"
        )
    texts.append(f"CASE {' '.join(faults)} END")
    lower = f"list_transform({every}, lambda key: lower(key))"
    listed = f"CASE WHEN {values} IS NOT NULL THEN [{', '.join(texts)}] END"
    found = f"[[{every}, {lower}, {_texts_at(sql_literal('$.*'))}]]"
    return f"list_transform({found}, lambda found: {listed})[1]"


def _texts_at(wanted: str) -> str:
    """SQL: the texts at a list of paths, or at one that means several."""
    # Behind each token comes what makes a number a text, and is taken away again behind a text.
    # Where the sign is there already it is doubled, so that no text is taken for a number.
    doubled = f"replace({JSON_LINE}, '{_SIGN}', '{_SIGN}{_SIGN}')"
    marked = f"regexp_replace({doubled}, {sql_literal(_TOKENS)}, '\\1\x02\\2\x03', 'g')"
    begun = f"replace(replace({marked}, '\x02\x03', ''), '\x02', '\"{_SIGN}')"
    texts = f"replace({begun}, '\x03', '\"')"
    plain = f"json_extract_string({JSON_LINE}, {wanted})"
    nested = f"regexp_replace(found[3], {sql_literal(_SIGNED_NUMBER)}, '\\1', 'g')"
    exact = (
        f"list_transform(list_zip(json_type({JSON_LINE}, {wanted}), {plain},"
        f" json_extract_string({texts}, {wanted})), lambda found: CASE"
        " WHEN found[1] IN ('DOUBLE', 'BIGINT', 'UBIGINT') THEN substr(found[3], 2)"
        f" WHEN found[1] IN ('OBJECT', 'ARRAY') THEN replace({nested}, '{_SIGN}{_SIGN}', '{_SIGN}')"
        " ELSE found[2] END)"
    )
    return (
        f"CASE WHEN ({IS_OBJECT}) IS NOT TRUE THEN NULL"
        f" WHEN regexp_matches({JSON_LINE}, {sql_literal(_DELICATE)}) THEN {exact} ELSE {plain} END"
    )


def _other_names(names: Mapping[str, str]) -> list[str]:
    return [name for name, key in names.items() if key != name]


# -- reading_rules.scans ---------------------------------------------------------------------------


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


# -- reading_rules.malformed -----------------------------------------------------------------------


TOO_LONG: Final = "LINE SIZE OVER MAXIMUM"
UNCLOSED_QUOTE: Final = ("UNQUOTED VALUE", TOO_LONG)
_COLUMN_COUNT: Final = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
_MIXED_LINE_ENDS: Final = "CSV Parser state machine"
# A path of ours, which says nothing to those who read the message: it names the object before.
_SCRATCH_FILE: Final = re.compile(r" (['\"])[^'\"]*/(?:duck|clean-csv)-[^'\"]*\1")
VALUE_CHARACTERS: Final = 500  # of a value, as it is quoted
_BLOCK_BYTES: Final = 1024 * 1024

REJECTS_EXIST: Final = f"SELECT count(*) FROM duckdb_tables() WHERE table_name = '{REJECTS}'"
FORGET_REJECTS: Final = (
    f"DROP TABLE IF EXISTS {REJECTS}",
    f"DROP TABLE IF EXISTS {REJECTS}_scan",
)
# In the order of the text; of a record's several errors the one that says most. The position counts
# from 1 and may stand on the line break before the record. The first error is reported; where it is
# that of too many columns, the last one has the true number.
REJECTED_RECORDS: Final = (
    "SELECT line_byte_position - 1 + strlen(stored) - strlen(ltrim(stored, chr(10) || chr(13)))"
    " AS position, line, 1 + strlen(raw) - strlen(replace(raw, chr(10), '')) AS line_count,"
    " kind, message, number, raw"
    " FROM (SELECT *, trim(stored, chr(10) || chr(13)) AS raw FROM ("
    "SELECT line_byte_position, any_value(csv_line) AS stored, min(line) AS line,"
    " arg_min(error_type, byte_position) AS kind,"
    " CASE WHEN arg_min(error_type, byte_position) = 'TOO MANY COLUMNS'"
    " THEN arg_max(error_message, byte_position)"
    " ELSE arg_min(error_message, byte_position) END AS message,"
    " CASE WHEN NOT arg_min(error_type, byte_position) LIKE '%COLUMNS'"
    " THEN arg_min(column_idx, byte_position) END AS number"
    f" FROM {REJECTS} GROUP BY line_byte_position)) ORDER BY position, line"
)


class RejectedRecord(NamedTuple):
    """A row of `REJECTED_RECORDS`.

    Attributes:
        position: byte at which it begins, from 0.
        line: as DuckDB counts; see `with_lines`.
        line_count: how many lines it takes.
        kind, message: DuckDB's error.
        number: of the field that is wrong, from 1; of wrong numbers of fields: none.
        raw: the record.
    """

    position: int
    line: int
    line_count: int
    kind: str
    message: str
    number: int | None
    raw: str

    @property
    def may_have_open_quote(self) -> bool:
        return self.kind in UNCLOSED_QUOTE

    def column(self, header: Sequence[str]) -> str | None:
        """The name of the field that is wrong.

        Args:
            header: the names of the fields; none where these are not what DuckDB reads.
        """
        number = self.number
        return header[number - 1] if number and number <= len(header) else None


def _the_beginning(_position: int) -> tuple[int, int]:
    return 0, 0


def with_lines(
    records: Iterable[Sequence[Any]],
    file: BinaryIO,
    place_before: Callable[[int], tuple[int, int]] = _the_beginning,
) -> Iterator[RejectedRecord]:
    """The records with the lines at which they begin in the text, from 1.

    DuckDB's own numbers are those of records.

    Args:
        records: rows of `REJECTED_RECORDS`.
        place_before: of a byte of the text, a place to count from: the byte of it, and how many
            lines end before that.
    """
    at, line = 0, 1
    for row in records:
        record = RejectedRecord(*row)
        place, ended = place_before(record.position)
        if place > at:
            file.seek(place)
            at, line = place, ended + 1
        while at < record.position:
            block = file.read(min(_BLOCK_BYTES, record.position - at))
            if not block:
                break
            at += len(block)
            line += block.count(b"\n")
        yield record._replace(line=line)


def columns_instead_of(found: int, expected: int) -> str:
    """That a record has too few or too many columns."""
    return f"{found} columns instead of {expected}"


def reason_of(kind: str, message: str, encoding: str) -> str:
    """What is wrong with a record, for people."""
    count = _COLUMN_COUNT.search(message)
    if count:
        return columns_instead_of(int(count[2]), int(count[1]))
    if kind == "UNQUOTED VALUE":
        return "a quote is not closed, or text follows a closing quote"
    if kind == "INVALID ENCODING":
        return f"not {encoding.upper()}"
    if kind == TOO_LONG:
        return (
            f"longer than {LONGEST_RECORD:,} bytes, the most that a record may have; of CSV, is a"
            " quote not closed?"
        )
    return message


def has_mixed_line_ends(error: Exception) -> bool:
    """Whether a scan failed for what `with_equal_line_ends` may fix."""
    return _MIXED_LINE_ENDS in str(error)


def first_line(error: Exception) -> str:
    """The part of a DuckDB message that says what is wrong."""
    if has_mixed_line_ends(error):
        return "it is not CSV of this dialect"
    message = _SCRATCH_FILE.sub("", str(error).split("\n\n")[0].split("Possible ")[0])
    return " ".join(message.split())[:400]


def too_long(where: str) -> str:
    """That a record is too long to be looked at; `where` is it, with the object's name."""
    return (
        f"{where}: longer than {LONGEST_RECORD:,} bytes, which is the most that a record may have;"
        " is it one record at all, and of this format?"
    )


def lines_lost(source: str, lines: int, unaccounted: int, near: str = "") -> str:
    """That lines of a text are part of no record, or of two.

    Args:
        unaccounted: how many are in no record; below 0: in two.
        near: where to look, for the end of the message.
    """
    return (
        f"{source}: {abs(unaccounted):,} of its {lines:,} lines are"
        f" {'lost' if unaccounted > 0 else 'there twice'} when it is read as this dataset's format"
        f" says: a quote is not closed, or a record is longer than {LONGEST_RECORD:,}"
        f" bytes{near}; fix the object"
    )


# -- reading_rules.signatures ----------------------------------------------------------------------


HEAD_BYTES: Final = 512
_READ: Final = frozenset(("gzip", "zstd", "bzip2", "zip"))
_PACKED: Final = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    *((bytes([0x50 + n]) + b"\x2a\x4d\x18", "zstd") for n in range(16)),  # a skippable frame
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
)
# Longer than the formats' own marks where these alone might begin a text.
_BINARY: Final = (
    (b"PAR1\x15", "Parquet", "set format.type: parquet"),
    (b"Obj\x01", "Avro", ""),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook (.xls)", "save it as CSV"),
    (b"%PDF-", "PDF", ""),
    (b"SQLite format 3\x00", "SQLite", ""),
)
_PARQUET: Final = b"PAR1"
_ENCRYPTED: Final = b"PARE"
_UTF_32: Final = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_BZIP2_BLOCKS: Final = (b"1AY&SY", b"\x17rE8P\x90")  # behind `BZh` and a digit
_FEWEST_PAIRS: Final = 8
_HTML: Final = (b"<!doctype html", b"<html")
_SHOWN: Final = 20


class WrongContent(Exception):
    """An object is not what it is read as; the message goes on from "<object> "."""


class Rejoined:
    """A stream whose first bytes were read before."""

    def __init__(self, head: bytes, body: BinaryIO) -> None:
        self._head, self._body = head, body

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._body.read(size)
        end = len(self._head) if size < 0 else size
        found, self._head = self._head[:end], self._head[end:]
        if self._head:
            return found
        return found + self._body.read(size - len(found) if size >= 0 else -1)


def peeked(body: BinaryIO) -> tuple[bytes, BinaryIO]:
    """The first bytes of a stream, and a stream that begins with them."""
    head = b""
    while len(head) < HEAD_BYTES:
        more = body.read(HEAD_BYTES - len(head))
        if not more:
            break
        head += more
    return head, cast(BinaryIO, Rejoined(head, body))


def refuse_packed_otherwise(head: bytes, compression: str) -> None:
    """Compare an object's first bytes with how it is said to be compressed.

    Raises:
        WrongContent: it is compressed in another way, or not at all.
    """
    found = packed_as(head)
    if not head or found == compression:
        return
    if compression == "none":
        if found != "none":
            raise WrongContent(f"is {_named(head, found)}, not text: {_advice(head, found)}")
        return
    if found != "none":
        raise WrongContent(f"is {_named(head, found)}, not {compression}: {_advice(head, found)}")
    if is_text(head):
        raise WrongContent(
            f"is not {compression}, but text ({_beginning(head)}): set format.compression: none"
        )


def checked_text(blocks: Iterable[bytes], kind: str, encoding: str) -> Iterator[bytes]:
    """The blocks of a decompressed text, of which the first one is looked at.

    Args:
        kind: the format's type.
        encoding: how the text is said to be written.

    Raises:
        WrongContent: it is something else.
    """
    rest = iter(blocks)
    first = next(rest, b"")
    _refuse_no_text(first[:HEAD_BYTES], kind, encoding)
    if first:
        yield first
    yield from rest


def refuse_no_parquet(head: bytes) -> None:
    """Compare an object's first bytes with those of every Parquet file.

    Raises:
        WrongContent: it is none.
    """
    if head.startswith(_PARQUET):
        return
    if not head:
        raise WrongContent("is empty, and so no Parquet file: leave it out (source.exclude)")
    if head.startswith(_ENCRYPTED):
        raise WrongContent("is an encrypted Parquet file, which is not read")
    packed = packed_as(head)
    if packed != "none":
        raise WrongContent(
            f"is {_named(head, packed)}, not Parquet, which compresses its columns itself: upload"
            " the file as it was before"
        )
    if is_text(head):
        raise WrongContent(
            f"is text ({_beginning(head)}), not Parquet: set format.type: csv, jsonl or json"
        )
    raise WrongContent("is no Parquet file: it does not begin with PAR1")


def packed_as(head: bytes) -> str:
    """How bytes that begin so are compressed; `none` also for what is not known."""
    for mark, name in _PACKED:
        if head.startswith(mark) and (name != "bzip2" or head[4:10] in _BZIP2_BLOCKS):
            return name
    return "none"


def is_text(head: bytes) -> bool:
    """Whether these may be the first bytes of a text in any encoding but UTF-16."""
    return not any(byte < 32 and byte not in b"\t\n\r\x01\x1e\x1f" for byte in head)


def _refuse_no_text(head: bytes, kind: str, encoding: str) -> None:
    packed = packed_as(head)
    if packed != "none":
        raise WrongContent(f"is {packed} once decompressed: compress it only once")
    for mark, name, advice in _BINARY:
        if head.startswith(mark):
            raise WrongContent(f"is {name}, not text" + (f": {advice}" if advice else ""))
    if head.lstrip().lower().startswith(_HTML):
        raise WrongContent("is an HTML page, not data; was a login or an error saved in its place?")
    if encoding.startswith("utf-16"):
        _refuse_no_utf_16(head, encoding)
        return
    if head.startswith(_UTF_32):
        raise WrongContent("is UTF-32, which is not read: write it as UTF-8")
    pairs = [head[side : len(head) // 2 * 2 : 2] for side in (0, 1)]
    is_wide = any(len(half) >= _FEWEST_PAIRS and not any(half) for half in pairs)
    if head.startswith(_UTF_16) or is_wide:
        has_mark = head.startswith(_UTF_16)
        sign = "it has its byte order mark" if has_mark else "every other byte is 0"
        name = "utf-16" if has_mark else "utf-16-le" if any(pairs[0]) else "utf-16-be"
        advice = f"set format.encoding: {name}" if kind == "csv" else "write it as UTF-8"
        raise WrongContent(f"is UTF-16, not {encoding.upper()} ({sign}): {advice}")


def _refuse_no_utf_16(head: bytes, encoding: str) -> None:
    """Compare where its zeros stand: as delimiters and line ends have one, CSV has some."""
    zeros = [head[side::2].count(0) for side in (0, 1)]
    order = ("utf-16-be", "utf-16-le")[zeros[1] > zeros[0]]
    other = order if any(zeros) else "utf-8"
    if not head or head.startswith(_UTF_16):  # `as_utf8` compares the mark
        return
    if encoding == "utf-16":
        raise WrongContent(
            f"has no byte order mark, which utf-16 needs: set format.encoding: {other}"
        )
    has_none = not any(zeros) and is_text(head)
    has_others = any(zeros) and not zeros[encoding == "utf-16-le"]
    if has_none or has_others:
        why = "no byte of it is 0" if has_none else "its zeros stand on the other side"
        raise WrongContent(f"is not {encoding.upper()} ({why}): set format.encoding: {other}")


def _named(head: bytes, packed: str) -> str:
    if _is_workbook(head, packed):
        return "an Excel workbook (.xlsx)"
    return "a zip archive" if packed == "zip" else packed


def _is_workbook(head: bytes, packed: str) -> bool:
    return packed == "zip" and (b"[Content_Types].xml" in head or b"xl/" in head)


def _advice(head: bytes, packed: str) -> str:
    if _is_workbook(head, packed):
        return "save it as CSV"
    if packed in _READ:
        return f"set format.compression: {packed}"
    return f"unpack it, or compress it as {', '.join(sorted(_READ))}"


def _beginning(head: bytes) -> str:
    """The first line of a text, for people."""
    line = head.partition(b"\n")[0].decode("utf-8", "replace").strip()
    return f"it begins with '{visible(line[:_SHOWN])}{'…' if len(line) > _SHOWN else ''}'"


# -- clean_csv_job.zstd_text -----------------------------------------------------------------------


_FRAME: Final = 0xFD2FB528
_SKIPPABLE: Final = range(0x184D2A50, 0x184D2A60)
_LAST_BLOCK, _RLE, _RESERVED = 1, 1, 3
_ID_BYTES: Final = (0, 1, 2, 4)  # of a dictionary's id, by two bits of the descriptor
_SIZE_BYTES: Final = (0, 2, 4, 8)  # of the content's size
_NO_LINES: Final = "unreadable_lines"
_NO_DELIMITER: Final = "\x02\x03\x02\x03"
_LINES_AT_ONCE: Final = 1_000
GZIP: Final = "cannot be read with zstd by this job, compress it with gzip"


def refuse_broken_frames(path: str, source: str) -> None:
    """Go over the frames and blocks of a file (RFC 8878, 3.1), which is nothing but these.

    Raises:
        InvalidData: it is cut off, or something else follows a frame.
    """
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        while file.seek(0, 1) < size:
            start = file.read(4)
            mark = struct.unpack("<I", start)[0] if len(start) == 4 else 0
            if mark in _SKIPPABLE:
                _pass_bytes(file, _bytes_as_number(file, 4, source), size, source)
            elif mark == _FRAME:
                _pass_frame(file, size, source)
            else:
                at = file.seek(0, 1) - len(start)
                raise InvalidData(
                    f"{source} cannot be decompressed: at byte {at:,} there is something that is"
                    " not zstd"
                )


def _pass_frame(file: BinaryIO, size: int, source: str) -> None:
    descriptor = _bytes_as_number(file, 1, source)
    is_single = bool(descriptor & 0x20)
    header = (0 if is_single else 1) + _ID_BYTES[descriptor & 3]
    header += _SIZE_BYTES[descriptor >> 6] or is_single
    _pass_bytes(file, header, size, source)
    while True:
        block = _bytes_as_number(file, 3, source)
        kind = block >> 1 & 3
        if kind == _RESERVED:
            raise InvalidData(f"{source} cannot be decompressed: it is not zstd, or damaged")
        _pass_bytes(file, 1 if kind == _RLE else block >> 3, size, source)
        if block & _LAST_BLOCK:
            break
    if descriptor & 4:
        _pass_bytes(file, 4, size, source)  # a checksum


def _bytes_as_number(file: BinaryIO, width: int, source: str) -> int:
    found = file.read(width)
    if len(found) < width:
        raise _cut_off(source)
    return int.from_bytes(found, "little")


def _pass_bytes(file: BinaryIO, count: int, size: int, source: str) -> None:
    if file.seek(0, 1) + count > size:
        raise _cut_off(source)
    file.seek(count, 1)


def _cut_off(source: str) -> InvalidData:
    return InvalidData(f"{source} cannot be decompressed: the zstd stream is cut off")


class Looked(NamedTuple):
    """A text's lines.

    Attributes:
        first: the first one, without a byte order mark; None of nothing.
        lines: how many there are.
        empty: as many hold nothing, or nothing but white space where that is none of the format.
    """

    first: str | None
    lines: int
    empty: int


def look_at(path: str, form: Mapping[str, Any]) -> Looked:
    """Go over the lines of CSV or JSON lines.

    Raises:
        WrongContent: it is something else.
    """
    nothing = "\r\n" if form["type"] == "csv" else " \t\r\n"
    is_empty = f"coalesce(trim(l, {sql_literal(nothing)}), '') = ''"
    with duckdb.connect(config={"temp_directory": path + ".spill"}) as connection:
        # With one thread, first() is the first one. Only at the query's end its rejects are there.
        ((first, count, empty),) = connection.execute(
            f"SELECT first(l), count(*), count(*) FILTER ({is_empty})"
            f" FROM {_scan_of_lines(path, 'strict_mode = false,')}"
        ).fetchall()
        rejected = _of_rejects(connection, "count(DISTINCT line)")
        is_text = _of_rejects(connection, "min(line)") != 1
    if form["type"] == "csv" and form["header"]:
        if not is_text:
            raise WrongContent("has a header that is not UTF-8; with zstd, nothing else is read")
        if (first or "").startswith("\ufeff"):  # DuckDB would take it for part of a name
            raise WrongContent(f"begins with two byte order marks, and {GZIP}")
    list(checked_text([(first or "").encode()], form["type"], "utf-8"))
    lines = int(count) + rejected
    return Looked((first or "") if lines else None, lines, int(empty))


def decompressed(path: str, source: str) -> Iterator[bytes]:
    """A text in which line ends and empty lines mean nothing, such as an array of JSON.

    Raises:
        InvalidData: not all of it can be read.
    """
    with duckdb.connect() as connection:
        try:
            found = connection.execute(f"SELECT l FROM {_scan_of_lines(path)}")
            while True:
                rows = found.fetchmany(_LINES_AT_ONCE)
                if not rows:
                    break
                yield b"".join((line or "").encode() + b"\n" for (line,) in rows)
            bad = _of_rejects(connection, "count(*)")
        except duckdb.InvalidInputException as error:
            raise InvalidData(f"{source} {GZIP}: {first_line(error)}") from error
        if bad:
            raise InvalidData(
                f"{source} {GZIP}: lines are not UTF-8, or longer than {LONGEST_HELD:,} bytes"
            )


def line_breaks_of_any_kind(fields: Sequence[str]) -> str:
    """SQL: how many line breaks a record holds in its values: LF, CR LF and CR."""
    text = f"concat_ws('', {', '.join(fields)})"
    plain = f"replace(replace({text}, chr(13) || chr(10), chr(10)), chr(13), chr(10))"
    return f"strlen({plain}) - strlen(replace({plain}, chr(10), ''))"


def _scan_of_lines(path: str, options: str = "") -> str:
    return (
        f"read_csv({sql_literal(path)}, compression = 'zstd', auto_detect = false, header = false,"
        f" delim = {sql_literal(_NO_DELIMITER)}, quote = '', escape = '', nullstr = '',"
        f" columns = {{l: 'VARCHAR'}}, parallel = false, max_line_size = {LONGEST_HELD}, {options}"
        f" store_rejects = true, rejects_limit = 0, rejects_table = '{_NO_LINES}',"
        f" rejects_scan = '{_NO_LINES}_scan')"
    )


def _of_rejects(connection: duckdb.DuckDBPyConnection, number: str) -> int:
    """A number of what the scan could not read; 0: nothing.

    Args:
        number: SQL over DuckDB's table of it.
    """
    exists = f"SELECT count(*) FROM duckdb_tables() WHERE table_name = '{_NO_LINES}'"
    if connection.execute(exists).fetchone() != (1,):
        return 0
    row = connection.execute(f"SELECT {number} FROM {_NO_LINES}").fetchone()
    return int(row[0] or 0) if row else 0


# -- reading_rules.csv.short_rows ------------------------------------------------------------------


WORTHWHILE: Final = 1_000  # missing fields of a text; of fewer, DuckDB's reject handling will do
FOUND: Final = '"fields-found"'  # column: how many fields a short row has; NULL for all others
SURPLUS: Final = 20_000  # empty fields at most; spreadsheets have up to 16,384 columns
FIELD_BITS: Final = 20  # enough for every number of fields: a row's number stands above them
SAMPLE_BYTES: Final = 32 * 1024


class MissingFields:
    """Estimates how many fields the rows of a text lack, by the beginnings of its blocks."""

    def __init__(self, delimiter: bytes) -> None:
        self._delimiter = delimiter
        self._fields: int | None = None  # delimiters of the first line

    def begin(self, block: bytes) -> None:
        """Take how many a row should have from the text's first line."""
        if self._fields is None and self._delimiter:
            self._fields = block.partition(b"\n")[0].count(self._delimiter)

    def of(self, block: bytes) -> int:
        """About how many are missing in a block; rows with line breaks in values count, too."""
        if not self._fields:
            return 0
        sample = block[:SAMPLE_BYTES]
        lacking = sample.count(b"\n") * self._fields - sample.count(self._delimiter)
        return max(0, lacking) * len(block) // max(1, len(sample))


def with_fields_found(rows: str, fields: Sequence[str], surplus: Sequence[str]) -> str:
    """Records that are filled up, with the column `FOUND`, and NULL for what is empty.

    Args:
        surplus: the fields behind the last column.
    """
    texts = ", ".join(f"nullif({name}, '') AS {name}" for name in fields)
    every = list(enumerate([*fields, *surplus], start=1))
    count = " ".join(f"WHEN {name} IS NOT NULL THEN {n}" for n, name in reversed(every))
    is_wrong = any_of([f"{fields[-1]} IS NULL", *(f"{name} <> ''" for name in surplus)])
    return (
        f"(\n      SELECT\n        * REPLACE ({texts}),\n"
        f"        CASE WHEN {is_wrong} THEN CASE {count} ELSE 0 END END AS {FOUND}\n"
        f"      FROM {rows}\n    )"
    )


def surplus_query(delimiter: str, quote: str, columns: int) -> str:
    """SQL: how many empty fields more than columns the records have that the last scan rejected.

    Args:
        columns: how many a row has.
    """
    line = "rtrim(csv_line, chr(10) || chr(13))"
    ends = any_of(f"ends_with({line}, {sql_literal(end)})" for end in (delimiter, 2 * quote))
    most = "max(CAST(regexp_extract(error_message, 'Found: ([0-9]+)', 1) AS BIGINT))"
    return (
        f"SELECT least({SURPLUS}, coalesce({most} - {columns}, 0)) FROM {REJECTS}"
        f" WHERE error_type = 'TOO MANY COLUMNS' AND ({ends})"
    )


@contextmanager
def ended_short(path: str, delimiter: str, quote: str, *, returns: bool) -> Iterator[None]:
    """Let a text end with a short row of our own meanwhile.

    Args:
        returns: whether its lines end in CR LF.
    """
    size = os.stat(path).st_size  # noqa: PTH116 - as a job has it
    letter = next(one for one in "abcd" if one not in delimiter + quote)
    line_end = b"\r\n" if returns else b"\n"
    with open(path, "r+b") as file:  # noqa: PTH123
        file.seek(max(0, size - 1))
        is_ended = file.read(1) == b"\n"
        file.write((b"" if is_ended else line_end) + letter.encode() + line_end)
    try:
        yield
    finally:
        with open(path, "r+b") as file:  # noqa: PTH123
            file.truncate(size)


# -- reading_rules.encodings -----------------------------------------------------------------------


COMPRESSION_BY_ENDING: Final = {".gz": "gzip", ".zst": "zstd"}
_WITHOUT_MARK: Final = ("utf-16-le", "utf-16-be")  # the order is said, and a mark may be there
_BYTE_ORDER_MARK: Final = "\ufeff"
_OTHER_ORDER: Final = "\ufffe"
_HANDLER: Final = "reading-rules.mark"
_NOT_TEXT: Final = "\udcff"  # becomes a byte that no UTF-8 has, so its record is rejected


def effective_compression(compression: str, key: str) -> str:
    """How the object of this key is compressed, or `none`; `auto` takes its ending."""
    if compression != "auto":
        return compression
    endings = (name for end, name in COMPRESSION_BY_ENDING.items() if key.endswith(end))
    return next(endings, "none")


def as_utf8(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Bytes of an encoding as UTF-8; what is no text of it is no UTF-8 either.

    Of several byte order marks at its beginning one is left.

    Raises:
        UnicodeError: UTF-16 without its byte order mark; or with the other order's.
    """
    return _with_one_mark(_decoded(blocks, encoding))


def _decoded(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    if encoding == "utf-8":
        yield from blocks  # DuckDB checks it, row by row
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors=_HANDLER)
    is_first = encoding in _WITHOUT_MARK
    for block in blocks:
        text = decoder.decode(block)
        if is_first and text:
            text, is_first = _without_mark(text, encoding), False
        yield text.encode("utf-8", "surrogateescape")
    yield decoder.decode(b"", final=True).encode("utf-8", "surrogateescape")


def _without_mark(text: str, encoding: str) -> str:
    """A byte order mark is none of the text; the other one's would be read without a word."""
    if text.startswith(_OTHER_ORDER):
        other = _WITHOUT_MARK[1 - _WITHOUT_MARK.index(encoding)]
        raise UnicodeError(f"it begins with the byte order mark of {other}")
    return text[text.startswith(_BYTE_ORDER_MARK) :]


def _with_one_mark(blocks: Iterable[bytes]) -> Iterator[bytes]:
    rest = iter(blocks)
    begun = b""
    for block in rest:
        begun += block
        while begun.startswith(2 * codecs.BOM_UTF8):
            begun = begun[len(codecs.BOM_UTF8) :]
        if not (2 * codecs.BOM_UTF8).startswith(begun):
            break
    if begun:
        yield begun
    yield from rest


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _NOT_TEXT, error.end


codecs.register_error(_HANDLER, _mark)


# -- reading_rules.line_ends -----------------------------------------------------------------------


class LineEnds:
    """Counts the ends of a text's lines, block by block, be they in values or not.

    Attributes:
        line_feeds: how many there are, with or without a CR before them.
        unended: bytes behind the last end, of whatever kind.
    """

    def __init__(self) -> None:
        self.line_feeds = self.unended = 0
        self._returns = self._pairs = 0
        self._last = b""

    def add(self, block: bytes, line_feeds: int | None = None) -> None:
        """Count those of the next block.

        Args:
            line_feeds: how many it has, where that is known.
        """
        self.line_feeds += block.count(b"\n") if line_feeds is None else line_feeds
        if b"\r" in block or self._last == b"\r":
            self._returns += block.count(b"\r")
            self._pairs += (self._last + block).count(b"\r\n")
        self._last = block[-1:] or self._last
        end = block.rfind(b"\n")
        end = end if end >= 0 else block.rfind(b"\r")
        self.unended = len(block) - end - 1 if end >= 0 else self.unended + len(block)

    @property
    def are_mixed(self) -> bool:
        """Whether they are neither all CR LF nor all LF."""
        return not self._returns == self._pairs in (0, self.line_feeds)


def with_equal_line_ends(blocks: Iterable[bytes], quote: bytes = b"") -> Iterator[bytes]:
    """The same with LF at every line's end, where CR LF, CR and LF are mixed.

    Args:
        quote: what stands between two of these stays as it is; none: nothing does.
    """
    within = False
    rest = b""
    for block in itertools.chain(blocks, [b""]):
        text, rest = rest + block, b""
        if block and text.endswith(b"\r"):  # perhaps the first half of a line end
            text, rest = text[:-1], text[-1:]
        parts = text.split(quote) if quote else [text]
        for number in range(within, len(parts), 2):
            parts[number] = parts[number].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        within = within != (len(parts) % 2 == 0)
        yield quote.join(parts)


# -- reading_rules.text_error ----------------------------------------------------------------------


class TextError(Exception):
    """A text is not as its format says; the message goes on from "<object>, "."""


# -- reading_rules.packed --------------------------------------------------------------------------


BLOCK: Final = 1024 * 1024
_METHODS: Final = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflate"}
_END: Final = struct.Struct("<4s4H2LH")  # of a zip archive's directory, but for the comment
_END_BEGINS: Final = b"PK\x05\x06"
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR: Final = struct.Struct("<4sLQL")
_IN_THE_OTHER: Final = 0xFFFF
_COMMENT: Final = 0xFFFF
_ENTRY: Final = 46 + 3 * 0xFFFF  # bytes at most of a directory of one member


def bunzipped(file: BinaryIO) -> Iterator[bytes]:
    """Blocks of a bzip2 stream, or of several in a row; of nothing at all, none.

    Raises:
        TextError: it is no bzip2, or is cut off.
    """
    data = file.read(BLOCK)
    while data:
        decoder = bz2.BZ2Decompressor()
        while not decoder.eof:
            try:
                block = decoder.decompress(data, BLOCK)
            except OSError as error:
                raise TextError("cannot be decompressed: it is not bzip2, or damaged") from error
            if block:
                yield block
            data = b""
            if decoder.needs_input and not decoder.eof:
                data = file.read(BLOCK)
                if not data:
                    raise TextError("cannot be decompressed: the bzip2 stream is cut off")
        data = decoder.unused_data or file.read(BLOCK)


def unzipped(file: BinaryIO) -> Iterator[bytes]:
    """Blocks of the one member of a zip archive.

    Args:
        file: of which any part can be read.

    Raises:
        TextError: it is no such archive; says why.
    """
    _refuse_several(file)
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _refuse_odd(members)
            with archive.open(members[0]) as member:
                while True:
                    block = member.read(BLOCK)
                    if not block:
                        return
                    yield block
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, ValueError) as error:
        raise TextError(f"cannot be unpacked: {error}") from error


def _refuse_several(file: BinaryIO) -> None:
    """Look at the archive's end first: a directory of millions would not fit in memory."""
    size = file.seek(0, 2)
    begins = max(0, size - _END.size - _COMMENT)
    file.seek(begins)
    tail = file.read(size - begins)
    at = tail.rfind(_END_BEGINS)
    if at < 0 or at + _END.size > len(tail):
        raise TextError("cannot be unpacked: it is not a zip archive, or its end is missing")
    end = _END.unpack_from(tail, at)
    members, length = end[4], end[5]
    if _IN_THE_OTHER in (members, end[3]) or length == 0xFFFFFFFF:
        members, length = _of_zip64(file, begins + at)
    if members != 1:
        what = f"{members:,} members" if members else "no member"
        raise TextError(f"has {what} as a zip archive; one with exactly one is read")
    if length > _ENTRY:
        raise TextError("cannot be unpacked: the zip archive's directory is larger than its member")


def _of_zip64(file: BinaryIO, end: int) -> tuple[int, int]:
    file.seek(max(0, end - _LOCATOR.size))
    locator = file.read(_LOCATOR.size)
    if len(locator) == _LOCATOR.size and locator.startswith(b"PK\x06\x07"):
        file.seek(_LOCATOR.unpack(locator)[2])
        found = file.read(_END_64.size)
        if len(found) == _END_64.size and found.startswith(b"PK\x06\x06"):
            fields = _END_64.unpack(found)
            return fields[7], fields[8]
    raise TextError("cannot be unpacked: the zip archive's directory cannot be found")


def _refuse_odd(members: list[zipfile.ZipInfo]) -> None:
    if len(members) != 1:
        raise TextError(f"has {len(members):,} members as a zip archive; one is read")
    member = members[0]
    name = member.filename
    if member.flag_bits & 0x1:
        raise TextError(f"has an encrypted member as a zip archive, {name[:200]!r}")
    parts = member.orig_filename.replace("\\", "/").split("/")
    if not name.isprintable() or "" in parts or ".." in parts or ":" in name or "\\" in name:
        raise TextError(
            f"has a member with an odd name as a zip archive, {member.orig_filename[:200]!r}: a"
            " folder, an absolute path, '..', a backslash, a colon or what cannot be printed"
        )
    if member.compress_type not in _METHODS:
        raise TextError(
            f"has a member as a zip archive that is compressed by method {member.compress_type};"
            " deflate is read"
        )


# -- reading_rules.csv.rules -----------------------------------------------------------------------


CSV_CHANGES: Final = ("skipLines", "footerLines", "comment", "escape")


class CsvRules(NamedTuple):
    """What of a format changes the text; nothing of it: 0, empty."""

    skipped: int
    footer: int
    comment: bytes
    escape: bytes
    delimiter: bytes
    quote: bytes
    nulls: Sequence[bytes]

    @classmethod
    def of(cls, form: Mapping[str, Any]) -> CsvRules | None:
        """Of a contract's format as JSON has it; None where it says nothing of this."""
        if not any(form.get(field) for field in CSV_CHANGES):
            return None
        escape = str(form.get("escape") or "")
        return cls(
            skipped=form.get("skipLines") or 0,
            footer=form.get("footerLines") or 0,
            comment=str(form.get("comment") or "").encode(),
            escape=escape.encode(),
            delimiter=str(form.get("delimiter", ",")).encode(),
            quote=str(form.get("quote", '"')).encode(),
            nulls=[text.encode() for text in escaped_nulls(form)],
        )


def escaped_nulls(form: Mapping[str, Any]) -> list[str]:
    r"""The texts for missing values that are compared before backslashes are understood.

    So `\N` is a missing value, and `\\N` the text `\N`.
    """
    return [text for text in form.get("nulls") or () if form.get("escape") and "\\" in text]


def plain_nulls(form: Mapping[str, Any]) -> list[str]:
    """The texts for missing values that values are compared with."""
    early = escaped_nulls(form)
    return [text for text in form.get("nulls") or () if text not in early]


# -- reading_rules.csv.escapes ---------------------------------------------------------------------


LINE_ENDS: Final = (b"\n", b"\r")


class OpenValues:
    """Follows where values begin and end.

    Attributes:
        are_open: the last line ended within one.
    """

    def __init__(self, rules: CsvRules) -> None:
        quote, delimiter = re.escape(rules.quote), re.escape(rules.delimiter)
        pair = _pair(rules) + b"|" if rules.escape else b""
        self._tokens = re.compile(b"%s(%s)|%s" % (pair, quote, delimiter), re.DOTALL)
        self._quote, self._escape = rules.quote, rules.escape
        self._plain = whole_record(rules)
        self.are_open = self._is_quoted = False

    def look_at(self, part: bytes) -> None:
        """Go on over a line, or a part of a long one."""
        has_escape = self._escape and self._escape in part
        if not (has_escape or self.are_open or self._quote in part):
            self.are_open = not part.endswith(LINE_ENDS)
            return
        if not self.are_open and self._plain and self._plain.fullmatch(part):
            return  # as nearly all lines are
        begins = -1 if self.are_open else 0  # where a field does
        end = 0  # of the last token
        for token in self._tokens.finditer(part):
            at, end = token.span()
            if token[1]:
                if self._is_quoted:
                    # The second one of a pair opens again: within the value, a quote is doubled.
                    self._is_quoted = False
                    begins = end if part.startswith(self._quote, end) else -1
                else:
                    self._is_quoted = at == begins
                    begins = -1
            elif part[at : at + 1] != self._escape and not self._is_quoted:
                begins = end
        # A line end behind a backslash is part of a value.
        has_end = part.endswith(LINE_ENDS) and end <= len(part.rstrip(b"\r\n"))
        self.are_open = self._is_quoted or not has_end


def whole_record(rules: CsvRules) -> re.Pattern[bytes] | None:
    """Of the records of one line and more that nothing is odd about; None: not distinguished.

    No text can be matched in two ways, so it takes linear time.
    """
    if len(rules.delimiter) > 1:
        return None
    field = b"(?:%s|%s)" % _fields(rules)
    return re.compile(b"%s(?:%s%s)*(?:\r\n|\n|\r)" % (field, re.escape(rules.delimiter), field))


def _fields(rules: CsvRules) -> tuple[bytes, bytes]:
    """Expressions of a quoted field, and of any other, without a quote."""
    quote, delimiter = re.escape(rules.quote), re.escape(rules.delimiter)
    if not rules.escape:
        within = b"[^%s]*(?:%s%s[^%s]*)*" % (quote, quote, quote, quote)
        return b"%s%s%s" % (quote, within, quote), rb"[^%s%s\r\n]*" % (quote, delimiter)
    plain = rb"[^%s\\]*" % quote
    within = rb"%s(?:(?:\\[\x00-\xff]|%s%s)%s)*" % (plain, quote, quote, plain)
    outside = rb"[^%s%s\\\r\n]*" % (quote, delimiter)
    return (
        b"%s%s%s" % (quote, within, quote),
        rb"%s(?:\\[^\r\n]%s)*" % (outside, outside),
    )


def _special(rules: CsvRules) -> bytes:
    return rb"\\|%s|%s|\r\n|\r|\n" % (re.escape(rules.quote), re.escape(rules.delimiter))


def _pair(rules: CsvRules) -> bytes:
    """A backslash with what stands behind it."""
    return rb"\\(?:%s|.)" % _special(rules)


class EscapedRecords:
    """Puts lines together to records, and those with backslashes into plain CSV."""

    def __init__(self, rules: CsvRules, values: OpenValues) -> None:
        quote, pair = re.escape(rules.quote), _pair(rules)
        self._rules, self._values = rules, values
        self._escaped = re.compile(rb"\\(%s)" % _special(rules), re.DOTALL)
        self._in_quotes = re.compile(rb"%s|%s%s|(%s)" % (pair, quote, quote, quote), re.DOTALL)
        delimiter = re.escape(rules.delimiter)
        self._unquoted = re.compile(rb"%s|(%s)" % (pair, delimiter), re.DOTALL)
        self._whole = whole_record(rules)
        # All before the next field with a backslash, and that field; or the last one.
        without = (rb"%s[^%s\\]*%s" % (quote, quote, quote), rb"[^%s%s\\]*" % (quote, delimiter))
        before = b"(?:(?:%s|%s)%s)*" % (*without, delimiter)
        self._fields = re.compile(b"(%s)(?:(%s)|%s)" % (before, *_fields(rules)))
        self._held: list[bytes] = []
        self._size, self._first = 0, 0

    def taken(self, part: bytes, line: int) -> bytes:
        """What is known to be a record by this part, which the values have been followed over.

        Raises:
            TextError: it is too long for one.
        """
        is_open = self._values.are_open
        if not self._held:
            self._first = line
            if not is_open:
                return self._plain(part) if b"\\" in part else part
        self._held.append(part)
        self._size += len(part)
        if self._size > LONGEST_RECORD:
            raise TextError(
                f"line {self._first}: the record is longer than {LONGEST_RECORD:,} bytes; is a"
                " quote not closed?"
            )
        return b"" if is_open else self.rest()

    def rest(self) -> bytes:
        record, self._held, self._size = b"".join(self._held), [], 0
        return self._plain(record) if b"\\" in record else record

    def _plain(self, record: bytes) -> bytes:
        if self._whole and self._whole.fullmatch(record):
            return self._fields.sub(self._plain_field, record)
        end = len(record)
        for line_end in (b"\r\n", b"\n", b"\r"):
            if record.endswith(line_end):
                end -= len(line_end)
                break
        text, ending = record[:end], record[end:]
        fields, at = [], 0
        while True:
            field, after = self._field(text, at)
            fields.append(field)
            if after < 0:
                return self._rules.delimiter.join(fields) + ending
            at = after

    def _field(self, text: bytes, at: int) -> tuple[bytes, int]:
        """The field that begins here as plain CSV, and where the next one does; -1: it is the last.

        What follows a closing quote stays, so that whoever reads the record rejects it.
        """
        quote = self._rules.quote
        within = b""
        if text.startswith(quote, at):
            closing = next(
                (found for found in self._in_quotes.finditer(text, at + 1) if found[1]), None
            )
            end = closing.start() if closing else len(text)
            within = quote + self._within(text[at + 1 : end])
            if closing is None:
                return within, -1
            within, at = within + quote, closing.end()
        delimiter = next((found for found in self._unquoted.finditer(text, at) if found[1]), None)
        end, after = (delimiter.start(), delimiter.end()) if delimiter else (len(text), -1)
        return within + self._outside(text[at:end], is_all=not within), after

    def _plain_field(self, found: re.Match[bytes]) -> bytes:
        before, quoted = found.groups()
        if quoted is None:
            return before + self._outside(found[0][len(before) :], is_all=True)
        quote = self._rules.quote
        return before + quote + self._within(quoted[1:-1]) + quote

    def _within(self, raw: bytes) -> bytes:
        return b"" if raw in self._rules.nulls else self._escaped.sub(self._unescaped, raw)

    def _outside(self, raw: bytes, *, is_all: bool) -> bytes:
        if b"\\" not in raw or not is_all:
            return raw
        if raw in self._rules.nulls:
            return b""
        value = self._escaped.sub(lambda found: found[1], raw)
        if value == self._escaped.sub(b"", raw):
            return value
        quote = self._rules.quote
        return quote + value.replace(quote, quote + quote) + quote

    def _unescaped(self, found: re.Match[bytes]) -> bytes:
        quote = self._rules.quote
        return quote + quote if found[1] == quote else found[1]


# -- reading_rules.source_lines --------------------------------------------------------------------


_RUN: Final = 3  # numbers of each entry
_BLOCK_ENTRIES: Final = 4096  # entries that are in memory at most
_ITEM: Final = 8  # bytes of a number


class SourceLines:
    """Line numbers of an object by those of the text, both from 1; without entries, they are equal.

    One thread adds, any may ask for what was added.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        """`path`: of the file, which is made when it is needed."""
        self._path = path
        self._file: BinaryIO | None = None
        self._blocks = array("q")  # the first line of each block of entries in the file
        # Entries: from which line of the text on, its line in the object, and the step from there.
        self._last = array("q")
        self._is_open = False  # the step of the last entry is not known yet
        self._line = 0
        self._lock = threading.Lock()
        self.size = 0  # bytes of the file

    def begin(self, line: int, source_line: int) -> None:
        """From this line of the text on, lines are those of the object from that line on."""
        with self._lock:
            self._enter(line, source_line, 1)

    def add(self, source_line: int) -> None:
        """The text's next line is a record that begins at this line of the object."""
        with self._lock:
            self._line += 1
            last = self._last
            if self._is_open:
                last[-1] = source_line - last[-2]
                self._is_open = False
            elif not last or last[-2] + (self._line - last[-3]) * last[-1] != source_line:
                self._enter(self._line, source_line, 0)
                self._is_open = True

    def line_of(self, line: int) -> int:
        """The object's line of a line of the text."""
        with self._lock:
            entries = self._entries_for(line)
            at = bisect_right(entries[::_RUN], line) - 1
            if at < 0:
                return line
            first, source_line, step = entries[at * _RUN : at * _RUN + _RUN]
            return source_line + (line - first) * step

    def lines_of(self, before: int, lines: Sequence[int]) -> Sequence[int]:
        """The object's lines of many of the text's, each `before` lines further on."""
        with self._lock:
            are_equal = not self._last and self._file is None
        if are_equal:
            return [before + line for line in lines] if before else lines
        return [self.line_of(before + line) for line in lines]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _enter(self, line: int, source_line: int, step: int) -> None:
        if len(self._last) >= _BLOCK_ENTRIES * _RUN and self._path is not None:
            self._write()
        self._last.extend((line, source_line, step))

    def _write(self) -> None:
        if self._file is None:
            self._file = open(str(self._path), "w+b")  # noqa: PTH123, SIM115 - closed by close()
        self._file.seek(0, 2)
        self._file.write(self._last.tobytes())
        self._blocks.append(self._last[0])
        self.size += len(self._last) * _ITEM
        self._last = array("q")

    def _entries_for(self, line: int) -> array[int]:
        if self._file is None or (self._last and self._last[0] <= line):
            return self._last
        block = bisect_right(self._blocks, line) - 1
        found = array("q")
        if block >= 0:
            length = _BLOCK_ENTRIES * _RUN * _ITEM
            self._file.seek(block * length)
            found.frombytes(self._file.read(length))
        return found


# -- reading_rules.csv.text ------------------------------------------------------------------------


_FOOTER_BYTES: Final = 16 * 1024 * 1024
_MARK: Final = b"\xef\xbb\xbf"


def plain_csv(blocks: Iterable[bytes], rules: CsvRules, lines: SourceLines) -> Iterator[bytes]:
    """The text as plain CSV.

    Raises:
        TextError: it is not as the rules say.
    """
    parts = _parts(blocks)
    if rules.footer:
        parts = _without_last(parts, rules.footer)
    plain = _Plain(rules, lines)
    for some in parts:
        text = plain.taken(some)
        if text:
            yield text
    yield plain.rest()


def _parts(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines with their ends; of a line that is longer than any record, parts of it."""
    rest, is_first = b"", True
    for block in blocks:
        text = rest + block
        if is_first and len(text) < len(_MARK):
            rest = text
            continue
        if is_first:
            text, is_first = text[text.startswith(_MARK) and len(_MARK) :], False
        parts = text.splitlines(keepends=True)
        rest = b""
        if parts and not parts[-1].endswith(b"\n") and len(parts[-1]) <= LONGEST_RECORD:
            rest = parts.pop()  # perhaps with the first half of CR LF at its end
        yield parts
    if rest:
        yield rest.splitlines(keepends=True)


def _without_last(parts: Iterable[list[bytes]], count: int) -> Iterator[list[bytes]]:
    """All but so many lines at the end.

    Raises:
        TextError: these are too long to be held back.
    """
    held: deque[bytes] = deque()
    whole, size = 0, 0  # lines in `held` that end there, bytes
    for some in parts:
        free = []
        for part in some:
            held.append(part)
            size += len(part)
            whole += part.endswith(LINE_ENDS)
            # The line that goes on, or may begin, is one of the last.
            while whole > count or (whole == count and not held[-1].endswith(LINE_ENDS)):
                free.append(held.popleft())
                size -= len(free[-1])
                whole -= free[-1].endswith(LINE_ENDS)
            if size > _FOOTER_BYTES:
                raise TextError(
                    f"{count} lines in a row hold more than {_FOOTER_BYTES:,} bytes, which are too"
                    " many for footerLines"
                )
        yield free


class _Plain:
    """Takes line after line; knows whether one begins within a value."""

    def __init__(self, rules: CsvRules, lines: SourceLines) -> None:
        self._rules, self._lines = rules, lines
        self._left = rules.skipped
        self._begins = True  # a line, with the next part
        self._drops = False  # the line that the part is of
        self._line = self._source_line = 1  # of the next part
        self._shift = 0  # how many lines are known to be left out
        self._values = OpenValues(rules)
        self._records = EscapedRecords(rules, self._values) if rules.escape else None

    def taken(self, parts: Sequence[bytes]) -> bytes:
        if not (self._left or self._rules.comment or self._records) and self._begins:
            self._note_shift()
            return b"".join(parts)  # nothing is left out any more
        return b"".join(self._remaining(part) for part in parts if not self._is_dropped(part))

    def _is_dropped(self, part: bytes) -> bool:
        ends = part.endswith(LINE_ENDS)
        if self._begins and not self._values.are_open:
            comment = self._rules.comment
            self._drops = self._left > 0 or (comment != b"" and part.startswith(comment))
            self._left = max(0, self._left - 1)
        self._begins = ends
        self._source_line += self._drops and ends
        return self._drops

    def _remaining(self, part: bytes) -> bytes:
        self._note_shift()
        self._values.look_at(part)
        text = self._records.taken(part, self._source_line) if self._records else part
        # Within a value, a CR alone is no line end.
        if part.endswith(b"\n") or (part.endswith(b"\r") and not self._values.are_open):
            self._line += 1
            self._source_line += 1
        return text

    def _note_shift(self) -> None:
        if self._source_line - self._line != self._shift:
            self._shift = self._source_line - self._line
            self._lines.begin(self._line, self._source_line)

    def rest(self) -> bytes:
        return self._records.rest() if self._records else b""


# -- reading_rules.json.values ---------------------------------------------------------------------


ITEM_CHARACTERS: Final = 1024 * 1024  # DynamoDB takes 400 KB, and a line of JSON has to be read
_SPACE: Final = re.compile(r"[ \t\r\n]*")


def array_items(blocks: Iterable[bytes]) -> Iterator[str]:
    """The JSON text of each item, as it is written, on one line.

    Bytes that are no UTF-8 become lone surrogates (`surrogateescape`).

    Args:
        blocks: the array, UTF-8, cut anywhere.

    Raises:
        TextError: it is not a JSON array, or is cut off; names the line and the item.
    """
    return _Scanner(blocks, "item").items()


def enveloped_items(blocks: Iterable[bytes], keys: Sequence[str]) -> Iterator[str]:
    """As `array_items`, of an array within an object, or in each of several objects in a row.

    Args:
        keys: from the outermost object to the array.

    Raises:
        TextError: it is not there, is there twice, or any of it is not JSON.
    """
    return _Scanner(blocks, "item").enveloped(keys)


def concatenated_values(
    blocks: Iterable[bytes], begins: Callable[[int], None] | None = None
) -> Iterator[str]:
    """As `array_items`, of values that follow one another, each in any number of lines.

    Args:
        begins: is called with the line of each value, from 1, before it is yielded.

    Raises:
        TextError: one is not JSON; names the line and the record.
    """
    return _Scanner(blocks, "record").concatenated(begins)


class _Scanner:
    """A window over the text, which moves forward value by value."""

    def __init__(self, blocks: Iterable[bytes], noun: str) -> None:
        self._blocks = iter(blocks)
        self._noun = noun
        # Bytes that are not UTF-8 fail their own item only.
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        # Numbers stay text: only where an item ends is wanted, and no digit may get lost.
        self._parser = json.JSONDecoder(
            parse_int=str, parse_float=str, parse_constant=_refuse_constant
        )
        self._window = ""
        self._at = 0
        self._line, self._counted = 1, 0  # the line at this place of the window
        self._ended = False
        self._count = 0

    def items(self) -> Iterator[str]:
        opening = self._next_character()
        if opening != "[":
            found = repr(opening) if opening else "nothing"
            line = self._here()
            advice = self._advice() if opening == "{" else ""
            raise TextError(
                f"line {line}, item 0: is not a JSON array: it begins with {found} instead of"
                f" '['{advice}"
            )
        yield from self._array()
        if self._next_character():
            self._fail("has something behind the array's end")

    def _advice(self) -> str:
        """Of an object where an array is due: whether it is a line of many."""
        try:
            self._value()
            is_one = not self._next_character()
        except TextError:  # larger than an item may be, or no JSON
            is_one = True
        if is_one:
            return " (an array within an object needs format.records, such as $.Records)"
        return " (JSON lines need a contract of format jsonl)"

    def enveloped(self, keys: Sequence[str]) -> Iterator[str]:
        opening = self._next_character()
        while opening:
            if opening != "{":
                self._fail(f"has {opening!r} where the object around the array begins with '{{'")
            yield from self._within(keys, 0)
            opening = self._next_character()

    def concatenated(self, begins: Callable[[int], None] | None) -> Iterator[str]:
        while self._next_character():
            line = self._here()
            value = self._value()
            if begins:
                begins(line)
            yield value
            self._count += 1

    def _array(self) -> Iterator[str]:
        self._at += 1
        if self._next_character() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            self._count += 1
            if self._passes_separator("]"):
                return

    def _within(self, keys: Sequence[str], depth: int) -> Iterator[str]:
        """The items, where the object that begins here is passed on the way to the array."""
        path = "$." + ".".join(keys[: depth + 1])
        others: list[str] = []
        is_found = False
        self._at += 1
        ended = self._next_character() == "}"
        self._at += ended
        while not ended:
            key = self._key()
            if key != keys[depth]:
                others.append(key)
                self._value()
            elif is_found:
                self._fail(f"has {path} twice")
            else:
                is_found = True
                is_last = depth + 1 == len(keys)
                wanted, what = ("[", "array") if is_last else ("{", "object")
                opening = self._next_character()
                if opening != wanted:
                    self._fail(f"has no {what} at {path} (format.records): it begins {opening!r}")
                yield from self._array() if is_last else self._within(keys, depth + 1)
            ended = self._passes_separator("}")
        if not is_found:
            known = ", ".join(others)[:200] or "none"
            self._fail(f"has no {path} (format.records); its keys there are: {known}")

    def _key(self) -> str:
        if self._next_character() != '"':
            self._fail(f"has {self._shown()} where a key in quotes belongs")
        key: str = json.loads(self._value())
        if self._next_character() != ":":
            self._fail(f"has {self._shown()} where ':' belongs")
        self._at += 1
        return key

    def _passes_separator(self, closing: str) -> bool:
        """Whether it is the closing one."""
        separator = self._next_character()
        if separator not in (",", closing) or not separator:
            self._fail(f"has {self._shown()} where ',' or {closing!r} belongs")
        self._at += 1
        return separator == closing

    def _shown(self) -> str:
        character = self._window[self._at : self._at + 1]
        return repr(character) if character else "the end of the object"

    def _value(self) -> str:
        self._next_character()
        while True:
            try:
                _, end = self._parser.raw_decode(self._window, self._at)
            except RecursionError:
                self._fail("is nested too deeply")
            except json.JSONDecodeError as error:
                if self._is_final(error) or not self._more():
                    self._explain(error)
            except ValueError as error:
                self._fail(str(error))
            else:
                # A number near the window's edge may go on behind it: 12e+ is read as 12, so far.
                if end + 2 < len(self._window) or not self._more():
                    return self._taken(end)

    def _taken(self, end: int) -> str:
        if end - self._at > ITEM_CHARACTERS:
            self._fail(f"is larger than {ITEM_CHARACTERS:,} characters")
        item = self._window[self._at : end]
        self._at = end
        if "\n" in item or "\r" in item:  # within JSON they are only ever between tokens
            return item.replace("\n", " ").replace("\r", " ")
        return item

    def _more(self) -> bool:
        """Read on; False at the end, or where a value is too large already."""
        if self._ended or len(self._window) - self._at > ITEM_CHARACTERS:
            return False
        block = next(self._blocks, b"")
        self._ended = not block
        text = self._decode(block, self._ended)
        self._here()
        self._window = self._window[self._at :] + text
        self._at = self._counted = 0
        return True

    def _next_character(self) -> str:
        """The next character that is no white space, where the window then stands; empty at the
        end."""
        at = self._at
        if at < len(self._window) and self._window[at] not in " \t\r\n":
            return self._window[at]
        while True:
            match = _SPACE.match(self._window, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._window):
                return self._window[self._at]
            if not self._more():
                return ""

    def _is_final(self, error: json.JSONDecodeError) -> bool:
        """The parser stopped well before the window's edge: more text would not help."""
        return not error.msg.startswith("Unterminated") and error.pos + 20 < len(self._window)

    def _explain(self, error: json.JSONDecodeError) -> NoReturn:
        unfinished = error.pos >= len(self._window) or error.msg.startswith("Unterminated")
        if not self._ended and not self._is_final(error):
            self._fail(f"is larger than {ITEM_CHARACTERS:,} characters")
        self._at = min(error.pos, len(self._window))
        self._fail("is cut off" if unfinished else f"is not JSON: {error.msg}")

    def _here(self) -> int:
        """The line, which is counted on from where it was asked for before."""
        self._line += self._window.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _fail(self, problem: str) -> NoReturn:
        raise TextError(f"line {self._here()}, {self._noun} {self._count}: {problem}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"is not JSON: {name} is no number")


# -- reading_rules.plain_text ----------------------------------------------------------------------


# What of a format this does; an array that is a whole text may be read otherwise.
CHANGES: Final = (*CSV_CHANGES, "concatenated", "records")
_JOINED: Final = 1024 * 1024  # bytes


def plain_text(
    blocks: Iterable[bytes], form: Mapping[str, Any], lines: SourceLines
) -> Iterator[bytes]:
    """The text with what the format says of its lines and records done; else as it is.

    Args:
        blocks: the text as UTF-8, cut anywhere.
        form: the contract's format, as JSON has it.
        lines: becomes the lines of the object; those of an array are its items.

    Raises:
        TextError: it is not as the format says.
    """
    if form["type"] == "json":
        yield from _array(blocks, form)
    elif form["type"] == "jsonl" and form.get("concatenated"):
        yield from _as_lines(concatenated_values(blocks, lines.add))
    else:
        rules = CsvRules.of(form) if form["type"] == "csv" else None
        yield from plain_csv(blocks, rules, lines) if rules else blocks


def keys_of(records: str) -> list[str]:
    """Of `$.a.b`: a, b."""
    return records.split(".")[1:]


def _array(blocks: Iterable[bytes], form: Mapping[str, Any]) -> Iterator[bytes]:
    """An item on each line; of nothing at all, none."""
    rest = iter(blocks)
    first = next(rest, None)
    if first is None:
        return
    whole = itertools.chain([first], rest)
    records = form.get("records")
    yield from _as_lines(
        enveloped_items(whole, keys_of(records)) if records else array_items(whole)
    )


def _as_lines(values: Iterable[str]) -> Iterator[bytes]:
    lines: list[bytes] = []
    size = 0
    for value in values:
        lines.append(value.encode("utf-8", "surrogateescape") + b"\n")
        size += len(lines[-1])
        if size > _JOINED:
            yield b"".join(lines)
            lines, size = [], 0
    yield b"".join(lines)


# -- clean_csv_job.fetching ------------------------------------------------------------------------


MEGABYTE = 1024 * 1024


class Fetched(NamedTuple):
    """A file.

    Attributes:
        compression: how it still is: `zstd` or `none`.
        lines: of the object, by those of the file.
        missing: of CSV, about how many fields its rows lack.
        surplus: so many empty fields more than columns a row may have.
        has_raw_texts: of Parquet: texts are read as bytes, as some are none.
        looked: of what is compressed: its lines.
    """

    path: str
    compression: str
    lines: SourceLines
    missing: int = 0
    surplus: int = 0
    has_raw_texts: bool = False
    looked: Optional[Looked] = None  # noqa: UP045 - Python 3.9


def fetch(
    body: BinaryIO, key: str, form: Mapping[str, Any], directory: str, source: str
) -> Fetched:
    """Copy the object to a file as plain UTF-8.

    Args:
        form: the contract's format.
        source: how messages name the object.
    """
    is_parquet = form["type"] == "parquet"
    named = form.get("compression", "auto")
    compression = "none" if is_parquet else effective_compression(named, key)
    encoding = form.get("encoding", "utf-8")
    changes = [name for name in CHANGES if form.get(name)]
    if compression == "zstd" and encoding != "utf-8":
        raise InvalidData(f"{source}: zstd goes with UTF-8 only; for {encoding} compress with gzip")
    if compression == "zstd" and changes:
        raise InvalidData(
            f"{source}: in this job, {changes[0]} does not go with zstd; compress with gzip"
        )
    lines = SourceLines(os.path.join(directory, "source-lines"))
    path = os.path.join(directory, "source" + (".zst" if compression == "zstd" else ".txt"))
    ends, fields, missing = LineEnds(), MissingFields(_counted_delimiter(form)), 0
    with _explained(source, encoding), open(path, "wb") as file:
        for block in _plain(body, compression, form, directory, lines):
            file.write(block)
            ends.add(block)
            fields.begin(block)
            missing += fields.of(block)
            if ends.unended > LONGEST_HELD and form["type"] in ("csv", "jsonl"):
                raise InvalidData(too_long(f"{source}, line {ends.line_feeds + 1:,}"))
    if compression == "zstd":
        return _fetched_zstd(Fetched(path, "zstd", lines), form, source)
    fetched = Fetched(path, "none", lines, missing)
    if form["type"] in ("csv", "jsonl") and ends.are_mixed:
        fetched = equalized(fetched, form["quote"].encode() if form["type"] == "csv" else b"")
    return fetched


@contextmanager
def _explained(source: str, encoding: str) -> Iterator[None]:
    """Raise InvalidData, with the object's name, for what is wrong with its bytes."""
    try:
        yield
    except TextError as error:
        raise InvalidData(f"{source}, {error}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidData(f"{source} cannot be decompressed: {error}") from error
    except WrongContent as error:
        raise InvalidData(f"{source} {error}") from error
    except UnicodeError as error:
        raise InvalidData(f"{source} is not {encoding.upper()}: {error}") from error


def _fetched_zstd(file: Fetched, form: Mapping[str, Any], source: str) -> Fetched:
    """The file for DuckDB to decompress; of an array the items, each on a line."""
    refuse_broken_frames(file.path, source)
    if form["type"] != "json":
        with _explained(source, "utf-8"):
            return file._replace(looked=look_at(file.path, form))
    path = file.path[: -len(".zst")] + ".txt"
    with _explained(source, "utf-8"), open(path, "wb") as items:
        blocks = checked_text(decompressed(file.path, source), form["type"], "utf-8")
        items.writelines(plain_text(blocks, form, file.lines))
    os.remove(file.path)
    return file._replace(path=path, compression="none")


def _counted_delimiter(form: Mapping[str, Any]) -> bytes:
    """What is counted to see whether rows lack fields; nothing where these are filled up anyway."""
    is_counted = form["type"] == "csv" and not form.get("padShortRows")
    return str(form["delimiter"]).encode() if is_counted else b""


def _plain(
    body: BinaryIO, compression: str, form: Mapping[str, Any], directory: str, lines: SourceLines
) -> Iterator[bytes]:
    """The object's bytes as they go into the file."""
    head, stream = peeked(body)
    if form["type"] == "parquet":
        refuse_no_parquet(head)
        return blocks_of(stream)
    refuse_packed_otherwise(head, compression)
    blocks = _as_a_whole(_unpacked(stream, compression, directory))
    if compression == "zstd":
        return blocks
    encoding = form.get("encoding", "utf-8")
    blocks = as_utf8(checked_text(blocks, form["type"], encoding), encoding)
    is_array = form["type"] == "json"
    return plain_text(blocks, form, lines) if is_array or any(map(form.get, CHANGES)) else blocks


def _as_a_whole(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """What is wrong with a compressed object is wrong with all of it, not with a line."""
    try:
        yield from blocks
    except TextError as error:
        raise WrongContent(str(error)) from error


def equalized(fetched: Fetched, quote: bytes = b"") -> Fetched:
    """The file with LF at the end of every line; what stands between quotes stays as it is."""
    path = fetched.path + ".lf"
    with open(fetched.path, "rb") as source, open(path, "wb") as file:
        file.writelines(with_equal_line_ends(blocks_of(source), quote))
    os.remove(fetched.path)
    return fetched._replace(path=path)


def _unpacked(body: BinaryIO, compression: str, directory: str) -> Iterator[bytes]:
    if compression == "bzip2":
        return bunzipped(body)
    if compression == "gzip":
        return blocks_of(cast(BinaryIO, gzip.GzipFile(fileobj=body)))
    return _unzipped(body, directory) if compression == "zip" else blocks_of(body)


def _unzipped(body: BinaryIO, directory: str) -> Iterator[bytes]:
    """By way of a file, as what an archive holds stands at its end."""
    path = os.path.join(directory, "source.zip")
    with open(path, "w+b") as file:
        file.writelines(blocks_of(body))
        yield from unzipped(file)
    os.remove(path)


def blocks_of(file: BinaryIO) -> Iterator[bytes]:
    while True:
        block = file.read(MEGABYTE)
        if not block:
            return
        yield block


# -- reading_rules.parquet.footer ------------------------------------------------------------------


_MAGIC: Final = b"PAR1"
_SCHEMA: Final = 2  # of FileMetaData
_TYPE, _TYPE_LENGTH = 1, 2  # of SchemaElement
_MEANING: Final = (6, 7, 8, 10)  # of SchemaElement: converted_type, scale, precision, logicalType
_INT96_TYPE: Final = 3  # of Type
_FIXED: Final = 7
_THRIFT_I32, _THRIFT_BINARY, _THRIFT_LIST, _THRIFT_SET, _THRIFT_MAP, _THRIFT_STRUCT = (
    5,
    8,
    9,
    10,
    11,
    12,
)  # of the compact protocol
_THRIFT_BOOLEANS: Final = (1, 2)  # as a field: the value is in the type
_THRIFT_VARINTS: Final = (4, 5, 6)
_THRIFT_LENGTHS: Final = {3: 1, 7: 8}  # a byte and a double


class _Field(NamedTuple):
    """One of a struct; `raw` is its value as it is written."""

    number: int
    kind: int
    raw: bytes


def declare_as_bytes(path: Path, nodes: Collection[int]) -> None:
    """Declare nodes of a file's schema as plain bytes or integers; saves the original footer.

    Args:
        nodes: their places in the schema, its root being 0.
    """
    content = _own_footer(path)
    _write_footer(path, _footer_with_bytes(content, nodes))


def restore_footer(path: Path) -> None:
    """Restore a file's original footer, if it was changed."""
    if _saved_footer(path).exists():
        _write_footer(path, _saved_footer(path).read_bytes())


def _saved_footer(path: Path) -> Path:
    return path.with_name(f"{path.name}.footer")


def _own_footer(path: Path) -> bytes:
    saved = _saved_footer(path)
    if not saved.exists():
        with path.open("rb") as file:
            begin, length = _footer_place(path)
            file.seek(begin)
            saved.write_bytes(file.read(length))
    return saved.read_bytes()


def _footer_place(path: Path) -> tuple[int, int]:
    """Where a file's footer begins, and how long it is."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(size - 8)
        length = int.from_bytes(file.read(4), "little")
    return size - 8 - length, length


def _write_footer(path: Path, content: bytes) -> None:
    begin, _ = _footer_place(path)
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(content + len(content).to_bytes(4, "little") + _MAGIC)
        file.truncate()


def _footer_with_bytes(content: bytes, nodes: Collection[int]) -> bytes:
    reader = _Compact(content)
    last = 0
    while True:
        header = reader.at
        number, kind = reader.field_header(last)
        if number == _SCHEMA:
            break
        reader.skip(kind)
        last = number
    count, _ = reader.list_header()
    head = content[header : reader.at]
    elements = [_element_fields(reader) for _ in range(count)]
    changed = b"".join(
        _written_struct(_plain_element(fields) if node in nodes else fields)
        for node, fields in enumerate(elements)
    )
    return content[:header] + head + changed + content[reader.at :]


def _plain_element(fields: list[_Field]) -> list[_Field]:
    """A schema's element without the fields that give its bytes a meaning."""
    left = {one.number: one for one in fields if one.number not in _MEANING}
    if left[_TYPE].raw == _zigzag(_INT96_TYPE):
        left[_TYPE] = _Field(_TYPE, _THRIFT_I32, _zigzag(_FIXED))
        left[_TYPE_LENGTH] = _Field(_TYPE_LENGTH, _THRIFT_I32, _zigzag(12))
    return [left[number] for number in sorted(left)]


def _element_fields(reader: _Compact) -> list[_Field]:
    fields: list[_Field] = []
    last = 0
    while True:
        last, kind = reader.field_header(last)
        if not kind:
            return fields
        begin = reader.at
        reader.skip(kind)
        fields.append(_Field(last, kind, reader.content[begin : reader.at]))


def _written_struct(fields: list[_Field]) -> bytes:
    written = bytearray()
    last = 0
    for one in fields:  # numbers of an element are below 15, so that each fits its difference
        written.append((one.number - last) << 4 | one.kind)
        written += one.raw
        last = one.number
    return bytes(written) + b"\0"


def _zigzag(value: int) -> bytes:
    """A small number that is not negative, in zigzag."""
    return bytes([value * 2])


class _Compact:
    """Steps through what is written in Thrift's compact protocol."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.content[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def field_header(self, last: int) -> tuple[int, int]:
        """A field's number and type, 0 and 0 at the end of a struct."""
        byte = self.content[self.at]
        self.at += 1
        if not byte:
            return 0, 0
        if byte >> 4:
            return last + (byte >> 4), byte & 15
        zigzag = self.varint()
        return (zigzag >> 1) ^ -(zigzag & 1), byte & 15

    def list_header(self) -> tuple[int, int]:
        """How many items, and of which type."""
        byte = self.content[self.at]
        self.at += 1
        count = byte >> 4
        return (self.varint() if count == 15 else count), byte & 15

    def skip(self, kind: int, *, is_item: bool = False) -> None:
        if kind in _THRIFT_BOOLEANS:
            self.at += is_item
        elif kind in _THRIFT_LENGTHS:
            self.at += _THRIFT_LENGTHS[kind]
        elif kind in _THRIFT_VARINTS:
            self.varint()
        elif kind == _THRIFT_BINARY:
            length = self.varint()
            self.at += length
        elif kind in (_THRIFT_LIST, _THRIFT_SET):
            count, item = self.list_header()
            for _ in range(count):
                self.skip(item, is_item=True)
        elif kind == _THRIFT_MAP:
            self._skip_map()
        elif kind == _THRIFT_STRUCT:
            number, field = self.field_header(0)
            while field:
                self.skip(field)
                number, field = self.field_header(number)
        else:
            raise ValueError(f"a Parquet footer holds type {kind} of the compact protocol")

    def _skip_map(self) -> None:
        count = self.varint()
        if not count:
            return
        kinds = self.content[self.at]
        self.at += 1
        for _ in range(count):
            self.skip(kinds >> 4, is_item=True)
            self.skip(kinds & 15, is_item=True)


# -- reading_rules.parquet.schema ------------------------------------------------------------------


DECIMAL_DIGITS: Final = 38  # of DuckDB's widest decimal
MOST_DIGITS: Final = 76  # of the widest that is in use: Arrow's decimal256, BigQuery's BIGNUMERIC
# Types whose values DuckDB returns exactly, and whose text is exact.
_EXACT: Final = frozenset(
    (
        *('"NULL"', "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
        *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "DOUBLE", "FLOAT"),
        *("DECIMAL", "VARCHAR", "JSON", "ENUM", "UUID", "DATE", "TIME", "TIME_NS", "INTERVAL"),
        *("TIME WITH TIME ZONE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"),
        *("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS", "BLOB"),
    )
)
INT96: Final = "INT96"
WIDE_DECIMAL: Final = "wide decimal"
TEXT_BYTES: Final = "BLOB"
MILLISECONDS: Final = "milliseconds"  # timestamps as 64-bit integers: what such columns may hold
MILLISECONDS_UTC: Final = "milliseconds in UTC"
NANOSECONDS: Final = "nanoseconds"
NANOSECONDS_UTC: Final = "nanoseconds in UTC"
NANOSECONDS_OF_DAY: Final = "nanoseconds of a day"
_LOST: Final = "lost"
RAW_TEXT: Final = "raw text"  # the bytes of what is declared to be text, and may be none


class Node(NamedTuple):
    """A node of a file's schema.

    Attributes:
        place: among all nodes, the root being 0.
        special: the kind of what this DuckDB would change, or fail for; absent: nothing.
        digits, scale: of a decimal; 0 of anything else.
    """

    name: str
    place: int
    special: str | None
    is_text: bool
    is_repeated: bool
    digits: int
    scale: int
    children: tuple[Node, ...]

    def nodes(self) -> Iterator[Node]:
        """This one and all within."""
        yield self
        for child in self.children:
            yield from child.nodes()


class Shape(NamedTuple):
    """How a column or a part of it is read.

    Attributes:
        kind: `struct`, `list`, `map`, `INT96`, `wide decimal`, `raw text`, one of the times that
            are integers (`MILLISECONDS` and so on), or DuckDB's type of one value.
        names: of a struct's fields.
        parts: of a struct: its fields; of a list: its item; of a map: key and value.
        digits, scale: of a decimal.
    """

    kind: str
    names: tuple[str, ...] = ()
    parts: tuple[Shape, ...] = ()
    digits: int = 0
    scale: int = 0

    @property
    def is_nested(self) -> bool:
        return bool(self.parts)

    def leaves(self) -> Iterator[Shape]:
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()


def columns_of(connection: Any, path: Path, *, reads_nanoseconds: bool = True) -> list[Node]:
    """A file's outermost columns, in order, as the file itself declares them.

    Args:
        connection: of DuckDB.
        reads_nanoseconds: whether it reads all of them, as it does from release 2 on.

    Raises:
        duckdb.Error: it is no Parquet file.
    """
    rows = connection.execute(
        "SELECT name, type, coalesce(num_children, 0), coalesce(converted_type, ''),"
        " coalesce(logical_type, ''), coalesce(repetition_type, ''), coalesce(precision, 0),"
        f" coalesce(scale, 0) FROM parquet_schema({sql_literal(path)})"
    ).fetchall()
    root, _ = _node(rows, 0, reads_nanoseconds)
    return list(root.children)


def shapes_of(
    connection: Any,
    path: Path,
    columns: Sequence[Node],
    wanted: Iterable[int],
    *,
    raw: bool = False,
) -> dict[int, Shape | None]:
    """How the wanted columns are read; makes DuckDB return bytes where it would change values.

    Args:
        connection: of DuckDB; between two looks the file changes, so it caches none.
        path: a file of our own: its footer may become another one.
        columns: all of the file's.
        wanted: places among them.
        raw: texts are read as bytes, too, as some are none.

    Returns:
        By place; None for what cannot be read exactly.

    Raises:
        duckdb.Error: the file cannot be read.
    """
    places = list(wanted)
    bent = {
        node.place
        for at in places
        for node in columns[at].nodes()
        if not node.children and (node.special not in (None, _LOST) or (raw and node.is_text))
    }
    if bent:
        declare_as_bytes(path, bent)
    types = connection.sql(f"FROM read_parquet({sql_literal(path)})").types
    return {at: _shape(types[at], columns[at]) for at in places}


def _node(rows: list[tuple[Any, ...]], at: int, reads_nanoseconds: bool) -> tuple[Node, int]:
    """The node at a place of a schema that lists each before its children, and the place behind."""
    name, physical, count, converted, logical, repetition, digits, scale = rows[at]
    children, end = [], at + 1
    for _ in range(count):
        child, end = _node(rows, end, reads_nanoseconds)
        children.append(child)
    is_decimal = converted == "DECIMAL" or logical.startswith("DecimalType")
    is_text = physical == "BYTE_ARRAY" and (
        converted in ("UTF8", "ENUM", "JSON") or logical.startswith(("String", "Enum", "Json"))
    )
    numbers = (int(digits), int(scale)) if is_decimal else (0, 0)
    special = None
    if physical == "INT96":
        special = INT96
    elif numbers[0] > DECIMAL_DIGITS:
        special = WIDE_DECIMAL
    elif physical == "INT64":
        special = _time_of_integer(converted, logical, reads_nanoseconds)
    repeated = repetition == "REPEATED"
    return Node(name, at, special, is_text, repeated, *numbers, tuple(children)), end


def _time_of_integer(converted: str, logical: str, reads_nanoseconds: bool) -> str | None:
    """Which time a 64-bit integer counts, if one that DuckDB would change or fail for."""
    in_utc = "isAdjustedToUTC=1" in logical
    if "NANOS=NanoSeconds" in logical:
        if reads_nanoseconds:
            return None
        if logical.startswith("TimeType"):
            return _LOST if in_utc else NANOSECONDS_OF_DAY
        return NANOSECONDS_UTC if in_utc else NANOSECONDS
    is_timestamp = converted == "TIMESTAMP_MILLIS" or logical.startswith("TimestampType")
    if is_timestamp and (not logical or "MILLIS=MilliSeconds" in logical):
        return MILLISECONDS_UTC if in_utc else MILLISECONDS
    return None


def _shape(kind: Any, node: Node, *, is_item: bool = False) -> Shape | None:
    """The shape of a DuckDB type at a node of the schema; None where they do not fit."""
    parts = {name: child for name, child in _children(kind)}
    if kind.id == "list":
        return _list_shape(parts["child"], node, is_item=is_item)
    if node.is_repeated and not is_item:
        return None
    if kind.id == "struct":
        return _struct_shape(list(parts.values()), node)
    if kind.id == "map":
        pairs = node.children[0].children if len(node.children) == 1 else ()
        if len(pairs) != 2:
            return None
        inner = _all_of(_shape(one, at) for one, at in zip(parts.values(), pairs))
        return Shape("map", parts=inner) if inner else None
    if node.children or node.digits > MOST_DIGITS:
        return None
    if node.special:
        shape = Shape(node.special, digits=node.digits, scale=node.scale)
        return None if node.special == _LOST else shape
    name = str(kind)
    if name == TEXT_BYTES and node.is_text:
        return Shape(RAW_TEXT)
    return Shape(name) if name.partition("(")[0] in _EXACT else None


def _children(kind: Any) -> list[tuple[str, Any]]:
    if kind.id not in ("list", "struct", "map"):
        return []
    return [(str(name), child) for name, child in kind.children]


def _struct_shape(kinds: list[Any], node: Node) -> Shape | None:
    if not kinds or len(kinds) != len(node.children):
        return None
    inner = _all_of(_shape(one, at) for one, at in zip(kinds, node.children))
    if not inner:
        return None
    return Shape("struct", tuple(child.name for child in node.children), inner)


def _list_shape(item: Any, node: Node, *, is_item: bool) -> Shape | None:
    """The item may be the repeated node itself, or the only child of it, as writers have it."""
    if node.is_repeated and not is_item:
        places = [node]
    elif len(node.children) == 1 and node.children[0].is_repeated:
        places = [node.children[0], *node.children[0].children[:1]]
    else:
        places = []
    for place in places:
        found = _shape(item, place, is_item=place.is_repeated)
        if found:
            return Shape("list", parts=(found,))
    return None


def _all_of(shapes: Iterable[Shape | None]) -> tuple[Shape, ...] | None:
    found = tuple(shapes)
    return tuple(one for one in found if one) if all(found) else None


# -- reading_rules.values.moments ------------------------------------------------------------------


_MICROSECONDS: Final = ("290309-12-21 (BC) 19:59:05.224193", "294247-01-10 04:00:54.775807")
_NANOSECONDS: Final = ("1677-09-21 00:12:43.145224193", "2262-04-11 23:47:16.854775807")
_ENDS: Final = {
    "DATE": ("5877642-06-24 (BC)", "5881580-07-11"),
    "TIMESTAMP": _MICROSECONDS,
    "TIMESTAMP WITH TIME ZONE": tuple(f"{text}+00" for text in _MICROSECONDS),
    "TIMESTAMP_NS": _NANOSECONDS,
    "TIMESTAMPTZ_NS": tuple(f"{text}+00" for text in _NANOSECONDS),
}


def moment_text(value: str, kind: str) -> str:
    """SQL of a value's text.

    Args:
        value: SQL of it.
        kind: DuckDB's type of it, any.
    """
    text = f"CAST({value} AS VARCHAR)"
    ends = _ENDS.get(kind)
    if ends is None:
        return text
    first, last = map(sql_literal, ends)
    return f"CASE {text} WHEN '-infinity' THEN {first} WHEN 'infinity' THEN {last} ELSE {text} END"


# -- reading_rules.parquet.texts -------------------------------------------------------------------


_FLOATS: Final = ("FLOAT", "DOUBLE")
_INTERVAL: Final = "INTERVAL"
_NO_MILLISECONDS: Final = "a timestamp outside of the years 290308 BC to 294247"
# Why a value of such a type has no text, for people.
_REASONS: Final = {
    TEXT_BYTES: "bytes that are no text (UTF-8); write the column as text, or leave it out",
    RAW_TEXT: "a text that is no UTF-8",
    INT96: "an INT96 that is no time, or lies outside of every calendar",
    WIDE_DECIMAL: "a decimal of more bytes than its digits need",
    **dict.fromkeys((MILLISECONDS, MILLISECONDS_UTC), _NO_MILLISECONDS),
    NANOSECONDS_OF_DAY: "a time that is none of a day",
    _INTERVAL: "an interval of more than 2,147,483,647 months or days",
}
_ONLY_FRACTION: Final = re.compile(r"DECIMAL\((\d+),\s*\1\)")
_NOT_FINITE: Final = "a number that is not finite, which JSON does not know"
_PLAIN_JSON: Final = frozenset(  # written in JSON without quotes
    (
        *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL"),
        *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", WIDE_DECIMAL),
    )
)
# Stands for what JSON cannot hold, until the row is rejected: JSON's texts escape it.
_NO_JSON: Final = "chr(0)"
# Of `day`, as INT96 counts: Julian days, of which 1970-01-01 is the 2,440,588th.
_DAY_OF_INT96: Final = (
    "CAST(day AS BIGINT) - CASE WHEN day >= 2147483648 THEN 4294967296 ELSE 0 END - 2440588"
)
_TIME: Final = "make_timestamp(days * 86400000000 + CAST(nanos // 1000 AS BIGINT))"
# Text of `days` since 1970 and `nanos` of the day; NULL outside of DuckDB's calendar.
_MOMENT_OF_NANOS: Final = (
    "CASE WHEN nanos >= 86400000000000 OR days NOT BETWEEN -106751000 AND 106751000 THEN NULL"
    f" WHEN nanos % 1000 = 0 THEN CAST({_TIME} AS VARCHAR)"
    f" ELSE rtrim(concat(strftime({_TIME}, '%Y-%m-%d %H:%M:%S.%f'),"
    " lpad(CAST(nanos % 1000 AS VARCHAR), 3, '0')), '0') END"
)
_NANOS_OF_DAY: Final = 86_400 * 10**9  # nanoseconds
_GROUP: Final = 10**18
# Halves that change places, and by how many bits, to turn a number's bytes around.
_HALVES: Final = ((0x00FF00FF00FF00FF, 8), (0x0000FFFF0000FFFF, 16), (0x00000000FFFFFFFF, 32))


class Text(NamedTuple):
    """A column's text.

    Attributes:
        sql: the text; NULL for a value that is missing.
        faults: SQL conditions of values that it does not hold, with what is wrong, for people.
    """

    sql: str
    faults: tuple[tuple[str, str], ...] = ()


def text_of(column: str, shape: Shape) -> Text:
    """A column's text.

    Args:
        column: SQL of its value.
    """
    if shape.is_nested:
        return _nested_text(column, shape)
    exact = _exact_text(column, shape)
    if shape.kind not in _REASONS:
        return Text(exact)
    is_raw = shape.kind in (INT96, WIDE_DECIMAL)  # bytes that mean nothing to people
    shown = f"hex({column})" if is_raw else f"CAST({column} AS VARCHAR)"
    lost = f"{column} IS NOT NULL AND {exact} IS NULL"
    return Text(f"coalesce({exact}, {shown})", ((lost, _REASONS[shape.kind]),))


def _nested_text(column: str, shape: Shape) -> Text:
    json = _as_json(column, shape, 0)
    every = {**_REASONS, **dict.fromkeys(_FLOATS, _NOT_FINITE)}
    reasons = {every[leaf.kind]: None for leaf in shape.leaves() if leaf.kind in every}
    whole = f"CASE WHEN {column} IS NOT NULL THEN {json} END"
    if not reasons:
        return Text(whole)
    broken = f"contains({whole}, {_NO_JSON})"
    shown = f"CASE WHEN {broken} THEN CAST({column} AS VARCHAR) ELSE {whole} END"
    return Text(shown, ((broken, f"nested in it is {', or '.join(reasons)}"),))


def _exact_text(value: str, shape: Shape) -> str:
    """Text of a single value; NULL, too, for one that has none."""
    if shape.kind == TEXT_BYTES:
        decoded = f"TRY(decode({value}))"
        return f"CASE WHEN NOT contains({decoded}, chr(0)) THEN {decoded} END"
    if shape.kind == RAW_TEXT:
        return f"TRY(decode({value}))"
    if shape.kind == INT96:
        return _int96(value)
    if shape.kind == _INTERVAL:  # DuckDB takes the unsigned numbers of the file for signed ones
        signs = (f"date_part('{part}', {value}) >= 0" for part in ("year", "month", "day"))
        return f"CASE WHEN {' AND '.join(signs)} THEN CAST({value} AS VARCHAR) END"
    if shape.kind == WIDE_DECIMAL:
        return _wide_decimal(value, shape)
    if shape.kind in _TIME_TEXTS:
        return _TIME_TEXTS[shape.kind](value)
    text = moment_text(value, shape.kind)
    if _ONLY_FRACTION.fullmatch(shape.kind):  # DuckDB writes `.50`, which is no number of JSON
        return f"regexp_replace({text}, '^(-?)\\.', '\\10.')"
    return text


def _as_json(value: str, shape: Shape, depth: int) -> str:
    """JSON of a value, `null` for a missing one."""
    if shape.kind == "struct":
        fields = [
            f"to_json({sql_literal(name)}), ':',"
            f" {_as_json(f'struct_extract_at({value}, {at})', part, depth)}"
            for at, (name, part) in enumerate(zip(shape.names, shape.parts), start=1)
        ]
        joined = ", ',', ".join(fields)
        written = f"concat('{{', {joined}, '}}')"
    elif shape.kind == "list":
        item = f"item{depth}"
        inner = _as_json(item, shape.parts[0], depth + 1)
        written = _listed(value, item, inner, "[", "]")
    elif shape.kind == "map":
        item = f"item{depth}"
        key, one = shape.parts
        named = f"struct_extract_at({item}, 1)"
        name = _as_json(named, key, depth + 1) if key.is_nested else _exact_text(named, key)
        pair = (
            f"concat(coalesce(CAST(to_json({name}) AS VARCHAR), {_NO_JSON}), ':',"
            f" {_as_json(f'struct_extract_at({item}, 2)', one, depth + 1)})"
        )
        written = _listed(f"map_entries({value})", item, pair, "{", "}")
    else:
        written = _json_of_one(value, shape)
    return f"CASE WHEN {value} IS NULL THEN 'null' ELSE {written} END"


def _listed(values: str, item: str, inner: str, begin: str, end: str) -> str:
    items = f"list_transform({values}, lambda {item}: {inner})"
    return f"concat('{begin}', array_to_string({items}, ','), '{end}')"


def _json_of_one(value: str, shape: Shape) -> str:
    if shape.kind in _FLOATS:
        # A float's shortest text, as a double's would have digits that it does not hold.
        number = value if shape.kind == "DOUBLE" else f"CAST(CAST({value} AS VARCHAR) AS DOUBLE)"
        shown = f"CAST(to_json({number}) AS VARCHAR)"
        return f"CASE WHEN isfinite({value}) THEN {shown} ELSE {_NO_JSON} END"
    exact = _exact_text(value, shape)
    if shape.kind.partition("(")[0] in _PLAIN_JSON:
        return f"coalesce({exact}, {_NO_JSON})"
    return f"coalesce(CAST(to_json({exact}) AS VARCHAR), {_NO_JSON})"


def _milliseconds(value: str) -> str:
    """Text of milliseconds since 1970; NULL outside of DuckDB's calendar."""
    text = f"CAST(make_timestamp({value} * 1000) AS VARCHAR)"
    return f"CASE WHEN {value} BETWEEN -9223372022400000 AND 9223372036854775 THEN {text} END"


def _nanoseconds(value: str) -> str:
    """Text of nanoseconds since 1970, all of which lie within DuckDB's calendar."""
    nanos = f"({value} % {_NANOS_OF_DAY} + {_NANOS_OF_DAY}) % {_NANOS_OF_DAY}"
    days = f"{value} // {_NANOS_OF_DAY} - CASE WHEN {value} % {_NANOS_OF_DAY} < 0 THEN 1 ELSE 0 END"
    text = _let("nanos", nanos, _let("days", days, _MOMENT_OF_NANOS))
    return f"CASE WHEN {value} IS NOT NULL THEN {text} END"


def _nanoseconds_of_day(value: str) -> str:
    text = f"substr({_nanoseconds(value)}, {len('1970-01-01 ') + 1})"
    return f"CASE WHEN {value} BETWEEN 0 AND {_NANOS_OF_DAY - 1} THEN {text} END"


def _in_utc(text: Callable[[str], str]) -> Callable[[str], str]:
    return lambda value: f"{text(value)} || '+00'"


_TIME_TEXTS: Final[Mapping[str, Callable[[str], str]]] = {
    MILLISECONDS: _milliseconds,
    MILLISECONDS_UTC: _in_utc(_milliseconds),
    NANOSECONDS: _nanoseconds,
    NANOSECONDS_UTC: _in_utc(_nanoseconds),
    NANOSECONDS_OF_DAY: _nanoseconds_of_day,
}


def _int96(value: str) -> str:
    """Nanoseconds of the day in 8 bytes and the Julian day in 4, each with its lowest byte first.

    Not in the format's documentation, which calls it deprecated; so Impala, Spark and Hive have it
    (apache/parquet-format, LogicalTypes.md; `ImpalaTimestampToNanoseconds` in duckdb/duckdb).
    """
    days = f"({_let('day', _turned('CAST(raw & 4294967295 AS UBIGINT)', 2), _DAY_OF_INT96)})"
    shown = _let(
        "nanos", _turned("CAST(raw >> 32 AS UBIGINT)", 3), _let("days", days, _MOMENT_OF_NANOS)
    )
    return _let("raw", f"CAST(CAST({value} AS BIT) AS UHUGEINT)", shown)


def _turned(number: str, steps: int) -> str:
    """A number of 2 ** (steps + 3) bits with its bytes the other way round."""
    for mask, bits in _HALVES[:steps]:
        low = f"CAST({mask} AS UBIGINT)"
        number = _let("part", number, f"((part & {low}) << {bits}) | ((part >> {bits}) & {low})")
    return number


def _wide_decimal(value: str, shape: Shape) -> str:
    """Two's complement, the highest byte first, as decimal digits.

    Its 32-bit parts, each times the digits of its place's weight, are summed up by groups of 18
    digits; what a group has too much goes to the next.
    """
    parts = -(-(10**shape.digits).bit_length() // 32) + 1
    width = parts * 8  # hexadecimal digits
    # Of a negative number the inverted parts are those of its magnitude less one.
    limbs = ", ".join(
        f"xor(CAST('0x' || substr(filled, {width - 8 * n - 7}, 8) AS BIGINT), minus * 4294967295)"
        for n in range(parts)
    )
    groups = -(-32 * parts * 30103 // 100000 // 18) + 1  # log10(2) = 0.30103
    sums = ", ".join(_sum_of_group(group, parts) for group in range(groups))
    digits = f"concat({', '.join(_groups_of_digits(groups))})"
    shown = _let("digits", digits, _pointed("digits", "minus", shape.scale))
    shown = _let("limbs", f"[{limbs}]", _let("sums", f"[{sums}]", shown))
    filled = f"lpad(hexa, {width}, CASE WHEN minus = 1 THEN 'F' ELSE '0' END)"
    shown = _let("filled", filled, shown)
    shown = _let("minus", "CASE WHEN hexa >= '8' THEN 1 ELSE 0 END", shown)
    shown = f"CASE WHEN strlen(hexa) BETWEEN 2 AND {width} THEN {shown} END"
    return _let("hexa", f"hex({value})", shown)


def _sum_of_group(group: int, parts: int) -> str:
    weights = [(1 << 32 * n) // _GROUP**group % _GROUP for n in range(parts)]
    terms = [
        f"CAST(limbs[{n}] AS HUGEINT) * {weight}"
        for n, weight in enumerate(weights, start=1)
        if weight
    ]
    return " + ".join([*terms, "minus"] if group == 0 else terms) or "0"


def _groups_of_digits(groups: int) -> list[str]:
    """Each 18 digits long, the highest first."""
    carry, found = "0", []
    for group in range(1, groups + 1):
        total = f"(sums[{group}] + {carry})"
        found.append(f"lpad(CAST({total} % {_GROUP} AS VARCHAR), 18, '0')")
        carry = f"({total} // {_GROUP})"
    return found[::-1]


def _pointed(digits: str, minus: str, scale: int) -> str:
    """Digits as a decimal is written, `-1234.50`; DuckDB's slices include their end."""
    whole = f"{digits}[:-{scale + 1}]" if scale else digits
    fraction = f", '.', {digits}[-{scale}:]" if scale else ""
    units = f"coalesce(nullif(ltrim({whole}, '0'), ''), '0')"
    return f"concat(CASE WHEN {minus} = 1 THEN '-' ELSE '' END, {units}{fraction})"


def _let(name: str, value: str, then: str) -> str:
    """SQL that computes a value once; an expression has no other way to name one."""
    return f"list_transform([{value}], lambda {name}: {then})[1]"


# -- reading_rules.parquet.select ------------------------------------------------------------------


ROW_FAULT: Final = '"row-fault"'  # hyphens keep our columns apart from every contract column


class NoExactText(Exception):
    """Columns of a file have values that no text holds; the message goes on from "<file>: "."""


class ParquetSelect(NamedTuple):
    """What to select from a file.

    Attributes:
        relation: SQL for the file, its columns by the names `c0`, `c1` and so on.
        texts: SQL for each column's text, by the contract's names.
        fault: SQL, NULL for a row that can be read; otherwise the column and what is wrong with it,
            for `parted_fault`.
        ignored: columns of the file that the contract does not know.
    """

    relation: str
    texts: Mapping[str, str]
    fault: str
    ignored: Sequence[str] = ()


def parquet_select(
    connection: Any,
    path: Path,
    names: Mapping[str, str],
    *,
    raw: bool = False,
    reads_nanoseconds: bool = True,
) -> ParquetSelect:
    """Look at a file, and say how to read it; its footer may become another one.

    Args:
        connection: of DuckDB, which caches no files.
        path: a file of our own.
        names: what each column is called in the file, by its own name.
        raw: texts are read as bytes, as some may be none: slower, but DuckDB would fail the file.
        reads_nanoseconds: whether this DuckDB does, see `columns_of`.

    Raises:
        HeaderError: it lacks a column.
        NoExactText: one cannot be read exactly.
        duckdb.Error: it is no Parquet file.
    """
    restore_footer(path)
    columns = columns_of(connection, path, reads_nanoseconds=reads_nanoseconds)
    header = [column.name for column in columns]
    positions = positions_of(header, names)
    shapes = shapes_of(connection, path, columns, positions.values(), raw=raw)
    found = {}
    unknown = []
    for name, at in positions.items():
        shape = shapes[at]
        if shape:
            found[name] = text_of(f"c{at}", shape)
        else:
            unknown.append(columns[at].name)
    if unknown:
        raise NoExactText(
            f"there is no exact text of column {', '.join(unknown)[:400]}; write it as text, as a"
            f" number (decimals of up to {MOST_DIGITS} digits), a date or time, or as lists,"
            " structs and maps of these, or leave it out of the contract"
        )
    faults = "".join(
        f" WHEN {broken} THEN {sql_literal(f'{name}: {reason}')}"
        for name, one in found.items()
        for broken, reason in one.faults
    )
    # By other names, as a column may be called file_row_number itself.
    labels = ", ".join(f"c{number}" for number in range(len(header)))
    return ParquetSelect(
        relation=f"read_parquet({sql_literal(path)}) AS file({labels})",
        texts={name: f"nullif({one.sql}, '')" for name, one in found.items()},
        fault=f"CASE{faults} END" if faults else "CAST(NULL AS VARCHAR)",
        ignored=[name for at, name in enumerate(header) if at not in positions.values()],
    )


def has_bytes_for_texts(error: Exception) -> bool:
    """Whether a scan failed for texts in Parquet that are no UTF-8, or JSON that is none."""
    marks = ("Invalid string encoding found in Parquet", "Invalid JSON found in Parquet")
    return any(mark in str(error) for mark in marks)


# -- clean_csv_job.parquet -------------------------------------------------------------------------


def write_faulty(
    connection: duckdb.DuckDBPyConnection, path: str, relation: str, names: Sequence[str], url: str
) -> int:
    """Write them with their texts; returns how many.

    Args:
        relation: SQL for the file's rows, in order.
        names: of the contract's columns.
        url: how the rejects name the object.
    """
    texts = ", ".join(map(text_column, names))
    rows = connection.cursor().execute(
        f"SELECT number, {ROW_FAULT}, {texts} FROM (SELECT *, row_number() OVER () AS number"
        f" FROM {relation}) WHERE {ROW_FAULT} IS NOT NULL"
    )
    count = 0
    with open(path, "w", encoding="utf-8") as file:
        while True:
            batch = rows.fetchmany(1000)
            if not batch:
                return count
            for number, fault, *values in batch:
                column, reason = parted_fault(fault)
                row = dict(zip(names, values))
                reject = {
                    **{"source": url, "line": number, "rule": "malformed", "column": column},
                    "value": (row[column] or "")[:VALUE_CHARACTERS],
                    "reason": reason,
                    "raw": json.dumps(row, ensure_ascii=False),
                }
                file.write(json.dumps(reject, ensure_ascii=False) + "\n")
            count += len(batch)


# -- reading_rules.values.file_columns -------------------------------------------------------------


# Rows that are sent again carry all columns: their object has another key than the one they had.
_RESENT: Final = re.compile(r"s3://[^/]+/runs/[^/]+/resent/[^/]+")


def columns_of_key(columns: Sequence[Mapping[str, Any]], url: str) -> list[str]:
    """The names of the columns that are not in the object.

    Args:
        columns: of the contract, as JSON.
    """
    if _RESENT.fullmatch(url):
        return []
    return [column["name"] for column in columns if column.get("from")]


# -- clean_csv_job.sources -------------------------------------------------------------------------


CSV: dict[str, Any] = {"type": "csv", "delimiter": ",", "quote": '"', "header": True}
# duckdb 1.4, the last for Python 3.9, has no limit for the lines that it keeps of rejects.
DUCKDB_2 = int(duckdb.__version__.partition(".")[0]) >= 2
# Of a database that lacked memory or disk: another machine may have it.
OF_THE_MACHINE = (duckdb.OutOfMemoryException, duckdb.IOException)


class Source(NamedTuple):
    """How the records of the file are read.

    Attributes:
        first: SQL for the records; what cannot be read is stored by this scan.
        again: the same for further scans, whose rejects go elsewhere.
        header: names of the fields, by the contract's names where it has one; of what has no
            header: none.
        ignored: those that the contract does not know.
        skipped: SQL, true for a record that is no row, or never: then it reads every field, so that
            all scans reject the same rows.
        malformed: SQL, true for a record that is no row and is rejected.
        fault: SQL, what is wrong with such a record, see `json_fault`; NULL: it is no JSON object.
        breaks: SQL, how many line breaks a record holds.
        fills_up: whether rows of too few columns are among the records, see
            `reading_rules.csv.short_rows`.
        spans_lines: whether a record may take several lines.
        has_header: whether the first line is no record.
    """

    first: str
    again: str
    header: Sequence[str] = ()
    ignored: Sequence[str] = ()
    skipped: str = "false"
    malformed: str | None = None
    fault: str = "NULL"
    breaks: str | None = None
    fills_up: bool = False
    spans_lines: bool = False
    has_header: bool = False


def open_source(
    connection: duckdb.DuckDBPyConnection,
    file: Fetched,
    dataset: Mapping[str, Any],
    source: str,
) -> Source:
    """Look at the file's head, and say how to read it.

    Args:
        source: how messages name the object.
    """
    form = format_of(dataset)
    absent = columns_of_key(dataset["columns"], source)
    names = {
        c["name"]: c.get("source") or c["name"]
        for c in dataset["columns"]
        if c["name"] not in absent
    }
    try:
        return _with_absent(_opened(connection, file, form, names, source), absent)
    except HeaderError as error:
        raise InvalidData(f"{source}, line {file.lines.line_of(1)}: {error}") from error
    except duckdb.Error as error:
        raise blame(error)(f"{source} cannot be read: {first_line(error)}") from error


def _opened(
    connection: duckdb.DuckDBPyConnection,
    file: Fetched,
    form: Mapping[str, Any],
    names: Mapping[str, str],
    source: str,
) -> Source:
    if form["type"] == "csv":
        return _csv(connection, file, form, names)
    if form["type"] in ("json", "jsonl"):
        return _json(file, names, form)
    return _parquet(connection, file, names, source, form.get("nulls") or ())


def _with_absent(source: Source, absent: Sequence[str]) -> Source:
    """With a column for those that are not in the file, which validate fills."""
    if not absent:
        return source
    nulls = ", ".join(f"CAST(NULL AS VARCHAR) AS {text_column(name)}" for name in absent)
    first, again = (f"(SELECT *, {nulls} FROM {sql})" for sql in (source.first, source.again))
    return source._replace(first=first, again=again)


def blame(error: duckdb.Error) -> type[JobError]:
    """How the job ends for this error: by its input, or by where it ran."""
    return JobError if isinstance(error, OF_THE_MACHINE) else InvalidData


def format_of(dataset: Mapping[str, Any]) -> dict[str, Any]:
    return {**CSV, **(dataset.get("format") or {})}


def _options(file: Fetched, *, is_first: bool) -> str:
    rejects = (
        store_rejects(has_size_limit=DUCKDB_2)
        if is_first
        else store_rejects("unreadable_again", at_most=1, has_size_limit=DUCKDB_2)
    )
    return f"compression = {sql_literal(file.compression)}, {rejects}"


def _csv(
    connection: duckdb.DuckDBPyConnection,
    file: Fetched,
    form: Mapping[str, Any],
    names: Mapping[str, str],
) -> Source:
    header = list(names)
    if form["header"]:
        header = _header(file, form) or header
    positions = positions_of(header, names)
    header = in_contract_names(header, positions)
    fields = [sql_identifier(label) for label in field_labels(len(header))]
    nulls = plain_nulls(form)
    selected = ", ".join(
        f"{or_null(fields[positions[name]], nulls)} AS {text_column(name)}" for name in names
    )
    spans_lines = _may_span_lines(connection, file, form)
    fills_up = file.missing >= WORTHWHILE and len(header) > 1
    every = field_labels(len(header) + file.surplus)
    surplus = [sql_identifier(label) for label in every[len(header) :]]

    def relation(*, is_first: bool) -> str:
        is_parallel = str(not spans_lines).lower()
        rows = csv_scan(
            file.path,
            every,
            f"parallel = {is_parallel}, {_options(file, is_first=is_first)}",
            delimiter=form["delimiter"],
            quote=form["quote"],
            header=form["header"],
            pads=bool(form.get("padShortRows")),
            marks_missing=fills_up,
        )
        if fills_up:
            rows = with_fields_found(rows, fields, surplus)
        return f"(SELECT *, {selected} FROM {rows})"

    touched = never_but_reads(fields)
    return Source(
        relation(is_first=True),
        relation(is_first=False),
        header,
        ignored=[name for name in header if name not in positions],
        skipped=f"{FOUND} IS NOT NULL OR {touched}" if fills_up else touched,
        breaks=(line_breaks_of_any_kind if file.compression == "zstd" else line_breaks)(
            [*fields, *surplus]
        ),
        fills_up=fills_up,
        spans_lines=spans_lines,
        has_header=bool(form["header"]),
    )


def _header(file: Fetched, form: Mapping[str, Any]) -> list[str] | None:
    """Names in the first line, lower case; None when there is no line."""
    if file.looked:
        if file.looked.first is None:
            return None
        line = file.looked.first
    else:
        with open(file.path, "rb") as opened:
            block = opened.readline(MEGABYTE)
        if not block:
            return None
        line = first_line_of(block, form.get("encoding", "utf-8"))
    return [folded(name) for name in field_names(line, form["delimiter"], form["quote"])]


def _may_span_lines(
    connection: duckdb.DuckDBPyConnection, file: Fetched, form: Mapping[str, Any]
) -> bool:
    """Whether a quote is open at the end of some line; then one thread has to read the file."""
    if file.compression == "zstd":
        return True
    without = f"replace({JSON_LINE}, {sql_literal(form['quote'])}, '')"
    odd = f"(strlen({JSON_LINE}) - strlen({without})) % 2 = 1"
    lines = line_scan(file.path, _options(file, is_first=False))
    try:
        row = connection.execute(f"SELECT count(*) FROM {lines} WHERE {odd}").fetchone()
    except duckdb.Error:  # not even lines: whatever it is, it is read in order
        return True
    return bool(row and row[0])


def _json(file: Fetched, names: Mapping[str, str], form: Mapping[str, Any]) -> Source:
    ignores_case = bool(form.get("caseInsensitive"))
    found = json_texts(names, ignores_case=ignores_case)
    nulls = form.get("nulls") or ()
    texts = [or_null(f'"json-values"[{n}]', nulls) for n in range(1, len(names) + 1)]
    selected = ", ".join(
        f"nullif({text}, '') AS {text_column(name)}" for text, name in zip(texts, names)
    )

    def relation(*, is_first: bool) -> str:
        lines = line_scan(file.path, _options(file, is_first=is_first))
        values = f'SELECT {JSON_LINE}, {found} AS "json-values" FROM {lines}'
        return f"(SELECT *, {selected} FROM ({values}))"

    fault = json_fault('"json-values"', names, ignores_case=ignores_case) or "NULL"
    malformed = f"({IS_NO_OBJECT} OR {fault} IS NOT NULL)"
    return Source(
        relation(is_first=True),
        relation(is_first=False),
        skipped=f"{IS_BLANK} OR {malformed}",
        malformed=malformed,
        fault=fault,
    )


def _parquet(
    connection: duckdb.DuckDBPyConnection,
    file: Fetched,
    names: Mapping[str, str],
    source: str,
    nulls: Sequence[str],
) -> Source:
    try:
        found = parquet_select(
            connection,
            Path(file.path),
            names,
            raw=file.has_raw_texts,
            reads_nanoseconds=DUCKDB_2,
        )
    except NoExactText as error:
        raise InvalidData(f"{source}: {error}") from error
    selected = ", ".join(
        f"{or_null(found.texts[name], nulls)} AS {text_column(name)}" for name in names
    )
    relation = f"(SELECT {selected}, {found.fault} AS {ROW_FAULT} FROM {found.relation})"
    skipped = f"{ROW_FAULT} IS NOT NULL"
    return Source(relation, relation, ignored=found.ignored, skipped=skipped)


# -- clean_csv_job.short_rows ----------------------------------------------------------------------


_BATCH = 1000  # rows
_NOT_SHORT = (1 << FIELD_BITS) - 1
_NO_RECORDS = (b"\n", b"\r\n")


class NotFilledUp(Exception):
    """The records do not account for every line, so the short ones cannot be read filled up."""


class MoreSurplus(Exception):
    """Records have more empty fields behind the last column; the argument says how many."""


# A record that is no row: its line in the file, the column, the reason, the text.
Rejected = tuple[int, Optional[str], str, str]


def ended(file: Fetched, form: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Let a file end with a short row of our own meanwhile."""
    with open(file.path, "rb") as lines:
        returns = lines.readline().endswith(b"\r\n")
    return ended_short(file.path, form["delimiter"], form["quote"], returns=returns)


def refuse_more_surplus(
    connection: duckdb.DuckDBPyConnection, file: Fetched, delimiter: str, quote: str, columns: int
) -> None:
    """Raises MoreSurplus where the first scan rejected records for fields that are empty."""
    if connection.execute(REJECTS_EXIST).fetchone() == (1,):
        row = connection.execute(surplus_query(delimiter, quote, columns)).fetchone()
        if row and row[0] > file.surplus:
            raise MoreSurplus(int(row[0]))


def rejected_lines(
    connection: duckdb.DuckDBPyConnection,
    file: Fetched,
    source: Source,
    unreadable: Sequence[tuple[RejectedRecord, Rejected]],
    *,
    heads: int,
    rows: int,
) -> Iterator[Rejected]:
    """Every record that is no row, in the file's order; the one of our own at its end is left out.

    Args:
        unreadable: what the first scan could not read, and what is written of it.
        heads: lines before the first record.
        rows: records that are rows.

    Raises:
        NotFilledUp: when all were gone through, and lines are missing among them, or there twice.
    """
    reasons = _Reasons(len(source.header))
    gaps, marked = iter(unreadable), _marked(connection, source)
    gap, gap_line = _next_gap(gaps)
    place, breaks = next(marked)
    last: Rejected | None = None
    at = number = shorts = 0
    with open(file.path, "rb") as lines:
        for text in lines:
            at += 1
            if at <= heads or text in _NO_RECORDS:
                continue
            if at == gap_line and gap is not None:
                at += sum(1 for _ in islice(lines, gap[0].line_count - 1))
                if last is not None:
                    yield last
                    last = None
                yield gap[1]
                gap, gap_line = _next_gap(gaps)
                continue
            number += 1
            if number != place >> FIELD_BITS:
                continue
            begin = at
            if breaks:
                text += b"".join(islice(lines, breaks))
                at += breaks
            fields = place & _NOT_SHORT
            if fields != _NOT_SHORT:
                shorts += 1
                if last is not None:
                    yield last
                raw = text.rstrip(b"\r\n").decode("utf-8", "replace")
                last = (begin, None, reasons[fields], raw if begin > 1 else raw.lstrip("\ufeff"))
            place, breaks = next(marked)
    is_ours = last is not None and last[0] == at
    if not is_ours or gap is not None or place or number != rows + shorts:
        raise NotFilledUp


class _Reasons(dict[int, str]):
    """Why a row of so many fields is rejected: a few texts for many rows."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self._columns = columns

    def __missing__(self, fields: int) -> str:
        self[fields] = reason = columns_instead_of(fields, self._columns)
        return reason


def _next_gap(
    gaps: Iterator[tuple[RejectedRecord, Rejected]],
) -> tuple[tuple[RejectedRecord, Rejected] | None, int]:
    """The next record that could not be read, if there is one, and its line."""
    gap = next(gaps, None)
    return gap, gap[0].line if gap else 0


def _marked(
    connection: duckdb.DuckDBPyConnection, source: Source
) -> Iterator[tuple[int, int | None]]:
    """Records that have too few or too many fields, or take several lines; 0 after the last one.

    Of each: its number among those that are read, from 1, with the number of its fields in the last
    bits, as of millions each value counts; and how many lines more than one it takes.
    """
    breaks = source.breaks if source.spans_lines else "NULL"
    found = connection.cursor().execute(
        f"SELECT number * {1 << FIELD_BITS} + coalesce({FOUND}, {_NOT_SHORT}), breaks"
        f" FROM (SELECT row_number() OVER () AS number, {FOUND}, {breaks} AS breaks"
        f" FROM {source.again}) WHERE {FOUND} IS NOT NULL OR breaks IS NOT NULL"
    )
    return chain(chain.from_iterable(iter(lambda: found.fetchmany(_BATCH), [])), [(0, 0)])


# -- reading_rules.json.reasons --------------------------------------------------------------------


_SPACES: Final = re.compile(r"\s*")
_KINDS: Final = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}
_CONCATENATED: Final = "(format.concatenated: true reads such objects)"


def why_no_object(line: str) -> str:
    """For people; goes on from what all of them have in common."""
    text = line.strip()
    try:
        value, end = json.JSONDecoder(parse_constant=_refuse_word).raw_decode(text)
    except json.JSONDecodeError as error:
        return _malformed(text, error)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        return f"{NO_OBJECT}: {reason}"
    rest = text[end:].lstrip()
    if not isinstance(value, dict):
        found = _KINDS.get(type(value), "a number")
        return f"{NO_OBJECT}, but {found}" + (" and more" if rest else "")
    if rest.startswith("{"):
        count = _objects(rest)
        return f"{NO_OBJECT}: {count + 1} objects are in one line, and one is due {_CONCATENATED}"
    if rest:
        return f"{NO_OBJECT}: {rest[:1]!r} follows it, at character {len(text) - len(rest) + 1}"
    return NO_OBJECT


def _malformed(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text) or error.msg.startswith("Unterminated"):
        advice = f" {_CONCATENATED[:-1]} over several lines)" if text[:1] == "{" else ""
        return f"{NO_OBJECT}: it is cut off at the line's end{advice}"
    message = error.msg[:1].lower() + error.msg[1:]
    return f"{NO_OBJECT}: {message} at character {error.pos + 1}"


def _objects(text: str) -> int:
    """How many values there are, as far as they are any."""
    decoder, count, at = json.JSONDecoder(), 0, 0
    try:
        while at < len(text):
            _, at = decoder.raw_decode(text, at)
            count += 1
            at = _SPACES.match(text, at).end()  # type: ignore[union-attr]  # it matches anything
    except (ValueError, RecursionError):
        count += 1
    return count


def _refuse_word(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


# -- clean_csv_job.rejects -------------------------------------------------------------------------


_BATCH_ROWS = 1000


def unreadable_records(
    connection: duckdb.DuckDBPyConnection, file: Fetched
) -> list[RejectedRecord]:
    """What the first scan could not read, in the file's order."""
    row = connection.execute(REJECTS_EXIST).fetchone()
    if row is None or not row[0]:
        return []
    rows = connection.execute(REJECTED_RECORDS).fetchall()
    if file.compression == "zstd":  # there, the line is the number among the records
        return [RejectedRecord(*row) for row in rows]
    with open(file.path, "rb") as opened:
        return list(with_lines(rows, opened))


def write_rejects(
    connection: duckdb.DuckDBPyConnection,
    path: str,
    source: Source,
    unreadable: Sequence[RejectedRecord],
    *,
    read: Fetched,
    rows: int,
    url: str,
    encoding: str,
) -> int:
    """Write the malformed rows with their lines; returns how many.

    Args:
        read: the file that the rows come from.
        rows: how many it has that are no malformed ones.
        url: how the rejects name the object.
        encoding: of the original.

    Raises:
        NotFilledUp: read the file again without filling up its short rows.
    """
    count, text_of = 0, encode_basestring
    head = f'{{"source": {text_of(url)}, "line": '
    malformed = ', "rule": "malformed", "reason": '

    def in_column(name: str) -> str:
        return f', "rule": "malformed", "column": {text_of(name)}, "reason": '

    with open(path, "w", encoding="utf-8") as file:
        every = iter(_rejected(connection, read, source, unreadable, rows, encoding))
        for batch in iter(lambda: list(islice(every, _BATCH_ROWS)), []):
            numbers = read.lines.lines_of(0, [found[0] for found in batch])
            file.writelines(
                f"{head}{line}{malformed if column is None else in_column(column)}"
                f'{text_of(reason)}, "raw": {text_of(raw)}}}\n'
                for line, (_, column, reason, raw) in zip(numbers, batch)
            )
            count += len(batch)
    return count


def check_lines(
    connection: duckdb.DuckDBPyConnection,
    file: Fetched,
    form: Mapping[str, Any],
    source: Source,
    unreadable: Sequence[RejectedRecord],
    *,
    rows: int,
    url: str,
) -> None:
    """Compare the records with the file's lines, which DuckDB may pass over without a word.

    Args:
        rows: every record that is not `unreadable`, rejected or not.
    """
    if source.fills_up or form["type"] == "parquet":
        return  # of what is filled up, `rejected_lines` has accounted for every line
    if file.looked:
        lines, empty = file.looked.lines, file.looked.empty
    else:
        nothing = b"\r\n" if form["type"] == "csv" else b" \t\r\n"
        lines, empty = _count_lines(file.path, nothing)
    lines = max(0, lines - (1 if form["type"] == "csv" and form["header"] else 0))
    least = rows + len(unreadable)
    if source.breaks:
        least += sum(record.line_count - 1 for record in unreadable)
        if least != lines:
            query = f"SELECT coalesce(sum({source.breaks}), 0) FROM {source.again}"
            row = connection.execute(query).fetchone()
            least += int(row[0]) if row else 0
    if not least <= lines <= least + empty:
        lost = lines - least if least > lines else lines - least - empty
        raise InvalidData(lines_lost(url, lines, lost))


def _count_lines(path: str, nothing: bytes) -> tuple[int, int]:
    """All lines, and those that hold no more than some of these bytes."""
    lines = empty = 0
    with open(path, "rb") as file:
        for line in file:
            lines += 1
            empty += not line.strip(nothing)
    return lines, empty


def _rejected(
    connection: duckdb.DuckDBPyConnection,
    file: Fetched,
    source: Source,
    unreadable: Sequence[RejectedRecord],
    rows: int,
    encoding: str,
) -> Iterator[Rejected]:
    found = [_unreadable(record, source.header, encoding) for record in unreadable]
    if source.fills_up:
        pairs = list(zip(unreadable, found))
        heads = int(source.has_header)
        yield from rejected_lines(connection, file, source, pairs, heads=heads, rows=rows)
        return
    yield from found
    yield from _no_objects(connection, source, [record.line for record in unreadable])


def _unreadable(record: RejectedRecord, header: Sequence[str], encoding: str) -> Rejected:
    reason = reason_of(record.kind, record.message, encoding)
    return record.line, record.column(header), reason, record.raw


def _no_objects(
    connection: duckdb.DuckDBPyConnection, source: Source, unreadable_lines: Sequence[int]
) -> Iterator[Rejected]:
    """JSON that is no object; lines that could not be read lie between these."""
    if not source.malformed:
        return
    rows = connection.cursor().execute(
        f"SELECT number, {JSON_LINE}, {source.fault} FROM (SELECT *, row_number() OVER () AS number"
        f" FROM {source.again}) WHERE {source.malformed}"
    )
    between = 0
    while True:
        batch = rows.fetchmany(1000)
        if not batch:
            return
        for number, raw, fault in batch:
            while between < len(unreadable_lines) and unreadable_lines[between] <= number + between:
                between += 1
            column, reason = parted_fault(fault) if fault else (None, why_no_object(raw))
            yield number + between, column, reason, raw


# -- reading_rules.json.near_keys ------------------------------------------------------------------


RECORDS_LOOKED_AT: Final = 10_000
_NOT_COMPARED: Final = re.compile(r"[\W_]+")


def keys_query(records: str) -> str:
    """SELECT of the keys that an object's first records have, each once.

    Args:
        records: SQL for a relation with the records as JSON.
    """
    objects = f"SELECT {JSON_LINE} FROM {records} WHERE {IS_OBJECT} LIMIT {RECORDS_LOOKED_AT}"
    return f"SELECT DISTINCT unnest(json_keys({JSON_LINE})) FROM ({objects})"


def near_keys(
    names: Mapping[str, str], keys: Iterable[str], *, ignores_case: bool = False
) -> dict[str, str]:
    """For columns none of whose names is among the keys: the key that is nearly the same.

    Case, spaces and punctuation are passed over.

    Args:
        names: what each column is called in the file, by its own name.
        ignores_case: whether keys in another case are read anyway.
    """
    there = set(keys)
    small = {key.lower() for key in there} if ignores_case else set()
    by_likeness = {_likeness(key): key for key in sorted(there, reverse=True)}
    found: dict[str, str] = {}
    for name, wanted in names.items():
        near = by_likeness.get(_likeness(wanted)) or by_likeness.get(_likeness(name))
        taken = there & {name, wanted} or near in names.values() or near in names
        taken = taken or {name.lower(), wanted.lower()} & small
        if near is not None and not taken:
            found[name] = near
    return found


def has_key_query(records: str, name: str, wanted: str) -> str:
    """SELECT of a row if any record has a column by one of its names."""
    some = any_of(
        f"json_exists({JSON_LINE}, {sql_literal(json_pointer(key))})"
        for key in dict.fromkeys((wanted, name))
    )
    return f"SELECT 1 FROM {records} WHERE CASE WHEN {IS_OBJECT} THEN {some} END LIMIT 1"


def missing_key(wanted: str, near: str) -> str:
    """What is wrong with an object none of whose records has a key, for people."""
    return (
        f'no record has the key "{visible(wanted)}", but there is "{visible(near)}": make that the'
        " column's source, or rename the key"
    )


def _likeness(key: str) -> str:
    return _NOT_COMPARED.sub("", key).casefold() or key


# -- reading_rules.values.times --------------------------------------------------------------------


EPOCHS: Final = {"epoch-seconds": 6, "epoch-millis": 3}  # how many digits make microseconds
EXAMPLE: Final = "%d.%m.%Y"
FIRST_INSTANT: Final = "TIMESTAMP '0001-01-01 00:00:00'"
LAST_INSTANT: Final = "TIMESTAMP '9999-12-31 23:59:59.999999'"
_FIRST_MICROSECOND: Final = -62_135_596_800_000_000
_LAST_MICROSECOND: Final = 253_402_300_799_999_999
_YEAR_OF_FOUR: Final = r"(?:000[1-9]|00[1-9]\d|0[1-9]\d{2}|[1-9]\d{3})"
_SHORT_NAMES: Final = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_LONG_NAMES: Final = (
    "january|february|march|april|may|june|july|august|september|october|november|december"
)
OFFSET: Final = r"(?:Z|[+-](?:0\d|1[0-5])(?::?[0-5]\d)?)"
_DIRECTIVES: Final = {
    "Y": _YEAR_OF_FOUR,
    "y": r"\d{2}",
    "m": r"\d{2}",
    "d": r"\d{2}",
    "b": f"(?i:{_SHORT_NAMES})",
    "B": f"(?i:{_LONG_NAMES})",
    "H": r"\d{2}",
    "I": r"\d{2}",
    "M": r"\d{2}",
    "S": r"\d{2}",
    "f": r"\d{1,6}",
    "p": "(?i:am|pm)",
    "z": OFFSET,
}
_NUMBERS: Final = "YymdHIMSf"
_MAY_BE_SHORT: Final = "mdHIMS"
_NEEDS: Final = {"M": "HI", "S": "M", "f": "S", "p": "I", "I": "p", "z": "HI"}
_ONE_OF: Final = (("Y", "y"), ("m", "b", "B"), ("H", "I"))
_TIMES: Final = "HIMSfpz"


class TimeForm(NamedTuple):
    """A form that was read.

    Attributes:
        text: as DuckDB's strptime takes it.
        shape: regular expression (RE2) of the texts that have it.
        directives: the letters, in their order.
        has_offset: whether each text says how far it is from UTC.
        is_digits: whether all of its texts may be nothing but digits.
    """

    text: str
    shape: str
    directives: str
    has_offset: bool
    is_digits: bool


def time_form(text: str) -> TimeForm:
    """Read a form such as `%d.%m.%Y`.

    A number of two digits may have one, as in strptime, where nothing but other text is beside it.

    Raises:
        ValueError: it is none; says what it lacks or has too much.
    """
    parts = [part for part in re.split(r"(%-?.?)", text) if part]
    letters = [_letter(part) for part in parts]
    found = "".join(letters)
    _refuse_nonsense(text, parts, found)
    shapes = []
    for at, (part, letter) in enumerate(zip(parts, letters)):  # noqa: B905 - Python 3.9
        if not letter:
            shapes.append(re.escape("%" if part == "%%" else part))
            continue
        before = _ends_in_digit(parts[at - 1]) if at else False
        after = _begins_with_digit(parts[at + 1]) if at + 1 < len(parts) else False
        if letter == "f" and after:
            raise ValueError(f"has digits right behind %f in {text!r}, so nothing ends its number")
        is_short = letter in _MAY_BE_SHORT and not before and not after
        shapes.append(r"\d{1,2}" if is_short else _DIRECTIVES[letter])
    texts = ["%" + letter if letter else part for part, letter in zip(parts, letters)]  # noqa: B905
    is_digits = all(
        letter in _NUMBERS if letter else part.isdigit()
        for part, letter in zip(parts, letters)  # noqa: B905
    )
    return TimeForm("".join(texts), "".join(shapes), found, "z" in found, is_digits)


def refuse_form(text: str, kind: str) -> None:
    """Check what a contract has for a column of type date or timestamp.

    Raises:
        ValueError: it is no form of that type.
    """
    if text in EPOCHS:
        if kind != "timestamp":
            raise ValueError(f"{text} is a time; take type timestamp")
        return
    form = time_form(text)
    if kind == "date" and any(letter in _TIMES for letter in form.directives):
        raise ValueError(f"{text!r} holds a time, which a date has not; take type timestamp")


def reading(value: str, form: str, kind: str) -> str:
    """SQL of the date or timestamp that a text is in this form; NULL where it has not this form.

    What has no offset of its own is as it stands there: UTC, or the time of a zone.

    Args:
        value: SQL of the text, without spaces around it.
        kind: `date` or `timestamp`.
    """
    if form in EPOCHS:
        return _epoch(value, EPOCHS[form])
    found = time_form(form)
    read = f"try_strptime({value}, {sql_literal(found.text)})"
    if found.has_offset:
        exact = f"regexp_replace({value}, 'Z$', '+00:00')"
        instant = f"try_strptime({exact}, {sql_literal(found.text)}) AT TIME ZONE 'UTC'"
        read = f"CASE WHEN {instant} BETWEEN {FIRST_INSTANT} AND {LAST_INSTANT} THEN {instant} END"
    typed = f"CAST({read} AS DATE)" if kind == "date" else read
    return f"CASE WHEN regexp_full_match({value}, {sql_literal(found.shape)}) THEN {typed} END"


def shown_forms(forms: Sequence[str]) -> str:
    """Forms as a sentence names them: `%d.%m.%Y or %Y%m%d`."""
    first, last = forms[:-1], forms[-1]
    return f"{', '.join(first)} or {last}" if first else last


def _epoch(value: str, digits: int) -> str:
    shape = rf"[+-]?\d{{1,{18 - digits}}}(\.\d{{1,{digits}}}0*)?"
    zeros = "0" * digits
    cut = sql_literal(rf"^([^.]*)\.(\d{{{digits}}})\d*$")
    fraction = f"regexp_replace(concat({value}, '{zeros}'), {cut}, '\\1\\2')"
    text = f"CASE WHEN contains({value}, '.') THEN {fraction} ELSE concat({value}, '{zeros}') END"
    number = f"TRY_CAST({text} AS BIGINT)"
    fits = f"{number} BETWEEN {_FIRST_MICROSECOND} AND {_LAST_MICROSECOND}"
    return (
        f"CASE WHEN regexp_full_match({value}, {sql_literal(shape)}) AND {fits}"
        f" THEN make_timestamp({number}) END"
    )


def _letter(part: str) -> str:
    """The directive that a part is; empty for other text."""
    return part[-1] if part[0] == "%" and part != "%%" else ""


def _refuse_nonsense(text: str, parts: Sequence[str], found: str) -> None:
    known = [part for part in parts if _letter(part)]
    unknown = [part for part in known if part[-1] not in _DIRECTIVES or len(part) < 2]
    if unknown:
        raise ValueError(
            f"has {', '.join(unknown)}; of strftime's directives it takes"
            f" {', '.join('%' + letter for letter in _DIRECTIVES)} (and %% for a percent sign)"
        )
    if not re.fullmatch(r"[^\x00-\x1f\x7f]+", text):
        raise ValueError("holds a control character; write the form in one line")
    if not ({"Y", "y"} & set(found) and {"m", "b", "B"} & set(found) and "d" in found):
        raise ValueError(
            f"must hold a year (%Y), a month (%m) and a day (%d), such as {EXAMPLE}, or be"
            " epoch-seconds or epoch-millis"
        )
    twice = sorted({letter for letter in found if found.count(letter) > 1})
    twice += [letters[1] for letters in _ONE_OF if sum(found.count(each) for each in letters) > 1]
    if twice:
        raise ValueError(f"says the same twice (%{twice[0]})")
    for letter in found:
        if letter in _NEEDS and not set(_NEEDS[letter]) & set(found):
            needed = " or ".join("%" + each for each in _NEEDS[letter])
            raise ValueError(f"has %{letter} without {needed}")
    if "z" in found[:-1] or ("z" in found and _letter(parts[-1]) != "z"):
        raise ValueError("has something behind %z, the offset, which stands last")


def _ends_in_digit(part: str) -> bool:
    return _letter(part) in _NUMBERS if _letter(part) else part[-1].isdigit()


def _begins_with_digit(part: str) -> bool:
    return _letter(part) in _NUMBERS if _letter(part) else part[0].isdigit()


# -- reading_rules.values.casts --------------------------------------------------------------------


DUCKDB_TYPES: Final = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}
_DAY: Final = r"(000[1-9]|00[1-9]\d|0[1-9]\d{2}|[1-9]\d{3})-\d{2}-\d{2}"  # there is no year 0
_SHAPES: Final = {
    "integer": r"[+-]?\d+",
    "date": _DAY,
    "double": r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?",
    "timestamp": (
        _DAY + r"([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6}0*)?)?(Z|[+-](0\d|1[0-5])(:?[0-5]\d)?)?)?"
    ),
}
_NOT_ZERO: Final = "^[^eE]*[1-9]"
_WITH_EXPONENT: Final = r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d{1,3}"
_INSTANT: Final = "'%Y-%m-%dT%H:%M:%SZ'"  # as nearly every timestamp is written


def column_type(contract_type: str) -> str:
    """The DuckDB type of a contract type."""
    return DUCKDB_TYPES.get(contract_type) or contract_type.upper()


def cast_text(raw: str, kind: str) -> str:
    """The value of a text; NULL where it is no value of the type.

    What is written as DuckDB would write it needs no closer look, which makes most values cheap.

    Args:
        raw: SQL of the text.
        kind: the contract's type.
    """
    value = f"trim({raw})"
    if kind == "string":
        return raw
    if kind == "boolean":  # true, t, yes, y, 1 and their opposites, in any case
        return f"coalesce(TRY_CAST({raw} AS BOOLEAN), TRY_CAST({value} AS BOOLEAN))"
    if kind == "double":
        shaped = _shaped(value, _SHAPES["double"], f"TRY_CAST({value} AS DOUBLE)")
        lost = f"NOT isfinite({shaped}) OR ({shaped} = 0 AND {_is_not_zero(value)})"
        return f"CASE WHEN {lost} THEN NULL ELSE {shaped} END"
    if kind == "timestamp":
        return _timestamp(raw, value)
    duckdb_type = column_type(kind)
    typed = f"TRY_CAST({raw} AS {duckdb_type})"
    shape = _SHAPES.get(kind) or _decimal_shape(kind)
    shaped = _shaped(value, shape, f"TRY_CAST({value} AS {duckdb_type})")
    if kind not in _SHAPES:
        shaped = f"coalesce({shaped}, {_with_exponent(value, duckdb_type)})"
    common = f"CAST({typed} AS VARCHAR) = {raw}"
    if kind == "date":  # 'infinity' is one for DuckDB
        common = f"{raw} LIKE '____-__-__' AND {raw} >= '0001' AND {common}"
    return f"CASE WHEN {common} THEN {typed} ELSE {shaped} END"


def _timestamp(raw: str, value: str) -> str:
    instant = f"TRY_CAST({value} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
    # On its first and last day an offset may carry it out of the calendar.
    at_an_end = f"{value} LIKE '9999-12-31%' OR {value} LIKE '0001-01-01%'"
    out = f"({at_an_end}) AND {instant} NOT BETWEEN {FIRST_INSTANT} AND {LAST_INSTANT}"
    inside = f"CASE WHEN {out} THEN NULL ELSE {instant} END"
    shaped = _shaped(value, _SHAPES["timestamp"], inside)
    # strptime takes short numbers, and space around the whole: neither fits this length.
    fits = f"strlen({raw}) = 20 AND {raw} >= '0001' AND suffix({raw}, 'Z')"
    common = f"CASE WHEN {fits} THEN try_strptime({raw}, {_INSTANT}) END"
    return f"coalesce({common}, {shaped})"


def _with_exponent(value: str, decimal: str) -> str:
    """A decimal written as 1.5e-7, if it needs no rounding; few digits, so that a double can."""
    typed = f"TRY_CAST({value} AS {decimal})"
    fits = f"strlen({value}) <= 17 AND regexp_full_match({value}, {sql_literal(_WITH_EXPONENT)})"
    same = f"CAST({typed} AS DOUBLE) = TRY_CAST({value} AS DOUBLE)"
    is_exact = f"{same} AND NOT ({typed} = 0 AND {_is_not_zero(value)})"
    return f"CASE WHEN {fits} AND {is_exact} THEN {typed} END"


def _is_not_zero(value: str) -> str:
    """True for a number's text with a digit other than 0: as a double, 1e-400 would be 0."""
    return f"regexp_matches({value}, {sql_literal(_NOT_ZERO)})"


def _shaped(value: str, shape: str, typed: str) -> str:
    return f"CASE WHEN regexp_full_match({value}, {sql_literal(shape)}) THEN {typed} END"


def _decimal_shape(kind: str) -> str:
    """Digits that need no rounding; zeros behind the last place do not count."""
    scale = int(kind.rstrip(")").split(",")[1])
    return rf"[+-]?(\d+(\.\d{{0,{scale}}}0*)?|\.\d{{1,{max(scale, 1)}}}0*)"


# -- reading_rules.values.numbers ------------------------------------------------------------------


SPACES: Final = " \u00a0\u2009\u202f"  # all of them are a space on paper
APOSTROPHES: Final = "'\u2019"  # as typed, and as programs for Switzerland write them


class NumberForm(NamedTuple):
    """How numbers are written.

    Attributes:
        decimal: between the whole and the fraction.
        thousands: between groups of three digits; absent: nothing is.
        percent: each ends in a percent sign, and is the hundredth part.
        takes_exponent: whether 1.5e3 is one.
    """

    decimal: str = "."
    thousands: str | None = None
    percent: bool = False
    takes_exponent: bool = True


def plain_number(value: str, form: NumberForm) -> str:
    """SQL of the text of the same number as SQL writes it; NULL where it has not this form.

    Args:
        value: SQL of the text, without spaces around it.
    """
    removed = (alike(form.thousands) if form.thousands else "") + ("%" + SPACES)
    pairs = sql_literal(form.decimal + removed.replace(form.decimal, ""))
    plain = f"translate({value}, {pairs}, '.')"
    if form.percent:
        padded = rf"regexp_replace({plain}, '^([+-]?)', '\100')"
        plain = rf"regexp_replace({padded}, '^([+-]?\d*)(\d\d)\.?(\d*)$', '\1.\2\3')"
    return (
        f"CASE WHEN regexp_full_match({value}, {sql_literal(_number_shape(form))}) THEN {plain} END"
    )


def number_example(form: NumberForm, *, has_fraction: bool) -> str:
    """A number in this form, for messages."""
    if form.percent:
        return f"12{form.decimal}5%"
    fraction = f"{form.decimal}5" if has_fraction else ""
    return f"1{form.thousands or ''}234{fraction}"


def _number_shape(form: NumberForm) -> str:
    point, whole = re.escape(form.decimal), r"\d+"
    if form.thousands:
        between = f"[{re.escape(alike(form.thousands))}]"
        whole = rf"(?:\d{{1,3}}(?:{between}\d{{3}})+|\d+)"
    shape = rf"[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)"
    if form.percent:
        return shape + f"[{SPACES}]?%"
    return shape + (r"(?:[eE][+-]?\d+)?" if form.takes_exponent else "")


def alike(separator: str) -> str:
    """The characters that mean the same between thousands."""
    return next((same for same in (SPACES, APOSTROPHES) if separator in same), separator)


# -- reading_rules.values.zones --------------------------------------------------------------------


# A day before and after, the zone's offset is what it is on either side of a change of its clocks.
_AROUND = ("INTERVAL '-1 day'", "INTERVAL '1 day'")
# On the first and last day an offset may carry a time out of the calendar.
_FIRST_LOCAL = "TIMESTAMP '0001-01-03 00:00:00'"
_LAST_LOCAL = "TIMESTAMP '9999-12-29 23:59:59.999999'"


def instants_in(zone: str, local: str) -> str:
    """The instants (UTC, TIMESTAMP[]) at which clocks of the zone show this time.

    There is one; none, where the clocks are put forward past it; or two, where they are put back.

    Args:
        local: SQL of a TIMESTAMP.
    """
    candidates = ", ".join(
        f"moment - ({_clock_ahead(zone, f'moment + {step}')})" for step in _AROUND
    )
    shows = f"{_clock(zone, 'found')} = moment"
    checked = f"list_filter(list_distinct([{candidates}]), lambda found: {shows})"
    inside = f"{local} BETWEEN {_FIRST_LOCAL} AND {_LAST_LOCAL}"
    return f"list_transform([{local}], lambda moment: CASE WHEN {inside} THEN {checked} END)[1]"


def _clock(zone: str, instant: str) -> str:
    return f"timezone({sql_literal(zone)}, timezone('UTC', {instant}))"


def _clock_ahead(zone: str, instant: str) -> str:
    return f"{_clock(zone, instant)} - ({instant})"


# -- reading_rules.values.forms --------------------------------------------------------------------


# What Unicode calls white space (White_Space, PropList.txt).
_WHITE_SPACE: Final = (
    "\t\n\x0b\x0c\r \x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000"
)
_HAS_OFFSET: Final = rf"[T ]\d{{2}}:\d{{2}}.*{OFFSET}$"


class ValueForm(NamedTuple):
    """A column, and how its texts are written; the fields are those of a contract's column."""

    name: str
    kind: str = "string"
    formats: tuple[str, ...] = ()
    zone: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    percent: bool = False
    true_values: tuple[str, ...] = ()
    false_values: tuple[str, ...] = ()
    trim: bool = False
    nulls: tuple[str, ...] = ()

    @property
    def is_cleaned(self) -> bool:
        """Whether its text is another than the source's."""
        return self.trim or bool(self.nulls)

    @property
    def text(self) -> str:
        """SQL of its text, as checks see it."""
        return sql_identifier(f"clean-{self.name}") if self.is_cleaned else text_column(self.name)

    @property
    def numbers(self) -> NumberForm | None:
        """How its numbers are written, where not as SQL does."""
        if not (self.decimal or self.thousands or self.percent):
            return None
        decimal, is_whole = self.decimal or ".", self.kind == "integer"
        return NumberForm(decimal, self.thousands, self.percent, takes_exponent=not is_whole)

    @property
    def may_be_several(self) -> bool:
        """Whether a text may have more than one reading."""
        return self.zone is not None or len(self.formats) > 1

    @property
    def is_plain(self) -> bool:
        """Whether its texts are as the type has them."""
        return not (self.formats or self.zone or self.numbers or self.true_values)


class Fault(NamedTuple):
    """A way in which a text can be no value of its column.

    Attributes:
        broken: SQL, true for a row whose text is none in this way.
        reason: for people; `{value}` stands for the text.
    """

    broken: str
    rule: str
    reason: str


def value_form(column: Mapping[str, Any]) -> ValueForm:
    """What a contract's column says of its texts.

    Args:
        column: as JSON.
    """
    formats = column.get("format") or ()
    return ValueForm(
        name=column["name"],
        kind=column.get("type", "string"),
        formats=(formats,) if isinstance(formats, str) else tuple(formats),
        zone=column.get("zone"),
        decimal=column.get("decimal"),
        thousands=column.get("thousands"),
        percent=bool(column.get("percent")),
        true_values=tuple(column.get("trueValues") or ()),
        false_values=tuple(column.get("falseValues") or ()),
        trim=bool(column.get("trim")),
        nulls=tuple(column.get("nulls") or ()),
    )


def with_readings(relation: str, forms: Sequence[ValueForm]) -> str:
    """The relation of texts with what the values are made of beside them; mostly as it is."""
    for layer in (_clean_texts(forms), _readings(forms), _instants(forms)):
        added = ", ".join(f"{sql} AS {name}" for name, sql in layer)
        if added:
            relation = f"(SELECT *, {added} FROM {relation})"
    return relation


def value_of(form: ValueForm) -> str:
    """SQL of the value, over what `with_readings` returns; NULL where the text is none."""
    if form.is_plain:
        return cast_text(form.text, form.kind)
    if form.numbers:
        return cast_text(_reading_name(form), form.kind)
    if form.true_values:
        yes, no = (
            ", ".join(sql_literal(text) for text in texts)
            for texts in (form.true_values, form.false_values)
        )
        value = f"trim({form.text})"
        return f"CASE WHEN {value} IN ({yes}) THEN true WHEN {value} IN ({no}) THEN false END"
    if not form.may_be_several:
        return reading(f"trim({form.text})", form.formats[0], form.kind)
    found = _instants_name(form) if form.zone else _reading_name(form)
    one = f"CASE WHEN len({found}) = 1 THEN {found}[1] END"
    if form.zone:
        return f"CASE WHEN len({_reading_name(form)}) = 1 THEN {one} END"
    return one


def castable(forms: Iterable[ValueForm]) -> str:
    """True for a row of which every text is missing or a value of its column's type."""
    typed = [form for form in forms if form.kind != "string"]
    return " AND ".join(f"NOT ({_uncastable(form)})" for form in typed) or "true"


def filtered_out(forms: Iterable[ValueForm], query: str) -> str:
    """True for a row that the query leaves out: one all of whose values have their types.

    Args:
        query: SQL of a person, which may end in a comment.
    """
    return f"{castable(forms)} AND ({query}\n) IS NOT TRUE"


def faults(form: ValueForm, article_and_type: str) -> Iterator[Fault]:
    """How a text that is there can be no value of the column, each with its reason.

    Args:
        article_and_type: such as `a date`, for the sentence.
    """
    none = _uncastable(form)
    is_one = f"{{value}} is not {article_and_type}"
    found = _reading_name(form)
    if len(form.formats) > 1:
        yield Fault(
            f"len({found}) > 1",
            "ambiguous",
            f"{{value}} is read differently as {_escaped(shown_forms(form.formats))},"
            " so which one is meant is not known",
        )
    if form.zone:
        met = _instants_name(form)
        yield Fault(
            f"len({found}) = 1 AND len({met}) = 0",
            "zone",
            f"{{value}} does not exist in {form.zone}: the clocks are put forward past it",
        )
        yield Fault(
            f"len({found}) = 1 AND len({met}) > 1",
            "zone",
            f"{{value}} comes twice in {form.zone}, as the clocks are put back; only with its"
            " offset from UTC it would be known which one is meant",
        )
    if form.may_be_several:  # of what the faults above are not about
        none += f" AND (len({found}) = 0"
        none += f" OR {_instants_name(form)} IS NULL)" if form.zone else ")"
    yield Fault(none, "type", is_one + _how_written(form))


def _uncastable(form: ValueForm) -> str:
    """True for a row whose text of this column is no value of its type."""
    return f"{form.text} IS NOT NULL AND {sql_identifier(form.name)} IS NULL"


def _how_written(form: ValueForm) -> str:
    if form.formats:
        return f" of the form {_escaped(shown_forms(form.formats))}"
    if form.numbers:
        with_fraction = number_example(form.numbers, has_fraction=form.kind != "integer")
        return f" written as {with_fraction}"
    if form.true_values:
        yes, no = (", ".join(texts) for texts in (form.true_values, form.false_values))
        return _escaped(f": true is {yes}, false is {no}")
    return ""


def _clean_texts(forms: Iterable[ValueForm]) -> Iterator[tuple[str, str]]:
    for form in forms:
        if not form.is_cleaned:
            continue
        sql = text_column(form.name)
        if form.trim:
            sql = f"nullif(trim({sql}, {sql_literal(_WHITE_SPACE)}), '')"
        if form.nulls:
            texts = ", ".join(sql_literal(text) for text in form.nulls)
            sql = f"CASE WHEN {sql} NOT IN ({texts}) THEN {sql} END"
        yield form.text, sql


def _readings(forms: Iterable[ValueForm]) -> Iterator[tuple[str, str]]:
    """Of numbers their plain texts, of times all their readings."""
    for form in forms:
        value = f"trim({form.text})"
        if form.numbers:
            yield _reading_name(form), plain_number(value, form.numbers)
        elif form.may_be_several:
            yield _reading_name(form), _distinct([*_local(form, value), *_fixed(form, value)])
            if form.zone:
                yield _fixed_name(form), _distinct(_fixed(form, value))


def _instants(forms: Iterable[ValueForm]) -> Iterator[tuple[str, str]]:
    for form in forms:
        if form.zone:
            fixed, found = _fixed_name(form), f"{_reading_name(form)}[1]"
            met = instants_in(form.zone, found)
            yield _instants_name(form), f"CASE WHEN len({fixed}) > 0 THEN {fixed} ELSE {met} END"


def _local(form: ValueForm, value: str) -> Iterator[str]:
    """Readings of texts that do not say how far they are from UTC."""
    for text in form.formats:
        if not _says_offset(text):
            yield reading(value, text, form.kind)
    if not form.formats:
        own = cast_text(form.text, form.kind)
        yield f"CASE WHEN NOT regexp_matches({value}, {sql_literal(_HAS_OFFSET)}) THEN {own} END"


def _fixed(form: ValueForm, value: str) -> Iterator[str]:
    """Readings of those that do."""
    for text in form.formats:
        if _says_offset(text):
            yield reading(value, text, form.kind)
    if not form.formats:
        own = cast_text(form.text, form.kind)
        yield f"CASE WHEN regexp_matches({value}, {sql_literal(_HAS_OFFSET)}) THEN {own} END"


def _says_offset(text: str) -> bool:
    return text in EPOCHS or time_form(text).has_offset


def _distinct(readings: Iterable[str]) -> str:
    return f"list_distinct([{', '.join(readings)}])"  # which leaves NULL out


def _reading_name(form: ValueForm) -> str:
    return sql_identifier(f"read-{form.name}")


def _fixed_name(form: ValueForm) -> str:
    return sql_identifier(f"fixed-{form.name}")


def _instants_name(form: ValueForm) -> str:
    return sql_identifier(f"instants-{form.name}")


def _escaped(text: str) -> str:
    """For use in a `str.format` template."""
    return text.replace("{", "{{").replace("}", "}}")


# -- clean_csv_job.cleaning ------------------------------------------------------------------------


class MixedLineEnds(Exception):
    """The scan came to a line end unlike the others before it."""


class BytesForTexts(Exception):
    """Texts in a Parquet file are none."""


class Counts(NamedTuple):
    """Rows that are written, and rows that the query leaves out."""

    written: int
    filtered: int


def write_rows(
    connection: duckdb.DuckDBPyConnection,
    path: str,
    source: Source,
    forms: Sequence[ValueForm],
    query: str | None,
) -> Counts:
    """Write the rows for which the query is true.

    Args:
        forms: how the texts of the contract's columns are written.
    """
    texts = ", ".join(f"{text_column(f.name)} AS {sql_identifier(f.name)}" for f in forms)
    filtered = "false"
    first, again = source.first, source.again
    if query:
        typed = ", ".join(f"{value_of(form)} AS {sql_identifier(form.name)}" for form in forms)
        first = f"(SELECT *, {typed} FROM {with_readings(first, forms)})"
        again = f"(SELECT *, {typed} FROM {with_readings(again, forms)})"
        filtered = f"({filtered_out(forms, query)})"
    try:
        row = connection.execute(
            f"COPY (SELECT {texts} FROM {first} WHERE CASE WHEN {source.skipped} THEN false"
            f" WHEN {filtered} THEN false ELSE true END) TO {sql_literal(path)}"
            " (FORMAT csv, HEADER, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR '')"
        ).fetchone()
        written = int(row[0]) if row else 0
        if not query:
            return Counts(written, 0)
        left_out = f"CASE WHEN {source.skipped} THEN false ELSE {filtered} END"
        row = connection.execute(f"SELECT count(*) FROM {again} WHERE {left_out}").fetchone()
        return Counts(written, int(row[0]) if row else 0)
    except duckdb.Error as error:
        if has_mixed_line_ends(error):
            raise MixedLineEnds(first_line(error)) from error
        if has_bytes_for_texts(error):
            raise BytesForTexts(first_line(error)) from error
        if query and not isinstance(error, duckdb.InvalidInputException):
            raise blame(error)(f"the query {query!r} fails: {first_line(error)}") from error
        raise blame(error)(f"the object cannot be read: {first_line(error)}") from error


def refuse_missing_keys(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    dataset: Mapping[str, Any],
    url: str,
) -> None:
    """Look for columns that no record has, where records have a key that is nearly the same."""
    columns = [column for column in dataset["columns"] if not column.get("from")]
    names = {column["name"]: column.get("source") or column["name"] for column in columns}
    ignores_case = bool(format_of(dataset).get("caseInsensitive"))
    required = {
        column["name"]
        for column in columns
        if column.get("required") and column.get("severity") != "warn"
    }
    keys = [str(row[0]) for row in connection.execute(keys_query(source.again)).fetchall()]
    for name, near in near_keys(names, keys, ignores_case=ignores_case).items():
        query = has_key_query(source.again, name, names[name])
        if connection.execute(query).fetchone() is None:
            problem = missing_key(names[name], near)
            if name in required:
                raise InvalidData(f"{url}: {problem}")
            log("missing key", input=url, column=name, problem=problem)


def connect(directory: str) -> duckdb.DuckDBPyConnection:
    """A database in the scratch directory that SQL of a message cannot look out of."""
    connection = duckdb.connect(
        os.path.join(directory, "work.duckdb"),
        config={
            "temp_directory": os.path.join(directory, "spill"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        },
    )
    connection.execute("SET enable_external_file_cache = false")  # footers of Parquet change
    connection.execute("SET enable_progress_bar = false")  # it would go to standard output
    connection.execute("SET TimeZone = 'UTC'")
    for name in ("date_trunc", "datetrunc"):  # DuckDB 1 returns a DATE, DuckDB 2 a TIMESTAMP
        built_in = f"system.main.{name}(part, moment)"
        connection.execute(
            f"CREATE TEMP MACRO {name}(part, moment TIMESTAMP) AS CAST({built_in} AS TIMESTAMP),"
            f" (part, moment TIMESTAMPTZ) AS {built_in}, (part, moment INTERVAL) AS {built_in}"
        )
    connection.execute(f"SET allowed_directories = [{sql_literal(directory + '/')}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def clean(
    file: Fetched, dataset: Mapping[str, Any], directory: str, url: str, query: str | None
) -> dict[str, Any]:
    """Write data.csv and rejected.jsonl into the directory; returns what the report says of them.

    Args:
        url: how messages and rejects name the object.
    """
    connection = connect(directory)
    has_equal_ends = False
    while True:
        try:
            found = cleaned(connection, file, dataset, directory, url, query)
            break
        except MixedLineEnds:
            if file.compression == "zstd":
                raise InvalidData(f"{url} has line ends of several kinds, and {GZIP}") from None
            if has_equal_ends:
                raise
            file, has_equal_ends = equalized(file), True
        except MoreSurplus as more:
            file = file._replace(surplus=more.args[0])
        except BytesForTexts:
            if file.has_raw_texts:
                raise
            file = file._replace(has_raw_texts=True)
        except NotFilledUp:
            file = file._replace(missing=0)
        for statement in FORGET_REJECTS:
            connection.execute(statement)
    connection.close()
    file.lines.close()
    return found


def cleaned(
    connection: duckdb.DuckDBPyConnection,
    file: Fetched,
    dataset: Mapping[str, Any],
    directory: str,
    url: str,
    query: str | None,
) -> dict[str, Any]:
    """One try of `clean`.

    Raises:
        MixedLineEnds, BytesForTexts, MoreSurplus, NotFilledUp: try again, with another file, or
            read otherwise.
    """
    form = format_of(dataset)
    forms = [value_form(column) for column in dataset["columns"]]
    data = os.path.join(directory, "data.csv")
    rejected, encoding = os.path.join(directory, "rejected.jsonl"), form.get("encoding", "utf-8")
    source = open_source(connection, file, dataset, url)
    with ended(file, form) if source.fills_up else nullcontext():
        counts = write_rows(connection, data, source, forms, query)
        if source.fills_up:
            columns = len(source.header)
            refuse_more_surplus(connection, file, form["delimiter"], form["quote"], columns)
        unreadable = unreadable_records(connection, file)
        if form["type"] in ("json", "jsonl"):
            refuse_missing_keys(connection, source, dataset, url)
        rows = counts.written + counts.filtered
        if form["type"] == "parquet":
            names = [column["name"] for column in dataset["columns"]]
            bad = write_faulty(connection, rejected, source.again, names, url)
        else:
            bad = write_rejects(
                connection,
                rejected,
                source,
                unreadable,
                read=file,
                rows=rows,
                url=url,
                encoding=encoding,
            )
    rows += bad - len(unreadable)
    check_lines(connection, file, form, source, unreadable, rows=rows, url=url)
    return {
        "rowsIn": counts.written + counts.filtered + bad,
        "rowsOut": counts.written,
        "rowsFiltered": counts.filtered,
        "rowsBad": bad,
        "format": "csv",
        "files": ["data/part-00000.csv"],
        "ignoredColumns": list(source.ignored),
    }


# -- reading_rules.no_data -------------------------------------------------------------------------


_PATTERNS: Final = (
    *("_SUCCESS", "*.crc", "*.md5", "*.sha1", "*.sha256", "*.sig", "*.ok", "*.done", "*.trg"),
    *("_metadata", "_common_metadata", "*_manifest", "*.manifest", "manifest.json", "*.log"),
    *("*.tmp", "*.swp", ".DS_Store", "Thumbs.db", "*_$folder$"),
)


def advice_for(key: str) -> str:
    """What to do with an object that cannot be read, if by its key it is no data; empty: it is."""
    name = key.rpartition("/")[2]
    pattern = next((found for found in _PATTERNS if fnmatchcase(name, found)), None)
    if pattern is None:
        return ""
    below = pattern if pattern.startswith("*") else f"*{pattern}"
    return (
        f"; by its key it holds no data: leave such objects out, in the contract by"
        f' source.exclude: ["{below}"]'
    )


# -- clean_csv_job.main ----------------------------------------------------------------------------


def run(options: Any, s3: Any, directory: str) -> None:
    started = time.monotonic()
    target = split_url(options.OUTPUT_URL.rstrip("/") + "/x")
    out_bucket, prefix = target[0], target[1][:-1]
    dataset = read_json(s3, options.DATASET_URL)["dataset"]
    report = {"jobId": options.JOB_ID, "runId": options.RUN_ID}
    if options.INPUT_URLS:
        reports = []
        for found in objects_of(read_json(s3, options.INPUT_URLS), options.INPUT_URLS):
            output = out_bucket, f"{prefix}objects/{found['place']:04d}/"
            about = clean_object(options, s3, dataset, found, directory, output)
            reports.append({"place": found["place"], "url": found["url"], **about})
        report["objects"] = reports
    else:
        found = {"url": options.INPUT_URL}
        report.update(clean_object(options, s3, dataset, found, directory, (out_bucket, prefix)))
    report["seconds"] = round(time.monotonic() - started, 3)
    s3.put_object(
        Bucket=out_bucket,
        Key=prefix + "report.json",
        Body=json.dumps(report, indent=1).encode(),
        ContentType="application/json",
    )
    if options.INPUT_URLS:
        log("wrote", **{**report, "objects": len(report["objects"])})
    else:
        log("wrote", **report)


def read_json(s3: Any, url: str) -> Any:
    bucket, key = split_url(url)
    return json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])


def objects_of(document: Any, url: str) -> Sequence[Mapping[str, Any]]:
    """The objects that the document of INPUT_URLS lists."""
    objects = document.get("objects") if isinstance(document, dict) else None
    if not objects:
        raise JobError(url + " is not a list of objects: it has no field objects, or none in it")
    return cast("Sequence[Mapping[str, Any]]", objects)


def clean_object(
    options: Any,
    s3: Any,
    dataset: Mapping[str, Any],
    found: Mapping[str, Any],
    parent: str,
    output: tuple[str, str],
) -> dict[str, Any]:
    """Read one object and write what comes of it; returns what the report says.

    Args:
        found: the object, as INPUT_URLS lists it; at least its `url`.
        parent: the directory in which the object gets its own, for as long as it is read.
        output: bucket and prefix.
    """
    url = found["url"]
    bucket, key = split_url(url)
    if key.endswith("/"):
        raise JobError("clean_csv reads an object, not another job's output: put it first")
    source = s3.get_object(Bucket=bucket, Key=key)
    _refuse_large(source["ContentLength"], dataset, url)
    with tempfile.TemporaryDirectory(prefix="object-", dir=parent) as directory:
        try:
            file = fetch(source["Body"], key, format_of(dataset), directory, url)
            log("read", job_id=options.JOB_ID, input=url, bytes=source["ContentLength"])
            about = clean(file, dataset, directory, url, options.QUERY)
        except InvalidData as error:
            raise InvalidData(f"{error}{advice_for(key)}") from error
        out_bucket, prefix = output
        s3.upload_file(os.path.join(directory, "data.csv"), out_bucket, prefix + about["files"][0])
        rejected = os.path.join(directory, "rejected.jsonl")
        s3.upload_file(rejected, out_bucket, prefix + "rejected.jsonl")
    return about


def main(argv: Sequence[str] | None = None) -> str | None:
    """Run the job; returns None, or the one line that says why it failed."""
    options = arguments(argv)
    try:
        with tempfile.TemporaryDirectory(prefix="clean-csv-") as directory:
            run(options, boto3.client("s3"), os.path.realpath(directory))
    except Exception as error:  # whatever ends the job, Glue shows the last line of stderr
        if not isinstance(error, JobError):
            log("failed", error=repr(error))
        kind = "InvalidData: " if isinstance(error, InvalidData) else ""
        return f"clean_csv: {kind}{' '.join(str(error).split())}"
    return None


def _refuse_large(size: int, dataset: Mapping[str, Any], url: str) -> None:
    limit = (dataset.get("limits") or {}).get("objectMegabytes", 2048)
    if size > limit * MEGABYTE:
        raise InvalidData(
            f"{url} is larger than the contract's limit of {limit} MB (limits.objectMegabytes);"
            " split it, raise the limit, or take a Spark job instead"
        )


if __name__ == "__main__":
    failure = main()
    if failure:  # Glue takes even sys.exit(0) for a failure in some versions
        sys.exit(failure)
