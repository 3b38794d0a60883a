"""Any text, cut anywhere: each record is a valid row, or reported with its line and its text."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from aws_cloud import DATA_BUCKET
from hypothesis import given
from hypothesis import strategies as st
from scratch_duckdb import connect

from contracts.dataset import Dataset
from reading.line_texts import as_text
from reading_rules.source_lines import SourceLines
from sources import fetch, zstd
from tabular import workspace
from validation.row_classes import RowClassifier
from validation.unit_split import split_text

COLUMNS: Final = [{"name": "n", "type": "integer", "required": True}, {"name": "text"}]
NULLS: Final = ["NA", "-", "\\N"]


def zipped(body: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", body)
    return file.getvalue()


PACKED: Final = {
    "none": (bytes, ""),
    "gzip": (lambda body: gzip.compress(body, mtime=0), ".gz"),
    "zstd": (zstd.compress, ".zst"),
    "bzip2": (bz2.compress, ".bz2"),
    "zip": (zipped, ".zip"),
}
NOT_UTF_8: Final = "\udcff"  # becomes the byte 0xff
TEXTS: Final = st.text("ab ,;|#\\N-'\"\né", max_size=6) | st.sampled_from([*NULLS, "\\\\N"])


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
    before: int  # lines above the first record
    records: list[Record]
    chunk_bytes: int | None
    block: int
    processors: int


def field(value: str, form: dict[str, Any], *, always: bool) -> str:
    """A value as it stands in the text; quoted, or with backslashes, where it has to be."""
    delimiter, quote = form["delimiter"], form["quote"]
    needs = always or any(sign in value for sign in (delimiter, quote, "\n"))
    if "escape" not in form:
        return f"{quote}{value.replace(quote, 2 * quote)}{quote}" if needs else value
    signs = re.escape(delimiter) + "|\\\\|\n|" + re.escape(quote)
    if value == "\\N" and not always:
        return value  # a missing value, where it is one of these
    escaped = re.sub(signs, lambda sign: "\\" + sign[0], value)
    return f"{quote}{escaped}{quote}" if always else escaped


def read(value: str, form: dict[str, Any], *, always: bool) -> str | None:
    """What must come of a field."""
    if value == "\\N" and "escape" in form and always:
        return value  # written as \\\\N, so it is meant
    return None if not value or value in form.get("nulls", []) else value


@st.composite
def records(draw: st.DrawFn, form: dict[str, Any], *, any_bytes: bool) -> Record:
    delimiter, quote = form["delimiter"], form["quote"]
    number = draw(st.integers(-9, 99))
    value, always = draw(TEXTS), draw(st.booleans())
    written = field(value, form, always=always)
    start = f"{number}{delimiter}"
    kinds = ["good"] * 6 + ["type", "short", "long", "quote", "empty"]
    kinds += ["bytes"] if any_bytes else []
    kinds += ["comment"] * 2 if "comment" in form else []
    kind = draw(st.sampled_from(kinds))
    if kind == "comment":
        return Record(form["comment"] + value.replace("\n", " "))
    if kind == "type":
        return Record(f"x{number}{delimiter}{written}", reason=f"'x{number}' is not an integer")
    if kind == "short" and "padShortRows" in form:
        return Record(str(number), valid=(number, None))
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
    return Record(start + written, valid=(number, read(value, form, always=always)))


@st.composite
def texts(draw: st.DrawFn) -> Text:
    form: dict[str, Any] = {
        "delimiter": draw(st.sampled_from([",", ";", "|", "||", ",;,"])),
        "quote": draw(st.sampled_from(['"', "'"])),
    }
    new = {
        **{"nulls": NULLS, "comment": "#", "escape": "\\", "padShortRows": True},
        **{"skipLines": draw(st.integers(1, 3)), "footerLines": draw(st.integers(1, 3))},
    }
    form |= {name: new[name] for name in draw(st.sets(st.sampled_from(sorted(new))))}
    delimiter = form["delimiter"]
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "latin-1", "utf-16", "utf-16-le"]))
    compression = draw(st.sampled_from(sorted(PACKED)))
    line_end = draw(st.sampled_from(["\n", "\r\n"]))
    one = records(form, any_bytes=encoding == "utf-8")
    drawn = draw(st.lists(one, max_size=30))
    around = st.text("ab,;|#'\"", max_size=4)
    above = [draw(around) for _ in range(form.get("skipLines", 0))]
    if "comment" in form and draw(st.booleans()):
        above.append('# "')
    below = [draw(around) + "." for _ in range(form.get("footerLines", 0))]
    lines = [*above, f"n{delimiter}text", *(record.written for record in drawn), *below]
    text = line_end.join(lines) + draw(st.sampled_from([line_end, ""]))
    body = text.encode(encoding, "surrogateescape")
    if encoding == "utf-8" and draw(st.booleans()):
        body = codecs.BOM_UTF8 + body
    return Text(
        form={**form, "encoding": encoding, "compression": compression},
        body=PACKED[compression][0](body),
        line_end=line_end,
        before=len(above) + 1,
        records=drawn,
        chunk_bytes=draw(st.sampled_from([1, 1, 40, 100, None])),
        block=draw(st.integers(1, 80)),
        processors=draw(st.sampled_from([1, 2])),
    )


def expected(text: Text) -> tuple[list[Any], list[Any]]:
    """The valid rows; line, reason and exact text of the rejected ones."""
    valid: list[Any] = []
    rejected: list[Any] = []
    line = text.before + 1
    for record in text.records:
        if record.valid is not None:
            valid.append(record.valid)
        elif record.reason is not None:
            raw = record.written.encode("utf-8", "surrogateescape")
            # With backslashes, what is shown is plain CSV.
            shown = (None, None) if "escape" in text.form else as_text(raw)
            rejected.append((line, record.reason, *shown))
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
    with workspace.workspace(512) as space:
        lines = SourceLines(space.path("lines"))
        whole = fetch.text_of(DATA_BUCKET, "landing/sales/a.csv", contract.format, lines=lines)
        blocks = blocks_of(whole, text.block)
        rules = RowClassifier(contract, None)
        rows = split_text(space, blocks, rules, "a.csv", text.processors, text.chunk_bytes, lines)
        reported = [
            json.loads(line) for path in rows.rejects for line in path.read_bytes().splitlines()
        ]
        with connect() as connection:
            files = [str(path) for path in rows.parts]
            valid = connection.execute("FROM read_parquet(?)", [files]).fetchall()
    if "escape" in text.form:
        reported = [{**one, "raw": None, "rawBase64": None} for one in reported]
    found = [
        (one["line"], one["reason"], (one["raw"] or "").replace("\r\n", "\n") or None)
        + (one.get("rawBase64"),)
        for one in reported
    ]
    assert (valid, found) == expected(text)
