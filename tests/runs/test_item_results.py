"""Every item of a batch has its result in S3, whatever became of the batch."""

from __future__ import annotations

import json
from typing import Any

import pytest
from control_fakes import LOST_RESPONSE, claimed
from data_run import UNIT, DataRun, dataset

from contracts import items as item_rules
from contracts import layout
from contracts.errors import InvalidData, NotFound, OwnershipLost, TransientFailure
from contracts.messages import RecordItems
from contracts.run import ItemTotals, StageFailure
from runs.item_results import record_items
from runtime import s3
from sources import frozen
from steps.record_items import handler

URL = "s3://data-bucket/landing/sales/items.json"
LINES = [
    '{"id": "a1", "amount": "1.50", "price": 1.10}',
    '{"id": "a2", "amount": "much"}',
    '"no object"',
    '{"id": "a4", "amount": "2", "country": "XX"}',
]
FAILED = StageFailure(stage="transform", error_type="InvalidData", message="the key is not unique")


@pytest.fixture
def run(cloud: Any) -> DataRun:
    """A batch of four items, the 25th of the array and following; two of them are good."""
    claimed(cloud.ledger, runId="run-1", startDateTime=None, inputUrl=URL)
    laid_out = DataRun(cloud, item_rules.for_batches(dataset()))
    laid_out.lay_out("".join(f"{line}\n" for line in LINES), "25.jsonl")
    part = frozen.read_manifest_part(cloud.data_bucket, "run-1", 0)
    key = layout.item_batch_key("run-1", 25)
    cloud.put(key, "".join(f"{line}\n" for line in LINES))
    etag = cloud.client("s3").head_object(Bucket=cloud.data_bucket, Key=key)["ETag"].strip('"')
    entry = part.entries[0].model_copy(update={"key": key, "items": 4, "etag": etag})
    s3.write_json(
        cloud.data_bucket,
        layout.manifest_part_key("run-1", 0),
        part.model_copy(update={"entries": (entry,)}).to_json(),
    )
    frozen.read_manifest_part.cache_clear()
    return laid_out


def record(run: DataRun, attempt: int = 1, **fields: Any) -> ItemTotals:
    message = RecordItems(run_id="run-1", unit_id=UNIT, run_attempt=attempt, **fields)
    return record_items(message, run.cloud.data_bucket, run.cloud.ledger)


def results(run: DataRun) -> dict[int, dict[str, Any]]:
    keys = run.cloud.keys(layout.item_results_prefix("run-1"))
    documents = [run.cloud.read_json(key) for key in keys]
    assert [layout.item_result_key("run-1", found["index"]) for found in documents] == keys
    return {found["index"]: found for found in documents}


def test_items_are_stored_or_rejected_one_by_one(run: DataRun) -> None:
    validated = run.validate()

    totals = record(run, rejected_url=validated.rejected_url)

    assert totals == ItemTotals(total=4, stored=1, rejected=3)
    found = results(run)
    assert {index: result["status"] for index, result in found.items()} == {
        25: "STORED",
        26: "REJECTED",
        27: "REJECTED",
        28: "REJECTED",
    }
    assert found[25] == {
        "index": 25,
        "status": "STORED",
        "runId": "run-1",
        "unitId": UNIT,
        "source": URL,
        "errors": [],
        "item": json.loads(LINES[0]),
    }
    (amount,), (malformed,), (country,) = (found[n]["errors"] for n in (26, 27, 28))
    assert (amount["rule"], amount["column"]) == ("type", "amount")
    assert malformed["rule"] == "malformed"
    assert (country["rule"], country["column"]) == ("allowed", "country")
    assert "XX" in country["reason"]


def test_an_array_that_was_named_by_a_key_is_the_source_by_its_full_url(run: DataRun) -> None:
    request = '{"datasetName": "sales", "inputUrl": "items.json", "runId": "run-1"}'
    run.cloud.ledger.update("run-1", "RUN", {"request": request})
    run.input_url = URL
    run.freeze()

    record(run)

    assert results(run)[25]["source"] == URL


OUTPUT = layout.job_prefix("run-1", UNIT, "enrich", 1)
BY_JOB = {"source": URL, "line": 3, "rule": "malformed", "reason": "no object", "raw": LINES[2]}


def put_output(run: DataRun, rows: str, rejects: list[dict[str, Any]], **report: Any) -> str:
    """What a function's job leaves of the batch."""
    counts = {"rowsIn": 4, "rowsOut": 4 - len(rejects), "rowsFiltered": 0, "rowsBad": len(rejects)}
    run.cloud.put(f"{OUTPUT}data/part-00000.csv", rows)
    lines = "".join(f"{json.dumps(reject)}\n" for reject in rejects)
    run.cloud.put(f"{OUTPUT}rejected.jsonl", lines)
    run.cloud.put(f"{OUTPUT}report.json", json.dumps({"jobId": "job-1", **counts, **report}))
    return f"s3://data-bucket/{OUTPUT}"


def test_rows_of_a_jobs_output_are_matched_to_items_wherever_they_stand(run: DataRun) -> None:
    """A value with a line break and an empty line come before the row that is rejected."""
    rows = 'id,amount,seen_on,country\na1,1.50,,DE\na2,"mu\nch",,\n\na4,2,,XX\n'
    url = put_output(run, rows, [BY_JOB])
    rejected = run.validate(url).rejected_url

    totals = record(run, rejected_url=rejected, job_output_url=url)

    assert totals == ItemTotals(total=4, stored=1, rejected=3)
    found = {index: result["errors"] for index, result in results(run).items()}
    assert found[25] == []
    assert [found[n][0]["rule"] for n in (26, 27, 28)] == ["type", "malformed", "allowed"]
    assert "XX" in found[28][0]["reason"]


def test_a_row_that_no_store_takes_is_matched_to_its_item_behind_a_job(run: DataRun) -> None:
    url = put_output(run, "id,amount,seen_on,country\na1,x,,\na2,1,,\na4,2,,\n", [BY_JOB])
    rejected = run.validate(url).rejected_url
    run.cloud.put("quarantine/unstorable.jsonl", '{"rule": "r", "reason": "why", "valid_row": 2}')
    unstorable = "s3://data-bucket/quarantine/unstorable.jsonl"

    record(run, rejected_url=rejected, set_aside_url=unstorable, job_output_url=url)

    statuses = {index: result["status"] for index, result in results(run).items()}
    assert statuses == {25: "REJECTED", 26: "STORED", 27: "REJECTED", 28: "REJECTED"}
    assert results(run)[28]["errors"] == [{"rule": "r", "reason": "why"}]


@pytest.mark.parametrize(
    "report",
    [
        {"rowsIn": 3, "rowsOut": 2},
        {"rowsOut": 2, "rowsRemoved": 1},
        {"rowsOut": 2, "rowsFiltered": 1},
    ],
)
def test_a_job_that_loses_items_without_a_reason_fails_its_batch(
    run: DataRun, report: dict[str, Any]
) -> None:
    url = put_output(
        run, "id,amount,seen_on,country\na1,1,,\na2,1,,\n", [BY_JOB], **{"rowsOut": 2, **report}
    )

    with pytest.raises(InvalidData, match="each of the 4 items is one row of the output"):
        run.validate(url)


@pytest.mark.parametrize("line", [0, 5, None, "3"])
def test_a_line_that_is_no_items_is_named(run: DataRun, line: Any) -> None:
    rows = "id,amount,seen_on,country\na1,1,,\na2,1,,\na4,1,,\n"
    url = put_output(run, rows, [{**BY_JOB, "line": line}])
    rejected = run.validate(url).rejected_url

    with pytest.raises(InvalidData, match=f"line is {line!r}; of a batch it is the number"):
        record(run, rejected_url=rejected, job_output_url=url)


def test_items_that_no_store_takes_are_rejected_by_themselves(run: DataRun) -> None:
    rejected = run.validate().rejected_url
    first = {"rule": "key-unique", "column": "id", "reason": "2 rows have the key", "valid_row": 1}
    run.cloud.put("quarantine/unstorable.jsonl", json.dumps(first) + "\n")
    url = "s3://data-bucket/quarantine/unstorable.jsonl"

    assert record(run, rejected_url=rejected, set_aside_url=url) == ItemTotals(total=4, rejected=4)
    (error,) = results(run)[25]["errors"]  # the one valid item is the first of the batch
    assert error == {"rule": "key-unique", "column": "id", "reason": "2 rows have the key"}

    run.cloud.put("quarantine/unstorable.jsonl", json.dumps({**first, "valid_row": 2}))
    with pytest.raises(InvalidData, match="there is no valid row 2, only 1"):
        record(run, rejected_url=rejected, set_aside_url=url)


def test_a_failed_batch_fails_its_good_items_and_keeps_the_reasons_of_the_bad_ones(
    run: DataRun,
) -> None:
    validated = run.validate()

    totals = record(run, rejected_url=validated.rejected_url, failure=FAILED)

    assert totals == ItemTotals(total=4, rejected=3, failed=1)
    assert results(run)[25]["errors"] == [
        {"stage": "transform", "errorType": "InvalidData", "message": "the key is not unique"}
    ]


def test_a_batch_that_was_never_validated_fails_all_its_items(run: DataRun) -> None:
    assert record(run, failure=FAILED) == ItemTotals(total=4, failed=4)


def test_an_item_is_written_back_digit_for_digit(run: DataRun) -> None:
    record(run)

    text = run.object(layout.item_result_key("run-1", 25)).decode()
    assert f'"item": {LINES[0]}}}' in text


@pytest.mark.parametrize("after", [False, True])
def test_recording_that_broke_off_is_repeated_to_the_same_end(
    run: DataRun, clients: Any, after: bool
) -> None:
    url = run.validate().rejected_url
    clients.break_once("s3", "put_object", LOST_RESPONSE, after=after)
    with pytest.raises(TransientFailure):
        record(run, rejected_url=url)

    first = record(run, rejected_url=url)
    once = results(run)
    second = record(run, rejected_url=url)

    assert first == second == ItemTotals(total=4, stored=1, rejected=3)
    assert results(run) == once
    assert len(once) == 4


def test_a_later_attempt_overwrites_what_an_earlier_one_left(run: DataRun) -> None:
    record(run, failure=FAILED)
    run.cloud.ledger.update("run-1", "RUN", {"run_attempt": 2})

    record(run, attempt=2, rejected_url=run.validate().rejected_url)

    assert results(run)[25]["status"] == "STORED"


def test_an_attempt_that_lost_the_run_overwrites_nothing(run: DataRun) -> None:
    record(run, rejected_url=run.validate().rejected_url)
    before = results(run)
    run.cloud.ledger.update("run-1", "RUN", {"run_attempt": 2})

    with pytest.raises(OwnershipLost, match="at attempt 2, not 1"):
        record(run, failure=FAILED)
    assert results(run) == before


def test_rejected_rows_of_something_else_are_refused(run: DataRun) -> None:
    reject = {"source": "x", "line": 5, "rule": "malformed", "reason": "?"}
    run.cloud.put("quarantine/sales/run-1/other.jsonl", json.dumps(reject) + "\n")
    url = "s3://data-bucket/quarantine/sales/run-1/other.jsonl"

    with pytest.raises(InvalidData, match=r"other\.jsonl: line 5 is not one of the 4 items"):
        record(run, rejected_url=url)


def test_a_unit_that_is_an_object_has_no_items(cloud: Any) -> None:
    claimed(cloud.ledger, runId="run-1")
    run = DataRun(cloud).lay_out("id,amount,seen_on,country\n")

    with pytest.raises(InvalidData, match="is no batch of items"):
        record(run)


def test_an_unknown_run_is_reported_of(run: DataRun) -> None:
    message = RecordItems(run_id="r-9", unit_id=UNIT, run_attempt=1)

    with pytest.raises(NotFound, match="run r-9 is not in the ledger"):
        record_items(message, run.cloud.data_bucket, run.cloud.ledger)


@pytest.mark.usefixtures("run")
def test_the_handler_speaks_json(lambda_context: Any) -> None:
    message = RecordItems(run_id="run-1", unit_id=UNIT, run_attempt=1)

    response = handler(message.to_json(), lambda_context)

    assert response == {"total": 4, "stored": 4, "rejected": 0, "failed": 0, "notStarted": 0}
