"""Run ids that are drawn: once for a message or an execution, whatever fails in between."""

from __future__ import annotations

import re
from typing import Any

import pytest
from aws_cloud import LEDGER_TABLE
from control_fakes import LOST_RESPONSE, NOW, Executions, arn, request

from contracts.errors import TransientFailure
from contracts.ledger_items import DrawnItem
from contracts.messages import Claim, ClaimOutcome, ClaimRun
from runs.claims import claim_run


@pytest.fixture(autouse=True)
def executions(clients: Any) -> Executions:
    fake = Executions()
    clients.use("lambda", fake)
    return fake


def claim(cloud: Any, execution: str = "one", drawn_for: str | None = "message-1") -> Claim:
    auto = request(runId="auto")
    message = ClaimRun(request=auto, execution_arn=arn(execution), drawn_for=drawn_for)
    return claim_run(message, cloud.ledger, NOW)


def drawn(claimed: Claim) -> str:
    assert claimed.run_id
    return claimed.run_id


def test_a_drawn_id_is_a_timestamp_and_a_unique_part(cloud: Any) -> None:
    claimed = claim(cloud)

    assert re.fullmatch(r"20261120T081500Z-[0-9a-f]{8}", drawn(claimed))
    assert claimed.outcome is ClaimOutcome.CLAIMED
    run = cloud.ledger.get_item(claimed.run_id, "RUN")
    assert run["holder"] == arn("one")
    assert run["request"] == request(runId=claimed.run_id).canonical()


def test_a_redelivered_message_finds_its_run_again(cloud: Any, executions: Executions) -> None:
    first = claim(cloud, "one")
    executions.status[arn("one")] = "FAILED"

    again = claim(cloud, "two")

    assert (again.run_id, again.outcome) == (first.run_id, ClaimOutcome.TAKEN_OVER)


def test_every_message_and_every_execution_draws_its_own(cloud: Any) -> None:
    ids = {claim(cloud, name, drawn_for=name).run_id for name in ("message-1", "m-2", arn("three"))}
    assert len(ids) == 3


@pytest.mark.parametrize("after", [False, True], ids=["before-the-write", "after-the-write"])
@pytest.mark.parametrize("write", [1, 2], ids=["the-id", "the-run"])
def test_a_claim_that_breaks_off_anywhere_is_repeated_under_one_id(
    cloud: Any, clients: Any, executions: Executions, write: int, after: bool
) -> None:
    clients.break_once("dynamodb", "put_item", LOST_RESPONSE, after=after, call=write)
    with pytest.raises(TransientFailure):
        claim(cloud, "one")
    noted = cloud.ledger.get_item(*DrawnItem.key_of("message-1"))
    assert (noted is None) == (write == 1 and not after)
    executions.status[arn("one")] = "FAILED"

    found = claim(cloud, "two")
    once_more = claim(cloud, "two")

    assert found.run_id == once_more.run_id
    if noted is not None:
        assert found.run_id == noted["drawn_run_id"]
    items = cloud.client("dynamodb").scan(TableName=LEDGER_TABLE)["Items"]
    runs = [item["run_id"]["S"] for item in items if item["item"]["S"] == "RUN"]
    assert runs == [found.run_id]


def test_of_two_that_draw_at_once_both_have_the_same(
    cloud: Any, clients: Any, executions: Executions
) -> None:
    executions.status[arn("two")] = "RUNNING"
    others: list[Claim] = []
    clients.meanwhile("dynamodb", "put_item", lambda: others.append(claim(cloud, "two")))

    mine = claim(cloud, "one")

    assert (mine.run_id, mine.outcome) == (others[0].run_id, ClaimOutcome.LIVE)


def test_to_an_orchestrator_of_before_auto_is_a_name_like_any_other(cloud: Any) -> None:
    claimed = claim(cloud, drawn_for=None)

    assert claimed.run_id is None
    assert cloud.ledger.get_item("auto", "RUN")["holder"] == arn("one")
