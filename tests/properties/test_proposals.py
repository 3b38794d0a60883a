"""A proposed contract takes the sample that it was proposed from, and loses no digit of it."""

from __future__ import annotations

import codecs
import datetime
import gzip
import itertools
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from data_run import DataRun
from hypothesis import given
from hypothesis import strategies as st
from pipeline_run import fewer

from cli.exit_codes import CommandFailed
from cli.proposal.contract import Origin
from cli.proposal.propose import propose
from contracts.columns import Column
from dataset_loading.check import check_dataset
from reading_rules.values.forms import value_form

ROWS_AT_MOST: Final = 60
NUMBERS: Final = itertools.count(1)
DELIMITERS: Final = ",;\t|"
VALUES: Final = {
    "code": st.from_regex(r"[A-Z]{2}[0-9]{3}", fullmatch=True),
    "postcode": st.from_regex(r"0?[0-9]{4}", fullmatch=True),
    "phone": st.from_regex(r"\+[0-9]{8}", fullmatch=True),
    "hex": st.from_regex(r"[0-9]{2}[E7][0-9]", fullmatch=True),
    "whole": st.integers(-(10**12), 10**12).map(str),
    "long": st.integers(-(10**25), 10**25).map(str),
    "price": st.decimals(0, 10**6, places=2).map(str),
    "measure": st.floats(-1e6, 1e6).map(repr),
    "day": st.dates(datetime.date(1990, 1, 1)).map(str),
    "time": st.integers(0, 10**9).map(
        lambda at: f"{datetime.datetime.fromtimestamp(at, datetime.UTC):%Y-%m-%d %H:%M:%S}"
    ),
    "german day": st.dates(datetime.date(1990, 1, 1)).map(lambda day: f"{day:%d.%m.%Y}"),
    "mixed day": st.tuples(
        st.dates(datetime.date(1990, 1, 1)), st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y"])
    ).map(lambda drawn: drawn[0].strftime(drawn[1])),
    "padded": st.integers(0, 999).map(lambda n: f"\t{n}\u00a0"),
    "german price": st.decimals(0, 10**5, places=2).map(lambda n: f"{n}".replace(".", ",")),
    "share": st.integers(0, 100).map(lambda share: f"{share}%"),
    "created at": st.integers(10**9, 2 * 10**9 - 1).map(str),
    "agreed": st.sampled_from(["yes", "no", "NO"]),
    "token": st.sampled_from(["NA", "5", "7", "-", "null"]),
    "text": st.text("abß ,;|'\"\té☃", max_size=8),
    "lone quotes": st.sampled_from(['5" pipe', 'say "x', "plain", 'x"']),
}
ENCODINGS: Final = ("utf-8", "utf-8-sig", "utf-16", "cp1252")
COMPARED: Final[tuple[tuple[str, Callable[[str], Any]], ...]] = (
    ("string", str),
    ("integer", int),
    ("double", float),
    ("decimal", Decimal),
    ("date", datetime.date.fromisoformat),
)


@dataclass(frozen=True)
class Sample:
    """A file, and the texts that it holds, empty ones as None."""

    name: str
    body: bytes
    rows: list[list[str | None]]
    columns: list[str]


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    columns = [f"{kind.replace(' ', '_')}_{at}" for at, kind in enumerate(kinds)]
    size = draw(st.integers(2, ROWS_AT_MOST))
    rows = [[draw(st.none() | VALUES[kind]) or None for kind in kinds] for _ in range(size)]
    if draw(st.booleans()):
        columns = ["id", *columns]
        rows = [[f"r{at}", *row] for at, row in enumerate(rows)]
    if draw(st.integers(0, 3)):
        return _as_csv(draw, columns, rows)
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    texts = {
        "a.jsonl": "\n".join(map(json.dumps, records)),
        "b.jsonl": "".join(map(json.dumps, records)),
        "c.jsonl": "\n".join(json.dumps(record, indent=2) for record in records),
        "a.json": json.dumps(records),
        "b.json": json.dumps({"at": 1, "Records": records}, indent=1),
    }
    name = draw(st.sampled_from(sorted(texts)))
    return Sample(name, texts[name].encode(), rows, columns)


def _as_csv(draw: st.DrawFn, columns: list[str], rows: list[list[str | None]]) -> Sample:
    delimiter, end = draw(st.sampled_from(DELIMITERS)), draw(st.sampled_from(["\n", "\r\n"]))
    quoted = draw(st.booleans())

    def written(value: str | None) -> str:
        if value is None:
            return ""
        needs = quoted or any(sign in value for sign in (delimiter, '"', "\n"))
        return '"' + value.replace('"', '""') + '"' if needs else value

    lines = [delimiter.join(map(written, row)) for row in [columns, *rows]]
    before = draw(st.sampled_from(["", "Report of November", "# exported", "Title\n\nby hand"]))
    before = before.replace("\n", end) + end if before and len(columns) > 1 else ""
    text = before + "".join(line + end for line in lines)
    encoding = draw(st.sampled_from(ENCODINGS))
    body = text.encode(encoding, errors="replace")
    shown = codecs.decode(body, encoding)
    if "?" in shown:  # the snowman, which windows-1252 lacks
        body = text.encode("utf-8")
    packed = draw(st.booleans())
    name = "a.csv.gz" if packed else "a.csv"
    return Sample(name, gzip.compress(body, mtime=0) if packed else body, rows, columns)


@fewer(4)
@given(sample=samples())
def test_a_contract_takes_its_own_sample_or_there_is_none(cloud: Any, sample: Sample) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / sample.name
        file.write_bytes(sample.body)
        try:
            text = propose("sales", Origin(sample.name), file, Path(folder), files=False)
        except CommandFailed as refused:
            _check_reason(refused.message)
            return
    checked = check_dataset(text, "sales")
    columns, run_id = checked.output_columns, f"proposed-{next(NUMBERS)}"
    run = DataRun(cloud, checked.dataset, run_id, output_columns=columns)
    run.lay_out(sample.body, name=sample.name)

    counts = run.validate()  # raises if more are rejected than the contract allows

    assert counts.rows_in == len(sample.rows)
    if not counts.rejected:
        names = [column.source or column.name for column in checked.dataset.columns]
        if names == sample.columns:
            kinds = [_kind(column) for column in checked.dataset.columns]
            for got, wrote in zip(run.valid_rows(), sample.rows, strict=True):
                assert all(_same(*each) for each in zip(got, wrote, kinds, strict=False))
    assert run.transform().rows <= counts.valid


def _check_reason(message: str) -> None:
    assert re.search(r"no contract|none of the sample's rows|has no rows|is empty", message), (
        message
    )


def _kind(column: Column) -> str:
    """Its type; none where its texts are not as the type has them."""
    said = value_form(column.to_json())
    return column.type if said.is_plain and not said.is_cleaned else "another"


def _same(got: Any, wrote: str | None, kind: str) -> bool:
    parse = next((parse for name, parse in COMPARED if kind.startswith(name)), None)
    if kind == "another":
        return True
    if wrote is None or parse is None:
        return (got is None) == (wrote is None)
    return bool(got == parse(wrote.strip() if kind != "string" else wrote))
