"""The SQL of a scan, all in one place: one SELECT over one chunk of a source.

A query has one result, and that of a scan is the valid rows, typed. All other rows leave it through
`write_log`, DuckDB's only function that records anything besides the result. It is called for these
rows only, so it costs next to nothing. Valid rows that a rule warns of may be all rows of a source:
sequences count them, rule by rule, and only the first of each rule are logged, as examples.
`tests/validation/golden` shows the SQL of each format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.dataset import Column
from reading.chunks import Chunk
from reading.reader import NUMBER, Reader
from reading.short_rows import logged_short
from reading_rules.csv.short_rows import FOUND
from reading_rules.values.forms import filtered_out, with_readings
from tabular.sql import any_of, sql_identifier
from validation.checks import RowChecks, cast_column, form_of
from validation.violations import EXAMPLES

LOG: Final = "flagged"  # the type of what is logged
WARNED: Final = "warned"  # the sequence that counts valid rows that a rule warns of
# States of a row that breaks no check, but is not valid:
BLANK: Final = "blank"
MALFORMED: Final = "malformed"
FILTERED: Final = "filtered"


@dataclass(frozen=True)
class ScanSource:
    """A chunk as SQL; `Reader` says what its attributes mean.

    Attributes:
        breaks: absent, too, where values of this chunk cannot hold line breaks.
        short: SQL that logs a row of too few columns; absent where none are among the records.
        logs_breaks: whether valid rows that hold some are logged; it takes a look at every value.
    """

    relation: str
    fields: str
    malformed: str | None = None
    blank: str | None = None
    breaks: str | None = None
    touched: str | None = None
    short: str | None = None
    logs_breaks: bool = False

    @classmethod
    def of(cls, reader: Reader, chunk: Chunk, *, logs_breaks: bool = False) -> ScanSource:
        """A chunk as its reader reads it."""
        short = logged_short(NUMBER, len(reader.header), chunk) if reader.fills_up(chunk) else None
        return cls(
            relation=reader.relation(chunk),
            fields=reader.fields,
            malformed=reader.malformed,
            blank=reader.blank,
            breaks=reader.breaks if chunk.quotes else None,
            touched=reader.touched,
            short=short,
            logs_breaks=logs_breaks,
        )


def scan_query(source: ScanSource, checks: RowChecks, query: str | None) -> str:
    """A SELECT of a chunk's valid rows, in their order, which logs all others.

    A logged row is a JSON array: its number in the chunk, its line breaks, its state, and then its
    fields, where these are evidence. The state is one of the words above, or the codes of the
    checks that the row breaks, with commas between them; null for a valid row.

    Valid rows that a rule warns of are counted by the sequences of `counters`, which have to be
    there; logged are the first `EXAMPLES` of each rule.

    Args:
        query: the request's, if it is to be applied here.
    """
    names = ",\n  ".join(sql_identifier(column.name) for column in checks.columns)
    return (
        f"SELECT\n  {names}\n"
        f"FROM {typed_rows(source.relation, checks.columns)}\n"
        f"WHERE {_is_valid(source, checks, query)}"
    )


def typed_rows(relation: str, columns: Sequence[Column]) -> str:
    """A relation of texts, with the typed values beside them."""
    values = ",\n    ".join(f"{cast_column(c)} AS {sql_identifier(c.name)}" for c in columns)
    relation = with_readings(relation, [form_of(column) for column in columns])
    return f"(\n  SELECT\n    *,\n    {values}\n  FROM {relation}\n)"


def counters(checks: RowChecks) -> dict[str, int | None]:
    """The sequences of a scan, by name: the check that each counts rows of; of `WARNED`, none."""
    if not checks.warns:
        return {}
    return {WARNED: None, **{_counter(code): code for code in _warning(checks)}}


def warned_of(checks: RowChecks) -> str:
    """SQL, true for a row that breaks a check of single rows that only warns."""
    return any_of(_warning(checks).values())


def has_fields(source: ScanSource, checks: RowChecks, query: str | None) -> str:
    """SQL, true for a record whose fields are evidence: it is a row, if perhaps malformed."""
    no_rows = [sql for word, sql in _no_rows(source, checks, query).items() if word != MALFORMED]
    return f"({any_of(no_rows)}) IS NOT TRUE"


def _is_valid(source: ScanSource, checks: RowChecks, query: str | None) -> str:
    """SQL predicate that is true for valid rows, and logs every row that is not only valid.

    DuckDB computes an OR within CASE for undecided rows only; AND NOT would be computed for all.
    """
    no_rows = _no_rows(source, checks, query)
    touched = [source.touched] if source.touched else []
    rejecting = (sql for code, sql in _broken(checks).items() if checks.every[code].rejects)
    head = _head(source)
    state = _state(no_rows, _broken(checks))
    fields = f"CASE WHEN {has_fields(source, checks, query)} THEN {source.fields} END"
    cases = ""
    if source.short:
        cases += f"  -- lacks columns: logged by its numbers\n  WHEN {FOUND} IS NOT NULL\n"
        cases += f"  THEN {source.short} IS NOT NULL\n"
    cases += "  -- rejected, or no row: logged\n"
    cases += f"  WHEN {_any([*no_rows.values(), *touched, *rejecting])}\n"
    cases += f"  THEN {_logged_with(head, state, fields)} IS NOT NULL\n"  # false, as it is NULL
    spans_lines = ""
    if source.breaks and source.logs_breaks:
        spans_lines += f"  WHEN ({source.breaks}) IS NOT NULL\n"
        spans_lines += f"  THEN {_logged(f'[{head}, NULL]')} IS NULL\n"
    if checks.warns:
        cases += "  -- valid, but warned of: counted, and the first of each rule are logged\n"
        cases += f"  WHEN {_any(list(_warning(checks).values()))}\n"
        cases += f"  THEN {_warned(source, checks, spans_lines)}\n"
    if spans_lines:
        cases += f"  -- valid, and takes more than one line\n{spans_lines}"
    return f"CASE\n{cases}  ELSE true\nEND"


def _warned(source: ScanSource, checks: RowChecks, spans_lines: str) -> str:
    """SQL, true for every row that is warned of, which counts it by each rule that it breaks.

    Args:
        spans_lines: what a valid row of several lines is logged by, as WHEN and THEN.
    """
    warning = _warning(checks)
    counts = [f"nextval('{WARNED}')"]
    counts += [f"CASE WHEN {sql} THEN nextval('{_counter(n)}') END" for n, sql in warning.items()]
    # Of the arguments of a function each is computed for every row, unlike those of an OR.
    least = "least(\n    " + ",\n    ".join(counts) + "\n  )"
    logged = _logged_with(_head(source), _codes(warning), source.fields)
    examples = f"  WHEN {least} <= {EXAMPLES}\n  THEN {logged} IS NULL\n"
    return f"CASE\n{examples}{spans_lines}  ELSE true END"


def _head(source: ScanSource) -> str:
    return f"CAST({NUMBER} AS VARCHAR), CAST({source.breaks or 'NULL'} AS VARCHAR)"


def _state(no_rows: dict[str, str], broken: dict[int, str]) -> str:
    """SQL of the state of a row that is none, or rejected."""
    cases = "".join(f"\n      WHEN {sql} THEN '{word}'" for word, sql in no_rows.items())
    return f"CASE{cases}\n      WHEN true THEN {_codes(broken)}\n    END"


def _codes(broken: dict[int, str]) -> str:
    """SQL of the codes of the checks that a row breaks."""
    codes = ",\n        ".join(f"CASE WHEN {sql} THEN '{code}' END" for code, sql in broken.items())
    return f"concat_ws(',', NULL,\n        {codes or 'NULL'})"


def _no_rows(source: ScanSource, checks: RowChecks, query: str | None) -> dict[str, str]:
    """SQL predicates, by state, of records that no check needs to examine."""
    filtered = None
    if query is not None:  # only a row all of whose values have their types can be left out
        filtered = filtered_out(checks.forms, query)
    found = {BLANK: source.blank, MALFORMED: source.malformed, FILTERED: filtered}
    return {word: sql for word, sql in found.items() if sql}


def _broken(checks: RowChecks) -> dict[int, str]:
    """SQL of the checks that a row by itself can break, by code."""
    return {n: check.broken for n, check in enumerate(checks.every) if check.broken is not None}


def _warning(checks: RowChecks) -> dict[int, str]:
    """Those of them that only warn."""
    return {n: sql for n, sql in _broken(checks).items() if not checks.every[n].rejects}


def _counter(code: int) -> str:
    return f"{WARNED}_{code}"


def _any(conditions: Sequence[str]) -> str:
    """As `any_of`, a condition a line."""
    return "\n    OR ".join(f"({condition})" for condition in conditions) or "false"


def _logged_with(head: str, state: str, fields: str) -> str:
    """SQL that logs a row, and is NULL."""
    return _logged(f"list_concat(\n    [{head},\n    {state}],\n    {fields}\n  )")


def _logged(texts: str) -> str:
    """SQL that logs texts, and is NULL."""
    return f"write_log(CAST(to_json({texts}) AS VARCHAR), log_type := '{LOG}')"
