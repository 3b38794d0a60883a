"""What the page reads and changes of datasets, logs, letters and health, without a browser."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from page_services import CONTRACT
from page_world import HOSTILE, NOW, PageWorld

from cli.exit_codes import NOT_FOUND, REFUSED, CommandFailed
from cli.page import actions
from cli.page.api import read
from cli.page.of_logs import LINES, FollowedLog
from cli.page.run_days import backfill_days, run_days
from cli.page.source import Source
from contracts import layout
from contracts.base import canonical_json
from contracts.ledger_items import BackfillItem
from contracts.times.backfill import BackfillStatus

DAYS = "/api/datasets/orders/days"
NOVEMBER = {"from": "2026-11-01", "to": "2026-11-30"}
TODAY = datetime.now(UTC).date()


@pytest.fixture
def world() -> PageWorld:
    world = PageWorld()
    world.objects.objects["datasets/orders.yaml"] = CONTRACT.encode()
    return world


@pytest.fixture
def source(world: PageWorld) -> Source:
    return Source(lambda: world.deployment)


def put_snapshot(world: PageWorld, run_id: str, version: str, **changes: Any) -> None:
    world.put_run(run_id, dataset_version=version)
    world.put_rejected(run_id)
    key = layout.dataset_snapshot_key(run_id)
    snapshot = json.loads(world.objects.objects[key])
    snapshot["dataset"] |= changes
    world.objects.objects[key] = json.dumps(snapshot).encode()


# -- days


def test_days_show_runs_and_the_days_of_failed_units(world: PageWorld, source: Source) -> None:
    begin = TODAY - timedelta(days=3)
    request = {"datasetName": "orders", "startDateTime": f"{begin}T00:00:00Z", "runId": "r1"}
    world.put_run(
        "r1",
        "FAILED",
        request=json.dumps({**request, "endDateTime": f"{TODAY}T00:00:00Z"}),
        units={"total": 2, "stored": 1, "failed": 1, "notStarted": 0},
        rows={"rowsIn": 20, "rejected": 2, "stored": 18},
    )
    world.put_units("r1", 2, failed=1, stage="clean", error_type="JobFailed", message="no")
    failed = TODAY - timedelta(days=1)
    unit = world.table.partitions["r1"]["UNIT#00000-001"]
    unit["source_url"] = f"s3://data/landing/orders/dt={failed}/1.csv"
    world.objects.objects[f"landing/orders/dt={TODAY}/new.csv"] = b"x"

    view = read(source, DAYS, {"from": str(begin), "to": str(TODAY)})

    assert [day["state"] for day in view["days"]] == ["STORED", "STORED", "FAILED", "MISSING"]
    assert [day["objects"] for day in view["days"]] == [0, 0, 0, 1]
    assert view["days"][0]["runIds"] == ["r1"]
    assert [(day["runs"], day["rows"]["rejected"]) for day in view["processed"]] == [(1, 2)]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"from": "2026-11-01"},
        {"from": "odd", "to": "2026-11-30"},
        {"from": "2026-11-02", "to": "2026-11-01"},
        {"from": "2020-01-01", "to": "2026-11-01"},
    ],
)
def test_no_range_of_days_is_refused(source: Source, query: dict[str, str]) -> None:
    with pytest.raises(CommandFailed) as failed:
        read(source, DAYS, query)
    assert failed.value.exit_code == REFUSED


def test_objects_are_listed_once_a_minute(world: PageWorld, source: Source) -> None:
    read(source, DAYS, NOVEMBER)
    world.objects.objects["landing/orders/dt=2026-11-01/new.csv"] = b"x"

    assert read(source, DAYS, NOVEMBER)["days"][0]["objects"] == 0
    source.lose()
    assert read(source, DAYS, NOVEMBER)["days"][0]["objects"] == 1


def test_a_bucket_that_may_not_be_listed_is_said(
    world: PageWorld, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        error = {"Error": {"Code": "AccessDenied", "Message": "no"}}
        raise ClientError(error, "ListObjectsV2")

    monkeypatch.setattr(world.objects, "list_objects_v2", refuse)

    view = read(source, DAYS, NOVEMBER)

    assert "s3://data/landing/orders/ cannot be listed" in view["unlisted"]
    assert {day["state"] for day in view["days"]} == {"OPEN"}


# -- contracts


def test_a_contract_is_shown_though_it_is_broken(world: PageWorld, source: Source) -> None:
    assert read(source, "/api/datasets", {}) == {"names": ["orders"]}
    assert read(source, "/api/datasets/orders", {})["key"] == ["order_id"]
    world.objects.objects["datasets/orders.yaml"] = f"name: [{HOSTILE}".encode()

    view = read(source, "/api/datasets/orders", {})

    assert HOSTILE in view["text"]
    assert "is not valid" in view["problem"]
    with pytest.raises(CommandFailed) as failed:
        read(source, "/api/datasets/none", {})
    assert failed.value.exit_code == NOT_FOUND


def test_versions_differ_in_what_the_runs_read(world: PageWorld, source: Source) -> None:
    put_snapshot(world, "r1", "aaa", description="as it was")
    put_snapshot(world, "r2", "bbb", description="as it is")

    versions = read(source, "/api/datasets/orders/versions", {})["versions"]
    assert {(each["version"], each["runId"]) for each in versions[1:]} == {
        ("aaa", "r1"),
        ("bbb", "r2"),
    }
    query = {"before": "r1", "after": "r2"}
    lines = read(source, "/api/datasets/orders/difference", query)["lines"]
    assert [(each["change"], each["text"]) for each in lines if each["change"] in "+-"] == [
        ("-", "description: as it was"),
        ("+", "description: as it is"),
    ]
    deployed = read(source, "/api/datasets/orders/difference", {"before": "r1"})["lines"]
    assert ("+", "description: Orders of a shop") in [
        (each["change"], each["text"]) for each in deployed
    ]
    world.put_run("other", dataset_name="others")
    with pytest.raises(CommandFailed, match="not of the dataset"):
        read(source, "/api/datasets/orders/difference", {"before": "other"})


# -- days that are chosen


def test_chosen_days_are_sent_as_runs(world: PageWorld, source: Source) -> None:
    ranges = [
        {"start": "2026-11-01", "end": "2026-11-03"},
        {"start": "2026-11-07", "end": "2026-11-08"},
    ]

    done = run_days(source, "orders", {"ranges": ranges})

    assert [json.loads(text)["startDateTime"] for text in world.queues.sent] == [
        "2026-11-01",
        "2026-11-07",
    ]
    assert done.text == "Sent as 2 runs: sent-1, sent-2"
    assert run_days(source, "orders", {"ranges": ranges[:1]}).run_id == "sent-3"


@pytest.mark.parametrize(
    "ranges",
    [
        None,
        [],
        ["2026-11-01"],
        [{"start": "2026-11-01"}],
        [{"start": "2026-11-01", "end": "2026-11-02"}, {"start": "odd", "end": "2026-11-02"}],
        [{"start": "2026-11-02", "end": "2026-11-01"}],
        [{"start": "2026-11-01", "end": "2026-11-02"}] * 32,
    ],
)
def test_nothing_is_sent_unless_every_range_is_right(
    world: PageWorld, source: Source, ranges: Any
) -> None:
    for act in (run_days, backfill_days):
        with pytest.raises(CommandFailed):
            act(source, "orders", {"ranges": ranges})
    assert (world.queues.sent, world.functions.asked) == ([], [])


def test_chosen_days_are_backfilled_once(world: PageWorld, source: Source) -> None:
    body = {"ranges": [{"start": "2026-11-01", "end": "2026-11-04"}]}

    done = backfill_days(source, "orders", body)

    (asked,) = world.functions.asked
    request = asked["request"]
    assert (request["datasetName"], request["window"]) == ("orders", "1d")
    assert request["backfillId"] in done.text
    noted = BackfillItem(
        backfill_id=request["backfillId"],
        status=BackfillStatus.RUNNING,
        request=canonical_json(request),
        states="...",
        dataset_name="orders",
    )
    world.table.put(noted.to_item())
    again = backfill_days(source, "orders", body)
    assert (again.refused, len(world.functions.asked)) == (True, 1)
    assert "was started before" in again.text


# -- a letter as it should have been


def test_a_corrected_letter_is_sent_under_its_own_id_then_deleted(
    world: PageWorld, source: Source
) -> None:
    world.queues.put_letter("letter-1", '{"datasetName": "ordres"}', "no such dataset")
    body = '{"datasetName": "orders", "startDateTime": "2026-11-01"}'

    done = actions.correct(source, {"messageId": "letter-1", "body": body})

    assert done.run_id == "letter-1"
    assert json.loads(world.queues.sent[0])["runId"] == "letter-1"
    assert world.queues.letters == {}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("no JSON", ["is not JSON"]),
        ('{"startDateTime": 7, "odd": 1}', ["startDateTime", "odd"]),
        ('{"datasetName": "ordres", "startDateTime": "2026-11-01"}', ["there is no dataset"]),
        (
            '{"datasetName": "orders", "startDateTime": "2026-11-01", "query": "nothing = 1"}',
            ["nothing"],
        ),
        ('{"Event": "s3:TestEvent"}', ["would start nothing"]),
        (7, ["`body`"]),
    ],
)
def test_what_the_intake_would_refuse_stays_on_the_queue_with_every_problem(
    world: PageWorld, source: Source, body: Any, said: list[str]
) -> None:
    world.queues.put_letter("letter-1", "{}", "odd")

    with pytest.raises(CommandFailed) as failed:
        actions.correct(source, {"messageId": "letter-1", "body": body})

    assert [text for text in said if text not in str(failed.value)] == []
    assert (world.queues.sent, set(world.queues.letters)) == ([], {"letter-1"})


def test_a_corrected_letter_of_a_run_with_other_content_stays(
    world: PageWorld, source: Source
) -> None:
    world.put_run("r1", "FAILED")
    world.queues.put_letter("letter-1", "{}", "odd")
    body = '{"datasetName": "orders", "startDateTime": "2026-11-07", "runId": "r1"}'

    done = actions.correct(source, {"messageId": "letter-1", "body": body})

    assert done.refused
    assert "other content" in done.text
    assert (world.queues.sent, set(world.queues.letters)) == ([], {"letter-1"})
    with pytest.raises(CommandFailed) as failed:
        actions.correct(source, {"messageId": "letter-2", "body": body})
    assert failed.value.exit_code == NOT_FOUND


def test_a_letter_whose_deletion_fails_starts_no_second_run(
    world: PageWorld, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.queues.put_letter("letter-1", "{}", "odd")
    body = '{"datasetName": "orders", "startDateTime": "2026-11-01"}'
    with monkeypatch.context() as broken:
        broken.setattr(world.queues, "delete_message", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            actions.correct(source, {"messageId": "letter-1", "body": body})

    actions.correct(source, {"messageId": "letter-1", "body": body})

    assert {json.loads(text)["runId"] for text in world.queues.sent} == {"letter-1"}


# -- logs


def put_line(world: PageWorld, text: str, seconds: float = 0, **more: Any) -> None:
    said = {"message": text, "run_id": "r1", "level": "INFO", **more}
    world.logs.put(json.dumps(said), NOW - timedelta(seconds=50 - seconds))


def messages(view: dict[str, Any]) -> list[str]:
    return [each["line"]["message"] for each in view["lines"]]


def test_a_log_is_followed_and_what_is_held_stays_small(world: PageWorld, source: Source) -> None:
    world.put_run("r1", "RUNNING")
    for number in range(LINES + 50):
        put_line(world, f"line {number}", number / 1000)
    log = FollowedLog(source, "r1", {})

    first = log.read()
    put_line(world, "one more", 20)
    second = log.read()

    assert messages(first) == [f"line {n}" for n in range(50, LINES + 50)]
    assert (first["more"], first["running"]) == (True, True)
    assert messages(second) == [f"line {n}" for n in range(51, LINES + 50)] + ["one more"]
    place = first["lines"][0]["place"]
    older = read(source, "/api/runs/r1/logs", {"before": place})
    assert (messages(older), older["more"]) == ([f"line {n}" for n in range(50)], False)


def test_the_log_of_a_run_that_has_ended_is_read_to_its_end_and_no_more(
    world: PageWorld, source: Source
) -> None:
    world.put_run("r1", "RUNNING")
    put_line(world, "first line")
    log = FollowedLog(source, "r1", {})
    log.read()
    world.put_run("r1")
    put_line(world, "last line", 1)
    assert messages(log.read()) == ["first line", "last line"]
    for _ in range(3):
        put_line(world, "after", 2)
        log.read()
    assert len(messages(log.read())) < 5
    assert log.read()["running"] is False


def test_lines_of_a_unit_or_with_a_text_are_chosen(world: PageWorld, source: Source) -> None:
    world.put_run("r1")
    put_line(world, "of one", unit_id="00000-001")
    put_line(world, HOSTILE, level="ERROR")

    def chosen(**query: str) -> list[str]:
        return messages(read(source, "/api/runs/r1/logs", query))

    assert chosen(unit="00000-001") == ["of one"]
    assert chosen(text="ONERROR") == [HOSTILE]
    assert chosen(bad="1") == [HOSTILE]
    for wrong in ({"before": "odd"}, {"text": "x" * 201}):
        with pytest.raises(CommandFailed):
            chosen(**wrong)


# -- health


def test_the_strip_says_how_queues_watcher_and_reaper_are(world: PageWorld, source: Source) -> None:
    world.queues.put_letter("letter-1", "{}", "odd")
    world.metrics.seconds_ago["reaper"] = 3000

    found = read(source, "/api/health", {})["findings"]

    assert [(each["about"], each["health"]) for each in found] == [
        ("requests", "OK"),
        ("dead letters", "ATTENTION"),
        ("job watcher", "OK"),
        ("reaper", "PROBLEM"),
    ]
    world.queues.letters.clear()
    again = read(source, "/api/health", {})["findings"]
    assert again == found  # read once for all tabs


def test_a_row_is_looked_up_by_a_key_of_its_columns(source: Source) -> None:
    for key in ("odd", "7", "[7]"):
        with pytest.raises(CommandFailed, match="JSON array"):
            read(source, "/api/lookup", {"dataset": "orders", "key": key})
    with pytest.raises(CommandFailed, match="the key of orders is order_id"):
        read(source, "/api/lookup", {"dataset": "orders", "key": '["a", "b"]'})
    with pytest.raises(CommandFailed) as failed:
        read(source, "/api/lookup", {"dataset": "none", "key": "[]"})
    assert failed.value.exit_code == NOT_FOUND
