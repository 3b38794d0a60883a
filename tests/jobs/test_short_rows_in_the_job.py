"""The Glue job reports rows that lack columns alike, whether it reads them filled up or not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pinned_job
import pytest
from job_scripts import loaded
from test_clean_csv import SCRIPT, arguments, clean, dataset, output, put

FILES = {"files": {"prefix": "out/"}}
COLUMNS = [{"name": "a"}, {"name": "n", "type": "integer"}, {"name": "c"}]
FIELDS = ["", "1", "x", "é", " ", "\x00", "-", "''"]
QUOTED = ['"q"', '"a,b"', '"l\nm"', '5"', '"open']
NEVER = 10**9


def text(chance: random.Random, fields: list[str], end: str) -> str:
    rows = [
        ",".join(chance.choice(fields) for _ in range(chance.choice([1, 1, 2, 2, 3, 3, 4])))
        for _ in range(chance.randrange(1, 12))
    ]
    return end.join(["a,n,c", *rows, *chance.choice([[], [""], ["", ""]])])


def body_of(seed: int, first: str = "") -> bytes:
    chance = random.Random(seed)  # noqa: S311 -- no secret
    fields = FIELDS + (QUOTED[: seed % 6] if seed % 2 else [])
    end = "\r\n" if seed % 3 == 0 else "\n"
    body = text(chance, fields, end).replace(f"c{end}", f"c{end}{first.replace('|', end)}", 1)
    return body.encode() + (b"\n\xff\n1,\xff\xc3\nz,1\n" if seed % 4 == 2 else b"")


def done(job: Any, s3: Any, body: bytes, query: str | None = None, **changes: Any) -> Any:
    """Everything that the job has said of it."""
    put(s3, body, "in/a.csv", dataset(columns=COLUMNS, targets=FILES, **changes))
    error = job.main(arguments("in/a.csv", query))
    if error is not None:
        return str(error)
    found = output(s3)
    return {**found.report, "seconds": 0}, found.rows, found.rejects


@pytest.fixture(scope="module")
def here() -> Any:
    return loaded(SCRIPT)


@pytest.fixture(scope="module")
def pinned() -> Iterator[Any]:
    with pinned_job.running(SCRIPT) as job:
        yield job


@pytest.mark.parametrize("query", [None, "a = 'x' OR n = 1"])
@pytest.mark.parametrize("seed", range(24))
def test_they_are_reported_as_by_the_parser(
    here: Any, s3: Any, monkeypatch: pytest.MonkeyPatch, seed: int, query: str | None
) -> None:
    body = body_of(seed)
    expected = done(here, s3, body, query)
    monkeypatch.setattr(here, "WORTHWHILE", 1)
    assert done(here, s3, body, query) == expected


@pytest.mark.parametrize(
    "form",
    [
        {"delimiter": "||"},
        {"encoding": "utf-16-le"},
        {"nulls": ["x", "-"]},
        {"skipLines": 1},
        {"comment": "-"},
        {"escape": "\\"},
        {"header": False},
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_so_they_are_in_other_formats(
    here: Any, s3: Any, monkeypatch: pytest.MonkeyPatch, seed: int, form: dict[str, Any]
) -> None:
    body = body_of(seed).replace(b",", form.get("delimiter", ",").encode())
    if "encoding" in form:
        body = body.decode("utf-8", "replace").encode(form["encoding"])
    said = {"format": {"type": "csv", **form}}
    expected = done(here, s3, b"above\n" + body if "skipLines" in form else body, **said)
    monkeypatch.setattr(here, "WORTHWHILE", 1)
    assert done(here, s3, b"above\n" + body if "skipLines" in form else body, **said) == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))
def test_the_pinned_job_reports_many_of_them_alike(
    here: Any, pinned: Any, s3: Any, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    body = body_of(seed, "x|" * 600)
    monkeypatch.setattr(here, "WORTHWHILE", NEVER)
    assert done(pinned, s3, body) == done(here, s3, body)


def test_nothing_is_stored_of_many_short_rows(
    here: Any, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What DuckDB would hold of each missing field is what took time and memory."""
    stored: list[Any] = []
    original = here.unreadable_records

    def unreadable_records(*given: Any) -> Any:
        stored.extend(found := original(*given))
        return found

    monkeypatch.setattr(here, "unreadable_records", unreadable_records)
    many = "x,1,2,y\n" + "x\n" * 300 + '"x,y"\n' * 400 + '5",1,y\n' + '"l\nm",2\n' * 700
    found = clean(
        here, s3, "a,n,c\nx,1,y\n" + many + "x,1,y,,,\nz\n", columns=COLUMNS, targets=FILES
    )
    assert found.report["rowsBad"] == 1402
    assert found.rows[1:] == [["x", "1", "y"], ['5"', "1", "y"], ["x", "1", "y"]]
    assert found.rejects[0]["line"] == 3
    assert found.rejects[701] == {
        "source": "s3://data-bucket/in/a.csv",
        "line": 705,
        "rule": "malformed",
        "reason": "2 columns instead of 3",
        "raw": '"l\nm",2',
    }
    assert found.rejects[-1]["line"] == 2106
    assert stored == []


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "last", ['x,"open', '"open', 'x,"a\nb', '"a\nb","c', 'x,1,"z', 'x,"ok"', "x", ""]
)
def test_an_open_quote_at_the_end_is_no_short_row(
    here: Any, s3: Any, monkeypatch: pytest.MonkeyPatch, last: str, end: str
) -> None:
    body = ("a,n,c\nx,1,y\nz\n" + last).replace("\n", end).encode()
    expected = done(here, s3, body)
    monkeypatch.setattr(here, "WORTHWHILE", 1)
    assert done(here, s3, body) == expected
    assert isinstance(expected, str) == (last not in ('x,"ok"', "x", ""))
