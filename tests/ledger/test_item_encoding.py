"""What items say where little is known, and how their values are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from contracts.job import Engine, JobKey, JobState
from contracts.ledger_items import (
    AdoptedItem,
    EventItem,
    JobItem,
    LedgerItem,
    QuotaItem,
    RejectedItem,
    RunItem,
    UnitItem,
    stopped_because,
)
from contracts.run import RunStatus, UnitStatus
from contracts.run_request import format_timestamp

KEY = JobKey(run_id="r1", unit_id="00000-000", stage="clean", attempt=11)
AT = datetime(2026, 11, 20, 8, 15, 0, 123456, tzinfo=UTC)


def test_a_new_job_is_active_and_found_by_its_engine() -> None:
    job = JobItem(
        key=KEY,
        job_id="j1",
        engine=Engine.GLUE,
        callback_id="c1",
        state=JobState.SUBMITTED,
        target="stack-clean",
        submitted_at=AT,
        deadline=1,
        timeout_seconds=900,
        output_url="s3://data/out/",
        input_url="s3://in/1.csv",
    )
    assert job.to_item()["active"] == "glue"


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-7))])
def test_times_are_written_in_one_form_whatever_zone_they_come_in(zone: Any) -> None:
    changes = RunItem.changes(ended_at=AT.astimezone(zone))
    assert changes.values == {"ended_at": format_timestamp(AT)}
    assert changes.values["ended_at"].startswith("2026-11-20T08:15:00")
    assert changes.values["ended_at"].endswith("Z")


def test_an_adoption_that_was_read_has_no_key_to_be_written_under() -> None:
    item = AdoptedItem(key=KEY, adopted_item="JOB#00000-000#clean#0001", job_id="j1").to_item()
    adopted = AdoptedItem.from_item(item)
    assert (adopted.adopted_item, adopted.job_id) == ("JOB#00000-000#clean#0001", "j1")
    with pytest.raises(TypeError, match="written for a key"):
        adopted.to_item()


@pytest.mark.parametrize("item_class", [RunItem, JobItem, RejectedItem])
def test_an_item_that_lacks_all_is_a_value_error(item_class: type[LedgerItem]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        item_class.from_item({"item": "JOB#00000-000#clean#0001", "status": "RUNNING"})


def test_what_an_early_release_did_not_write_has_its_default() -> None:
    run = RunItem.from_item({"run_id": "r1", "item": "RUN", "status": "RUNNING"})
    assert (run.run_attempt, run.status, run.stopping) == (1, RunStatus.RUNNING, False)
    unit = UnitItem.from_item({"run_id": "r1", "item": "UNIT#00000-000", "status": "RUNNING"})
    assert (unit.run_attempt, unit.status) == (1, UnitStatus.RUNNING)
    rejected = RejectedItem.from_item({"run_id": "r1", "item": "REJECTED#m1"})
    assert (rejected.message_id, rejected.sent) == ("m1", False)
    quota = QuotaItem.from_item({"run_id": "#quota", "item": "emr", "tokens": 1, "at": 2})
    assert (quota.name, quota.turn, quota.last) == ("emr", 0, {})


def test_a_run_is_stopping_as_soon_as_the_decision_is_there() -> None:
    stopped = {"run_id": "r1", "item": "RUN", "status": "RUNNING", "stop_requested_at": "t"}
    assert RunItem.from_item(stopped).stopping
    assert RunItem.from_item(stopped).why_stopped == "it was stopped on request"
    with_reason = RunItem.from_item({**stopped, "stop_reason": "too slow"})
    assert with_reason.why_stopped == "it was stopped on request: too slow"
    assert stopped_because("") == stopped_because(None)


def test_the_units_of_a_shard_share_the_beginning_of_their_keys() -> None:
    assert UnitItem.prefix_of_shard(7) == "UNIT#00007-"
    assert UnitItem.key_of("r1", "00007-012").item.startswith(UnitItem.prefix_of_shard(7))
    assert not UnitItem.key_of("r1", "00070-012").item.startswith(UnitItem.prefix_of_shard(7))


def test_an_event_is_known_by_the_rest_of_its_key_whatever_it_contains() -> None:
    written = EventItem(run_id="r1", event_id="EVENT#a#b").to_item()
    assert written["item"] == "EVENT#EVENT#a#b"
    assert EventItem.from_item(written).event_id == "EVENT#a#b"


def test_two_classes_of_items_are_parsed_each_by_its_own_attributes() -> None:
    both = {"run_id": "r1", "item": "RUN", "status": "RUNNING", "holder": "arn:one"}
    assert RunItem.from_item(both).holder == "arn:one"
    assert not hasattr(UnitItem.from_item({**both, "item": "UNIT#1"}), "holder")
