from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr
from control_fakes import client_error

from contracts.errors import Throttled, TransientFailure


def test_values_come_back_as_they_went_in(cloud: Any) -> None:
    item = {
        "run_id": "r1",
        "item": "RUN",
        "whole": 3,
        "share": 0.25,
        "flag": True,
        "rows": {"rows_in": 5, "share": 1.5},
        "job_ids": ["a", "b"],
        "none": None,
    }

    cloud.ledger.put_if_absent(item)

    assert cloud.ledger.get_item("r1", "RUN") == item
    assert cloud.ledger.get_item("r1", "UNIT#1") is None


def test_an_item_is_put_once(cloud: Any) -> None:
    assert cloud.ledger.put_if_absent({"run_id": "r1", "item": "RUN", "holder": "a"})
    assert not cloud.ledger.put_if_absent({"run_id": "r1", "item": "RUN", "holder": "b"})
    assert cloud.ledger.get_item("r1", "RUN")["holder"] == "a"


def test_an_update_whose_condition_fails_changes_nothing(cloud: Any) -> None:
    cloud.ledger.put_if_absent({"run_id": "r1", "item": "RUN", "holder": "a", "reason": "x"})
    by_b = Attr("holder").eq("b")

    assert not cloud.ledger.update("r1", "RUN", {"holder": "c"}, ["reason"], by_b)
    assert cloud.ledger.update("r1", "RUN", {"holder": "c"}, ["reason"], ~by_b)
    assert cloud.ledger.get_item("r1", "RUN") == {"run_id": "r1", "item": "RUN", "holder": "c"}


def test_an_update_may_only_remove(cloud: Any) -> None:
    cloud.ledger.put_if_absent({"run_id": "r1", "item": "JOB#1", "active": "glue"})

    assert cloud.ledger.update("r1", "JOB#1", {}, ["active"])
    assert cloud.ledger.get_item("r1", "JOB#1") == {"run_id": "r1", "item": "JOB#1"}


def test_items_are_listed_by_prefix_over_all_pages(cloud: Any) -> None:
    padding = "x" * 200_000  # a page holds 1 MB
    for number in range(12):
        cloud.ledger.put_if_absent(
            {"run_id": "r1", "item": f"UNIT#{number:03d}", "padding": padding}
        )
    cloud.ledger.put_if_absent({"run_id": "r1", "item": "RUN"})
    cloud.ledger.put_if_absent({"run_id": "r2", "item": "UNIT#000"})

    found = [item["item"] for item in cloud.ledger.query("r1", "UNIT#")]

    assert found == [f"UNIT#{number:03d}" for number in range(12)]


def test_active_jobs_are_listed_by_engine_oldest_first(cloud: Any) -> None:
    for number, engine in ((2, "glue"), (1, "glue"), (3, "redshift")):
        cloud.ledger.put_if_absent(
            {"run_id": "r1", "item": f"JOB#{number}", "active": engine, "submitted_at": f"{number}"}
        )

    assert [item["item"] for item in cloud.ledger.query_active("glue")] == ["JOB#1", "JOB#2"]


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        ("ProvisionedThroughputExceededException", Throttled),
        ("InternalServerError", TransientFailure),
    ],
)
def test_errors_of_the_table_are_ours(
    cloud: Any, clients: Any, code: str, raised: type[Exception]
) -> None:
    clients.break_once("dynamodb", "get_item", client_error(code), after=False)

    with pytest.raises(raised):
        cloud.ledger.get_item("r1", "RUN")
