"""The warehouse of the deployed template: tables that grow, and loads that say what went wrong."""

from __future__ import annotations

from typing import Any

import pytest
from running_cloud import RunningCloud

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(180)]
CONTRACT = """\
name: letters
source: {{prefix: landing/letters/}}
columns:
  - {{name: id, required: true}}
  - {{name: pages, type: {pages}}}
  - {{name: body}}
{more}
targets:
  redshift: {{table: mart.letters, key: [id]}}
"""


def put_contract(cloud: RunningCloud, pages: str = "integer", more: str = "") -> None:
    body = CONTRACT.format(pages=pages, more=f"  - {more}" if more else "")
    bucket = cloud.outputs["CodeBucketName"]
    cloud.cloud.client("s3").put_object(Bucket=bucket, Key="datasets/letters.yaml", Body=body)


def send(cloud: RunningCloud, run_id: str, rows: str) -> dict[str, Any]:
    """Run one object of these CSV rows; its RUN item."""
    bucket, key = cloud.outputs["DataBucketName"], f"landing/letters/{run_id}.csv"
    cloud.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=rows)
    cloud.send({"datasetName": "letters", "runId": run_id, "inputUrl": f"s3://{bucket}/{key}"})
    return cloud.await_run(run_id, "SUCCEEDED", "FAILED")


def test_a_contract_grows_its_table_and_what_it_cannot_change_it_says(cloud: RunningCloud) -> None:
    put_contract(cloud)
    run = send(cloud, "e2e-letters", "id,pages,body\na,1,dear\nb,2,sir\n")
    assert run["status"]["S"] == "SUCCEEDED", run

    put_contract(cloud, more="{name: sent_on, type: date}")
    grown = "id,pages,body,sent_on\nb,3,madam,2026-11-01\n"
    assert send(cloud, "e2e-grown", grown)["status"]["S"] == "SUCCEEDED"
    rows = cloud.query("SELECT id, pages, body, run_id FROM mart.letters ORDER BY id")
    assert rows == [["a", 1, "dear", "e2e-letters"], ["b", 3, "madam", "e2e-grown"]]

    put_contract(cloud, pages="double", more="{name: sent_on, type: date}")
    refused = send(cloud, "e2e-refused", grown)
    assert refused["status"]["S"] == "FAILED"
    reason = refused["reason"]["S"]
    assert "mart.letters.pages: the table has BIGINT instead of DOUBLE PRECISION" in reason
    assert 'ALTER TABLE "mart"."letters" RENAME COLUMN "pages_new" TO "pages";' in reason
    assert cloud.dead_letter("e2e-refused")


def test_a_load_that_fails_names_file_row_column_and_value(cloud: RunningCloud) -> None:
    put_contract(cloud, more="{name: sent_on, type: date}")
    rows = f"id,pages,body,sent_on\nc,1,short,\nd,2,{'long ' * 14_000},\n"
    run = send(cloud, "e2e-too-long", rows)
    assert run["status"]["S"] == "FAILED"
    (unit,) = cloud.ledger("e2e-too-long", "UNIT#")
    told = unit["failure"]["M"]["message"]["S"]
    assert "output/part-00000.parquet, row 2 (key d), column body: the text has 70000 bytes" in told
    assert "(value 'long long " in told
    loads = [
        job for job in cloud.ledger("e2e-too-long", "JOB#") if job["stage"]["S"] == "store-redshift"
    ]
    assert len(loads) == 1  # what cannot succeed is not tried again
    assert cloud.query("SELECT COUNT(*) FROM mart.letters WHERE id IN ('c', 'd')") == [[0]]
