"""A message is checked against the deployed contract before it is sent."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from aws_cloud import make_bucket
from cli_world import World, pipeline
from json_documents import error_of

CONTRACT = (Path(__file__).resolve().parents[2] / "datasets" / "orders.yaml").read_bytes()
ORDERS = ("run", "--dataset", "orders", "--start", "2026-11-01")


@pytest.fixture
def contracts(local: World) -> World:
    make_bucket("code")
    put("datasets/orders.yaml", CONTRACT)
    return local


def put(key: str, body: bytes) -> None:
    boto3.client("s3").put_object(Bucket="code", Key=key, Body=body)


def test_a_dataset_without_a_contract_is_named_with_those_that_have_one(contracts: World) -> None:
    result = pipeline("run", "--dataset", "order", "--start", "2026-11-01", "--json")
    error = error_of(result.stdout)
    assert (result.exit_code, error["code"]) == (2, "REFUSED")
    assert "there is no dataset order: code has no datasets/order.yaml" in error["message"]
    assert error["message"].endswith("there are orders")
    assert contracts.sent() == []


@pytest.mark.parametrize(
    ("query", "why"),
    [("price > 3", "price"), ("amount >", "is not SQL"), ("amount", "true or false")],
)
def test_a_query_that_does_not_fit_is_not_sent(contracts: World, query: str, why: str) -> None:
    result = pipeline(*ORDERS, "--query", query)
    assert result.exit_code == 2
    assert "the query does not fit the dataset orders" in result.output
    assert why in result.output
    assert contracts.sent() == []


@pytest.mark.parametrize("more", [[], ["--query", "amount > 3"]])
def test_what_fits_is_sent(contracts: World, more: list[str]) -> None:
    assert pipeline(*ORDERS, *more).exit_code == 0
    assert len(contracts.sent()) == 1


def test_new_objects_only_are_not_asked_for_where_partitions_are_replaced(
    contracts: World,
) -> None:
    files = b"\n  files: {prefix: out/, partitionBy: [country], replace: partition}"
    assert CONTRACT.count(b"\ntargets:") == 1
    put("datasets/orders.yaml", CONTRACT.replace(b"\ntargets:", b"\ntargets:" + files))
    result = pipeline(*ORDERS, "--only-new")
    assert result.exit_code == 2
    assert "onlyNew: does not go with targets.files.replace: partition" in " ".join(
        result.output.split()
    )
    assert contracts.sent() == []
    assert pipeline(*ORDERS).exit_code == 0


def test_unchecked_sends_whatever_it_is(contracts: World) -> None:
    assert pipeline(*ORDERS, "--query", "price > 3", "--unchecked").exit_code == 0
    assert len(contracts.sent()) == 1


def test_a_contract_that_is_not_valid_is_reported_as_such(contracts: World) -> None:
    put("datasets/orders.yaml", CONTRACT.replace(b"\nsource:", b"\nsuorce:"))
    result = pipeline(*ORDERS, "--query", "amount > 3")
    assert "the contract datasets/orders.yaml is not valid" in result.output
    assert contracts.sent() == []


def test_where_contracts_cannot_be_read_the_pipeline_alone_checks(local: World) -> None:
    assert pipeline(*ORDERS, "--query", "price > 3").exit_code == 0  # there is no such bucket
    assert len(local.sent()) == 1
