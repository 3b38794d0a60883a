"""An item says which object and which execution it comes from, and when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from data_run import DATA_BUCKET, UNIT, DataRun, dataset
from manifests import put_manifest

from contracts import layout
from contracts.dataset import ItemArray
from contracts.manifest import ManifestEntry
from contracts.messages import StoreDynamodb, Transform
from ledger.table import RUN, Ledger
from sources import frozen
from steps.store_dynamodb import handler
from stores.dynamodb.items import ITEM_BYTES, ItemMaker
from stores.dynamodb.provenance import Provenance, instant, with_execution
from tabular.sql import any_of
from tabular.workspace import connect

NAMES = ["source_key", "execution_id", "processed_at", "stored_at"]
COLUMNS = [{"name": "id"}, {"name": "n", "type": "integer"}]
ROW = "SELECT 'a' AS id, 1 AS n"
FIRST = datetime(2026, 11, 20, 9, 0, 0, 250_999, tzinfo=UTC)
LATER = datetime(2026, 11, 20, 10, tzinfo=UTC)
ARN = "arn:aws:lambda:us-east-1:123456789012:function:pipeline:1/durable-execution/one/0"


def prepared(cloud: Any, query: str = ROW, **changes: Any) -> DataRun:
    """A run whose unit has the rows of a query."""
    contract = dataset(**{"columns": COLUMNS, **changes})
    return DataRun(cloud, contract).freeze().put_part(query)


def store(run: DataRun, now: datetime = FIRST, **fields: Any) -> Any:
    return run.store(now=lambda: now, **{"execution_arn": ARN, **fields})


def provenance(run: DataRun, key: str = "sales#a") -> list[Any]:
    item = run.items()[key]
    return [item.get(name) for name in NAMES]


def written_at(cloud: Any) -> str:
    """When the unit's rows were."""
    key = f"{layout.output_prefix('run-1', UNIT)}part-00000.parquet"
    head = cloud.client("s3").head_object(Bucket=DATA_BUCKET, Key=key)
    return instant(head["LastModified"])


def test_an_item_names_its_object_its_execution_and_when_it_was_made_and_put(cloud: Any) -> None:
    run = prepared(cloud)
    store(run)

    assert provenance(run) == [
        "landing/sales/a.csv",
        ARN,
        written_at(cloud),
        "2026-11-20T09:00:00.250Z",
    ]


def test_a_repeat_of_an_attempt_leaves_the_time_of_the_first_put(cloud: Any) -> None:
    run = prepared(cloud)
    store(run)
    before = run.items()

    again = store(run, LATER)

    assert (again.rows, again.unchanged, again.superseded) == (1, 1, 0)
    assert run.items() == before


def test_a_later_attempt_puts_its_own(cloud: Any) -> None:
    run = prepared(cloud)
    store(run)

    again = store(run, LATER, run_attempt=2, execution_arn="arn:two")

    assert (again.unchanged, again.superseded) == (0, 0)
    assert provenance(run)[1::2] == ["arn:two", "2026-11-20T10:00:00.000Z"]


def test_a_column_of_such_a_name_comes_first_even_where_it_is_empty(cloud: Any) -> None:
    columns = [*COLUMNS, {"name": "source_key"}, {"name": "stored_at", "type": "date"}]
    row = "SELECT 'a' AS id, 1 AS n, 'mine' AS source_key, NULL::DATE AS stored_at"
    run = prepared(cloud, row, columns=columns)
    store(run)

    assert provenance(run) == ["mine", ARN, written_at(cloud), None]


def test_a_contract_may_leave_it_out(cloud: Any) -> None:
    run = prepared(cloud, targets={"dynamodb": {"key": ["id"], "provenance": False}})
    store(run)

    assert not set(NAMES) & set(run.items()["sales#a"])


def test_items_of_an_array_name_the_array(cloud: Any) -> None:
    run = prepared(cloud)
    run.array, run.input_url = ItemArray(items_per_batch=25, megabytes=1), "s3://b/in/array.json"
    entry = ManifestEntry.from_json(
        {
            "bucket": DATA_BUCKET,
            "key": layout.item_batch_key("run-1", 0),
            "size": 9,
            "etag": "e",
            "lastModified": "2026-11-20T07:00:00Z",
            "items": 1,
        }
    )
    put_manifest(cloud.put, "run-1", (entry,))
    run.freeze()
    store(run)

    assert provenance(run)[0] == "in/array.json"


class TestOrchestratorsOfAnEarlierRelease:
    """They do not send the execution: the ledger has it."""

    @pytest.fixture
    def run(self, cloud: Any) -> DataRun:
        held = {"status": "RUNNING", "run_attempt": 2, "holder": "arn:holder"}
        cloud.ledger.update("run-1", RUN, held)
        return prepared(cloud)

    def test_the_holder_is_stored(self, run: DataRun, lambda_context: Any) -> None:
        handler({"runId": "run-1", "unitId": UNIT, "runAttempt": 2}, lambda_context)

        assert provenance(run)[1] == "arn:holder"

    def test_an_attempt_that_has_lost_the_run_names_nobody(
        self, run: DataRun, lambda_context: Any
    ) -> None:
        handler({"runId": "run-1", "unitId": UNIT, "runAttempt": 1}, lambda_context)

        assert provenance(run)[:2] == ["landing/sales/a.csv", None]

    @pytest.mark.usefixtures("run")
    def test_transform_counts_it_too(self, cloud: Any) -> None:
        ledger: Ledger = cloud.ledger
        message = Transform(run_id="run-1", unit_id=UNIT)

        assert with_execution(message, ledger).execution_arn == "arn:holder"

    @pytest.mark.usefixtures("run")
    def test_what_is_sent_stands(self, cloud: Any) -> None:
        message = StoreDynamodb(run_id="run-1", unit_id=UNIT, execution_arn=ARN)

        assert with_execution(message, cloud.ledger) == message


def test_a_row_that_leaves_no_room_for_it_is_suspicious(cloud: Any) -> None:
    """What transform does not look at one by one must fit for certain."""
    prepared(cloud, columns=[{"name": "id"}, {"name": "note"}])
    snapshot = frozen.read_snapshot(DATA_BUCKET, "run-1")
    target = snapshot.dataset.targets.dynamodb
    assert target is not None
    maker = ItemMaker(snapshot, target, UNIT, None, provenance=Provenance("k" * 1024, "a" * 1024))
    note = "x" * (ITEM_BYTES - maker.make(("a", "")).size + 1)
    assert maker.problem(("a", note)) is not None

    with connect() as connection:
        row = connection.execute(
            f"SELECT {any_of(maker.suspicious())} FROM (SELECT 'a' AS id, ? AS note)", [note]
        ).fetchone()

    assert row == (True,)
