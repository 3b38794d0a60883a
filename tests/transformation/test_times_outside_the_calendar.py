"""transform: a date or time outside the years 1 to 9999 is stored nowhere, by no target."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cloud import DATA_BUCKET, OUTPUT_BUCKET
from data_run import UNIT, DataRun, dataset

from contracts.errors import InvalidData
from contracts.messages import StoreFiles
from stores.files.writer import store_unit
from tabular.capacity import Capacity

COLUMNS = [{"name": "id", "type": "integer"}, {"name": "s"}]
TARGETS = {
    "dynamodb": {"dynamodb": {"key": ["id"]}},
    "redshift": {"redshift": {"table": "mart.times", "key": ["id"]}},
    "files": {"files": {"prefix": "out/"}},
}
# What a cast takes, and what arithmetic makes, that has no text of ISO 8601.
OUTSIDE = [
    "infinity",
    "-infinity",
    "10000-01-01 00:00:00",
    "294247-01-10 00:00:00",
    "0001-12-31 (BC) 23:59:59.999999",
]
INSIDE = ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "2026-11-30 08:00:00"]


def run_over(
    cloud: Any,
    texts: list[str],
    targets: Any,
    kind: str = "timestamp",
    sql: str = 'CAST(s AS TIMESTAMP) AS "at"',
    **changes: Any,
) -> DataRun:
    """A run whose transform makes dates or times of these texts; valid rows count from 1."""
    transform = f"SELECT id, {sql} FROM valid"
    described = dataset(transform=transform, columns=COLUMNS, targets=targets, **changes)
    run = DataRun(cloud, described, output_columns=(("id", "integer"), ("at", kind)))
    rows = ", ".join(f"({n}::BIGINT, '{text}')" for n, text in enumerate(texts, start=1))
    return run.lay_out("id,s\n").put_valid(f"SELECT * FROM (VALUES {rows}) AS rows(id, s)")


@pytest.mark.parametrize("target", TARGETS)
def test_its_row_is_rejected_with_the_reason_whatever_the_target(cloud: Any, target: str) -> None:
    texts = [INSIDE[0], *OUTSIDE, INSIDE[1]]
    run = run_over(cloud, texts, TARGETS[target])
    response = run.transform()
    assert (response.rows, response.rejected) == (2, len(OUTSIDE))
    assert [(row[0], str(row[1])) for row in run.output_rows()] == [
        (1, INSIDE[0]),
        (len(texts), INSIDE[1]),
    ]
    rejects = run.set_aside()
    assert [reject["valid_row"] for reject in rejects] == list(range(2, 2 + len(OUTSIDE)))
    assert [reject["row"]["s"] for reject in rejects] == OUTSIDE
    for reject, shown in zip(rejects, OUTSIDE, strict=True):
        assert reject["rule"] == "transform"
        assert f"at is {shown}, no timestamp of the years 1 to 9999" in reject["reason"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("text", ["infinity", "10000-01-01 00:00:00"])
def test_it_fails_the_unit_where_the_contract_says_so(cloud: Any, target: str, text: str) -> None:
    run = run_over(cloud, [INSIDE[2], text], TARGETS[target], onTransformError="fail")
    with pytest.raises(InvalidData, match=f"the transform fails in unit .*at is {text}, no "):
        run.transform()
    assert not cloud.keys("quarantine/")
    assert not run.output_keys()


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("timestamp", "TIMESTAMP '9999-12-31' + to_days(CAST(s AS INTEGER)) AS \"at\""),
        ("timestamp", "timezone('Etc/GMT+1', TIMESTAMP '9999-12-31 23:30:00') AS \"at\""),
        ("date", "DATE '9999-12-31' + CAST(s AS INTEGER) AS \"at\""),
        ("date", "DATE '-infinity' AS \"at\""),
        ("date", "CAST('0002-01-01 (BC)' AS DATE) AS \"at\""),
    ],
)
def test_however_the_transform_makes_it(cloud: Any, kind: str, made: str) -> None:
    run = run_over(cloud, ["1"], TARGETS["files"], kind, made)
    assert (run.transform().rejected, run.output_rows()) == (1, [])
    assert f"no {kind} of the years 1 to 9999" in run.set_aside()[0]["reason"]


def test_rows_that_are_sorted_or_combined_are_checked_as_well(cloud: Any) -> None:
    sql = 'max(CAST(s AS TIMESTAMP)) OVER (PARTITION BY id) AS "at"'
    run = run_over(cloud, [INSIDE[2], "infinity"], TARGETS["dynamodb"], sql=sql)
    assert (run.transform().rejected, len(run.output_rows())) == (1, 1)


def test_a_missing_time_is_stored_as_missing(cloud: Any) -> None:
    run = run_over(cloud, ["x"], TARGETS["files"], sql='TRY_CAST(s AS TIMESTAMP) AS "at"')
    assert (run.transform().rejected, run.output_rows()) == (0, [(1, None)])


def test_the_first_and_the_last_time_are_the_same_in_items_and_files(cloud: Any) -> None:
    targets = {**TARGETS["dynamodb"], "files": {"prefix": "out/", "format": "csv"}}
    run = run_over(cloud, [*INSIDE, "infinity"], targets)
    assert run.transform().rejected == 1
    run.store()
    items = run.items()
    texts = [items[f"sales#{n}"]["at"] for n in (1, 2, 3)]
    message = StoreFiles(run_id=run.run_id, unit_id=UNIT)
    store_unit(message, DATA_BUCKET, OUTPUT_BUCKET, Capacity(1024, 512))
    (key,) = cloud.keys("out/", bucket=OUTPUT_BUCKET)
    body = cloud.client("s3").get_object(Bucket=OUTPUT_BUCKET, Key=key)["Body"].read().decode()
    lines = [f"{n},{text.replace(' ', 'T')}Z" for n, text in enumerate(INSIDE, start=1)]
    assert body.splitlines() == ["id,at", *lines]
    assert texts == [line.partition(",")[2] for line in lines]
