"""The Glue job: what it writes and reports, how it fails, and that validate reads files alike."""

from __future__ import annotations

import ast
import csv
import gzip
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pinned_job
import pytest
from job_scripts import BUCKET, loaded
from moto.server import ThreadedMotoServer

from contracts.dataset import CsvFormat, Dataset
from contracts.errors import InvalidData
from reading import chunks, malformed
from reading import reader as reading
from reading_rules.line_ends import with_equal_line_ends
from reading_rules.scans import LONGEST_HELD
from reading_rules.sql import text_column
from sources import fetch
from tabular import workspace
from tabular.sql import any_of
from validation import scan_sql, unit_split
from validation.row_classes import RowClassifier

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "jobs" / "clean_csv.py"
OUTPUT = "runs/run-1/units/00000-000/jobs/clean/1/"
COLUMNS = [
    {"name": "id"},
    {"name": "amount", "type": "decimal(10,2)"},
    {"name": "seen_at", "type": "timestamp"},
    {"name": "note"},
]
HEADER = "id,amount,seen_at,note\n"
DIRTY = (
    HEADER + "a,1.50,2026-11-01T06:30:00Z,plain\n"
    'b,2,2026-11-01,"two\nlines, and ""quotes"""\n'
    "c,1\n"
    "d,1,2026-11-01,x,y\n"
    'e,1,2026-11-01,"the "blue" one"\n'
    "f,many,2026-11-01,uncastable\n"
    "\n"
    "g,,,\n"
)


PINNED = pytest.param(pinned_job.NAME, marks=pytest.mark.slow)


@pytest.fixture(scope="module", params=["here", PINNED])
def job(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The script in this Python, and in the one that the template pins."""
    if request.param == "here":
        yield loaded(SCRIPT)
        return
    with pinned_job.running(SCRIPT) as job:
        yield job


def dataset(**changes: Any) -> dict[str, Any]:
    targets = {"dynamodb": {"key": ["id"]}}
    contract = {"name": "d", "source": {"prefix": "a/"}, "columns": COLUMNS, "targets": targets}
    return Dataset.from_json({**contract, **changes}).to_json()


def arguments(key: str, query: str | None = None) -> list[str]:
    given = [
        *("--JOB_ID", "20261120T081500Z-3f9c2a1b"),
        *("--RUN_ID", "run-1", "--UNIT_ID", "00000-000", "--JOB_KEY", "run-1/00000-000/clean/1"),
        *("--INPUT_URL", f"s3://{BUCKET}/{key}", "--OUTPUT_URL", f"s3://{BUCKET}/{OUTPUT}"),
        *("--DATASET_URL", f"s3://{BUCKET}/dataset.json", "--INDEX", "d"),
        *("--enable-metrics", "true", "--TempDir", "s3://x/y"),  # what Glue adds
    ]
    return given if query is None else [*given, "--QUERY", query]


@dataclass
class Output:
    report: dict[str, Any]
    rows: list[list[str]]
    rejects: list[dict[str, Any]]


def output(s3: Any) -> Output:
    def read(name: str) -> str:
        body: bytes = s3.get_object(Bucket=BUCKET, Key=OUTPUT + name)["Body"].read()
        return body.decode()

    return Output(
        json.loads(read("report.json")),
        list(csv.reader(io.StringIO(read("data/part-00000.csv")))),
        [json.loads(line) for line in read("rejected.jsonl").splitlines()],
    )


def put(s3: Any, body: bytes | str, key: str, contract: dict[str, Any] | None = None) -> None:
    data = body.encode() if isinstance(body, str) else body
    s3.put_object(Bucket=BUCKET, Key=key, Body=data)
    snapshot = json.dumps({"dataset": contract or dataset()})
    s3.put_object(Bucket=BUCKET, Key="dataset.json", Body=snapshot.encode())


def failed(job: Any, s3: Any, body: bytes | str) -> str:
    """The line that says why the job failed on this object."""
    put(s3, body, "in/a.csv")
    error = job.main(arguments("in/a.csv"))
    assert error is not None
    return str(error)


def clean(
    job: Any,
    s3: Any,
    body: bytes | str,
    *,
    key: str = "in/a.csv",
    query: str | None = None,
    **changes: Any,
) -> Output:
    put(s3, body, key, dataset(**changes))
    assert job.main(arguments(key, query)) is None
    return output(s3)


def test_rows_are_stored_as_text_and_malformed_ones_reported(job: Any, s3: Any) -> None:
    found = clean(job, s3, DIRTY)
    assert found.rows == [
        ["id", "amount", "seen_at", "note"],
        ["a", "1.50", "2026-11-01T06:30:00Z", "plain"],
        ["b", "2", "2026-11-01", 'two\nlines, and "quotes"'],
        ["f", "many", "2026-11-01", "uncastable"],
        ["g", "", "", ""],
    ]
    assert [(r["line"], r["reason"]) for r in found.rejects] == [
        (5, "2 columns instead of 4"),
        (6, "5 columns instead of 4"),
        (7, "a quote is not closed, or text follows a closing quote"),
    ]
    assert found.rejects[0] == {
        "source": f"s3://{BUCKET}/in/a.csv",
        "line": 5,
        "rule": "malformed",
        "reason": "2 columns instead of 4",
        "raw": "c,1",
    }
    report = found.report
    assert (report["jobId"], report["runId"]) == ("20261120T081500Z-3f9c2a1b", "run-1")
    assert (report["rowsIn"], report["rowsOut"], report["rowsFiltered"], report["rowsBad"]) == (
        7,
        4,
        0,
        3,
    )


def test_the_query_filters_rows_but_keeps_uncastable_ones(job: Any, s3: Any) -> None:
    found = clean(job, s3, DIRTY, query="amount > 1.6 AND seen_at < '2026-12-01' -- big")
    assert [row[0] for row in found.rows[1:]] == ["b", "f"]
    report = found.report
    assert report["rowsFiltered"] == 2
    assert report["rowsIn"] == report["rowsOut"] + report["rowsFiltered"] + report["rowsBad"] == 7


def test_a_query_reaches_no_files(job: Any, s3: Any) -> None:
    put(s3, DIRTY, "in/a.csv")
    query = "id IN (SELECT content FROM read_text('/etc/passwd'))"
    error = job.main(arguments("in/a.csv", query))
    assert "Permission Error" in error


def test_an_open_quote_fails_the_job_for_nobody_knows_what_is_behind_it(job: Any, s3: Any) -> None:
    failure = failed(job, s3, HEADER + 'a,1,,x\nb,1,,"open\nc,1,,x\n')
    assert "2 of its 3 lines are lost" in failure
    assert failure.startswith("clean_csv: InvalidData: ")  # as in validate: no other try helps


def test_an_empty_first_line_is_no_header(job: Any, s3: Any) -> None:
    assert "line 1: the header is expected here" in failed(job, s3, "\n" + HEADER)


def test_bad_encoding_names_its_column(job: Any, s3: Any) -> None:
    found = clean(job, s3, HEADER.encode() + b"a,1,,ok\nb,1,,\xff\xfe\n")
    assert [row[0] for row in found.rows[1:]] == ["a"]
    reject = found.rejects[0]
    assert (reject["line"], reject["column"], reject["reason"]) == (3, "note", "not UTF-8")


def test_bad_encoding_of_a_json_line_names_no_column(job: Any, s3: Any) -> None:
    body = b'{"id":"a"}\n{"id":"b","note":"\xff"}\n'
    found = clean(job, s3, body, key="in/a.jsonl", format={"type": "jsonl"})
    reject = found.rejects[0]
    assert (reject["line"], reject.get("column"), reject["reason"]) == (2, None, "not UTF-8")


def test_other_columns_are_ignored_with_a_note(job: Any, s3: Any) -> None:
    found = clean(job, s3, "extra,NOTE,seen_at,amount,id\nx,n,,1,a\n")
    assert found.rows[1:] == [["a", "1", "", "n"]]
    assert found.report["ignoredColumns"] == ["extra"]


@pytest.mark.parametrize("body", ["", HEADER, HEADER.strip()])
def test_no_rows_are_a_success(job: Any, s3: Any, body: str) -> None:
    found = clean(job, s3, body)
    assert found.report["rowsIn"] == 0
    assert found.rows == [["id", "amount", "seen_at", "note"]]


def test_a_missing_column_fails_in_one_line(job: Any, s3: Any) -> None:
    put(s3, "id,amount\na,1\n", "in/a.csv")
    error = job.main(arguments("in/a.csv"))
    assert error == (
        f"clean_csv: InvalidData: s3://{BUCKET}/in/a.csv, line 1: the header lacks seen_at, note;"
        " it has id, amount"
    )
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=OUTPUT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--INPUT_URL": f"s3://{BUCKET}/in/gone.csv"}, "specified key does not exist"),
        ({"--INPUT_URL": "in/a.csv"}, "not an S3 URL"),
        ({"--INPUT_URL": f"s3://{BUCKET}/{OUTPUT}"}, "put it first"),
        ({"--QUERY": "nothing > 1"}, 'Referenced column "nothing" not found'),
    ],
)
def test_failures_are_one_clear_line(
    job: Any, s3: Any, change: dict[str, str], message: str
) -> None:
    put(s3, DIRTY, "in/a.csv")
    error = job.main([*arguments("in/a.csv"), *next(iter(change.items()))])
    assert message in error
    assert error.count("\n") == 0


def test_an_object_over_the_limit_is_refused(job: Any, s3: Any) -> None:
    put(s3, HEADER + "x" * 1024 * 1024, "in/a.csv", dataset(limits={"objectMegabytes": 1}))
    error = job.main(arguments("in/a.csv"))
    assert "larger than the contract's limit of 1 MB" in error


PARQUET = ROOT / "tests" / "reading" / "fixtures"


@pytest.mark.parametrize(("source", "found"), [("amount", ["1", "2"]), ("Amount", ["10", "20"])])
def test_parquet_columns_that_differ_in_case_are_reported_apart(
    job: Any, s3: Any, source: str, found: list[str]
) -> None:
    body = (PARQUET / "columns-that-differ-in-case.parquet").read_bytes()
    columns = [{"name": "id"}, {"name": "total", "source": source}]
    read = clean(job, s3, body, key="in/a.parquet", columns=columns, format={"type": "parquet"})
    assert [row[1] for row in read.rows[1:]] == found


# The script, whose process is given an S3 that fails at the second upload.
_DYING = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("job", sys.argv[1])
job = importlib.util.module_from_spec(spec)
spec.loader.exec_module(job)
s3 = job.boto3.client("s3")

class DiesAtItsSecondUpload:
    uploads = 0

    def __getattr__(self, name):
        return getattr(s3, name)

    def upload_file(self, *arguments):
        self.uploads += 1
        if self.uploads == 2:
            raise RuntimeError("killed")
        s3.upload_file(*arguments)

dying = DiesAtItsSecondUpload()
job.boto3.client = lambda _: dying
sys.exit(job.main(sys.argv[2:]))
"""


@contextmanager
def process_of_its_own(
    where: str,
) -> Iterator[tuple[Callable[..., subprocess.CompletedProcess[str]], Any]]:
    """Runs the job over DIRTY as a process, by its arguments of Python; and a client of its S3.

    Args:
        where: `here`, or the name of the environment that Glue gives the job.
    """
    python = sys.executable if where == "here" else str(pinned_job.interpreter())
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "PYTHONWARNINGS": "ignore",  # boto3's, of a Python that is not supported any more
        }
        client = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        client.create_bucket(Bucket=BUCKET)
        # moto's buckets outlive its server: what an earlier test left is no matter of this one.
        for left in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            client.delete_object(Bucket=BUCKET, Key=left["Key"])
        put(client, DIRTY, "in/a.csv")

        def run(*command: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(  # noqa: S603
                [python, *command, *arguments("in/a.csv")],
                env={**os.environ, **environment},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        yield run, client
        client.close()
    finally:
        server.stop()


@pytest.mark.slow
@pytest.mark.parametrize("where", ["here", pinned_job.NAME])
def test_the_report_comes_last(where: str) -> None:
    with process_of_its_own(where) as (run, client):
        killed = run("-c", _DYING, str(SCRIPT))
        assert killed.returncode == 1
        assert "killed" in killed.stderr
        listed = client.list_objects_v2(Bucket=BUCKET, Prefix=OUTPUT)["Contents"]
        assert [entry["Key"] for entry in listed] == [OUTPUT + "data/part-00000.csv"]
        assert run(str(SCRIPT)).returncode == 0
        assert output(client).report["rowsIn"] == 7


def test_a_repeat_writes_the_same_rows(job: Any, s3: Any) -> None:
    first, second = clean(job, s3, DIRTY), clean(job, s3, DIRTY)
    assert (first.rows, first.rejects) == (second.rows, second.rejects)


FILES: dict[str, tuple[dict[str, Any], str, bytes]] = {
    "dirty": ({}, "a.csv", DIRTY.encode()),
    "crlf": ({}, "a.csv", DIRTY.replace("\n", "\r\n").encode()),
    "mixed line ends": ({}, "a.csv", DIRTY.replace("c,1\n", "c,1\r\n").encode()),
    "old line ends": ({}, "a.csv", DIRTY.replace("\n", "\r").encode()),
    "gzip": ({}, "a.csv.gz", gzip.compress(DIRTY.encode())),
    "named compression": ({"compression": "gzip"}, "a.csv", gzip.compress(DIRTY.encode())),
    "bom": ({}, "a.csv", b"\xef\xbb\xbf" + DIRTY.encode()),
    "encoding": ({}, "a.csv", HEADER.encode() + b"a,1,,\xff\nb,\xff,\xff,\xff\nc,1,,x\n"),
    "windows": (
        {"encoding": "windows-1252"},
        "a.csv",
        HEADER.encode() + b"a,1,,\x80 5\nb,1,,\x81\nc,1,,x\n",
    ),
    "utf-16": ({"encoding": "utf-16"}, "a.csv", DIRTY.replace("plain", "plân").encode("utf-16")),
    "ignored column": (
        {},
        "a.csv",
        b"x,id,amount,seen_at,note\n\xff,a,1,,n\n1,b,2,,n\n1,2\n,c,3,,\n",
    ),
    "dialect": (
        {"delimiter": ";", "quote": "'", "header": False},
        "a.csv",
        b"a;1;;'x;y'\nb;2;;'it''s'\nc\n",
    ),
    "bad quotes": ({}, "a.csv", HEADER.encode() + b'a,1,,"x"y\nb,1,,z\nc,1,"q"r,\nd,1,,\n'),
    "json lines": (
        {"type": "jsonl"},
        "a.jsonl",
        b'{"id":"a","amount":1}\n\nno\n{"id":"\xff"}\n{"id":"\xff"}\n[1]\n{"id":"b","note":""}\n{',
    ),
    "json array": (
        {"type": "json"},
        "a.json.gz",
        gzip.compress(b'[{"id":"a","amount":1},\n 5, {"id":"b",\n"note":"x"}, []]'),
    ),
    "json numbers": (
        {"type": "jsonl"},
        "a.jsonl",
        b'{"id":12345678901234567890.10,"note":1.50,"amount":2.00}\n{"note":{"x":1.50},"id":-1e-3}',
    ),
    "empty": ({}, "a.csv", b""),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("query", [None, "amount >= 1.5"])
def test_validate_reads_files_as_the_job_does(
    job: Any, s3: Any, name: str, query: str | None
) -> None:
    form, key, body = FILES[name]
    found = clean(job, s3, body, key=f"in/{key}", query=query, format=form)
    contract = Dataset.from_json(dataset(format=form))
    with workspace.workspace(512) as space:
        blocks = list(fetch.text_of(BUCKET, f"in/{key}", contract.format))
        split = RowClassifier(contract, query)
        rows = unit_split.split_text(space, blocks, split, "source")
        rejects = list(reported(rows))
        read = texts_of(space, contract, split, blocks)
    assert [[value or "" for value in row] for row in read] == found.rows[1:]
    assert rejects == sorted((r["line"], r["reason"]) for r in found.rejects)
    assert rows.records == found.report["rowsIn"]
    assert rows.filtered == found.report["rowsFiltered"]


RENAMED = [
    {"name": "id", "source": "Order ID"},
    {"name": "note", "source": 'a"/~*'},
    {"name": "other"},
]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("csv", 'x,"a""/~*",order id ,Other\n1,n,a,o\n'),
        ("csv", "note,id,other\nn,a,o\n"),
        ("jsonl", json.dumps({"Order ID": "a", 'a"/~*': "n", "other": "o"})),
        ("json", json.dumps([{"id": "a", 'a"/~*': "n", "other": "o"}])),
        ("csv", "order id,note,id,other\na,b,c,d\n"),
        ("csv", "note,other\n1,2\n"),
    ],
    ids=["csv", "own names", "jsonl", "json", "both", "missing"],
)
def test_columns_by_other_names_are_found_by_job_and_validate(
    job: Any, s3: Any, kind: str, body: str
) -> None:
    contract = dataset(format={"type": kind}, columns=RENAMED)
    put(s3, body, "in/a", contract)
    failure = job.main(arguments("in/a"))
    ours = Dataset.from_json(contract)
    with workspace.workspace(512) as space:
        blocks = fetch.text_of(BUCKET, "in/a", ours.format)
        if failure is not None:
            with pytest.raises(InvalidData) as refusal:
                unit_split.split_text(space, blocks, RowClassifier(ours, None), "source")
            assert str(refusal.value)[-60:] == str(failure)[-60:]
            return
        rows = unit_split.split_text(space, blocks, RowClassifier(ours, None), "source")
        read = space.connection.execute(f"SELECT * FROM '{rows.parts[0]}'").fetchall()
    assert output(s3).rows == [["id", "note", "other"], ["a", "n", "o"]]
    assert read == [("a", "n", "o")]


def test_json_is_read_alike_by_job_and_validate(job: Any, s3: Any) -> None:
    """Digits of nested numbers, values by both names of a column, what is no object."""
    columns = [{"name": "id", "source": "ID"}, {"name": "x"}]
    lines = [
        '{"ID": "a", "x": {"price": 0.10, "big": 12345678901234567890123, "e": 1e400, "t": "1.0"}}',
        '{"ID": "a", "id": "b"}',
        '{"id": "c", "x": [-0.0, 1.50, "\\u00021.50"]}',
        "[5]",
    ]
    found = clean(job, s3, "\n".join(lines).encode(), columns=columns, format={"type": "jsonl"})
    contract = Dataset.from_json(dataset(columns=columns, format={"type": "jsonl"}))
    with workspace.workspace(512) as space:
        blocks = fetch.text_of(BUCKET, "in/a.csv", contract.format)
        rows = unit_split.split_text(space, blocks, RowClassifier(contract, None), "source")
        read = space.connection.execute(f"SELECT * FROM '{rows.parts[0]}'").fetchall()
        rejects = list(reported(rows))
    assert read == [
        ("a", '{"price":0.10,"big":12345678901234567890123,"e":1e400,"t":"1.0"}'),
        ("c", '[-0.0,1.50,"\\u00021.50"]'),
    ]
    assert found.rows[1:] == [list(row) for row in read]
    assert rejects == [(r["line"], r["reason"]) for r in found.rejects]
    assert [line for line, _ in rejects] == [2, 4]


def test_records_with_a_column_twice_are_rejected_alike_by_job_and_validate(
    job: Any, s3: Any
) -> None:
    body = (
        '{"ID": "a"}\n{"Id": "b", "iD": "c"}\n5\n{"id": "d", "ID": "e"}\n{"ID": "f", "No": "g"}\n'
    )
    columns = [{"name": "no", "source": "id"}]
    form = {"type": "jsonl", "caseInsensitive": True}
    found = clean(job, s3, body, key="in/a.jsonl", columns=columns, format=form)
    contract = Dataset.from_json(dataset(columns=columns, format=form))
    with workspace.workspace(512) as space:
        rows = unit_split.split_text(
            space, [body.encode()], RowClassifier(contract, None), "source"
        )
        read = space.connection.execute(f"SELECT * FROM '{rows.parts[0]}'").fetchall()
        rejects = list(reported(rows))
    assert found.rows[1:] == [["a"], ["d"]] == [list(row) for row in read]
    assert rejects == [(one["line"], one["reason"]) for one in found.rejects]
    assert [line for line, _ in rejects] == [2, 3, 5]


@pytest.mark.parametrize(
    ("key", "form", "body", "reason"),
    [
        ("in/a.csv", {}, gzip.compress(b"id\n1\n", mtime=0), "is gzip, not text: set format.compr"),
        (
            "in/a.gz",
            {},
            b"id\n1\n",
            "is not gzip, but text (it begins with 'id'): set format.compr",
        ),
        (
            "in/a.zst",
            {},
            b"id\n1\n",
            "is not zstd, but text (it begins with 'id'): set format.compr",
        ),
        ("in/a.csv", {}, "id\n1\n".encode("utf-16"), "is UTF-16, not UTF-8 (it has its byte order"),
        *(
            (
                "in/a.csv",
                {"encoding": said},
                "id\n1\n".encode(wrote),
                f"set format.encoding: {wrote}",
            )
            for said, wrote in (("utf-16", "utf-8"), ("utf-16-be", "utf-16-le"))
        ),
        ("in/a", {"type": "parquet"}, b"", "is empty, and so no Parquet file"),
        ("in/a.crc", {"type": "parquet"}, b"crc\x00", 'source.exclude: ["*.crc"]'),
        (
            "in/a",
            {"type": "jsonl"},
            b'{"ID": "1"}\n{"ID": "2"}\n',
            'the key "id", but there is "ID"',
        ),
        ("in/a", {"type": "json"}, b'[{"ID": "1"}]', 'the key "id", but there is "ID"'),
    ],
    ids=[
        "gzip",
        "no gzip",
        "no zstd",
        "utf-16",
        *map(str, range(2)),
        "empty",
        "crc",
        "keys",
        "keys of an array",
    ],
)
def test_what_is_read_wrongly_fails_with_what_to_do(
    job: Any, s3: Any, key: str, form: dict[str, Any], body: bytes, reason: str
) -> None:
    columns = [{"name": "id", "required": True}]
    put(s3, body, key, dataset(format=form, columns=columns))
    failure = job.main(arguments(key))
    assert failure.startswith(f"clean_csv: InvalidData: s3://{BUCKET}/{key}")
    assert reason in failure


@pytest.mark.slow
@pytest.mark.parametrize("job", ["here"], indirect=True)  # it fails before DuckDB has it
def test_a_record_that_is_not_held_in_memory_fails_the_job_by_its_line(job: Any, s3: Any) -> None:
    body = b"id,amount,seen_at,note\na,1,,\nb" + b"x" * (LONGEST_HELD + 1)
    put(s3, body, "in/a.csv", dataset())
    failure = job.main(arguments("in/a.csv"))
    assert failure.startswith(
        f"clean_csv: InvalidData: s3://{BUCKET}/in/a.csv, line 3: longer than 2,000,000 bytes"
    )


def reported(rows: unit_split.SplitResult) -> Iterator[tuple[int, str]]:
    """Line and reason of what validate could not read."""
    for path in rows.rejects:
        for line in path.read_bytes().splitlines():
            reject = json.loads(line)
            if reject["rule"] == "malformed":
                yield reject["line"], reject["reason"]


def texts_of(
    space: Any, contract: Dataset, split: RowClassifier, blocks: list[bytes]
) -> list[tuple[str | None, ...]]:
    """The texts of all rows that validate reads and does not filter, valid or not."""
    quote = contract.format.quote.encode() if isinstance(contract.format, CsvFormat) else b""
    even: Any = with_equal_line_ends(blocks, quote)
    for name, some in (("as it is", blocks), ("even", even)):
        cutter = chunks.Cutter(space.directory, contract.format, name, None)
        (chunk,) = cutter.cut(some)
        if name != "even" and chunk.is_mixed:
            continue
        reader = reading.open_source(chunk, contract, "source")
        malformed.forget(space.connection)
        never = (reader.blank, reader.malformed, reader.touched)
        passed = any_of([sql for sql in never if sql])
        texts = ", ".join(text_column(column.name) for column in contract.columns)
        rows = scan_sql.typed_rows(reader.relation(chunk), contract.columns)
        source = scan_sql.ScanSource.of(reader, chunk)
        with_fields = scan_sql.has_fields(source, split.checks, split.query)
        sql = f"SELECT {texts} FROM {rows} WHERE ({with_fields}) AND ({passed}) IS NOT TRUE"
        try:
            return list(space.connection.execute(sql).fetchall())
        except duckdb.Error:
            assert name != "even"
    raise AssertionError


def test_any_text_survives_the_way_through_the_jobs_output(job: Any, s3: Any) -> None:
    chance = random.Random(7)  # noqa: S311
    alphabet = "ab ,;\"'\n\r\t\\|#é\u2028😀"
    values = ["".join(chance.choices(alphabet, k=chance.randrange(1, 9))) for _ in range(400)]
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        [["id", "note"], *([str(n), value] for n, value in enumerate(values))]
    )
    columns = [{"name": "id"}, {"name": "note"}]
    found = clean(job, s3, text.getvalue(), columns=columns)
    assert found.report["rowsOut"] == len(values)
    body = s3.get_object(Bucket=BUCKET, Key=OUTPUT + "data/part-00000.csv")["Body"].read()
    with workspace.workspace(512) as space:
        contract = Dataset.from_json(dataset(columns=columns))
        rows = texts_of(space, contract, RowClassifier(contract, None), [body])
    assert [row[1] for row in rows] == values


def test_missing_values_of_a_single_column_survive_too(job: Any, s3: Any) -> None:
    columns = [{"name": "id"}]
    found = clean(job, s3, 'id\na\n""\nb\n', columns=columns)
    body = s3.get_object(Bucket=BUCKET, Key=OUTPUT + "data/part-00000.csv")["Body"].read()
    with workspace.workspace(512) as space:
        contract = Dataset.from_json(dataset(columns=columns))
        result = unit_split.split_text(space, [body], RowClassifier(contract, None), "source")
    assert result.records == result.valid == found.report["rowsOut"] == 3


def test_the_scripts_are_python_3_9() -> None:
    for path in (ROOT / "jobs").glob("*.py"):
        assert ast.parse(path.read_text(), feature_version=(3, 9)).body


@pytest.mark.slow
@pytest.mark.parametrize("where", ["here", pinned_job.NAME])
def test_it_runs_as_a_process_of_its_own(where: str) -> None:
    with process_of_its_own(where) as (run, client):
        done = run(str(SCRIPT))
        assert (done.returncode, done.stderr) == (0, "")
        assert [json.loads(line)["message"] for line in done.stdout.splitlines()] == [
            "read",
            "wrote",
        ]
        assert output(client).report["rowsOut"] == 4


@pytest.mark.parametrize("query", ["-amount<-3", "-amount < -3"])
def test_a_query_may_begin_with_a_minus(job: Any, query: str) -> None:
    words = ["--JOB_NAME", "x", *arguments("in/a.csv"), "--QUERY", query, "--INDEX", "i"]

    options = vars(job.arguments(words))

    assert (options["QUERY"], options["INDEX"]) == (query, "i")
