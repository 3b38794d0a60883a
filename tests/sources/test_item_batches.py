"""A run over a JSON array: its items in batches, frozen like objects of a listing."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from aws_cloud import Intercepted
from control_fakes import DATASET, LOST_RESPONSE, NOW, arn, claimed, request

from contracts import items as item_rules
from contracts import layout
from contracts.dataset import DatasetSnapshot
from contracts.errors import InvalidData, InvalidRequest, OwnershipLost, TransientFailure
from contracts.ledger_items import UnitItem
from contracts.manifest import ManifestSummary
from contracts.messages import ListUrls
from contracts.run_request import RunRequest
from dataset_loading.check import check_dataset
from runtime import s3 as storage
from sources import frozen, ranged
from sources.arrays import item_batches
from sources.listed_run import list_run

URL = "s3://data-bucket/landing/orders/items.json"
ITEMS = [{"order_id": number, "amount": "1.50"} for number in range(7)]


def freeze_items_dataset(cloud: Any, text: str = DATASET, **fields: Any) -> RunRequest:
    """The contract as load_dataset freezes it for a run over the array."""
    asked = request(startDateTime=None, inputUrl=URL, **fields)
    checked = check_dataset(text, "orders")
    snapshot = DatasetSnapshot(
        dataset=item_rules.for_batches(checked.dataset),
        version=checked.version,
        index="orders",
        run_id=asked.run_id,
        run_started_at="2026-11-20T08:15:00Z",
        output_columns=checked.output_columns,
        array=item_rules.array_of(asked, checked.dataset),
    )
    key = layout.dataset_snapshot_key(asked.run_id)
    storage.write_json(cloud.data_bucket, key, snapshot.to_json())
    frozen.read_snapshot.cache_clear()
    return asked


@pytest.fixture
def run(cloud: Any) -> Any:
    """A claimed run over an array of seven items, in batches of three."""
    claimed(cloud.ledger)
    freeze_items_dataset(cloud, itemsPerBatch=3)
    cloud.put("landing/orders/items.json", json.dumps(ITEMS, indent=1))
    return cloud


def ask(cloud: Any, asked: RunRequest | None = None, attempt: int = 1) -> ManifestSummary:
    message = ListUrls(
        request=asked or request(startDateTime=None, inputUrl=URL, itemsPerBatch=3),
        end_date_time=NOW,
        units_per_shard=2,
        run_attempt=attempt,
    )
    return list_run(message, cloud.data_bucket, cloud.ledger, NOW)


def test_an_uploaded_array_is_not_held_to_the_suffix_of_the_objects(cloud: Any) -> None:
    upload = "upload-" + "0123456789abcdef" * 2
    claimed(cloud.ledger, upload, runId=upload)
    asked = freeze_items_dataset(cloud, runId=upload)
    cloud.put("landing/orders/items.json", json.dumps(ITEMS))

    assert asked.of_upload
    assert ask(cloud, asked).items == len(ITEMS)


def batches(cloud: Any, run_id: str = "r1") -> dict[str, list[Any]]:
    prefix = layout.item_batches_prefix(run_id)
    return {
        key.removeprefix(prefix): [
            json.loads(line)
            for line in storage.read_bytes(cloud.data_bucket, key).decode().splitlines()
        ]
        for key in cloud.keys(prefix)
    }


def test_an_array_becomes_batches_of_its_items_in_order(run: Any) -> None:
    summary = ask(run)

    assert batches(run) == {
        "0000000.jsonl": ITEMS[:3],
        "0000003.jsonl": ITEMS[3:6],
        "0000006.jsonl": ITEMS[6:],
    }
    assert (summary.objects, summary.items, summary.shard_sizes) == (3, 7, (2, 1))
    array = run.client("s3").head_object(Bucket="data-bucket", Key="landing/orders/items.json")
    last = frozen.read_unit("data-bucket", "r1", "00001-000")
    assert (last.key, last.items) == ("runs/r1/items/batches/0000006.jsonl", 1)
    assert last.last_modified == array["LastModified"]
    assert layout.first_item(last.key) == 6
    assert run.ledger.get_item("r1", "RUN")["items"] == {"total": 7}


def test_the_frozen_etags_are_those_of_the_batches(run: Any) -> None:
    ask(run)

    entry = frozen.read_unit("data-bucket", "r1", "00000-001")
    head = run.client("s3").head_object(Bucket=entry.bucket, Key=entry.key)
    assert (f'"{entry.etag}"', entry.size) == (head["ETag"], head["ContentLength"])


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("service", "operation"), [("s3", "get_object"), ("s3", "put_object"), ("dynamodb", "get_item")]
)
def test_splitting_that_broke_off_is_repeated_to_the_same_end(
    run: Any, clients: Any, service: str, operation: str, after: bool
) -> None:
    ask(run)
    expected = batches(run)
    for key in run.keys("runs/r1/manifest/"):
        run.client("s3").delete_object(Bucket="data-bucket", Key=key)
    clients.break_once(service, operation, LOST_RESPONSE, after=after)
    with pytest.raises(TransientFailure):
        ask(run)

    assert ask(run).items == 7
    assert batches(run) == expected


def test_an_empty_array_is_an_empty_manifest(run: Any) -> None:
    run.put("landing/orders/items.json", "[]")

    summary = ask(run)

    assert (summary.objects, summary.items) == (0, 0)


def test_a_packed_array_is_unpacked_on_the_way(cloud: Any) -> None:
    claimed(cloud.ledger)
    asked = freeze_items_dataset(cloud).model_copy(update={"input_url": f"{URL}.gz"})
    cloud.put(
        "landing/orders/items.json.gz", gzip.compress(mtime=0, data=json.dumps(ITEMS).encode())
    )

    assert ask(cloud, asked).items == 7
    assert batches(cloud) == {"0000000.jsonl": ITEMS}


def test_the_contract_may_name_the_packing_that_the_key_does_not(cloud: Any) -> None:
    claimed(cloud.ledger)
    text = DATASET.replace("columns:", "format: {type: json, compression: gzip}\ncolumns:")
    asked = freeze_items_dataset(cloud, text)
    cloud.put("landing/orders/items.json", gzip.compress(mtime=0, data=json.dumps(ITEMS).encode()))

    assert ask(cloud, asked).items == 7


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("items.json", b'{"order_id": 1}', r"items\.json, line 1, item 0: is not a JSON array"),
        ("items.json.gz", b"[1, 2]", r"items\.json\.gz cannot be unpacked"),
        ("items.json.gz", gzip.compress(mtime=0, data=b"[1, 2]" * 99)[:-20], "cannot be unpacked"),
        ("items.json.zst", b"", "gzip or plain, not zstd"),
    ],
)
def test_what_cannot_be_split_is_reported(cloud: Any, name: str, body: bytes, reason: str) -> None:
    claimed(cloud.ledger)
    url = f"s3://data-bucket/landing/orders/{name}"
    asked = freeze_items_dataset(cloud).model_copy(update={"input_url": url})
    cloud.put(f"landing/orders/{name}", body)

    with pytest.raises(InvalidData, match=reason):
        ask(cloud, asked)
    assert cloud.keys("runs/r1/manifest/") == []


def test_an_array_is_read_in_ranges_and_never_whole(
    run: Any, clients: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (item_batches, ranged):
        monkeypatch.setattr(module, "RANGE_BYTES", 1000)
    many = [{"order_id": number, "note": "x" * 50} for number in range(100)]
    run.put("landing/orders/items.json", json.dumps(many))
    reads = clients.watch("s3", "get_object")

    assert ask(run).items == 100
    ranges = [read["Range"] for read in reads if "Range" in read]
    assert len(ranges) == -(-len(json.dumps(many)) // 1000)
    assert ranges[1] == "bytes=1000-1999"


def test_an_array_that_changes_while_it_is_read_is_reported_of(run: Any, clients: Any) -> None:
    s3 = run.client("s3")

    def change(_: dict[str, Any]) -> None:
        s3.put_object(Bucket="data-bucket", Key="landing/orders/items.json", Body=b"[1]")

    clients.use("s3", Intercepted(s3, "head_object", None, change))

    with pytest.raises(InvalidData, match="has changed while it was read"):
        ask(run)


def test_large_items_make_smaller_batches(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_batches, "BATCH_CHARACTERS", 80)

    ask(run)

    assert [len(batch) for batch in batches(run).values()] == [2, 2, 2, 1]


def test_more_batches_than_the_contract_allows_are_refused_with_advice(cloud: Any) -> None:
    claimed(cloud.ledger)
    text = DATASET.replace("objects: 50", "objects: 2")
    asked = freeze_items_dataset(cloud, text, itemsPerBatch=2)
    cloud.put("landing/orders/items.json", json.dumps(ITEMS))

    with pytest.raises(InvalidData, match="more than 2 batches .* larger itemsPerBatch"):
        ask(cloud, asked)


def test_an_array_over_the_contracts_size_is_refused_before_it_is_read(
    run: Any, clients: Any
) -> None:
    run.put("landing/orders/items.json", b"[" + b" " * 1024 * 1024 + b"1]")
    writes = clients.watch("s3", "put_object")

    with pytest.raises(InvalidData, match=r"items\.json \(1\.0 MB\)"):
        ask(run)
    assert writes == []


@pytest.mark.parametrize(
    ("rows", "reason"),
    [("{minimum: 8}", "has 7 items, at least 8"), ("{maximum: 6}", "has 7 items, at most 6")],
)
def test_the_contracts_number_of_rows_is_asked_of_the_array(
    cloud: Any, rows: str, reason: str
) -> None:
    claimed(cloud.ledger)
    cloud.put("landing/orders/items.json", json.dumps(ITEMS))
    asked = freeze_items_dataset(cloud, f"{DATASET}rows: {rows}\n")

    with pytest.raises(InvalidData, match=reason):
        ask(cloud, asked)


def test_a_wrong_number_of_rows_may_be_a_warning(cloud: Any) -> None:
    claimed(cloud.ledger)
    cloud.put("landing/orders/items.json", json.dumps(ITEMS))
    asked = freeze_items_dataset(cloud, f"{DATASET}rows: {{minimum: 8, severity: warn}}\n")

    assert ask(cloud, asked).items == 7


def test_an_attempt_that_lost_the_run_splits_nothing(run: Any) -> None:
    run.ledger.update("r1", "RUN", {"run_attempt": 2, "holder": arn("two")})

    with pytest.raises(OwnershipLost):
        ask(run)
    assert batches(run) == {}


class TestRetryOf:
    @pytest.fixture
    def retry(self, run: Any) -> Any:
        """A finished run `old`, which stored its second batch only, and `r1`, which retries it."""
        claimed(run.ledger, "old", runId="old")
        ask(run, freeze_items_dataset(run, runId="old", itemsPerBatch=3))
        run.ledger.update("old", "RUN", {"status": "FAILED"})
        for unit, status in (("00000-000", "FAILED"), ("00000-001", "STORED")):
            run.ledger.update(*UnitItem.key_of("old", unit), {"status": status})
        freeze_items_dataset(run)
        return run

    def test_the_batches_that_were_not_stored_are_run_again(self, retry: Any) -> None:
        summary = ask(retry, request(startDateTime=None, inputUrl=URL, retryOf="old"))

        assert (summary.objects, summary.items) == (2, 4)
        first, last = (frozen.read_unit("data-bucket", "r1", f"00000-00{n}") for n in (0, 1))
        assert first.key == "runs/old/items/batches/0000000.jsonl"
        assert (layout.first_item(last.key), last.items) == (6, 1)
        assert batches(retry) == {}

    def test_a_run_over_objects_is_not_retried_as_one_over_items(self, retry: Any) -> None:
        snapshot = frozen.read_snapshot("data-bucket", "r1").model_copy(update={"array": None})
        storage.write_json("data-bucket", layout.dataset_snapshot_key("r1"), snapshot.to_json())
        frozen.read_snapshot.cache_clear()

        with pytest.raises(InvalidRequest, match="retryOf: names a run over the items of an array"):
            ask(retry, request(retryOf="old"))
