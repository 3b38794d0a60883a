from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr
from control_fakes import client_error
from noted_client import Noted

from contracts.errors import NotFound, OwnershipLost, Throttled, TransientFailure
from contracts.ledger_items import RunItem
from contracts.run import RunStatus
from ledger.conditions import RUN
from ledger.runs import owned_run


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


def test_a_write_returns_the_item_without_reading_it(cloud: Any, clients: Any) -> None:
    dynamodb = Noted(cloud.client("dynamodb"))
    clients.use("dynamodb", dynamodb)
    item = {"run_id": "r1", "item": "RUN", "holder": "a", "share": 0.5}

    assert cloud.ledger.put_if_absent(item).item == item
    assert cloud.ledger.put_if_absent({**item, "holder": "b"}).item == item
    changed = cloud.ledger.update("r1", "RUN", {"holder": "c"}, ("share",), Attr("holder").eq("a"))
    refused = cloud.ledger.update("r1", "RUN", {"holder": "d"}, (), Attr("holder").eq("a"))

    now = {"run_id": "r1", "item": "RUN", "holder": "c"}
    assert (changed.done, changed.item) == (True, now)
    assert (refused.done, refused.item) == (False, now)
    assert dynamodb.calls == ["put_item", "put_item", "update_item", "update_item"]


def test_what_stands_in_the_way_is_read_where_the_service_does_not_return_it(
    cloud: Any, clients: Any
) -> None:
    dynamodb = Noted(cloud.client("dynamodb"), emulator=True)
    clients.use("dynamodb", dynamodb)
    item = {"run_id": "r1", "item": "RUN", "holder": "a"}
    cloud.ledger.put_if_absent(item)

    assert cloud.ledger.put_if_absent({**item, "holder": "b"}).item == item
    absent = cloud.ledger.update("r1", "UNIT#1", {"status": "x"}, (), Attr("status").eq("y"))
    assert (absent.done, absent.item) == (False, None)
    assert dynamodb.calls == ["put_item", "put_item", "get_item", "update_item", "get_item"]


def test_a_condition_names_an_attribute_that_the_item_has() -> None:
    assert RUN.holder.eq("a") == Attr("holder").eq("a")
    with pytest.raises(AttributeError, match="RunItem has no attribute holdr"):
        _ = RUN.holdr


class TestWhoHoldsARun:
    """The one check of ownership."""

    @pytest.fixture(autouse=True)
    def _run(self, cloud: Any) -> None:
        held = RunItem(run_id="r1", status=RunStatus.RUNNING, run_attempt=2, holder="arn:two")
        cloud.ledger.put_if_absent(held.to_item())

    @pytest.mark.parametrize("holder", [None, "arn:two"])
    def test_its_attempt_goes_on(self, cloud: Any, holder: str | None) -> None:
        assert owned_run(cloud.ledger, "r1", 2, holder).holder == "arn:two"

    @pytest.mark.parametrize("run_attempt", [1, 3])
    def test_another_attempt_is_refused(self, cloud: Any, run_attempt: int) -> None:
        with pytest.raises(OwnershipLost, match=f"run r1 is at attempt 2, not {run_attempt}"):
            owned_run(cloud.ledger, "r1", run_attempt)

    def test_another_execution_is_refused(self, cloud: Any) -> None:
        with pytest.raises(OwnershipLost, match="r1 is held by arn:two, not by arn:one"):
            owned_run(cloud.ledger, "r1", 2, "arn:one")

    def test_an_unknown_run_is_named(self, cloud: Any) -> None:
        with pytest.raises(NotFound, match="run r2 is not in the ledger"):
            owned_run(cloud.ledger, "r2", 1)
