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
  redshift: {{table: mart.{table}, key: [id]}}
"""


def put_contract(
    cloud: RunningCloud, pages: str = "integer", more: str = "", table: str = "letters"
) -> None:
    body = CONTRACT.format(pages=pages, more=f"  - {more}" if more else "", table=table)
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
    narrow = "(id VARCHAR(9), pages BIGINT, body VARCHAR(99))"
    cloud.execute(f"CREATE TABLE mart.postcards {narrow}")  # a person's own
    put_contract(cloud, table="postcards")
    rows = f"id,pages,body\nc,1,short\nd,2,{'long ' * 20}\n"
    run = send(cloud, "e2e-too-long", rows)
    assert run["status"]["S"] == "FAILED"
    (unit,) = cloud.ledger("e2e-too-long", "UNIT#")
    reported = unit["failure"]["M"]["message"]["S"]
    assert (
        "output/part-00000.parquet, row 2 (key d), column body: the text has 100 bytes" in reported
    )
    assert "the column holds 99 (value 'long long " in reported
    loads = [
        job for job in cloud.ledger("e2e-too-long", "JOB#") if job["stage"]["S"] == "store-redshift"
    ]
    assert len(loads) == 1  # what cannot succeed is not tried again
    assert cloud.query("SELECT COUNT(*) FROM mart.postcards") == [[0]]


def test_a_text_that_no_column_holds_is_found_unstorable_and_its_neighbours_are_loaded(
    cloud: RunningCloud,
) -> None:
    put_contract(cloud, table="novels")
    pages = "".join(f"n{number},{number},short\n" for number in range(9))
    run = send(cloud, "e2e-novel", f"id,pages,body\n{pages}long,9,{'long ' * 14_000}\n")
    assert run["status"]["S"] == "SUCCEEDED", run
    assert run["outcome"]["S"] == "SUCCEEDED_WITH_LOSSES"
    assert cloud.query("SELECT COUNT(*) FROM mart.novels") == [[9]]
    (unit,) = cloud.ledger("e2e-novel", "UNIT#")
    assert unit["set_aside"]["N"] == "1"
    (finding,) = unit["findings"]["L"]
    assert finding["M"]["rule"]["S"] == "text-size"
