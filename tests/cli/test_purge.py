"""`pipeline purge`: what is removed of a run, and what is not."""

from __future__ import annotations

from typing import Any

import pytest
from cli_world import World, pipeline
from json_documents import document

from cli.exit_codes import FAILED, NOT_FOUND, REFUSED, SUCCEEDED


@pytest.fixture
def ended(local: World) -> World:
    s3 = local.deployment.client("s3")
    for key in (
        "runs/run-1/dataset.json",
        "runs/run-1/units/00000-000/valid/part-0.parquet",
        "quarantine/orders/run-1/00000-000.jsonl",
        "runs/run-10/dataset.json",
        "landing/orders/a.csv",
    ):
        s3.put_object(Bucket="data", Key=key, Body=b"12345")
    local.put_run(status="SUCCEEDED")
    for number in range(30):
        local.put({"run_id": "run-1", "item": f"UNIT#00000-{number:03d}"})
    local.put_run("run-10")
    return local


def keys(world: World) -> list[str]:
    found = world.deployment.client("s3").list_objects_v2(Bucket="data")
    return [each["Key"] for each in found.get("Contents", ())]


def records(world: World) -> list[str]:
    items = world.deployment.client("dynamodb").scan(TableName="ledger")["Items"]
    return sorted(f"{item['run_id']['S']}/{item['item']['S']}" for item in items)


def test_only_what_is_of_the_run_is_removed(ended: World) -> None:
    planned = document("purge", pipeline("purge", "run-1", "--dry-run", "--json").stdout)
    assert len(records(ended)) == 32
    assert (planned["objects"], planned["objectBytes"], planned["records"]) == (3, 15, 31)
    assert not planned["removed"]

    result = pipeline("purge", "run-1", "--yes")

    assert result.exit_code == SUCCEEDED, result.output
    assert "3 objects (0.0 MB) and 31 ledger records of run run-1 are removed" in result.output
    assert keys(ended) == ["landing/orders/a.csv", "runs/run-10/dataset.json"]
    assert records(ended) == ["run-10/RUN"]
    assert pipeline("purge", "run-1", "--yes").exit_code == NOT_FOUND


def test_a_run_that_has_not_ended_is_refused(ended: World) -> None:
    result = pipeline("purge", "run-10", "--yes")
    assert result.exit_code == REFUSED
    assert "has not ended: it is RUNNING" in result.output
    ended.put_run("run-11", status="FAILED", resumed_attempt=1)  # and will go on
    assert pipeline("purge", "run-11", "--yes").exit_code == REFUSED
    assert len(keys(ended)) == 5


def test_nothing_is_removed_unasked(ended: World) -> None:
    assert pipeline("purge", "run-1").exit_code == REFUSED
    assert len(keys(ended)) == 5


@pytest.mark.parametrize("broken", ["delete_objects", "batch_write_item"])
def test_broken_off_it_goes_on_when_it_is_repeated(
    ended: World, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    client = ended.deployment.client("s3" if broken == "delete_objects" else "dynamodb")
    real = getattr(client, broken)
    calls: list[Any] = []

    def once(**request: Any) -> Any:
        calls.append(request)
        if broken == "delete_objects":
            return {"Errors": [{"Key": "k", "Code": "SlowDown", "Message": "later"}]}
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(**request)

    with monkeypatch.context() as patched:
        patched.setattr(client, broken, once)
        code = pipeline("purge", "run-1", "--yes").exit_code
    assert code in (FAILED, 130)
    assert "run-1/RUN" in records(ended)

    assert pipeline("purge", "run-1", "--yes").exit_code == SUCCEEDED
    assert records(ended) == ["run-10/RUN"]


def test_what_the_table_has_no_capacity_for_is_sent_again(
    ended: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = ended.deployment.client("dynamodb")
    real = client.batch_write_item

    def half(RequestItems: dict[str, list[Any]]) -> dict[str, Any]:  # noqa: N803
        ((table, requests),) = RequestItems.items()
        middle = (len(requests) + 1) // 2
        real(RequestItems={table: requests[:middle]})
        rest = requests[middle:]
        return {"UnprocessedItems": {table: rest} if rest else {}}

    monkeypatch.setattr(client, "batch_write_item", half)
    assert pipeline("purge", "run-1", "--yes").exit_code == SUCCEEDED
    assert records(ended) == ["run-10/RUN"]
