"""validate: columns that come from the object's key."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from data_run import DATA_BUCKET, DataRun, dataset
from scratch_duckdb import connect

from contracts import layout
from contracts.dataset import ItemArray
from contracts.errors import InvalidData

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
COLUMNS: list[dict[str, Any]] = [
    {"name": "region", "from": "partition", "allowed": ["EU", "US"]},
    {"name": "id", "required": True},
    {"name": "n", "type": "integer"},
]
TARGETS = {"dynamodb": {"key": ["id"]}}


def run_with(cloud: Any, form: str = "csv", **changes: Any) -> DataRun:
    described = dataset(format={"type": form}, columns=COLUMNS, targets=TARGETS)
    return DataRun(cloud, described, **changes)


def parquet(query: str, path: Path) -> bytes:
    with connect() as maker:
        maker.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path.read_bytes()


@pytest.mark.parametrize("form", ["csv", "jsonl", "json", "parquet"])
def test_every_format_has_them(cloud: Any, tmp_path: Path, form: str) -> None:
    rows = [{"id": "a", "n": 1}, {"id": "b", "n": "x"}]
    bodies: dict[str, Any] = {
        "csv": "n,region,id\n1,XX,a\nx,XX,b\n",  # a field of the file does not count
        "jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "json": json.dumps(rows),
        "parquet": parquet(
            "FROM (VALUES ('a', '1'), ('b', 'x')) AS rows(id, n)", tmp_path / "a.parquet"
        ),
    }
    run = run_with(cloud, form).lay_out(bodies[form], f"region=EU/a.{form}")
    response = run.validate()
    assert (response.valid, response.rejected) == (1, 1)
    assert run.valid_rows() == [("EU", "a", 1)]
    (reject,) = run.rejects()
    assert reject["row"] == {"region": "EU", "id": "b", "n": "x"}
    assert reject["column"] == "n"


def test_checks_rules_and_the_query_see_them(cloud: Any) -> None:
    run = run_with(cloud, query="region = 'US'").lay_out("id,n\na,1\n", "region=EU/a.csv")
    assert run.validate().filtered == 1
    run = run_with(cloud, run_id="run-2").lay_out("id,n\na,1\n", "region=XX/it's.csv")
    assert run.validate().rejected == 1
    assert run.rejects()[0]["reason"] == "'XX' is not one of EU, US"


def test_without_a_header_the_fields_are_the_other_columns(cloud: Any) -> None:
    described = dataset(format={"header": False}, columns=COLUMNS, targets=TARGETS)
    run = DataRun(cloud, described).lay_out("a,1\n", "region=EU/a.csv")
    run.validate()
    assert run.valid_rows() == [("EU", "a", 1)]


def test_malformed_rows_are_reported_as_ever(cloud: Any) -> None:
    run = run_with(cloud).lay_out("id,n\na,1,2\nb,2\n", "region=EU/a.csv")
    assert run.validate().rejected == 1
    assert run.rejects()[0]["rule"] == "malformed"
    run = run_with(cloud, "jsonl", run_id="run-2").lay_out(
        '[1]\n{"id": "a"}\n', "region=EU/a.jsonl"
    )
    assert run.validate().rejected == 1
    assert run.valid_rows() == [("EU", "a", None)]


def test_a_key_without_a_value_gives_none(cloud: Any) -> None:
    run = run_with(cloud).lay_out("id,n\na,1\n", "a.csv")
    run.validate()
    assert run.valid_rows() == [(None, "a", 1)]


def test_behind_a_job_it_is_the_objects_key(cloud: Any) -> None:
    run = run_with(cloud).lay_out("id,n\na,1\n", "region=EU/a.csv")
    report = {"rowsIn": 1, "rowsOut": 1, "rowsFiltered": 0, "rowsBad": 0}
    url = run.put_job_output(report, 'region,id,n\n"",a,1\n')
    run.validate(url)
    assert run.valid_rows() == [("EU", "a", 1)]


def test_of_an_array_it_is_the_arrays_key(cloud: Any) -> None:
    run = run_with(cloud, "jsonl", input_url=f"s3://{DATA_BUCKET}/landing/region=US/a.json")
    run.array = ItemArray(items_per_batch=25, megabytes=1)
    run.lay_out('{"id": "a", "n": 1}\n', "batch.jsonl").validate()
    assert run.valid_rows() == [("US", "a", 1)]


def test_rows_that_are_sent_again_carry_them(cloud: Any) -> None:
    run = run_with(cloud)
    key = layout.resent_key("run-0", "0123456789ab", ".csv")
    run.cloud.put(key, b"region,id,n\nEU,a,1\nUS,b,2\n")
    etag = cloud.client("s3").head_object(Bucket=DATA_BUCKET, Key=key)["ETag"].strip('"')
    run.lay_out("", key=key, etag=etag, size=27).validate()
    assert run.valid_rows() == [("EU", "a", 1), ("US", "b", 2)]


def test_rows_that_are_sent_again_without_them_fail(cloud: Any) -> None:
    run = run_with(cloud)
    key = layout.resent_key("run-0", "0123456789ab", ".csv")
    run.cloud.put(key, b"id,n\na,1\n")
    etag = cloud.client("s3").head_object(Bucket=DATA_BUCKET, Key=key)["ETag"].strip('"')
    run.lay_out("", key=key, etag=etag, size=9)
    with pytest.raises(InvalidData, match="lacks region"):
        run.validate()


def test_the_recipe_does_what_the_page_says(cloud: Any) -> None:
    section = PAGE.partition("\n## Keys\n")[2]
    columns, key, body, outcome = (
        re.findall(rf"^```{kind}\n(.*?)^```", section, flags=re.DOTALL | re.MULTILINE)[0]
        for kind in ("yaml", "key", "csv", "text")
    )
    described = dataset(columns=yaml.safe_load(columns), targets={"dynamodb": {"key": ["item"]}})
    run = DataRun(cloud, described).lay_out(body, key.strip().removeprefix("landing/sales/"))
    run.validate()
    assert [", ".join(map(str, row)) for row in run.valid_rows()] == outcome.splitlines()
