"""store_dynamodb: items by natural key, types without damage, repeats and older runs harmless."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from data_run import DataRun, dataset

from contracts.errors import InvalidData, NotConfigured, Throttled
from steps.store_dynamodb import partition_key

COLUMNS = [
    {"name": "id"},
    {"name": "n", "type": "integer"},
    {"name": "x", "type": "double"},
    {"name": "d", "type": "decimal(38,10)"},
    {"name": "b", "type": "boolean"},
    {"name": "day", "type": "date"},
    {"name": "at", "type": "timestamp"},
]
HEADER = ",".join(column["name"] for column in COLUMNS) + "\n"


def stored(cloud: Any, body: str, **options: Any) -> tuple[DataRun, Any]:
    changes = {"columns": COLUMNS, **options.pop("changes", {})}
    run = DataRun(cloud, dataset(**changes), **options).lay_out(HEADER + body)
    run.validate()
    run.transform()
    return run, run.store()


def test_a_row_becomes_an_item_with_its_trace(cloud: Any) -> None:
    changes = {"targets": {"dynamodb": {"key": ["id", "day"], "ttlDays": 2}}}
    body = "a,9007199254740993,0.1,1234567890123456789012345678.0123456789,true,2026-11-01,"
    run, answer = stored(cloud, body + "2026-11-01T06:30:00.5Z\n", changes=changes)
    assert (answer.rows, answer.unchanged) == (1, 0)
    assert run.items() == {
        "sales#a|2026-11-01": {
            "pk": "sales#a|2026-11-01",
            "dataset": "sales",
            "index": "sales",
            "run_id": "run-1",
            "job_id": "job-1",
            "unit_id": "00000-000",
            "version": "2026-11-20T08:00:00.000000Z#run-1",
            "expires_at": Decimal(int(datetime(2026, 11, 22, 8, tzinfo=UTC).timestamp())),
            "id": "a",
            "n": Decimal(9007199254740993),
            "x": Decimal("0.1"),
            "d": Decimal("1234567890123456789012345678.0123456789"),
            "b": True,
            "day": "2026-11-01",
            "at": "2026-11-01T06:30:00.500000Z",
        }
    }


def test_missing_values_are_left_out(cloud: Any) -> None:
    run, _ = stored(cloud, "a,,,,,,\n")
    assert not {"n", "x", "d", "b", "day", "at"} & set(run.items()["sales#a"])


def test_a_repeat_changes_nothing(cloud: Any) -> None:
    run, _ = stored(cloud, "a,1,,,,,\nb,2,,,,,\n")
    before = run.items()
    answer = run.store()
    assert (answer.rows, answer.unchanged) == (2, 2)
    assert run.items() == before


def test_a_newer_run_replaces_and_an_older_one_does_not(cloud: Any) -> None:
    stored(cloud, "a,1,,,,,\nb,1,,,,,\n", run_id="run-1", started_at="2026-11-20T08:00:00Z")
    run, newer = stored(cloud, "a,2,,,,,\n", run_id="run-2", started_at="2026-11-20T08:00:00.5Z")
    assert (newer.rows, newer.unchanged) == (1, 0)
    _, older = stored(
        cloud, "a,3,,,,,\nc,3,,,,,\n", run_id="run-0", started_at="2026-11-19T00:00:00Z"
    )
    assert (older.rows, older.unchanged) == (2, 1)
    assert {pk: item["n"] for pk, item in run.items().items()} == {
        "sales#a": 2,
        "sales#b": 1,
        "sales#c": 3,
    }


def test_key_values_with_separators_stay_apart() -> None:
    keys = {
        partition_key("i", pair) for pair in (("a|b", "c"), ("a", "b|c"), ("a\\", "b"), ("a\\|b",))
    }
    assert len(keys) == 4
    assert partition_key("i", ("a", 1)) == "i#a|1"


def test_a_number_that_dynamodb_cannot_hold_is_refused_with_its_row(cloud: Any) -> None:
    with pytest.raises(InvalidData, match="x of the row sales#a is 1e-200"):
        stored(cloud, "a,,1e-200,,,,\n")


def test_what_the_transform_made_infinite_is_refused_with_its_row(cloud: Any) -> None:
    changes = {"transform": "SELECT id, CAST('inf' AS DOUBLE) AS x FROM valid"}
    columns = (("id", "string"), ("x", "double"))
    with pytest.raises(InvalidData, match="x of the row sales#a is inf"):
        stored(cloud, "a,,,,,,\n", changes=changes, output_columns=columns)


def test_an_item_over_400_kb_is_refused_with_its_row(cloud: Any) -> None:
    changes = {"transform": "SELECT id, repeat('x', 500000) AS x FROM valid"}
    columns = (("id", "string"), ("x", "string"))
    with pytest.raises(InvalidData, match="the row sales#a makes an item over DynamoDB's 400 KB"):
        stored(cloud, "a,,,,,,\n", changes=changes, output_columns=columns)


def test_a_key_that_is_too_long_is_refused(cloud: Any) -> None:
    with pytest.raises(InvalidData, match="longer than 2048 bytes"):
        stored(cloud, "a" * 2048 + ",,,,,,\n")


def test_throttling_that_lasts_asks_for_a_later_try_which_completes_the_unit(
    cloud: Any, clients: Any
) -> None:
    run = DataRun(cloud, dataset(columns=COLUMNS))
    run.lay_out(HEADER + "".join(f"r{n},{n},,,,,\n" for n in range(40)))
    run.validate()
    run.transform()
    answer: Any = {"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "slow"}}
    clients.break_once("dynamodb", "put_item", ClientError(answer, "PutItem"), after=True)
    with pytest.raises(Throttled):
        run.store()
    again = run.store()
    assert again.rows == 40
    assert again.unchanged > 0
    assert len(run.items()) == 40


def test_many_rows_are_all_stored(cloud: Any) -> None:
    run, answer = stored(cloud, "".join(f"r{n},{n},,,,,\n" for n in range(1200)))
    assert answer.rows == 1200
    assert run.item_count() == 1200


def test_no_rows_store_nothing(cloud: Any) -> None:
    run, answer = stored(cloud, "")
    assert answer.rows == 0
    assert run.items() == {}


def test_a_dataset_without_the_target_is_not_configured(cloud: Any) -> None:
    changes = {"targets": {"redshift": {"table": "t", "key": ["id"]}}}
    with pytest.raises(NotConfigured):
        stored(cloud, "a,,,,,,\n", changes=changes)
