"""`pipeline where`: from a stored row back to its run, its object and its line."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cli_world import World, pipeline
from json_documents import document

from cli.exit_codes import NOT_FOUND, REFUSED, SUCCEEDED
from contracts import layout
from contracts.dataset import DatasetSnapshot
from dataset_loading.check import CheckedDataset, check_dataset
from tabular.workspace import connect

CONTRACT = """
name: readings
source: {{prefix: landing/readings/}}
format: {form}
columns:
  - {{name: id, type: string, required: true, pattern: "[a-z|]+"}}
  - {{name: taken, type: timestamp}}
  - {{name: value, type: "decimal(6,2)", maximum: "50"}}
rules: [{{name: positive, check: value > 0}}]
transform: {transform}
targets: {{dynamodb: {{key: {key}}}}}
"""
CSV = "{type: csv}"
WHOLE = "SELECT id, taken, value FROM valid"
KEY = "landing/readings/a.csv"
BODY = 'id,taken,value\n"b\nb",2026-11-01,1\n,2026-11-01,1\na,2026-11-01T06:00:00Z,2.50\nz,x,99\n'


@dataclass
class Stored:
    """A run that has stored one object's rows."""

    local: World
    form: str = CSV
    transform: str = WHOLE
    key: str = "[id, taken]"

    def put(
        self, body: bytes, pk: str, key: str = KEY, *, items: int | None = None, **item: Any
    ) -> CheckedDataset:
        """Put contract, object, the run's frozen files, and the item."""
        s3 = self.local.deployment.client("s3")
        text = CONTRACT.format(form=self.form, transform=self.transform, key=self.key)
        s3.create_bucket(Bucket="code")
        s3.put_object(Bucket="code", Key="datasets/readings.yaml", Body=text.encode())
        checked = check_dataset(text, "readings")
        etag = s3.put_object(Bucket="data", Key=key, Body=body)["ETag"].strip('"')
        snapshot = DatasetSnapshot(
            dataset=checked.dataset,
            version=checked.version,
            index="readings",
            run_id="r1",
            run_started_at="2026-11-02T00:00:00Z",
            output_columns=checked.output_columns,
            input_url="s3://data/landing/readings/all.json" if items else None,
        )
        entry = {
            "bucket": "data",
            "key": key,
            "size": len(body),
            "etag": etag,
            "last_modified": "2026-11-02T00:00:00Z",
        }
        entry |= {"items": items} if items else {}
        summary = {
            "manifest_url": "s3://data/x",
            "objects": 1,
            "total_bytes": 1,
            "shard_sizes": [1],
            "pending": [],
        }
        part = {"run_id": "r1", "shard": 0, "entries": [entry]}
        for name, value in (
            (layout.dataset_snapshot_key("r1"), snapshot.to_json()),
            (layout.manifest_summary_key("r1"), summary),
            (layout.manifest_part_key("r1", 0), part),
        ):
            s3.put_object(Bucket="data", Key=name, Body=json.dumps(value).encode())
        stored = {"pk": pk, "run_id": "r1", "unit_id": "00000-000", "dataset": "readings", **item}
        self.local.deployment.client("dynamodb").put_item(
            TableName="results", Item={name: {"S": value} for name, value in stored.items()}
        )
        return checked


def where(*words: str) -> dict[str, Any]:
    result = pipeline("where", *words, "--dataset", "readings", "--json")
    assert result.exit_code == SUCCEEDED, result.output
    return document("where", result.stdout)


A = ("a", "2026-11-01T07:00:00+01:00")
PK = "readings#a|2026-11-01T06:00:00Z"


def test_run_unit_object_and_line_of_a_row(local: World) -> None:
    Stored(local).put(BODY.encode(), PK, job_id="j1", stored_at="2026-11-02T00:01:00.000Z")

    found = where(*A)

    assert (found["runId"], found["unitId"], found["jobId"]) == ("r1", "00000-000", "j1")
    assert found["sourceUrl"] == f"s3://data/{KEY}"
    assert (found["objectState"], found["lines"], found["note"]) == ("SAME", [5], None)
    assert found["attributes"]["pk"] == PK
    text = pipeline("where", *A, "--dataset", "readings").stdout
    assert "line       5" in text
    assert "as the run read it" in text


def test_an_object_that_has_changed_or_is_gone(local: World) -> None:
    Stored(local).put(BODY.encode(), PK)
    s3 = local.deployment.client("s3")
    s3.put_object(Bucket="data", Key=KEY, Body=b"id,taken,value\na,2026-11-01T06:00:00Z,1\n")

    changed = where(*A)
    assert (changed["objectState"], changed["lines"]) == ("CHANGED", [2])
    assert "CHANGED since" in pipeline("where", *A, "--dataset", "readings").stdout

    s3.delete_object(Bucket="data", Key=KEY)
    gone = where(*A)
    assert (gone["objectState"], gone["lines"]) == ("GONE", [])
    assert gone["note"] == "the object is not there any more"


def test_a_run_whose_files_have_expired(local: World) -> None:
    Stored(local).put(BODY.encode(), PK, source_key=KEY)
    s3 = local.deployment.client("s3")
    s3.delete_object(Bucket="data", Key=layout.manifest_summary_key("r1"))

    found = where(*A)

    assert (found["objectState"], found["sourceUrl"]) == ("UNKNOWN", None)
    assert KEY in pipeline("where", *A, "--dataset", "readings").stdout


def test_lines_are_those_of_the_object_whatever_stands_above_its_header(local: World) -> None:
    stored = Stored(local, form='{type: csv, skipLines: 2, comment: "#"}')
    stored.put(b"Title\n\nid,taken,value\n# no row\na,2026-11-01T06:00:00Z,1\n", PK)
    assert where(*A)["lines"] == [5]


def test_several_lines_with_one_key(local: World) -> None:
    Stored(local).put(BODY.encode() + b"a,2026-11-01T06:00:00Z,3\n", PK)
    assert where(*A)["lines"] == [5, 7]
    assert "one of them is stored" in pipeline("where", *A, "--dataset", "readings").stdout


def test_rows_of_parquet_have_numbers(local: World, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    connect().sql(
        "SELECT chr(96 + i::INTEGER) AS id, TIMESTAMP '2026-11-01 06:00:00' AS taken,"
        " 1.5::DECIMAL(6,2) AS value FROM range(1, 4) t(i)"
    ).write_parquet(str(path))
    Stored(local, form="{type: parquet}").put(path.read_bytes(), PK)
    found = where(*A)
    assert (found["lines"], found["note"]) == ([1], "rows")


def test_items_of_an_array_have_their_numbers(local: World) -> None:
    lines = [{"id": "b", "taken": None, "value": 1}, {"id": "a", "taken": A[1], "value": 1}]
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    key = layout.item_batch_key("r1", 25)
    Stored(local, form="{type: jsonl}").put(body, PK, key, items=2)
    found = where(*A)
    assert found["lines"] == [27]
    assert found["sourceUrl"] == "s3://data/landing/readings/all.json"


def test_a_key_that_the_transform_makes_has_no_line(local: World) -> None:
    made = "SELECT upper(id) AS name, value FROM valid"
    Stored(local, transform=made, key="[name]").put(BODY.encode(), "readings#A")
    assert where("A")["note"] == "name is made by the transform, so no line has it"


def test_the_object_is_not_read_if_not_asked(local: World) -> None:
    Stored(local).put(BODY.encode(), PK)
    assert where(*A, "--no-line")["lines"] == []


def test_quotes_and_bars_in_a_key(local: World) -> None:
    body = io.BytesIO(b'id,taken,value\n"o\'|",2026-11-01T06:00:00Z,1\n').getvalue()
    Stored(local).put(body, "readings#o'\\||2026-11-01T06:00:00Z")
    assert where("o'|", A[1])["lines"] == [2]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("a",), REFUSED, "the key of readings is id, taken: 2 values, not 1"),
        (("a", "soon"), REFUSED, "taken is of type timestamp, and 'soon' is not"),
        (("b", "2026-11-01"), NOT_FOUND, "no row of readings with the key b, 2026-11-01"),
        ((*A, "--index", "other"), NOT_FOUND, "under the index other"),
    ],
)
def test_what_is_not_there(local: World, words: tuple[str, ...], code: int, said: str) -> None:
    Stored(local).put(BODY.encode(), PK)
    result = pipeline("where", *words, "--dataset", "readings")
    assert result.exit_code == code
    assert said in result.output


def test_a_number_is_found_however_it_is_written(local: World) -> None:
    Stored(local, key="[value]").put(BODY.encode(), "readings#2.50")
    assert where("2.5")["lines"] == [5]


def test_a_row_of_a_run_that_has_expired_from_the_ledger(local: World) -> None:
    Stored(local).put(BODY.encode(), PK)
    local.put_run("r1", status="SUCCEEDED")
    assert where(*A)["runExpired"] is False

    local.put_run("r1", status="SUCCEEDED", expired_at="2026-11-20T08:00:00Z")
    document = "s3://data/runs/r1/results.json"
    assert (where(*A)["runExpired"], where(*A)["resultsUrl"]) == (True, None)
    local.deployment.client("s3").put_object(Bucket="data", Key="runs/r1/results.json", Body=b"{}")
    assert where(*A)["resultsUrl"] == document
    text = pipeline("where", *A, "--dataset", "readings").stdout
    assert f"expired from the ledger; results document at {document}" in text.replace("\n", " ")
    assert "pipeline results" not in text
