"""Validate of a unit of several objects whose jobs have written each object by itself."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from data_run import COLUMNS, DATA_BUCKET, UNIT, DataRun, dataset
from manifests import put_manifest

from contracts import layout
from contracts.dataset import Group
from contracts.errors import InvalidData
from contracts.manifest import ManifestEntry, ObjectGroup
from contracts.messages import PartOutput, Validate, Validated
from contracts.run import StageFailure
from contracts.source.object_totals import ObjectTotals
from contracts.source.unit_part import UnitPart
from tabular.capacity import Capacity
from validation.validator import validate_unit

HEADER: Final = "id,amount,seen_on,country\n"
UNIQUE: Final = [{**COLUMNS[0], "unique": True}, *COLUMNS[1:]]
PREFIX: Final = layout.job_prefix("run-1", UNIT, "clean", 1)


def entry(number: int) -> ManifestEntry:
    return ManifestEntry(
        bucket=DATA_BUCKET,
        key=f"landing/sales/{number}.csv",
        size=10,
        etag="etag",
        last_modified="2026-11-20T07:00:00Z",
    )


def grouped(cloud: Any, objects: int, group: Group | None = None, **contract: Any) -> DataRun:
    """A run with one unit of so many objects, which are not there: jobs have read them."""
    entries = tuple(entry(number) for number in range(objects))
    key = layout.group_key("run-1", 0)
    cloud.put(key, json.dumps(ObjectGroup(run_id="run-1", entries=entries).to_json()))
    unit = entries[0].model_copy(update={"key": key, "objects": objects})
    put_manifest(cloud.put, "run-1", (unit,))
    contract = {"columns": UNIQUE, **contract}
    return DataRun(cloud, dataset(**contract), group=group or Group(objects=objects)).freeze()


def put_output(
    cloud: Any, *texts: str, rejected: dict[int, list[dict[str, Any]]] | None = None, **report: Any
) -> str:
    """What a job of these objects writes, each object's rows by its text."""
    objects = []
    for place, text in enumerate(texts):
        below = PREFIX + layout.object_output_prefix(place)
        bad = (rejected or {}).get(place, [])
        cloud.put(f"{below}data/part-00000.csv", HEADER + text)
        if bad:
            lines = "".join(json.dumps(line) + "\n" for line in bad)
            cloud.put(f"{below}rejected.jsonl", lines)
        rows = text.count("\n")
        objects.append(
            {
                "place": place,
                "url": entry(place).url,
                "rowsIn": rows + len(bad),
                "rowsOut": rows,
                "rowsFiltered": 0,
                "rowsBad": len(bad),
            }
        )
    document = {"jobId": "job-1", "objects": objects, **report}
    cloud.put(f"{PREFIX}report.json", json.dumps(document))
    return layout.s3_url(DATA_BUCKET, PREFIX)


def outcomes(run: DataRun) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run.object(layout.objects_valid_key("run-1", UNIT)))[
        "objects"
    ]
    return found


def test_each_object_is_held_against_the_contract_by_itself(cloud: Any) -> None:
    """The same key in two objects is no double, and one object's rejects are not another's."""
    run = grouped(cloud, 3, limits={"rejectedPercentage": 50})
    bad = {"source": entry(2).url, "line": 2, "rule": "malformed", "reason": "short", "raw": "x"}
    url = put_output(
        cloud, "a,1,,AT\nb,2,,DE\n", "a,3,,AT\nb,-1,,AT\n", "a,-5,,XX\n", rejected={2: [bad]}
    )

    response = run.validate(url)

    assert (response.rows_in, response.valid, response.rejected) == (4, 3, 1)
    assert [row[0] for row in run.valid_rows()] == ["a", "b", "a"]
    first, second, third = outcomes(run)
    assert (first["rows"]["stored"], second["rows"]["stored"]) == (2, 1)
    assert third["failure"]["errorType"] == "InvalidData"
    assert f"{entry(2).url}: 2 of 2 rows are rejected" in third["failure"]["message"]


def test_rejected_rows_and_findings_name_the_source_object(cloud: Any) -> None:
    run = grouped(cloud, 2)
    bad = {"source": entry(1).url, "line": 3, "rule": "malformed", "reason": "short", "raw": "x"}
    url = put_output(cloud, "a,1,,AT\na,2,,AT\n", "b,-1,,AT\n", rejected={1: [bad]})

    response = run.validate(url)

    assert [(row["object"], row["rule"]) for row in run.rejects()] == [
        (entry(0).url, "unique"),
        (entry(1).url, "malformed"),
        (entry(1).url, "minimum"),
    ]
    assert run.rejects()[0]["source"] == f"{url}objects/0000/data/part-00000.csv"
    assert response.findings_url is not None
    findings = run.object(layout.findings_key("run-1", UNIT)).decode()
    assert entry(1).url in findings


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ({"objects": None}, "has no list of objects"),
        ({"objects": []}, r"object 1 of it is none, and should be s3://.*/0.csv \(place 0\)"),
        (
            {"objects": [{"place": 1, "url": entry(1).url}, {"place": 0, "url": entry(0).url}]},
            r"object 1 of it is s3://.*/1.csv \(place 1\), and should be s3://.*/0.csv \(place 0\)",
        ),
        ({"objects": ["0.csv", 7]}, "other objects"),
    ],
)
def test_a_job_that_does_not_report_each_object_fails_the_unit(
    cloud: Any, report: dict[str, Any], message: str
) -> None:
    run = grouped(cloud, 2)
    url = put_output(cloud, "a,1,,AT\n", "b,1,,AT\n", **report)
    with pytest.raises(InvalidData, match=message):
        run.validate(url)


def test_a_count_that_is_not_true_of_one_object_leaves_that_one_out(cloud: Any) -> None:
    run = grouped(cloud, 2)
    url = put_output(cloud, "a,1,,AT\n", "b,1,,AT\n")
    cloud.put(f"{PREFIX}objects/0001/data/part-00000.csv", HEADER + "b,1,,AT\nc,1,,AT\n")

    assert run.validate(url).valid == 1

    assert "rowsOut should be 1, but there are 2" in outcomes(run)[1]["failure"]["message"]


def test_the_query_was_the_jobs(cloud: Any) -> None:
    run = grouped(cloud, 2)
    run.query = "country = 'DE'"
    response = run.freeze().validate(put_output(cloud, "a,1,,AT\n", "b,1,,AT\n"))
    assert (response.valid, response.filtered) == (2, 0)


def test_transform_stores_the_rows_with_the_places_of_their_objects(cloud: Any) -> None:
    run = grouped(cloud, 2)
    run.validate(put_output(cloud, "a,1,,AT\n", "a,2,,AT\n"))
    made = run.transform(job_id="job-1", rows_in=2, files=1)
    assert made.objects is not None
    assert (made.rows, made.objects.stored) == (2, 2)
    assert [(row[0], row[-1]) for row in run.output_rows()] == [("a", 0), ("a", 1)]


def put_parts(cloud: Any, *texts: str | None) -> list[PartOutput]:
    """Outputs of objects that a job has read one by one; None: its job failed."""
    parts = []
    for place, text in enumerate(texts):
        if text is None:
            failure = StageFailure(stage="clean", error_type="JobFailed", message="job j: no text")
            parts.append(PartOutput(first=place, last=place, failure=failure))
            continue
        prefix = layout.job_prefix("run-1", UNIT, UnitPart(place, place).stage("clean"), 1)
        rows = text.count("\n")
        counts = {"rowsIn": rows, "rowsOut": rows, "rowsFiltered": 0, "rowsBad": 0}
        report = {"objects": [{"place": place, "url": entry(place).url, **counts}]}
        cloud.put(f"{prefix}objects/{place:04d}/data/part-00000.csv", HEADER + text)
        cloud.put(f"{prefix}report.json", json.dumps(report))
        url = layout.s3_url(DATA_BUCKET, prefix)
        parts.append(PartOutput(first=place, last=place, output_url=url, job_id=f"job-{place}"))
    return parts


def validate(parts: list[PartOutput]) -> Validated:
    url = next((part.output_url for part in parts if part.output_url), "s3://data-bucket/none/")
    message = Validate(run_id="run-1", unit_id=UNIT, input_url=url, parts=tuple(parts))
    return validate_unit(message, DATA_BUCKET, Capacity(1024, 10240))


def test_an_object_whose_job_failed_is_left_out_with_the_jobs_reason(cloud: Any) -> None:
    run = grouped(cloud, 3)

    response = validate(put_parts(cloud, "a,1,,AT\n", None, "a,3,,AT\n"))

    assert (response.rows_in, response.valid) == (2, 2)
    assert [one.get("failure", {}).get("message") for one in outcomes(run)] == [
        None,
        "job j: no text",
        None,
    ]
    made = run.transform(rows_in=2, files=1)
    assert made.objects == ObjectTotals(total=3, stored=2, failed=1)
    assert made.failed_objects is not None
    (failed,) = made.failed_objects
    assert (failed.url, failed.stage, failed.error_type) == (entry(1).url, "clean", "JobFailed")
    assert [row[-1] for row in run.output_rows()] == [0, 2]


def test_what_a_job_said_is_withheld_where_values_are(cloud: Any) -> None:
    run = grouped(cloud, 2, examples=False)
    validate(put_parts(cloud, "a,1,,AT\n", None))
    failure = outcomes(run)[1]["failure"]
    assert "no text" not in failure["message"]
    assert "examples: false" in failure["message"]


def test_a_unit_whose_other_objects_fail_by_their_rows_fails(cloud: Any) -> None:
    grouped(cloud, 2, limits={"rejectedPercentage": 0})
    with pytest.raises(InvalidData, match="all 2 objects .* failed; the first one: validate"):
        validate(put_parts(cloud, "a,-1,,AT\n", None))


@pytest.mark.parametrize("places", [(0, 1), (0, 1, 1, 2), (1, 2)])
def test_parts_that_are_not_the_whole_unit_are_refused(cloud: Any, places: tuple[int]) -> None:
    grouped(cloud, 3)
    parts = put_parts(cloud, "a,1,,AT\n", "b,1,,AT\n", "c,1,,AT\n")
    with pytest.raises(InvalidData, match="has 3 objects, and its jobs"):
        validate([parts[place] for place in places])
