"""The rows that no store can take, as JSON lines in the quarantine beside those of validate.

One line:
    source: URL of the unit's object.
    rule, column, value, reason: as in validation.quarantine; the rules are those of stores.rules.
    valid_row: which of the unit's valid rows became this one, from 1; where that is known.
    row: that row, the text of each contract column, null for a missing one.
    result: where it is not known, the row as the transform made it, likewise.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from contracts.dataset import Severity
from contracts.errors import InvalidData
from stores.rules import SUMMARIES
from tabular.part_files import NUMBER, Rows, numbered
from tabular.sql import sql_identifier
from tabular.workspace import Workspace
from transformation.row_texts import Forms, text_of
from transformation.unstorable import UNSTORABLE, WHOLE
from validation.checks import Check
from validation.violations import BrokenRules

_VALID: Final = '"numbered-valid"'
_ONE: Final = '"one-valid"'
_AT_A_TIME: Final = 64  # rows may be large


def number_by_position(space: Workspace) -> None:
    """Each row of the result is the valid row in the same place."""
    space.connection.execute(f"UPDATE {UNSTORABLE} SET valid_row = number")


def number_by_trial(space: Workspace, valid: Rows, select: str, where: str) -> None:
    """Find the valid row of each unstorable row: the one that becomes the same when it is alone.

    A query for every valid row: for batches of items, of which there are a thousand at most.

    Raises:
        InvalidData: a row is made of several together, so no single one can be held to blame.
    """
    wanted = defaultdict(list)
    found = space.connection.execute(
        f"SELECT * FROM {WHOLE} WHERE {NUMBER} IN (SELECT number FROM {UNSTORABLE})"
        f" ORDER BY {NUMBER}"
    )
    for number, *values in found.fetchall():
        wanted[repr(values)].append(number)
    makers = _makers(space, valid, select, set(wanted))
    for made, numbers in wanted.items():
        if len(makers[made]) < len(numbers):
            why = space.connection.execute(
                f"SELECT reason FROM {UNSTORABLE} WHERE number = {numbers[0]}"
            ).fetchone()
            raise InvalidData(
                f"a row that the transform makes of several items in {where} cannot be stored:"
                f" {why[0] if why else ''}"
            )
        last = makers[made][-len(numbers) :]  # of equal items, the first ones stay
        for number, row in zip(numbers, last, strict=True):
            space.connection.execute(
                f"UPDATE {UNSTORABLE} SET valid_row = {row} WHERE number = {number}"
            )


def _makers(space: Workspace, valid: Rows, select: str, wanted: set[str]) -> dict[str, list[int]]:
    """Numbers of the valid rows that become one of these rows when they are alone."""
    found: dict[str, list[int]] = defaultdict(list)
    rows = numbered(space, valid.files)
    for number in range(valid.count):
        space.connection.execute(
            f"CREATE OR REPLACE TABLE {_ONE} AS SELECT * EXCLUDE ({NUMBER}) FROM ({rows})"
            f" WHERE {NUMBER} = {number}"
        )
        space.connection.execute(
            f"CREATE OR REPLACE VIEW {sql_identifier(valid.relation)} AS FROM {_ONE}"
        )
        for row in space.connection.execute(select).fetchall():
            if repr(list(row)) in wanted:
                found[repr(list(row))].append(number)
    valid.show(space)
    return found


def write_unstorable(
    space: Workspace,
    path: Path,
    source: str,
    valid: Rows,
    forms: Forms,
    number_of: Callable[[int], int] = lambda number: number,
) -> BrokenRules:
    """Write every unstorable row, in the result's order; returns which rules they broke.

    Args:
        forms: how the texts of valid rows are written.
        number_of: which of the unit's valid rows one of these is, both from 0.
    """
    rules = BrokenRules()
    known = space.number(f"SELECT count(*) FROM {UNSTORABLE} WHERE valid_row IS NOT NULL") > 0
    space.connection.execute(f"CREATE OR REPLACE VIEW {_VALID} AS {numbered(space, valid.files)}")
    relation, number = (_VALID, "valid_row") if known else (WHOLE, "number")
    described = space.connection.execute(f"DESCRIBE FROM {relation}").fetchall()
    names = [row[0] for row in described[1:]]
    texts = ", ".join(
        text_of(f"shown.{sql_identifier(name)}", forms.get(name) if known else None)
        for name in names
    )
    cursor = space.connection.cursor().execute(
        "SELECT found.rule, found.column_name, found.value, found.reason, found.valid_row,"
        f" {texts} FROM {UNSTORABLE} AS found JOIN {relation} AS shown"
        f" ON shown.{NUMBER} = found.{number} ORDER BY found.number"
    )
    with path.open("a", encoding="utf-8") as file:  # behind those that fail
        while batch := cursor.fetchmany(_AT_A_TIME):
            for rule, column, value, reason, valid_row, *values in batch:
                about = {"rule": rule, "column": column, "value": value, "reason": reason}
                line = {
                    name: known_value
                    for name, known_value in about.items()
                    if known_value is not None
                }
                shown: dict[str, Any] = dict(zip(names, values, strict=True))
                row = (
                    {"result": shown}
                    if not known
                    else {"valid_row": number_of(valid_row) + 1, "row": shown}
                )
                text = json.dumps({"source": source, **line, **row}, ensure_ascii=False)
                file.write(text + "\n")
                found = rules.of(_check(rule, column))
                found.rows += 1
                found.add_example(None, value if value is not None else reason)
    return rules


def _check(rule: str, column: str | None) -> Check:
    return Check(None, rule, SUMMARIES[rule], column, Severity.QUARANTINE)


def refuse_too_many(
    rules: BrokenRules,
    unstorable: int,
    rejected: int,
    rows_in: int,
    limit: float,
    where: str,
    url: str,
) -> None:
    """Hold the unstorable rows, with those that validate rejected, against the contract's limit.

    Raises:
        InvalidData: there are too many; nothing was stored.
    """
    together = unstorable + rejected
    if together * 100 <= limit * rows_in:
        return
    top = ", ".join(f"{rule.name} ({rule.rows})" for rule in rules.most_frequent()[:3])
    before = f" with the {rejected} that validation has rejected" if rejected else ""
    raise InvalidData(
        f"{where}: {unstorable} rows of the transform's result cannot be stored,{before}"
        f" {together * 100 / max(1, rows_in):.1f} % of {rows_in} rows (the contract allows"
        f" {limit:g} %): {top}; they are in {url}. If a key is there more than once on purpose, let"
        " the transform keep one row of each: QUALIFY row_number() OVER (PARTITION BY key ORDER BY"
        " …) = 1"
    ).without_values()
