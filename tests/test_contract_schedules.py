"""Schedules of contracts: cron as people write it, the message, the run that a firing names."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.dataset import Dataset
from contracts.errors import InvalidRequest
from contracts.run_request import RUN_ID_PATTERN
from contracts.times.schedule import Schedule, aws_cron, schedule_name, scheduled_run_id
from durable_pipeline.intake import claimed_run_id, parse_message

DUE = datetime(2026, 11, 1, 2, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "aws"),
    [
        ("15 2 * * *", "15 2 * * ? *"),
        ("15 2 * * 1-5", "15 2 ? * 2,3,4,5,6 *"),
        ("15 2 * * mon-FRI", "15 2 ? * 2,3,4,5,6 *"),
        ("0 0 * * 0,7", "0 0 ? * 1 *"),
        ("*/15 8-18/2 * * *", "0,15,30,45 8,10,12,14,16,18 * * ? *"),
        ("50/5 * * * *", "50,55 * * * ? *"),
        ("0 0 1 */3 *", "0 0 1 1,4,7,10 ? *"),
        ("0 0 31 jan,mar *", "0 0 31 1,3 ? *"),
        ("0 0 29 2 *", "0 0 29 2 ? *"),
        ("0 0 * * 0-6", "0 0 * * ? *"),
        ("0 0 * * 1-7", "0 0 * * ? *"),
    ],
)
def test_five_fields_become_the_six_of_the_service(cron: str, aws: str) -> None:
    assert aws_cron(cron) == f"cron({aws})"


@pytest.mark.parametrize(
    ("cron", "why"),
    [
        ("* * * * * *", "needs five fields: minute, hour"),
        ("* * * *", "this has 4"),
        ("60 * * * *", "has the minute '60'; it is 0 to 59"),
        ("* 24 * * *", "has the hour '24'"),
        ("* * 0 * *", "has the day of month '0'"),
        ("* * L * *", "has the day of month 'L'"),
        ("* * * 13 *", "has the month '13'"),
        ("* * * * 8", "has the day of week '8'"),
        ("*/0 * * * *", "has the step '0'"),
        ("10-5 * * * *", "which runs backwards"),
        ("1, * * * *", "has the minute ''"),
        ("0 0 1 * mon", "names both a day of month and a day of week"),
        ("0 0 30 2 *", "is never due"),
        ("0 0 31 4,6,9,11 *", "is never due"),
    ],
)
def test_what_is_no_cron_says_why(cron: str, why: str) -> None:
    with pytest.raises(ValueError, match="has|names|needs|is never") as refused:
        aws_cron(cron)
    assert why in str(refused.value)


def schedule(**fields: Any) -> Schedule:
    return Schedule.model_validate({"name": "nightly", "cron": "15 2 * * *", **fields})


def test_a_schedule_sends_a_request_that_is_taken() -> None:
    asked = schedule(zone="Europe/Berlin", query="a > 1", priority="high", maxConcurrency=3)
    message = asked.message("orders", "2026-11-01T02:15:00Z")

    request = parse_message(json.dumps(message), "message-id")

    assert request is not None
    assert request.run_id == "orders-nightly-20261101T021500Z"
    start, end = request.range_at(request.as_of)
    assert (start, end) == (
        datetime(2026, 10, 30, 23, tzinfo=UTC),
        datetime(2026, 10, 31, 23, tzinfo=UTC),
    )
    assert (request.query, request.max_concurrency) == ("a > 1", 3)
    assert claimed_run_id(json.dumps(message)) == request.run_id


@pytest.mark.parametrize("only_new", [True, {"perVersion": True}])
def test_a_schedule_may_take_new_objects_only(only_new: Any) -> None:
    message = schedule(onlyNew=only_new).message("orders", "2026-11-01T02:15:00Z")

    assert message["onlyNew"] == only_new
    request = parse_message(json.dumps(message), "message-id")
    assert request is not None
    assert request.to_json()["onlyNew"] == only_new
    assert "onlyNew" not in schedule(onlyNew=False).message("orders", "2026-11-01T02:15:00Z")


def test_a_run_id_that_is_given_stays() -> None:
    message = {**schedule().message("orders", "2026-11-01T02:15:00Z"), "runId": "mine"}
    request = parse_message(json.dumps(message), "message-id")
    assert request is not None
    assert request.run_id == claimed_run_id(json.dumps(message)) == "mine"


@pytest.mark.parametrize(
    "fields", [{"asOf": None}, {"asOf": "soon"}, {"schedule": "No Name"}, {"schedule": 7}]
)
def test_a_broken_firing_is_refused_and_names_no_run(fields: dict[str, Any]) -> None:
    message = {**schedule().message("orders", "2026-11-01T02:15:00Z"), **fields}
    with pytest.raises(InvalidRequest):
        parse_message(json.dumps(message), "message-id")
    assert claimed_run_id(json.dumps(message)) is None


def test_ids_of_firings_are_valid_and_differ_by_dataset_schedule_and_time() -> None:
    long = "a" * 40
    ids = {
        scheduled_run_id(dataset, name, due)
        for dataset in ("orders", long, long + "b")
        for name in ("nightly", "hourly-of-the-late-evening")
        for due in (DUE, DUE.replace(hour=3))
    }
    assert len(ids) == 12
    assert all(len(each) <= 40 for each in ids)
    assert all(re.fullmatch(RUN_ID_PATTERN, each) for each in ids)


def dataset(*schedules: dict[str, Any], name: str = "readings") -> Dataset:
    return Dataset.model_validate(
        {
            "name": name,
            "source": {"prefix": "landing/readings/"},
            "columns": [{"name": "id", "type": "string"}],
            "targets": {"dynamodb": {"key": ["id"]}},
            "schedules": list(schedules),
        }
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"cron": "* * * * * *"}, "needs five fields"),
        ({"zone": "Europe/Berln"}, "is no time zone"),
        ({"startDateTime": "2026-11-01"}, "must be relative to the time that a run is due"),
        ({"name": "Nightly"}, "should match pattern"),
        ({"every": "5min"}, "Extra inputs are not permitted"),
        ({"name": "n" * 31}, "together have at most 63 characters"),
    ],
)
def test_a_contract_refuses_what_cannot_be(fields: dict[str, Any], said: str) -> None:
    one = {"name": "nightly", "cron": "15 2 * * *", **fields}
    with pytest.raises(ValidationError, match=said):
        dataset(one, name="d" * 40)


def test_two_schedules_have_two_names() -> None:
    one = {"name": "nightly", "cron": "15 2 * * *"}
    with pytest.raises(ValidationError, match="named twice: nightly"):
        dataset(one, one)
    assert schedule_name("orders", "nightly") == "orders.nightly"
