"""Contracts, rows and objects drawn at random, dirt included."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from column_texts import OF_KEY, TEXTS, WRITTEN, written
from hypothesis import strategies as st
from scratch_duckdb import connect

Values = dict[str, str | None]
SEVERITIES: Final = ["warn", "quarantine", "quarantine", "fail"]
STRINGS: Final = st.sampled_from(
    ["x", "y", "z", "abc", "Zoë", "a,b", 'q"q', "two\nlines", " x", "'"]
)
BOUNDS: Final = {"integer": (0, 7), "decimal(6,2)": ("0.00", "3.5"), "double": (-1, "1.5")}
RULES: Final = ["n < 6", "k <> 'b' OR n % 2 = 0", "length(k) = 1", "n IS NULL"]
QUERIES: Final = [None, None, None, "n % 3 > 0", "k < 'c'"]

SERIAL_AND_LETTER: Final[list[dict[str, Any]]] = [
    {"name": "n", "type": "integer", "required": True},
    {"name": "k", "required": True},
]


@dataclass(frozen=True)
class Drawn:
    """A contract's columns and rules, and an object's rows.

    Attributes:
        rows: by column; None where there is nothing. `n` is unique and always valid.
        malformed: after how many rows records follow that cannot be read.
        blanks: after how many rows empty lines follow, which mean nothing.
        folders: of the object's key.
        of_key: the texts of the columns that are not in the object.
    """

    columns: list[dict[str, Any]]
    rules: list[dict[str, Any]]
    rows: list[Values]
    malformed: list[int]
    query: str | None
    blanks: tuple[int, ...] = ()
    folders: str = ""
    of_key: Values = field(default_factory=dict)

    @property
    def in_object(self) -> list[str]:
        """The names of the other columns."""
        return [column["name"] for column in self.columns if "from" not in column]


@st.composite
def columns(draw: st.DrawFn) -> list[dict[str, Any]]:
    """`n`, a serial number; `k`, few letters that come again; up to three of any kind; and up to
    two that are not in the object."""
    found: list[dict[str, Any]] = [dict(column) for column in SERIAL_AND_LETTER]
    for number in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["string", *TEXTS]))
        column: dict[str, Any] = {"name": f"c{number}", "type": kind}
        column["severity"] = draw(st.sampled_from(SEVERITIES))
        column["required"] = draw(st.booleans())
        column["unique"] = draw(st.sampled_from([False, False, True]))
        if draw(st.sampled_from([False, True])):
            column |= draw(st.sampled_from(WRITTEN)).fields
        elif kind == "string":
            column |= draw(st.sampled_from([{}, {"allowed": ["x", "y"]}, {"pattern": "[a-z]+"}]))
            column |= draw(st.sampled_from([{}, {}, {"references": "k"}]))
        elif kind in BOUNDS and draw(st.booleans()):
            column["minimum"], column["maximum"] = BOUNDS[kind]
        found.append(column)
    for number in draw(st.lists(st.integers(0, len(OF_KEY) - 1), max_size=2, unique=True)):
        column = {"name": f"key{number}", **OF_KEY[number].fields}
        column["severity"] = draw(st.sampled_from(SEVERITIES))
        column["required"] = draw(st.booleans())
        found.append(column)
    return found


def _found_in(column: dict[str, Any]) -> dict[str, str | None]:
    """The folders that hold a text for a column that is not in the object."""
    return next(each.folders for each in OF_KEY if each.fields.items() <= column.items())


@st.composite
def objects(draw: st.DrawFn, *, clean: bool = False, first: int = 0) -> Drawn:
    """A contract and one object of it.

    Args:
        clean: without malformed records and checks that fail the unit.
        first: the first row's `n`.
    """
    held = draw(columns())
    rules = [
        {"name": f"rule-{n}", "check": check, "severity": draw(st.sampled_from(SEVERITIES))}
        for n, check in enumerate(draw(st.lists(st.sampled_from(RULES), max_size=2, unique=True)))
    ]
    query = draw(st.sampled_from(QUERIES))
    if clean:
        for each in (*held, *rules):
            each["severity"] = "quarantine" if each.get("severity") == "fail" else "warn"
    elif draw(st.booleans()):  # nothing but rejected rows, which one scan can find
        query = None
        for each in (*held, *rules):
            each["severity"] = "quarantine"
    folders, of_key = "", Values()
    for column in held:
        if "from" in column:
            folder, text = draw(st.sampled_from(list(_found_in(column).items())))
            folders, of_key[column["name"]] = folders + folder, text
    rows = draw(rows_of(held, first, of_key))
    at = st.lists(st.integers(0, len(rows)), max_size=3).map(sorted)
    malformed = [] if clean else draw(at)
    return Drawn(held, rules, rows, malformed, query, tuple(draw(at)), folders, of_key)


@st.composite
def rows_of(
    draw: st.DrawFn,
    held: list[dict[str, Any]],
    first: int = 0,
    of_key: Values | None = None,
) -> list[Values]:
    """Rows of an object; `of_key` as in `Drawn`."""
    rows: list[Values] = []
    for number in range(draw(st.integers(0, 9))):
        row: Values = {"n": str(first + number), "k": draw(st.sampled_from("abcd"))}
        for column in held[2:]:
            if "from" not in column:
                row[column["name"]] = draw(_text_of(column))
        rows.append(row | (of_key or {}))
    return rows


def _text_of(column: dict[str, Any]) -> st.SearchStrategy[str | None]:
    form, kind = written(column), column["type"]
    if form:
        right = st.sampled_from(list(form.right))
        wrong = st.sampled_from(form.wrong) if form.wrong else right
        return st.one_of(right, right, st.none(), wrong)
    if kind == "string":
        return st.one_of(st.none(), STRINGS)
    right, wrong = (st.sampled_from(texts) for texts in TEXTS[kind])
    return st.one_of(right, right, st.none(), wrong)


@dataclass(frozen=True)
class Dialect:
    """How objects of one contract are written.

    Attributes:
        names: the columns in the order in which they stand.
        spare: a further column that the contract does not know.
        shadows: fields by the names of columns that are not in the object: nothing of them counts.
        ends: of lines, in turn.
        packed: by gzip, as the key's ending or the contract says.
        above: lines before a table, and behind it.
        comments: of CSV, whether these stand where empty lines would.
        within: of a JSON array, whether it is within an object.
        concatenated: of JSON lines, whether they are objects of several lines in a row.
    """

    kind: str
    names: list[str]
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    spare: bool = False
    ends: tuple[str, ...] = ("\n",)
    packed: Literal["no", "by its key", "by the contract"] = "no"
    above: int = 0
    comments: bool = False
    within: bool = False
    concatenated: bool = False
    shadows: tuple[str, ...] = ()

    @property
    def fields(self) -> list[str]:
        """The names of an object's fields."""
        return [*self.names, *(["spare"] if self.spare else []), *self.shadows]

    @property
    def format(self) -> dict[str, Any]:
        """As the contract describes it."""
        described: dict[str, Any] = {"type": self.kind}
        if self.kind == "csv":
            described |= {"delimiter": self.delimiter, "quote": self.quote}
            described |= {"encoding": self.encoding}
            described |= {"skipLines": self.above, "footerLines": self.above} if self.above else {}
            described |= {"comment": "#"} if self.comments else {}
        described |= {"records": "$.a.items"} if self.within else {}
        described |= {"concatenated": True} if self.concatenated else {}
        if self.packed == "by the contract":
            described["compression"] = "gzip"
        return described

    @property
    def ending(self) -> str:
        return f".{self.kind}.gz" if self.packed == "by its key" else f".{self.kind}"

    def write(self, drawn: Drawn) -> bytes:
        """An object with these rows; Parquet has no malformed ones."""
        if self.kind == "parquet":
            return _parquet([self._shadowed(row) for row in drawn.rows], self.fields)
        texts = [text for text, _ in self.records(drawn)]
        if self.kind == "json":
            text = f"[{', '.join(texts)}]"
            text = f'{{"n": [1], "a": {{"items": {text}}}}}' if self.within else text
        else:
            around = ['odd "'] * self.above
            texts = [*around, *texts, *around]
            ends = itertools.cycle([""] if self.concatenated else self.ends)
            text = "".join(text + next(ends) for text in texts)
        body = text.encode(self.encoding)
        return body if self.packed == "no" else gzip.compress(body)

    def records(self, drawn: Drawn) -> list[tuple[str, str | None]]:
        """The text of each record with the `n` of a row; `malformed`, or None for none at all."""
        csv_text, found = self.kind == "csv", list[tuple[str, str | None]]()
        names = self.fields
        if csv_text:
            found.append((self._csv(names), None))
        for number in range(len(drawn.rows) + 1):
            for which in range(drawn.malformed.count(number)):
                bad = self._malformed(len(names), which) if csv_text else f"[{which}]"
                found.append((bad, "malformed"))
            blank = '# "' if self.comments else ""
            found += [(blank, None)] * (drawn.blanks.count(number) if self.kind != "json" else 0)
            if number < len(drawn.rows):
                row = self._shadowed(drawn.rows[number])
                texts = [row.get(name) for name in names]
                indent = 1 if self.concatenated else None
                text = self._csv(texts) if csv_text else _object(row, names, indent)
                found.append((text, row["n"]))
        return found

    def lines(self, drawn: Drawn) -> dict[str, int]:
        """Where each row begins, by its `n`: its line, or its number in JSON arrays and Parquet."""
        if self.kind == "parquet":
            return {str(row["n"]): number for number, row in enumerate(drawn.rows, start=1)}
        found, line = {}, 1 + self.above
        for text, n in self.records(drawn):
            if n is not None:
                found[n] = line
            line += 1 if self.kind == "json" else text.count("\n") + (not self.concatenated)
        return found

    def _shadowed(self, row: Values) -> Values:
        """A row as the object has it."""
        return row | dict.fromkeys(self.shadows, "?")

    def _csv(self, fields: Sequence[str | None]) -> str:
        file = io.StringIO()
        writer = csv.writer(file, delimiter=self.delimiter, quotechar=self.quote)
        writer.writerow(["" if field is None else field for field in fields])
        return file.getvalue().removesuffix("\r\n")

    def _malformed(self, columns: int, which: int) -> str:
        """A field too many, one too few, or text behind a closing quote."""
        if which == 2:
            closed = f"{self.quote}x{self.quote}y"
            return self.delimiter.join([closed, *["?"] * (columns - 1)])
        return self.delimiter.join(["?"] * (columns + (-1 if which else 1)))


@st.composite
def dialects(draw: st.DrawFn, drawn: Drawn) -> Dialect:
    """Any format, the columns in any order."""
    names = draw(st.permutations(drawn.in_object))
    absent = [column for column in drawn.columns if "from" in column]
    shadows = tuple(c.get("source") or c["name"] for c in absent if draw(st.booleans()))
    kind = draw(st.sampled_from(["csv", "csv", "csv", "jsonl", "json", "parquet"]))
    if kind == "parquet":
        return Dialect(kind, names, shadows=shadows)
    packed = draw(st.sampled_from(["no", "no", "by its key", "by the contract"]))
    if kind != "csv":
        odd = draw(st.booleans())
        within, concatenated = odd and kind == "json", odd and kind == "jsonl"
        return Dialect(
            kind,
            names,
            packed=packed,
            within=within,
            concatenated=concatenated,
            shadows=shadows,
        )
    return Dialect(
        kind,
        names,
        encoding=draw(st.sampled_from(["utf-8", "latin-1", "windows-1252", "utf-16"])),
        delimiter=draw(st.sampled_from([",", ";", "\t", "|"])),
        quote=draw(st.sampled_from(['"', "'"])),
        spare=draw(st.booleans()),
        ends=draw(st.sampled_from([("\n",), ("\r\n",), ("\n", "\r\n", "\n")])),
        packed=packed,
        above=draw(st.sampled_from([0, 0, 1, 3])),
        comments=draw(st.booleans()),
        shadows=shadows,
    )


def _object(row: Values, names: Sequence[str], indent: int | None) -> str:
    present = {name: row[name] for name in names if row.get(name) is not None}
    return json.dumps(present, ensure_ascii=False, indent=indent)


def _parquet(rows: list[Values], names: list[str]) -> bytes:
    listed = ", ".join(f'"{name}" VARCHAR' for name in names)
    marks = ", ".join("?" for _ in names)
    with tempfile.TemporaryDirectory() as folder, connect() as maker:
        maker.execute(f"CREATE TEMP TABLE rows ({listed})")
        for row in rows:
            maker.execute(f"INSERT INTO rows VALUES ({marks})", [row.get(name) for name in names])
        path = Path(folder) / "rows.parquet"
        maker.execute(f"COPY rows TO '{path}' (FORMAT parquet)")
        return path.read_bytes()
