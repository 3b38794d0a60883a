"""The contracts, messages and sample data that ship, each held against what reads it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from contracts.errors import InvalidRequest
from dataset_loading.check import check_dataset, check_query
from durable_pipeline.intake import parse_message
from local import sample_data

ROOT = Path(__file__).resolve().parents[1]
CONTRACTS = sorted((ROOT / "datasets").glob("*.yaml"))
MESSAGES = sorted((ROOT / "events").glob("*.json"))
GOOD = [path for path in MESSAGES if not path.name.startswith("bad-")]
# What the message is refused for; an unknown dataset is found only when it is looked up.
BAD = {
    "bad-not-json.txt": ["is not JSON"],
    "bad-missing-start.json": ["startDateTime is required"],
    "bad-date.json": ["startDateTime: must be an ISO 8601 date"],
    "bad-end-before-start.json": ["endDateTime must be after startDateTime"],
    "bad-wrong-types.json": ["maxConcurrency", "detached", "toleratedFailurePercentage"],
    "bad-unknown-field.json": ["startDate: is an unknown field", "did you mean maxConcurrency?"],
}


def checked(path: Path) -> Any:
    return check_dataset(path.read_text(), path.stem)


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_a_shipped_contract_has_no_problems(path: Path) -> None:
    contract = checked(path)
    assert contract.dataset.source.prefix == f"landing/{path.stem}/"
    for step in contract.dataset.jobs:
        script = step.script or f"jobs/{step.glue_job.replace('-', '_')}.py"
        assert (ROOT / script).is_file()


def test_datasets_unlike_each_other_ship() -> None:
    orders, standard, changed, on_emr, on_glue = (
        checked(ROOT / "datasets" / f"{name}.yaml")
        for name in ("orders", "standard", "orders_spark", "orders_emr", "orders_glue")
    )
    assert orders.dataset.targets.names() == ("dynamodb", "redshift")
    assert standard.dataset.targets.names() == ("dynamodb",)
    assert [job.engine for job in orders.dataset.jobs] == ["glue"]
    assert not standard.dataset.jobs
    assert [job.engine for job in changed.dataset.jobs] == ["glue", "emr"]
    assert [job.engine for job in on_emr.dataset.jobs] == ["glue", "emr-ssm"]
    assert [job.engine for job in on_glue.dataset.jobs] == ["glue", "glue"]
    assert on_glue.dataset.targets.names() == ("redshift",)


def test_the_stored_orders_have_these_columns() -> None:
    assert dict(checked(ROOT / "datasets" / "orders.yaml").output_columns) == {
        "order_id": "string",
        "customer_id": "string",
        "ordered_at": "timestamp",
        "order_date": "date",
        "shipped_on": "date",
        "status": "string",
        "country": "string",
        "items": "integer",
        "amount": "decimal(12,2)",
        "currency": "string",
        "amount_per_item": "decimal(12,2)",
        "gift": "boolean",
        "note": "string",
    }


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_message_is_accepted_and_its_dataset_ships(path: Path) -> None:
    request = parse_message(path.read_text(), "message-1")
    assert request is not None
    contract = checked(ROOT / "datasets" / f"{request.dataset_name}.yaml")
    if request.query:
        check_query(request.query, contract.dataset)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_message_is_refused_for_the_reason_in_its_name(name: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_message((ROOT / "events" / name).read_text(), "message-1")
    for part in BAD[name]:
        assert part in str(refusal.value)


def test_the_unknown_dataset_is_unknown() -> None:
    message = json.loads((ROOT / "events" / "bad-unknown-dataset.json").read_text())
    assert message["datasetName"] not in [path.stem for path in CONTRACTS]


def test_every_bad_message_has_its_reason_here() -> None:
    there = {path.name for path in (ROOT / "events").glob("bad-*")}
    assert there == {*BAD, "bad-unknown-dataset.json"}


def test_the_sample_covers_the_days_of_the_first_message() -> None:
    sample = sample_data.make()
    assert [file.key for file in sample.files] == [
        "landing/orders/dt=2026-11-01/orders-1.csv",
        "landing/orders/dt=2026-11-02/orders-1.csv",
        "landing/orders/dt=2026-11-02/orders-2.csv",
        "landing/orders/dt=2026-11-03/orders-1.csv",
    ]
    assert sample.rows == 2000
    assert 0 < sample.rejected < sample.rows * 0.1
    assert sample.valid + sample.rejected == sample.rows


def test_the_exports_cover_the_days_of_the_spark_message() -> None:
    sample = sample_data.make_exports()
    assert [file.key for file in sample.files] == [
        "landing/orders_spark/dt=2026-11-01/export.csv",
        "landing/orders_spark/dt=2026-11-02/export.csv",
    ]
    for file in sample.files:
        assert file.outdated > 50
        assert file.rows == 300 + file.outdated
        assert file.valid + file.malformed + file.invalid == 300
    assert sample_data.make_exports(seed=3) == sample_data.make_exports(seed=3)


def test_the_same_seed_gives_the_same_bytes_and_another_other_ones() -> None:
    assert sample_data.make(seed=3) == sample_data.make(seed=3)
    assert sample_data.make(seed=3) != sample_data.make(seed=4)


def test_no_order_is_in_the_sample_twice() -> None:
    ids: list[str] = []
    for file in sample_data.make().files:
        rows = csv.DictReader(io.StringIO(file.body.decode()))
        ids += [row["order_id"] for row in rows if row["order_id"]]
    assert len(ids) == len(set(ids))


def test_generated_files_lie_at_their_keys(tmp_path: Path) -> None:
    sample = sample_data.generate(tmp_path, days=1, rows=10)
    (file,) = sample.files
    assert (tmp_path / file.key).read_bytes() == file.body


def test_the_upload_brings_data_contracts_and_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    reported: list[str] = []
    with mock_aws():
        s3 = boto3.client("s3")
        for bucket in ("data", "code"):
            s3.create_bucket(Bucket=bucket)
        sample_data.upload(s3, "data", "code", seed=1, rows=20, progress=reported.append)
        code = [entry["Key"] for entry in s3.list_objects_v2(Bucket="code")["Contents"]]
    assert code == [
        "datasets/orders.yaml",
        "datasets/orders_emr.yaml",
        "datasets/orders_glue.yaml",
        "datasets/orders_spark.yaml",
        "datasets/readings_csv.yaml",
        "datasets/standard.yaml",
        "jobs/clean_csv.py",
        "jobs/orders_spark.py",
        *(f"sql/{path.name}" for path in sorted((ROOT / "sql").glob("*.sql"))),
    ]
    assert len(reported) == 4 + 3 * 2 + 2 + len(code)
    assert "s3://data/landing/standard/readings.csv" in reported
    assert "s3://data/landing/standard/readings.json" in reported


def test_contract_files_are_plain_yaml() -> None:
    for path in CONTRACTS:
        assert yaml.safe_load(path.read_text())["name"] == path.stem
