"""Several items of the ledger, written in one transaction."""

from __future__ import annotations

from typing import Any

import pytest
from control_fakes import client_error

from contracts.errors import Conflict, PipelineError, Throttled
from contracts.ledger_items import Changes, Key
from ledger.conditions import RUN
from ledger.table import Write

NEW = {"run_id": "new", "item": "RUN", "status": "CLAIMED", "run_attempt": 1, "share": 0.5}


def change(condition: Any, **values: Any) -> Write:
    return Write(Key("old", "RUN"), Changes(values, ("reason",)), condition)


@pytest.fixture(autouse=True)
def old(cloud: Any) -> None:
    cloud.ledger.update("old", "RUN", {"status": "FAILED", "reason": "broken"})


def test_all_is_written_if_every_condition_holds(cloud: Any) -> None:
    done = cloud.ledger.write_together(
        Write.new(NEW), change(RUN.status.eq("FAILED"), superseded_by="new")
    )

    assert done == (True, True)
    assert cloud.ledger.get_item("new", "RUN") == NEW
    assert cloud.ledger.get_item("old", "RUN") == {
        "run_id": "old",
        "item": "RUN",
        "status": "FAILED",
        "superseded_by": "new",
    }


@pytest.mark.parametrize(
    ("there", "status", "held"),
    [
        (True, "FAILED", (False, True)),
        (False, "STOPPED", (True, False)),
        (True, "STOPPED", (False, False)),
    ],
)
def test_nothing_is_written_if_one_does_not(
    cloud: Any, there: bool, status: str, held: tuple[bool, bool]
) -> None:
    if there:
        cloud.ledger.update("new", "RUN", {"status": "RUNNING"})
    before = [cloud.ledger.get_item(run, "RUN") for run in ("old", "new")]

    done = cloud.ledger.write_together(
        Write.new(NEW), change(RUN.status.eq(status), superseded_by="new")
    )

    assert done == held
    assert [cloud.ledger.get_item(run, "RUN") for run in ("old", "new")] == before


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        (["None", "TransactionConflict"], Conflict),
        (["ThrottlingError", "None"], Throttled),
        (["ProvisionedThroughputExceeded"], Throttled),
        (["None", "ValidationError"], PipelineError),
        ([], PipelineError),
    ],
)
def test_another_reason_is_the_error_that_says_what_to_do(
    cloud: Any, clients: Any, codes: list[str], error: type[PipelineError]
) -> None:
    cancelled = client_error("TransactionCanceledException")
    cancelled.response["CancellationReasons"] = [{"Code": code} for code in codes]
    clients.break_once("dynamodb", "transact_write_items", cancelled, after=False)

    with pytest.raises(error, match="writing new/RUN in the ledger") as caught:
        cloud.ledger.write_together(Write.new(NEW))

    assert type(caught.value) is error


def test_an_error_of_the_service_is_translated(cloud: Any, clients: Any) -> None:
    error = client_error("ThrottlingException", 400)
    clients.break_once("dynamodb", "transact_write_items", error, after=False)

    with pytest.raises(Throttled, match="writing new/RUN"):
        cloud.ledger.write_together(Write.new(NEW))
