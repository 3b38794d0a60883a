"""Values that are written otherwise are the same for the Glue job as for validate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from job_scripts import BUCKET
from scratch_duckdb import connect
from test_clean_csv import arguments, dataset, job, output, put

from contracts.dataset import Dataset
from sources import fetch
from tabular import workspace
from validation import unit_split
from validation.row_classes import RowClassifier

__all__ = ["job"]
COLUMNS: list[dict[str, Any]] = [
    {"name": "id", "trim": True},
    {"name": "day", "type": "date", "format": ["%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y"]},
    {"name": "seen", "type": "timestamp", "zone": "Europe/Berlin", "nulls": ["-"]},
    {"name": "sent", "type": "timestamp", "format": "epoch-millis"},
    {"name": "price", "type": "decimal(10,2)", "decimal": ",", "thousands": "."},
    {"name": "share", "type": "decimal(9,4)", "percent": True},
    {"name": "paid", "type": "boolean", "trueValues": ["J"], "falseValues": ["N"]},
    {"name": "people", "type": "integer", "thousands": " "},
]
BODY = """\
id;day;seen;sent;price;share;paid;people
 a\u00a0;05.01.2026;2026-07-01 12:00;1767607200123;1.299,99;12.5%;J;1 234
b;5/1/2026;2026-07-01 12:00;0;1;1%;N;1
c;31/12/2025;2026-03-29 02:30;0;1;1%;N;1
d;31/12/2025;2026-10-25 02:30;0;1;1%;N;1
e;31/12/2025;2026-10-25T02:30:00+01;-1;-0,5;0.01%;N;12 345
f;;-;;;;;
g;02/02/2026;-;1e3;1.5;1;n;1,0
"""
FORM = {"type": "csv", "delimiter": ";"}
PARQUET = dataset(format={"type": "parquet"}, columns=[{"name": "id"}, {"name": "x"}])


def validated(blocks: Any, contract: Dataset, query: str | None) -> tuple[list[Any], list[Any]]:
    """Valid rows and what the others break; of the row, its texts."""
    with workspace.workspace(512) as space:
        split = unit_split.split_text(space, blocks, RowClassifier(contract, query), "source")
        names = ", ".join(f"'{path}'" for path in split.parts)
        rows = space.connection.execute(f"FROM read_parquet([{names}])").fetchall()
        rejects = [line for path in split.rejects for line in path.read_text().splitlines()]
    return rows, [line.partition('"rule"')[2].partition('"raw"')[0] for line in rejects]


@pytest.mark.parametrize(
    "query",
    [
        None,
        "day < '2026-01-31' AND paid",
        "seen = '2026-10-25 01:30:00' OR sent IS NULL",
        "price < 0 OR share = 0.125",
        "people > 1000 AND id = 'a'",
    ],
)
def test_the_way_through_the_job_changes_no_value(job: Any, s3: Any, query: str | None) -> None:
    described = dataset(format=FORM, columns=COLUMNS)
    put(s3, BODY, "in/a.csv", described)
    contract = Dataset.from_json(described)
    direct = validated([BODY.encode()], contract, query)

    assert job.main(arguments("in/a.csv", query)) is None

    found = output(s3)
    assert found.report["rowsBad"] == 0
    body = fetch.text_of(
        BUCKET,
        "runs/run-1/units/00000-000/jobs/clean/1/data/part-00000.csv",
        Dataset.from_json(dataset()).format,
    )
    read_as = Dataset.from_json(dataset(columns=COLUMNS))
    assert validated(body, read_as, None) == direct
    assert len(found.rows) - 1 == sum(map(len, direct))
    assert [row[0] for row in direct[0]] == {
        None: ["a", "e", "f"],
        "day < '2026-01-31' AND paid": ["a"],
        "seen = '2026-10-25 01:30:00' OR sent IS NULL": ["e", "f"],
        "price < 0 OR share = 0.125": ["a", "e"],
        "people > 1000 AND id = 'a'": ["a"],
    }[query]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_column_of_the_key_is_left_to_validate(job: Any, s3: Any, form: str) -> None:
    columns = [{"name": "region", "from": "partition"}, {"name": "id"}]
    described = dataset(format={"type": form}, columns=columns)
    body = "region,id\nXX,a\n" if form == "csv" else '{"region": "XX", "id": "a"}\n'
    put(s3, body, "region=EU/a", described)
    assert job.main(arguments("region=EU/a")) is None
    assert output(s3).rows == [["region", "id"], ["", "a"]]

    resent = f"runs/run-0/resent/0123456789ab.{form}"  # these rows carry it
    put(s3, body, resent, described)
    assert job.main(arguments(resent)) is None
    assert output(s3).rows == [["region", "id"], ["XX", "a"]]


@pytest.mark.parametrize(
    ("made", "text"),
    [
        ("DATE 'infinity'", "5881580-07-11"),
        ("TIMESTAMP 'infinity'", "294247-01-10 04:00:54.775807"),
        ("TIMESTAMPTZ '-infinity'", "290309-12-21 (BC) 19:59:05.224193+00"),
        ("'ok'::BLOB", "ok"),
    ],
)
def test_values_of_parquet_are_those_of_the_file(
    job: Any, s3: Any, tmp_path: Path, made: str, text: str
) -> None:
    put(s3, parquet(tmp_path, made), "in/a.parquet", PARQUET)
    assert job.main(arguments("in/a.parquet")) is None
    assert output(s3).rows == [["id", "x"], ["a", text]]


def parquet(folder: Path, made: str) -> bytes:
    file = folder / "made.parquet"
    with connect() as maker:
        maker.execute(f"COPY (SELECT 'a' AS id, {made} AS x) TO '{file}' (FORMAT parquet)")
    return file.read_bytes()
