"""The shipped jobs over several objects of one unit: each as if it were alone."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, Final

import pytest
from job_scripts import BUCKET, loaded

from contracts.dataset import Dataset

ROOT: Final = Path(__file__).resolve().parents[2]
FIRST: Final = "runs/r/units/u/jobs/clean/1/"
SECOND: Final = "runs/r/units/u/jobs/enrich/1/"
INPUTS: Final = "runs/r/units/u/inputs/0000-0002.json"
COLUMNS: Final = [{"name": "id"}, {"name": "amount", "type": "integer"}, {"name": "country"}]
BODIES: Final = (
    "id,amount,country\na,1,at\nb\n",
    "country,id,amount\nde,c,3\n",
    "id,amount,country\nd,4,\ne,5,at\n",
)


@pytest.fixture(scope="module")
def clean() -> Any:
    return loaded(ROOT / "jobs" / "clean_csv.py")


def put(s3: Any, key: str, body: str | bytes) -> None:
    data = body.encode() if isinstance(body, str) else body
    s3.put_object(Bucket=BUCKET, Key=key, Body=data)


@pytest.fixture
def unit(s3: Any) -> Any:
    """Three objects and the list of them, of which places 3 to 5 are the unit's."""
    targets = {"dynamodb": {"key": ["id"]}}
    contract = {"name": "d", "source": {"prefix": "a/"}, "columns": COLUMNS, "targets": targets}
    put(s3, "dataset.json", json.dumps({"dataset": Dataset.from_json(contract).to_json()}))
    for number, body in enumerate(BODIES):
        put(s3, f"in/{number}.csv", body)
    listed = [
        {"place": 3 + number, "url": f"s3://{BUCKET}/in/{number}.csv", "size": 1, "etag": "e"}
        for number in range(len(BODIES))
    ]
    put(s3, INPUTS, json.dumps({"runId": "r", "unitId": "u", "objects": listed}))
    return s3


def given(**more: str) -> dict[str, str]:
    return {
        "JOB_ID": "20261120T081500Z-3f9c2a1b",
        "RUN_ID": "r",
        "INPUT_URL": f"s3://{BUCKET}/{INPUTS}",
        "INPUT_URLS": f"s3://{BUCKET}/{INPUTS}",
        "OUTPUT_URL": f"s3://{BUCKET}/{FIRST}",
        "DATASET_URL": f"s3://{BUCKET}/dataset.json",
        **more,
    }


def line(**more: str) -> list[str]:
    return [word for name, value in given(**more).items() for word in (f"--{name}", value)]


def text(s3: Any, key: str) -> str:
    body: bytes = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return body.decode()


def rows(s3: Any, prefix: str, place: int) -> list[list[str]]:
    found = text(s3, f"{prefix}objects/{place:04d}/data/part-00000.csv")
    return list(csv.reader(io.StringIO(found)))[1:]


def test_each_object_is_written_and_reported_by_itself(clean: Any, unit: Any) -> None:
    assert clean.main(line()) is None

    report = json.loads(text(unit, f"{FIRST}report.json"))
    assert (report["jobId"], report["runId"]) == ("20261120T081500Z-3f9c2a1b", "r")
    assert [
        (one["place"], one["url"][-5:], one["rowsIn"], one["rowsOut"], one["rowsBad"])
        for one in report["objects"]
    ] == [(3, "0.csv", 2, 1, 1), (4, "1.csv", 1, 1, 0), (5, "2.csv", 2, 2, 0)]
    assert [rows(unit, FIRST, place) for place in (3, 4, 5)] == [
        [["a", "1", "at"]],
        [["c", "3", "de"]],
        [["d", "4", ""], ["e", "5", "at"]],
    ]
    (bad,) = text(unit, f"{FIRST}objects/0003/rejected.jsonl").splitlines()
    assert json.loads(bad)["source"] == f"s3://{BUCKET}/in/0.csv"
    assert "rowsIn" not in report


def test_the_query_filters_each(clean: Any, unit: Any) -> None:
    assert clean.main(line(QUERY="amount > 3")) is None
    report = json.loads(text(unit, f"{FIRST}report.json"))
    assert [one["rowsFiltered"] for one in report["objects"]] == [1, 1, 0]


def test_what_an_object_leaves_is_what_it_leaves_alone(clean: Any, unit: Any) -> None:
    assert clean.main(line()) is None
    alone = given(INPUT_URL=f"s3://{BUCKET}/in/0.csv", OUTPUT_URL=f"s3://{BUCKET}/{SECOND}")
    del alone["INPUT_URLS"]
    assert (
        clean.main([word for pair in alone.items() for word in (f"--{pair[0]}", pair[1])]) is None
    )
    for name in ("data/part-00000.csv", "rejected.jsonl"):
        assert text(unit, f"{FIRST}objects/0003/{name}") == text(unit, SECOND + name)
    of_one = json.loads(text(unit, f"{SECOND}report.json"))
    of_three = json.loads(text(unit, f"{FIRST}report.json"))["objects"][0]
    for ours in ("place", "url"):
        del of_three[ours]
    assert of_three.items() <= of_one.items()


def test_an_object_that_cannot_be_read_fails_the_job_by_name(clean: Any, unit: Any) -> None:
    put(unit, "in/1.csv", b"\x1f\x8b no csv")
    error = clean.main(line())
    assert error is not None
    assert error.startswith("clean_csv: InvalidData: ")
    assert f"s3://{BUCKET}/in/1.csv" in error
    listed = unit.list_objects_v2(Bucket=BUCKET, Prefix=FIRST)["Contents"]
    assert f"{FIRST}report.json" not in {one["Key"] for one in listed}


@pytest.mark.parametrize("document", ["[]", '{"objects": []}', '{"runId": "r"}'])
def test_a_list_without_objects_is_refused(clean: Any, unit: Any, document: str) -> None:
    put(unit, INPUTS, document)
    assert "is not a list of objects" in str(clean.main(line()))


def test_the_function_reads_objects_and_what_the_job_before_wrote(clean: Any, unit: Any) -> None:
    function = loaded(ROOT / "jobs" / "lambda" / "enrich.py")
    assert function.handler(given(), None) == {"jobId": "20261120T081500Z-3f9c2a1b"}
    assert rows(unit, FIRST, 5) == [["d", "4", ""], ["e", "5", "AT"]]
    assert clean.main(line()) is None

    behind = given(INPUT_URL=f"s3://{BUCKET}/{FIRST}", OUTPUT_URL=f"s3://{BUCKET}/{SECOND}")
    function.handler(behind, None)

    report = json.loads(text(unit, f"{SECOND}report.json"))
    assert [(one["place"], one["rowsIn"], one["rowsBad"]) for one in report["objects"]] == [
        (3, 2, 1),
        (4, 1, 0),
        (5, 2, 0),
    ]
    assert [rows(unit, SECOND, place)[0] for place in (3, 4)] == [
        ["a", "1", "AT"],
        ["c", "3", "DE"],
    ]
    assert len(text(unit, f"{SECOND}objects/0003/rejected.jsonl").splitlines()) == 1
