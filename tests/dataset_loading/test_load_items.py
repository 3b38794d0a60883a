"""The contract of a run over a JSON array: frozen as it applies to a batch of items, or refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from control_fakes import DATASET, NOW, request

from contracts.dataset import ItemArray, JsonLinesFormat, RowLimits, Severity
from contracts.errors import InvalidRequest
from contracts.messages import LoadedDataset
from dataset_loading.deployment import Settings
from dataset_loading.load import load_dataset
from sources import frozen

SETTINGS = Settings("data-bucket", "code-bucket", "stack-", "ledger")
URL = "s3://data-bucket/landing/events/items.json"
JOBS = """\
jobs:
  - {stage: clean, glueJob: clean-csv}
  - {stage: again, glueJob: clean-csv}
"""


@pytest.fixture
def deployed(cloud: Any) -> Any:
    cloud.put("datasets/orders.yaml", DATASET + JOBS, cloud.code_bucket)
    return cloud


@pytest.fixture
def contract(deployed: Any) -> Any:
    def put(text: str = DATASET) -> None:
        text = text.replace("name: orders", "name: events")
        deployed.put("datasets/events.yaml", text, deployed.code_bucket)

    put()
    return put


def load_array(url: str = URL, **fields: Any) -> LoadedDataset:
    asked = {"datasetName": "events", "startDateTime": None, "inputUrl": url, **fields}
    return load_dataset(request(**asked), SETTINGS, NOW)


@pytest.mark.usefixtures("contract")
def test_the_frozen_contract_is_the_one_for_batches(deployed: Any) -> None:
    assert load_array(itemsPerBatch=7).of_items

    snapshot = frozen.read_snapshot(deployed.data_bucket, "r1")
    assert snapshot.dataset.format == JsonLinesFormat(type="jsonl", compression="none")
    assert snapshot.dataset.limits.rejected_percentage == 100
    assert snapshot.array == ItemArray(items_per_batch=7, megabytes=1)


def test_what_would_fail_an_object_rejects_an_item(contract: Any, deployed: Any) -> None:
    strict = DATASET.replace("amount > 0}", "amount > 0, severity: fail}")
    contract(strict.replace("minimum: 0}", "minimum: 0, severity: fail}") + "rows: {minimum: 3}")

    load_array()

    snapshot = frozen.read_snapshot(deployed.data_bucket, "r1")
    severities = {column.severity for column in snapshot.dataset.columns}
    severities |= {rule.severity for rule in snapshot.dataset.rules}
    assert severities == {Severity.QUARANTINE}
    assert snapshot.dataset.rows is None
    assert snapshot.array == ItemArray(items_per_batch=25, megabytes=1, rows=RowLimits(minimum=3))


@pytest.mark.parametrize(
    ("url", "form", "fields", "of_items"),
    [
        ("items.json", "", {}, True),
        ("items.json.gz", "", {}, True),
        ("items.csv", "", {}, False),
        ("items.csv", "format: {type: json}", {}, True),
        ("items.json", "format: {type: jsonl}", {}, False),
        ("items.json", "format: {type: jsonl}", {"itemsPerBatch": 5}, True),
        ("items.jsonl", "", {}, False),
    ],
)
def test_what_an_array_is_reported_by(
    contract: Any, url: str, form: str, fields: dict[str, Any], of_items: bool
) -> None:
    contract(DATASET + form)

    assert load_array(f"s3://data-bucket/{url}", **fields).of_items is of_items


@pytest.mark.usefixtures("contract")
def test_a_listing_is_never_one() -> None:
    assert not load_dataset(request(datasetName="events"), SETTINGS, NOW).of_items


@pytest.mark.parametrize(
    ("dataset", "fields", "reason"),
    [
        (
            "orders",
            {},
            "only jobs of engine lambda work on items, and dataset orders has others"
            " (clean, again)",
        ),
        ("events", {"query": "amount > 1"}, "every item has a result: leave query out"),
        ("parents", {}, "order_id of parents refer to other items"),
    ],
)
@pytest.mark.usefixtures("contract")
def test_what_cannot_be_done_item_by_item_is_refused(
    deployed: Any, dataset: str, fields: dict[str, Any], reason: str
) -> None:
    text = DATASET.replace("name: orders", "name: parents")
    text = text.replace("- {name: amount", "- {name: first, type: integer}\n  - {name: amount")
    text = text.replace("order_id, type: integer,", "order_id, type: integer, references: first,")
    deployed.put("datasets/parents.yaml", text, deployed.code_bucket)

    with pytest.raises(InvalidRequest, match=re.escape(reason)) as refused:
        load_array(datasetName=dataset, **fields)
    assert [problem.path for problem in refused.value.problems] == ["inputUrl"]
    assert deployed.keys("runs/") == []
