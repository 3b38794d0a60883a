"""The function to start from: it leaves what validate takes, of objects, batches and chains."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from job_scripts import BUCKET, loaded

from contracts.dataset import Dataset

SCRIPT = Path(__file__).resolve().parents[2] / "jobs" / "lambda" / "enrich.py"
FIRST, SECOND = "runs/r/units/u/jobs/enrich/1/", "runs/r/units/u/jobs/again/1/"
COLUMNS = [{"name": "id", "source": "Order ID"}, {"name": "amount"}, {"name": "country"}]


@pytest.fixture
def function(s3: Any) -> ModuleType:  # noqa: ARG001 - the module makes its client
    return loaded(SCRIPT)


def event(key: str, output: str = FIRST, **more: str) -> dict[str, str]:
    return {
        "JOB_ID": "20261120T081500Z-3f9c2a1b",
        "INPUT_URL": f"s3://{BUCKET}/{key}",
        "OUTPUT_URL": f"s3://{BUCKET}/{output}",
        "DATASET_URL": f"s3://{BUCKET}/dataset.json",
        **more,
    }


def put(s3: Any, key: str, body: bytes | str, **form: Any) -> None:
    targets = {"dynamodb": {"key": ["id"]}}
    contract: dict[str, Any] = {"name": "d", "source": {"prefix": "a/"}, "columns": COLUMNS}
    dataset = Dataset.from_json({**contract, "targets": targets, "format": form or {}})
    snapshot = json.dumps({"dataset": dataset.to_json()})
    s3.put_object(Bucket=BUCKET, Key="dataset.json", Body=snapshot.encode())
    s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode() if isinstance(body, str) else body)


def left(s3: Any, output: str = FIRST) -> tuple[dict[str, int], list[list[str]], list[Any]]:
    """Counts, rows and rejects, as the output prefix has them."""

    def read(name: str) -> str:
        body: bytes = s3.get_object(Bucket=BUCKET, Key=output + name)["Body"].read()
        return body.decode()

    report = json.loads(read("report.json"))
    assert report.pop("jobId") == "20261120T081500Z-3f9c2a1b"
    rows = list(csv.reader(io.StringIO(read("data/part-00000.csv"))))
    return report, rows, [json.loads(line) for line in read("rejected.jsonl").splitlines()]


def counts(rows_in: int, out: int, bad: int = 0) -> dict[str, int]:
    return {
        "rowsIn": rows_in,
        "rowsOut": out,
        "rowsBad": bad,
        "rowsFiltered": 0,
        "rowsRemoved": 0,
    }


@pytest.mark.parametrize("packed", [False, True])
def test_an_object_is_enriched_row_by_row(function: Any, s3: Any, packed: bool) -> None:
    text = 'amount,ORDER id,country,other\n1.50,a,"d\ne",x\n2,b\n\n3,c,,\n'
    key = "in/a.csv.gz" if packed else "in/a.csv"
    put(s3, key, gzip.compress(text.encode()) if packed else text)

    function.handler(event(key), None)

    report, rows, rejects = left(s3)
    assert report == counts(3, 2, bad=1)
    assert rows == [["id", "amount", "country"], ["a", "1.50", "D\nE"], ["c", "3", ""]]
    (reject,) = rejects
    assert (reject["line"], reject["reason"]) == (4, "2 fields, the header has 4")
    assert reject["raw"] == "2,b"


BATCH = (
    '{"Order ID": 7, "amount": 1.10, "country": "de", "tags": [1]}\n'
    '"no object"\n'
    '{"Order ID": "x", "amount": {"n": 1.0}, "country": null}\n'
    "{broken\n"
)


def test_of_a_batch_each_item_is_a_row_or_a_reject_with_its_number(function: Any, s3: Any) -> None:
    put(s3, "in/25.jsonl", BATCH, type="jsonl", compression="none")

    function.handler(event("in/25.jsonl"), None)

    report, rows, rejects = left(s3)
    assert report == counts(4, 2, bad=2)
    assert rows[1:] == [["7", "1.10", "DE"], ["x", '{"n": 1.0}', ""]]
    assert [(reject["line"], reject["raw"]) for reject in rejects] == [
        (2, '"no object"'),
        (4, "{broken"),
    ]


def test_a_second_one_carries_counts_and_rejects_on(
    function: Any, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3, "in/25.jsonl", BATCH, type="jsonl", compression="none")
    function.handler(event("in/25.jsonl"), None)

    def enriched(row: dict[str, str], _event: Any) -> dict[str, str]:
        if row["id"] == "x":
            raise function.Rejected("no x here")
        return row

    monkeypatch.setattr(function, "enriched", enriched)
    function.handler(event(FIRST, SECOND), None)

    report, rows, rejects = left(s3, SECOND)
    assert report == counts(4, 1, bad=3)
    assert rows[1:] == [["7", "1.10", "DE"]]
    assert [reject["line"] for reject in rejects] == [2, 4, 3], "the number of the item"
    assert rejects[2]["reason"] == "no x here"


@pytest.mark.parametrize(
    ("body", "form", "problem"),
    [
        ("id,amount\n", {}, "the header lacks Order ID, country; it has id, amount"),
        ("a,b\n", {"type": "csv", "header": False}, "reads CSV with a header and JSON lines"),
    ],
)
def test_what_it_does_not_read_it_says(
    function: Any, s3: Any, body: str, form: dict[str, Any], problem: str
) -> None:
    put(s3, "in/a.csv", body, **form)
    with pytest.raises(ValueError, match=problem):
        function.handler(event("in/a.csv"), None)


def test_a_query_is_refused_and_not_passed_over(function: Any) -> None:
    with pytest.raises(ValueError, match="leave query out"):
        function.handler(event("in/a.csv", QUERY="amount > 1"), None)
