"""Every form of message becomes the same run request; every problem is named at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contracts.errors import InvalidRequest
from contracts.run_request import MAX_CONCURRENCY, RunRequest
from contracts.times.schedule import Schedule
from durable_pipeline.intake import MAX_MESSAGE_BYTES, claimed_run_id, parse_message

S3_RECORD = {
    "eventSource": "aws:s3",
    "s3": {"bucket": {"name": "data"}, "object": {"key": "landing/orders/dt%3D2026-11-01/a+b.csv"}},
}


def parse(message: Any, run_id: str = "message-1") -> RunRequest:
    body = message if isinstance(message, str) else json.dumps(message)
    request = parse_message(body, run_id)
    assert request is not None
    return request


def problems(message: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as refused:
        parse(message)
    return {problem.path: str(problem) for problem in refused.value.problems}


def test_a_minimal_request_gets_its_defaults() -> None:
    request = parse({"datasetName": "orders", "startDateTime": "2026-11-01"})

    assert request.to_json() == {
        "datasetName": "orders",
        "startDateTime": "2026-11-01T00:00:00Z",
        "runId": "message-1",
    }
    assert request.collection == "orders"
    assert (request.concurrency(), request.tolerance()) == (1, 0)


def test_a_run_over_items_has_other_defaults_and_what_is_said_wins() -> None:
    url = {"datasetName": "orders", "inputUrl": "s3://data/items.json"}

    silent = parse(url)
    said = parse({**url, "maxConcurrency": 1, "toleratedFailurePercentage": 0})

    assert (silent.concurrency(of_items=True), silent.tolerance(of_items=True)) == (10, 50)
    assert (said.concurrency(of_items=True), said.tolerance(of_items=True)) == (1, 0)


def test_more_units_side_by_side_than_the_deployment_allows_are_refused_with_the_figure() -> None:
    asked = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}

    def refused(units: int, **fields: Any) -> dict[str, str]:
        body = json.dumps({**asked, "maxConcurrency": units, **fields})
        with pytest.raises(InvalidRequest) as raised:
            parse_message(body, "m-1", units_at_most=100)
        return {problem.path: str(problem) for problem in raised.value.problems}

    assert parse_message(json.dumps({**asked, "maxConcurrency": 100}), "m-1", units_at_most=100)
    assert (
        "above the 100 units side by side that this deployment allows: ask for 100 at most, or"
        " raise its parameter MaxUnitsSideBySide, up to 1,000" in refused(101)["maxConcurrency"]
    )
    assert "'101'" in refused(101)["maxConcurrency"]
    assert refused(101, query=7).keys() == {"maxConcurrency", "query"}
    assert "less than or equal to 1000" in refused(1001)["maxConcurrency"]
    assert parse({**asked, "maxConcurrency": MAX_CONCURRENCY}).concurrency() == 1000


def test_schedules_may_ask_for_as_many_units_as_messages() -> None:
    (most,) = [
        limit.le
        for limit in Schedule.model_fields["max_concurrency"].metadata
        if hasattr(limit, "le")
    ]
    assert most == MAX_CONCURRENCY


def test_items_come_from_one_object() -> None:
    asked = {"datasetName": "orders", "startDateTime": "2026-11-01", "itemsPerBatch": 5}

    assert "itemsPerBatch goes with inputUrl" in problems(asked)["message"]
    assert (
        "less than or equal to 1000" in problems({**asked, "itemsPerBatch": 1001})["itemsPerBatch"]
    )


def test_times_with_an_offset_become_utc() -> None:
    request = parse(
        {
            "datasetName": "orders",
            "startDateTime": "2026-11-01T02:00:00+02:00",
            "endDateTime": "2026-11-02T00:00:00",
        }
    )

    assert request.to_json()["startDateTime"] == "2026-11-01T00:00:00Z"
    assert request.to_json()["endDateTime"] == "2026-11-02T00:00:00Z"


@pytest.mark.parametrize("priority", ["high", "normal", "low"])
def test_a_priority_is_one_of_three(priority: str) -> None:
    asked = {"datasetName": "orders", "startDateTime": "2026-11-01"}
    request = parse({**asked, "priority": priority})
    assert request.effective_priority == priority
    assert request.to_json()["priority"] == priority
    assert parse(asked).effective_priority == "normal"
    assert "priority" not in parse(asked).canonical()
    wrong = problems({**asked, "priority": "urgent"})["priority"]
    assert "'high', 'normal' or 'low'" in wrong


def test_only_new_is_one_field_with_one_spelling() -> None:
    asked = {"datasetName": "orders", "startDateTime": "2026-11-01"}
    for sent, spelt in ((True, True), ({"perVersion": False}, True), ({"perVersion": True},) * 2):
        request = parse({**asked, "onlyNew": sent})
        assert request.only_new is not None
        assert request.to_json()["onlyNew"] == spelt
        assert RunRequest.from_json(request.to_json()) == request
    nothing = parse({**asked, "onlyNew": False})
    assert nothing == parse(asked)
    assert "onlyNew" not in nothing.canonical()


@pytest.mark.parametrize("wrong", ["true", 1, {}, {"perVersion": "yes"}, {"perversion": True}, []])
def test_only_new_is_nothing_else(wrong: Any) -> None:
    asked = {"datasetName": "orders", "startDateTime": "2026-11-01", "onlyNew": wrong}

    assert problems({**asked, "maxConcurrency": 0})["onlyNew"].startswith(
        'onlyNew: must be true, false or {"perVersion": true} (found '
    )


def test_only_new_chooses_from_a_range_not_from_one_object() -> None:
    asked = {"datasetName": "orders", "inputUrl": "a.csv", "onlyNew": True}

    assert "leave one of them out" in problems(asked)["message"]
    both = problems({**asked, "maxConcurrency": 0})
    assert "leave one of them out" in both["onlyNew"]
    assert "maxConcurrency" in both


def test_equal_requests_have_equal_canonical_bytes() -> None:
    one = parse('{"datasetName":"orders","startDateTime":"2026-11-01","maxConcurrency":2}')
    other = parse(
        '{"maxConcurrency": 2, "startDateTime": "2026-11-01T00:00:00Z",\n "datasetName": "orders"}'
    )

    assert one.canonical() == other.canonical()


@pytest.mark.parametrize(
    "message",
    [
        {"Records": [S3_RECORD]},
        {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {
                "bucket": {"name": "data"},
                "object": {"key": "landing/orders/dt=2026-11-01/a b.csv"},
            },
        },
        {
            "data_source": "s3://data/landing/orders/dt=2026-11-01/a b.csv",
            "processing_type": "orders",
        },
        {"datasetName": "orders", "inputUrl": "s3://data/landing/orders/dt=2026-11-01/a b.csv"},
    ],
    ids=["s3-notification", "eventbridge", "data-source", "input-url"],
)
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "sns"])
def test_every_form_names_the_same_object(message: dict[str, Any], wrapped: bool) -> None:
    body = {"Type": "Notification", "Message": json.dumps(message)} if wrapped else message

    request = parse(body)

    assert request.dataset_name == "orders"
    assert request.input_url == "s3://data/landing/orders/dt=2026-11-01/a b.csv"
    assert request.run_id == "message-1"


def s3_event(kind: str) -> dict[str, Any]:
    detail = {"bucket": {"name": "data"}, "object": {"key": "landing/orders/a.csv"}}
    return {"source": "aws.s3", "detail-type": kind, "detail": detail}


@pytest.mark.parametrize(
    "message",
    [
        {"Records": [{**S3_RECORD, "eventName": "ObjectRemoved:Delete"}]},
        {"Records": [{**S3_RECORD, "eventName": "ObjectRemoved:DeleteMarkerCreated"}] * 2},
        {"Records": [{**S3_RECORD, "eventName": "LifecycleExpiration:Delete"}]},
        s3_event("Object Deleted"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "sns"])
def test_an_object_that_was_removed_asks_for_nothing(
    message: dict[str, Any], wrapped: bool
) -> None:
    body = {"Type": "Notification", "Message": json.dumps(message)} if wrapped else message

    assert parse_message(json.dumps(body), "m") is None


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({"Records": [{**S3_RECORD, "eventName": "ObjectTagging:Put"}]}, "ObjectTagging"),
        (s3_event("Object Tags Added"), "Object Tags Added"),
        (
            {
                "Records": [
                    {**S3_RECORD, "eventName": "ObjectRemoved:Delete"},
                    {**S3_RECORD, "eventName": "ObjectCreated:Put"},
                ]
            },
            "exactly one S3 record",
        ),
    ],
)
def test_what_else_is_reported_of_an_object_is_no_request(
    message: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        parse(message)


def uploaded(form: str, **details: Any) -> dict[str, Any]:
    """What S3 reports of an upload, as a notification or as an event; their spellings differ."""
    bucket, key = {"name": "data"}, "landing/orders/a.csv"
    if form == "event":
        described = {"key": key, **details}
        return {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {"bucket": bucket, "object": described},
        }
    spelled = {"etag": "eTag", "version-id": "versionId"}
    described = {spelled.get(name, name): value for name, value in details.items()}
    record = {"s3": {"bucket": bucket, "object": {"key": key, **described}}}
    return {"Records": [record]}


def test_one_upload_is_one_run_however_often_and_in_what_form_it_is_reported() -> None:
    details = {"etag": "0123", "sequencer": "0A1B"}

    reported = [
        parse(uploaded("event", **details), "message-1"),
        parse(uploaded("event", **details), "message-2"),
        parse(uploaded("notification", **details), "message-3"),
    ]

    assert len({request.canonical() for request in reported}) == 1
    assert reported[0].run_id.startswith("upload-")


@pytest.mark.parametrize("named_by", ["sequencer", "version-id", "etag"])
def test_the_next_upload_of_a_key_is_another_run(named_by: str) -> None:
    first = parse(uploaded("event", **{named_by: "1"}))
    second = parse(uploaded("event", **{named_by: "2"}))

    assert first.run_id != second.run_id
    assert parse(uploaded("notification", **{named_by: "1"})).run_id == first.run_id


def test_the_id_of_an_uploads_run_is_known_from_its_message() -> None:
    message = uploaded("event", sequencer="1")

    assert claimed_run_id(json.dumps(message)) == parse(message).run_id


def test_a_folder_made_by_a_console_asks_for_nothing() -> None:
    message = uploaded("event", sequencer="1")
    message["detail"]["object"]["key"] = "landing/orders/"

    assert parse_message(json.dumps(message), "m") is None


def test_an_object_outside_the_landing_prefix_belongs_to_the_standard_dataset() -> None:
    request = parse(
        {
            "source": "aws.s3",
            "detail": {"bucket": {"name": "data"}, "object": {"key": "elsewhere/x.csv"}},
        }
    )

    assert request.dataset_name == "standard"


def test_a_data_source_without_a_type_uses_the_standard_contract_and_may_carry_fields() -> None:
    request = parse({"data_source": "s3://data/x.csv", "index": "spring", "runId": "r-1"})

    assert (request.dataset_name, request.index, request.run_id) == ("standard", "spring", "r-1")


def test_the_test_message_of_s3_asks_for_nothing() -> None:
    assert parse_message('{"Service":"Amazon S3","Event":"s3:TestEvent"}', "m") is None


def test_all_problems_are_listed_at_once() -> None:
    found = problems(
        {
            "datasetName": "Orders!",
            "endDateTime": "yesterdays",
            "maxConcurrency": "3",
            "toleratedFailurePercentage": 101,
            "detached": "no",
            "datasetname": "orders",
        }
    )

    assert set(found) == {
        "datasetName",
        "startDateTime",
        "endDateTime",
        "maxConcurrency",
        "toleratedFailurePercentage",
        "detached",
        "datasetname",
    }
    assert "did you mean datasetName?" in found["datasetname"]
    assert "2026-11-01T06:30:00Z" in found["endDateTime"]
    assert "'yesterdays'" in found["endDateTime"]
    assert "whole number" in found["maxConcurrency"]


@pytest.mark.parametrize(("unknown", "further"), [(49, None), (50, 1), (300, 251)])
def test_of_hundreds_of_problems_the_first_fifty_are_listed_and_the_others_counted(
    unknown: int, further: int | None
) -> None:
    """The last problem is a bucket that cannot be."""
    fields = {f"field{number}": 1 for number in range(unknown)}
    found = problems({"datasetName": "orders", "inputUrl": "s3://a..b/x.csv", **fields})

    listed = {name for name in found if name != "message"}
    others = {"inputUrl"} if further is None else set()
    assert listed == {f"field{number}" for number in range(min(unknown, 50))} | others
    assert found.get("message") == (further and f"message: and {further} more problems")


def test_an_end_before_its_start_is_refused_even_beside_other_problems() -> None:
    reversed_range = {"startDateTime": "2026-11-02", "endDateTime": "2026-11-01"}

    alone = problems({"datasetName": "orders", **reversed_range})
    beside = problems({"datasetName": "orders", "maxConcurrency": 0, **reversed_range})

    assert "endDateTime must be after startDateTime" in alone["message"]
    assert "must be after startDateTime" in beside["endDateTime"]
    assert "greater than or equal to 1" in beside["maxConcurrency"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{not json", "is not JSON (line 1, column 2"),
        ("[1, 2]", "must be a JSON object"),
        ('"orders"', "must be a JSON object"),
        ("", "is not JSON"),
        ('{"a": ' * 20_000, "too large"),
        ("[" * 60_000, "nested too deeply"),
        ('{"Records": []}', "exactly one S3 record"),
        ('{"Records": [{"s3": {"bucket": {}}}]}', "bucket.name and object.key"),
        ('{"source": "aws.s3", "detail": null}', "bucket.name and object.key"),
        ('{"processing_type": "orders"}', "startDateTime is required"),
    ],
)
def test_what_is_no_request_is_refused_with_the_reason(body: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match="run request") as refused:
        parse(body)

    assert reason in str(refused.value)


def test_a_message_of_the_largest_size_is_still_read() -> None:
    head = '{"datasetName":"orders","startDateTime":"2026-11-01"'
    body = head + " " * (MAX_MESSAGE_BYTES - len(head) - 1) + "}"

    assert parse(body).dataset_name == "orders"


def test_the_run_id_of_a_broken_message_is_found_where_there_is_one() -> None:
    assert claimed_run_id('{"runId": "r-7", "datasetName": 5}') == "r-7"
    assert claimed_run_id("{") is None
    assert claimed_run_id('{"runId": 5}') is None
