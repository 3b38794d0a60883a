"""store_dynamodb: items by natural key, types without damage, repeats and older runs harmless."""

from __future__ import annotations

import tempfile
import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from data_run import UNIT, DataRun, dataset

from contracts import layout
from contracts.dataset import DatasetSnapshot, DynamodbTarget
from contracts.errors import InvalidData, NotConfigured, Throttled
from steps.store_dynamodb import handler
from stores.dynamodb.items import ITEM_BYTES, Item, ItemMaker, partition_key
from stores.dynamodb.provenance import Provenance

COLUMNS = [
    {"name": "id"},
    {"name": "n", "type": "integer"},
    {"name": "x", "type": "double"},
    {"name": "d", "type": "decimal(38,10)"},
    {"name": "b", "type": "boolean"},
    {"name": "day", "type": "date"},
    {"name": "at", "type": "timestamp"},
]


KINDS = {
    "id": "VARCHAR",
    "n": "BIGINT",
    "x": "DOUBLE",
    "d": "DECIMAL(38,10)",
    "b": "BOOLEAN",
    "day": "DATE",
    "at": "TIMESTAMP",
}


def prepared(
    cloud: Any, body: str, transform: str = "SELECT * FROM valid", **options: Any
) -> DataRun:
    """A run whose unit has the output that a transform makes of CSV rows."""
    changes = {"columns": COLUMNS, **options.pop("changes", {})}
    run = DataRun(cloud, dataset(**changes), **options).freeze()
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in KINDS.items())
    nothing = ", ".join(f"NULL::{kind} AS {name}" for name, kind in KINDS.items())
    with tempfile.NamedTemporaryFile(suffix=".csv", mode="w") as file:
        file.write(body)
        file.flush()
        source = f"read_csv('{file.name}', header = false, columns = {{{types}}})"
        if not body:
            source = f"(SELECT {nothing} LIMIT 0)"
        run.put_part(f"WITH valid AS (FROM {source}) {transform}")
    return run


def stored(cloud: Any, body: str, **options: Any) -> tuple[DataRun, Any]:
    run = prepared(cloud, body, **options)
    return run, run.store()


def test_a_row_becomes_an_item_with_its_trace(cloud: Any) -> None:
    """Of its provenance: test_provenance.py."""
    target = {"key": ["id", "day"], "ttlDays": 2, "provenance": False}
    changes = {"targets": {"dynamodb": target}}
    body = "a,9007199254740993,0.1,1234567890123456789012345678.0123456789,true,2026-11-01,"
    run, response = stored(cloud, body + "2026-11-01T06:30:00.5Z\n", changes=changes)
    assert (response.rows, response.unchanged) == (1, 0)
    assert run.items() == {
        "sales#a|2026-11-01": {
            "pk": "sales#a|2026-11-01",
            "dataset": "sales",
            "index": "sales",
            "run_id": "run-1",
            "job_id": "job-1",
            "unit_id": "00000-000",
            "version": "2026-11-20T08:00:00.000000Z#run-1#00000-000#0001",
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
    response = run.store()
    assert (response.rows, response.unchanged) == (2, 2)
    assert run.items() == before


def test_a_newer_run_replaces_and_an_older_one_does_not(cloud: Any) -> None:
    stored(cloud, "a,1,,,,,\nb,1,,,,,\n", run_id="run-1", started_at="2026-11-20T08:00:00Z")
    run, newer = stored(cloud, "a,2,,,,,\n", run_id="run-2", started_at="2026-11-20T08:00:00.5Z")
    assert (newer.rows, newer.unchanged) == (1, 0)
    _, older = stored(
        cloud, "a,3,,,,,\nc,3,,,,,\n", run_id="run-0", started_at="2026-11-19T00:00:00Z"
    )
    assert (older.rows, older.unchanged, older.superseded) == (2, 0, 1)
    assert {pk: item["n"] for pk, item in run.items().items()} == {
        "sales#a": 2,
        "sales#b": 1,
        "sales#c": 3,
    }


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1, 0, 1, 0)])
def test_of_a_key_in_two_objects_the_later_objects_row_stays(
    cloud: Any, order: tuple[int, ...]
) -> None:
    run = prepared(cloud, "a,0,,,,,\nb,0,,,,,\n")
    names = ", ".join(f"NULL AS {column['name']}" for column in COLUMNS[2:])
    run.put_part(f"SELECT 'a' AS id, 1 AS n, {names}", unit="00000-001")
    responses = [(number, run.store(unit=f"00000-00{number}")) for number in order]
    assert {(number, response.superseded) for number, response in responses} <= {
        (0, 0),
        (0, 1),
        (1, 0),
    }
    assert responses[-1][1].superseded == (1 if order[-1] == 0 else 0)
    assert {pk: item["n"] for pk, item in run.items().items()} == {"sales#a": 1, "sales#b": 0}


def test_a_later_attempt_replaces_rows_and_an_earlier_one_that_goes_on_does_not(cloud: Any) -> None:
    run, _ = stored(cloud, "a,1,,,,,\nb,1,,,,,\n")
    prepared(cloud, "a,2,,,,,\n")
    again = run.store(run_attempt=2)
    assert (again.unchanged, again.superseded) == (0, 0)
    prepared(cloud, "a,1,,,,,\nb,1,,,,,\n")
    late = run.store(run_attempt=1)
    assert (late.unchanged, late.superseded) == (1, 1)
    assert {pk: item["n"] for pk, item in run.items().items()} == {"sales#a": 2, "sales#b": 1}


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
    transform = "SELECT id, CAST('inf' AS DOUBLE) AS x FROM valid"
    columns = (("id", "string"), ("x", "double"))
    with pytest.raises(InvalidData, match="x of the row sales#a is inf"):
        stored(cloud, "a,,,,,,\n", transform=transform, output_columns=columns)


WIDE = "SELECT id, repeat('x', n) AS x FROM valid"
WIDE_COLUMNS = (("id", "string"), ("x", "string"))


def test_items_over_400_kb_are_refused_by_row_before_anything_is_stored(cloud: Any) -> None:
    body = "".join(
        f"{name},{size},,,,,\n" for name, size in (("a", 500_000), ("b", 9), ("c", 410_000))
    )
    run = prepared(cloud, body, transform=WIDE, output_columns=WIDE_COLUMNS)
    with pytest.raises(InvalidData) as refused:
        run.store()
    reported = str(refused.value)
    assert reported.startswith("2 rows cannot be stored in DynamoDB, so nothing of the unit was: ")
    assert "the row sales#a makes an item of 500,2" in reported
    assert "the row sales#c makes an item of 410,2" in reported
    assert "sales#b" not in reported
    assert run.items() == {}


def test_of_many_rows_that_are_too_large_five_are_named(cloud: Any) -> None:
    body = "".join(f"r{number},420000,,,,,\n" for number in range(7))
    run = prepared(cloud, body, transform=WIDE, output_columns=WIDE_COLUMNS)
    with pytest.raises(InvalidData) as refused:
        run.store()
    assert str(refused.value).startswith("7 rows cannot")
    assert str(refused.value).count("the row sales#r") == 5


@pytest.mark.parametrize("provenance", [None, Provenance("landing/ä.csv", "arn:execution")])
def test_the_largest_item_is_one_of_400_kb(provenance: Provenance | None) -> None:
    snapshot = DatasetSnapshot(
        dataset=dataset(),
        version="v",
        index="sales",
        run_id="run-1",
        run_started_at="2026-11-20T08:00:00Z",
        output_columns=WIDE_COLUMNS,
    )
    target = DynamodbTarget(key=("id",))
    maker = ItemMaker(snapshot, target, UNIT, job_id=None, provenance=provenance)
    left = ITEM_BYTES - maker.make(("a", "")).size
    assert maker.problem(("a", "x" * left)) is None
    reported = maker.problem(("a", "x" * (left + 1)))
    assert reported is not None
    assert reported.rule == "item-size"
    assert (
        reported.reason == "the row sales#a makes an item of 409,601 bytes, DynamoDB takes 409,600"
    )


@pytest.mark.parametrize(
    ("wire", "size"),
    [
        ({"pk": {"S": "ü"}}, 2 + 2),
        ({"b": {"BOOL": True}}, 1 + 1),
        ({"n": {"N": "0"}}, 1 + 2),
        ({"n": {"N": "-12345"}}, 1 + 3 + 1 + 1),
        ({"n": {"N": "1200"}}, 1 + 2),
    ],
)
def test_an_items_size_is_counted_as_dynamodb_counts_it(wire: Any, size: int) -> None:
    assert Item("k", wire).size == size


def test_a_key_that_is_too_long_is_refused(cloud: Any) -> None:
    with pytest.raises(InvalidData, match="has 2,054 bytes, DynamoDB takes 2,048"):
        stored(cloud, "a" * 2048 + ",,,,,,\n")


THROTTLED: Any = {"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "slow"}}


class Throttling:
    """A table that refuses so many puts, without and with effect, before it takes them all."""

    def __init__(self, real: Any, refusals: int) -> None:
        self._real, self.refusals = real, refusals
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def put_item(self, **request: Any) -> Any:
        with self._lock:
            self.refusals -= 1
            number = self.refusals
        if number >= 0 and number % 2:
            raise ClientError(THROTTLED, "PutItem")
        response = self._real.put_item(**request)
        if number >= 0:
            raise ClientError(THROTTLED, "PutItem")
        return response


def rows(count: int) -> str:
    return "".join(f"r{number:04d},{number},,,,,\n" for number in range(count))


def test_throttled_puts_are_sent_again_at_growing_distances(cloud: Any, clients: Any) -> None:
    run = prepared(cloud, rows(40))
    clients.use("dynamodb", Throttling(cloud.client("dynamodb"), refusals=90))
    pauses: list[float] = []
    response = run.store(pause=pauses.append)
    assert (response.rows, response.next_row) == (40, None)
    assert len(run.items()) == 40
    assert len(pauses) >= 2
    assert all(base / 2 <= pause <= base for base, pause in zip((0.5, 1, 2), pauses, strict=False))


def test_throttling_that_lasts_asks_for_a_later_try_which_completes_the_unit(
    cloud: Any, clients: Any
) -> None:
    run = prepared(cloud, rows(40))
    table = Throttling(cloud.client("dynamodb"), refusals=10**9)
    clients.use("dynamodb", table)
    left = iter((900.0, 500.0, 60.0))
    with pytest.raises(Throttled, match="throttles"):
        run.store(remaining=lambda: next(left))
    table.refusals = 0
    again = run.store()
    assert again.rows == 40
    assert again.unchanged > 0
    assert len(run.items()) == 40


@pytest.mark.slow
def test_a_unit_goes_on_in_slices_before_the_time_is_up(cloud: Any) -> None:
    run = prepared(cloud, rows(1200))
    slices, first = [], 0
    while first is not None:
        left = iter((500.0, 60.0))  # after its second batch, each slice's time is up
        response = run.store(first_row=first, remaining=lambda left=left: next(left, 60.0))
        slices.append((first, response.rows, response.unchanged))
        first = response.next_row
    assert slices == [(0, 1024, 0), (1024, 176, 0)]
    assert run.item_count() == 1200


@pytest.mark.slow
def test_the_function_asks_its_context_how_much_time_is_left(
    cloud: Any, lambda_context: Any
) -> None:
    prepared(cloud, rows(600))
    lambda_context.get_remaining_time_in_millis = lambda: 60_000
    event = {"runId": "run-1", "unitId": UNIT, "files": 1}
    assert handler(event, lambda_context) == {
        "rows": 512,
        "unchanged": 0,
        "superseded": 0,
        "nextRow": 512,
        "ended": False,
    }
    lambda_context.get_remaining_time_in_millis = lambda: 800_000
    again = handler({**event, "firstRow": 512}, lambda_context)
    assert again == {"rows": 88, "unchanged": 0, "superseded": 0, "ended": False}


def test_slices_pass_from_part_to_part(cloud: Any) -> None:
    run = prepared(cloud, rows(3))
    names = ", ".join(f"NULL AS {column['name']}" for column in COLUMNS[1:])
    run.put_part(f"SELECT id, {names} FROM (VALUES ('r0003'), ('r0004')) AS v(id)", 1)
    run.put_part(f"SELECT 'r0005' AS id, {names}", 2)
    key = layout.output_prefix("run-1", UNIT) + "part-00003.parquet"
    cloud.put(key, b"left behind by a try that broke off")
    stored = [run.store(first_row=first, files=3).rows for first in (5, 4, 0)]
    assert stored == [1, 2, 6]
    assert sorted(run.items()) == [f"sales#r{number:04d}" for number in range(6)]


@pytest.mark.parametrize("put", [0, 512, 529])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.slow
def test_a_unit_may_die_before_and_after_any_put_and_is_stored_by_the_next_call(
    cloud: Any, clients: Any, put: int, after: bool
) -> None:
    run = prepared(cloud, rows(530))
    clients.use("dynamodb", Dying(cloud.client("dynamodb"), put, after=after))
    with pytest.raises(RuntimeError, match="killed"):
        run.store()
    clients.use("dynamodb", cloud.client("dynamodb"))
    assert run.store().rows == 530
    assert run.item_count() == 530


class Dying:
    """A client whose function is killed at one put."""

    def __init__(self, real: Any, put: int, *, after: bool) -> None:
        self._real, self._left, self._after = real, put, after
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def put_item(self, **request: Any) -> Any:
        with self._lock:
            self._left -= 1
            dies = self._left == -1
        if dies and not self._after:
            raise RuntimeError("killed")
        response = self._real.put_item(**request)
        if dies:
            raise RuntimeError("killed")
        return response


@pytest.mark.slow
def test_many_rows_are_all_stored(cloud: Any) -> None:
    run, response = stored(cloud, "".join(f"r{n},{n},,,,,\n" for n in range(1200)))
    assert response.rows == 1200
    assert run.item_count() == 1200


def test_no_rows_store_nothing(cloud: Any) -> None:
    run, response = stored(cloud, "")
    assert response.rows == 0
    assert run.items() == {}


def test_a_dataset_without_the_target_is_not_configured(cloud: Any) -> None:
    changes = {"targets": {"redshift": {"table": "t", "key": ["id"]}}}
    with pytest.raises(NotConfigured):
        stored(cloud, "a,,,,,,\n", changes=changes)
