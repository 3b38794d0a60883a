"""Any text, cut anywhere: each record is a valid row, or reported with its line and its text."""

from __future__ import annotations

import codecs
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from aws_cloud import DATA_BUCKET
from hypothesis import given
from hypothesis import strategies as st
from scratch_duckdb import connect

from contracts.dataset import Dataset
from reading.line_texts import as_text
from sources import fetch, zstd
from tabular import workspace
from validation.row_classes import RowClassifier
from validation.unit_split import split_text

COLUMNS: Final = [{"name": "n", "type": "integer", "required": True}, {"name": "text"}]
PACKED: Final = {
    "none": (bytes, ""),
    "gzip": (lambda body: gzip.compress(body, mtime=0), ".gz"),
    "zstd": (zstd.compress, ".zst"),
}
NOT_UTF_8: Final = "\udcff"  # becomes the byte 0xff
TEXTS: Final = st.text("ab ,;|'\"\né", max_size=6)


@dataclass(frozen=True)
class Record:
    """A record as it is written, and what must come of it.

    Attributes:
        valid: the row that it is.
        reason: why it is rejected; of neither: it is an empty line.
    """

    written: str
    valid: tuple[int, str | None] | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Text:
    """A text, and how it is packed and cut."""

    form: dict[str, Any]
    body: bytes
    line_end: str
    records: list[Record]
    chunk_bytes: int | None
    block: int
    processors: int


def field(value: str, delimiter: str, quote: str, *, always: bool) -> str:
    needs = always or any(sign in value for sign in (delimiter, quote, "\n"))
    return f"{quote}{value.replace(quote, 2 * quote)}{quote}" if needs else value


@st.composite
def records(draw: st.DrawFn, delimiter: str, quote: str, *, any_bytes: bool) -> Record:
    number = draw(st.integers(-9, 99))
    value = draw(TEXTS)
    written = field(value, delimiter, quote, always=draw(st.booleans()))
    start = f"{number}{delimiter}"
    kinds = ["good"] * 6 + ["type", "short", "long", "quote", "empty"]
    kind = draw(st.sampled_from([*kinds, "bytes"] if any_bytes else kinds))
    if kind == "type":
        return Record(f"x{number}{delimiter}{written}", reason=f"'x{number}' is not an integer")
    if kind == "short":
        return Record(str(number), reason="1 columns instead of 2")
    if kind == "long":
        return Record(f"{start}{written}{delimiter}z", reason="3 columns instead of 2")
    if kind == "quote":
        reason = "a quote is not closed, or text follows a closing quote"
        return Record(f"{start}{quote}a{quote}b", reason=reason)
    if kind == "empty":
        return Record("")
    if kind == "bytes":
        return Record(f"{start}a{NOT_UTF_8}", reason="not UTF-8")
    return Record(start + written, valid=(number, value or None))


@st.composite
def texts(draw: st.DrawFn) -> Text:
    delimiter, quote = draw(st.sampled_from([",", ";", "|"])), draw(st.sampled_from(['"', "'"]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "latin-1", "utf-16"]))
    compression = draw(st.sampled_from(sorted(PACKED)))
    line_end = draw(st.sampled_from(["\n", "\r\n"]))
    one = records(delimiter, quote, any_bytes=encoding == "utf-8")
    drawn = draw(st.lists(one, max_size=30))
    lines = [f"n{delimiter}text", *(record.written for record in drawn)]
    text = line_end.join(lines) + draw(st.sampled_from([line_end, ""]))
    body = text.encode(encoding, "surrogateescape")
    if encoding == "utf-8" and draw(st.booleans()):
        body = codecs.BOM_UTF8 + body
    return Text(
        form={
            **{"delimiter": delimiter, "quote": quote},
            **{"encoding": encoding, "compression": compression},
        },
        body=PACKED[compression][0](body),
        line_end=line_end,
        records=drawn,
        chunk_bytes=draw(st.sampled_from([1, 1, 40, 100, None])),
        block=draw(st.integers(1, 80)),
        processors=draw(st.sampled_from([1, 2])),
    )


def expected(text: Text) -> tuple[list[Any], list[Any]]:
    """The valid rows; line, reason and exact text of the rejected ones."""
    valid: list[Any] = []
    rejected: list[Any] = []
    line = 2
    for record in text.records:
        if record.valid is not None:
            valid.append(record.valid)
        elif record.reason is not None:
            raw = record.written.encode("utf-8", "surrogateescape")
            rejected.append((line, record.reason, *as_text(raw)))
        line += 1 + record.written.count("\n")
    return valid, rejected


def blocks_of(blocks: Iterator[bytes], size: int) -> Iterator[bytes]:
    for block in blocks:
        for at in range(0, len(block), size):
            yield block[at : at + size]


@given(text=texts())
def test_every_record_is_a_valid_row_or_reported_with_its_line_and_text(
    cloud: Any, text: Text
) -> None:
    contract = Dataset.from_json(
        {
            "name": "sales",
            "source": {"prefix": "landing/sales/"},
            "format": text.form,
            "columns": COLUMNS,
            "targets": {"dynamodb": {"key": ["n"]}},
        }
    )
    cloud.put("landing/sales/a.csv", text.body)
    whole = fetch.text_of(DATA_BUCKET, "landing/sales/a.csv", contract.format)
    with workspace.workspace(512) as space:
        blocks = blocks_of(whole, text.block)
        rules = RowClassifier(contract, None)
        rows = split_text(space, blocks, rules, "a.csv", text.processors, text.chunk_bytes)
        reported = [
            json.loads(line) for path in rows.rejects for line in path.read_bytes().splitlines()
        ]
        with connect() as connection:
            files = [str(path) for path in rows.parts]
            valid = connection.execute("FROM read_parquet(?)", [files]).fetchall()
    found = [
        (one["line"], one["reason"], one["raw"].replace("\r\n", "\n"), one.get("rawBase64"))
        for one in reported
    ]
    assert (valid, found) == expected(text)
