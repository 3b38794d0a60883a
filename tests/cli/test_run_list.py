"""The list of runs, from the ledger's index of the day of their claim."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cli_world import World, pipeline
from json_documents import document, error_of
from typer.testing import CliRunner

from cli.client import run_index, run_list
from cli.client.run_list import RunList, Wanted
from cli.exit_codes import CommandFailed
from cli.main import app
from contracts.ledger_items import place_in_list

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
TOMORROW = NOON + timedelta(days=1)


def text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def put(world: World, run_id: str, at: datetime, **more: Any) -> None:
    world.put_run(run_id, claimed_at=text(at), **place_in_list(text(at), run_id), **more)


def listed(world: World, days: float = 7, **wanted: Any) -> list[str]:
    found = the_list(world).runs(NOON - timedelta(days=days), TOMORROW, Wanted(**wanted))
    return [run.run_id for run in found]


def the_list(world: World) -> RunList:
    return RunList(world.deployment.client("dynamodb"), "ledger")


def test_runs_come_newest_first_whatever_their_fraction_of_a_second(world: World) -> None:
    put(world, "whole", NOON)
    put(world, "later", NOON + timedelta(milliseconds=5))
    put(world, "yesterday", NOON - timedelta(days=1))
    put(world, "last-week", NOON - timedelta(days=6, hours=23))

    assert listed(world) == ["later", "whole", "yesterday", "last-week"]
    assert listed(world, days=1) == ["later", "whole", "yesterday"]
    assert listed(world, days=0.5) == ["later", "whole"]


def test_the_end_of_the_time_is_not_part_of_it(world: World) -> None:
    put(world, "at-noon", NOON)
    put(world, "before", NOON - timedelta(microseconds=1))

    found = the_list(world).runs(NOON - timedelta(hours=1), NOON)
    assert [run.run_id for run in found] == ["before"]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({"statuses": frozenset({"FAILED"})}, ["failed"]),
        ({"statuses": frozenset({"SUCCEEDED"})}, ["good", "lossy"]),
        ({"statuses": frozenset({"SUCCEEDED_WITH_LOSSES"})}, ["lossy"]),
        ({"statuses": frozenset({"SUPERSEDED"})}, ["failed"]),
        ({"with_losses": True}, ["lossy"]),
        ({"running": True}, ["waits-again", "waits", "runs"]),
        ({"waiting": True}, ["waits-again", "waits"]),
        ({"dataset": "sales"}, ["good"]),
        ({"text": "wait"}, ["waits-again", "waits"]),
        ({"text": "sale"}, ["good"]),
        ({"running": True, "dataset": "sales"}, []),
    ],
)
def test_all_that_is_asked_for_must_be_true(
    world: World, wanted: dict[str, Any], ids: list[str]
) -> None:
    runs: list[dict[str, Any]] = [
        dict(run_id="runs", waits_until="2026-11-01T00:00:00Z"),
        dict(run_id="failed", status="FAILED", outcome="FAILED", superseded_by="good"),
        dict(run_id="waits", waiting_for="s3://data/_SUCCESS"),
        dict(run_id="waits-again", waits_until="2999-01-01T00:00:00Z"),
        dict(run_id="lossy", status="SUCCEEDED", outcome="SUCCEEDED_WITH_LOSSES"),
        dict(run_id="good", status="SUCCEEDED", outcome="SUCCEEDED", dataset_name="sales"),
    ]
    for seconds, run in enumerate(runs):
        put(world, at=NOON + timedelta(seconds=seconds), **run)
    assert listed(world, **wanted) == ids


def test_a_list_goes_on_at_its_cursor_while_new_runs_come(world: World) -> None:
    for hour in range(5):
        put(world, f"run-{hour}", NOON - timedelta(hours=6 * hour))
    the = the_list(world)
    since = NOON - timedelta(days=3)

    first = the.page(since, TOMORROW, limit=2)
    put(world, "new", NOON + timedelta(hours=1))
    second = the.page(since, TOMORROW, limit=2, cursor=first.cursor)
    third = the.page(since, TOMORROW, limit=2, cursor=second.cursor)

    ids = [run.run_id for page in (first, second, third) for run in page.runs]
    assert ids == [f"run-{hour}" for hour in range(5)]
    assert third.cursor is None


def test_a_page_of_rare_runs_ends_after_so_many_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_list, "EXAMINED", 2)
    for hour in range(4):
        put(world, f"run-{hour}", NOON - timedelta(hours=hour))
    put(world, "rare", NOON - timedelta(hours=9), dataset_name="rare")

    page = the_list(world).page(NOON - timedelta(days=1), TOMORROW, Wanted(dataset="rare"))
    assert (page.runs, page.examined, page.cursor is None) == ((), 2, False)
    assert listed(world, dataset="rare") == ["rare"]


def test_what_is_no_cursor_is_refused(world: World) -> None:
    with pytest.raises(CommandFailed, match="is not the cursor of a list"):
        the_list(world).page(NOON, TOMORROW, cursor="yesterday#run-1")


def test_a_stack_without_the_index_says_what_to_deploy(world: World) -> None:
    with pytest.raises(CommandFailed, match=r"deploy this version's template\.yaml"):
        list(RunList(world.deployment.client("dynamodb"), "results").runs(NOON, TOMORROW))


def test_runs_of_earlier_releases_get_their_place_once(local: World) -> None:
    put(local, "indexed", NOON)
    local.put_run("older", claimed_at="2026-11-30T08:00:00Z")
    local.put_run("oldest")  # of a release that did not note it
    local.put({"run_id": "older", "item": "UNIT#00000-000", "status": "STORED"})

    result = document("ledger index", pipeline("ledger", "index", "--json").stdout)
    assert (result["examined"], result["indexed"], result["resumed"]) == (4, 1, False)
    assert listed(local) == ["indexed", "older"]
    assert document("ledger index", pipeline("ledger", "index", "--json").stdout)["indexed"] == 0


class Interrupted:
    """A client whose second scan is interrupted, and whose pages have one item each."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.scans = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def scan(self, **request: Any) -> Any:
        self.scans += 1
        if self.scans == 2:
            raise KeyboardInterrupt
        return self._client.scan(Limit=1, **request)


def test_an_interrupted_call_goes_on_where_it_was(world: World) -> None:
    for number in range(3):
        world.put_run(f"run-{number}", claimed_at="2026-11-30T08:00:00Z")
    client = world.deployment.client("dynamodb")
    calls = run_index.index_older_runs(Interrupted(client), "ledger")
    first = next(calls)
    with pytest.raises(KeyboardInterrupt):
        next(calls)

    *_, last = run_index.index_older_runs(client, "ledger")
    assert (first.indexed, last.indexed, last.resumed, last.done) == (1, 2, True, True)
    assert listed(world) == ["run-2", "run-1", "run-0"]
    *_, again = run_index.index_older_runs(client, "ledger")
    assert (again.indexed, again.resumed) == (0, False)


def test_a_run_that_is_gone_meanwhile_is_not_made_anew(world: World) -> None:
    world.put_run("gone", claimed_at="2026-11-30T08:00:00Z")
    client = world.deployment.client("dynamodb")

    class Removing(Interrupted):
        def scan(self, **request: Any) -> Any:
            found = client.scan(**request)
            key = {"run_id": "gone", "item": "RUN"}
            boto3.resource("dynamodb").Table("ledger").delete_item(Key=key)
            return found

    (progress,) = run_index.index_older_runs(Removing(client), "ledger")
    assert progress.indexed == 0
    assert listed(world) == []


def test_other_errors_of_the_service_are_not_taken_for_a_missing_index(world: World) -> None:
    with pytest.raises(ClientError, match="ResourceNotFound"):
        list(RunList(world.deployment.client("dynamodb"), "no-table").runs(NOON, TOMORROW))


HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)
REQUEST = json.dumps({"datasetName": "orders", "startDateTime": "2026-11-01T00:00:00Z"})
ROWS = {"rows_in": 123_456, "rejected": 1_500, "stored": 121_956}


def test_ls_shows_the_last_day_and_says_if_there_is_more(local: World) -> None:
    for number in range(3):
        put(local, f"run-{number}", HOUR_AGO + timedelta(minutes=number), reason="[red]no\x1b[2J")
    put(local, "older", HOUR_AGO - timedelta(days=2), status="FAILED", reason="[red]no\x1b[2J")

    shown = pipeline("ls", "--limit", "2")
    assert shown.exit_code == 0
    assert shown.output.index("run-2") < shown.output.index("run-1")
    assert "run-0" not in shown.output
    assert "the newest 2 are shown, there are more" in shown.output
    assert "older" not in pipeline("runs").output
    assert r"[red]no\x1b[2J" in pipeline("ls", "--since", "3d", "--status", "failed").output
    found = document("ls", pipeline("ls", "--since", "3d", "--json").stdout)
    assert [run["runId"] for run in found["runs"]] == ["run-2", "run-1", "run-0", "older"]
    assert found["runs"][-1]["reason"] == "[red]no\x1b[2J"
    assert found["cursor"] is None
    pages, cursor = [], None
    while cursor is not None or not pages:
        words = ("--since", "3d", "--limit", "3", "--json")
        page = document(
            "ls", pipeline("ls", *words, *(("--cursor", cursor) if cursor else ())).stdout
        )
        pages.append([run["runId"] for run in page["runs"]])
        cursor = page["cursor"]
        assert page["more"] is (cursor is not None)
    assert pages == [["run-2", "run-1", "run-0"], ["older"]]
    assert "look further back" in pipeline("ls", "--dataset", "none").output


def test_ls_counts_what_runs_that_have_not_ended_have_stored(local: World) -> None:
    units = {"total": 3, "stored": 0, "failed": 0, "not_started": 0}
    for number in range(21):
        at = HOUR_AGO + timedelta(minutes=number)
        put(local, f"run-{number:02d}", at, status="RUNNING", units=units)
        stored = {"rows_in": 5, "stored": 4, "rejected": 1}
        key = {"run_id": f"run-{number:02d}", "item": "UNIT#00000-000"}
        local.put({**key, "status": "STORED", "rows": stored})
    runs = document("ls", pipeline("ls", "--json").stdout)["runs"]
    assert [run["units"]["stored"] for run in runs] == [1] * 20 + [0], "of the newest only"
    assert runs[0]["units"]["total"] == 3
    assert runs[0]["rows"]["stored"] == 4
    assert "1/3" in pipeline("ls", "--limit", "1").output


@pytest.mark.parametrize("columns", ["40", "80", "120", "200"])
def test_ls_never_cuts_a_number_a_state_or_an_id(local: World, columns: str) -> None:
    run_id = "0b6f8f4c-57d4-4cbb-9a2e-0d6f1c2b3a4d"
    ended = dict(
        status="SUCCEEDED",
        outcome="SUCCEEDED_WITH_LOSSES",
        ended_at=text(HOUR_AGO + timedelta(minutes=2)),
        units={"total": 1_200, "stored": 1_200},
        rows=ROWS,
    )
    put(local, run_id, HOUR_AGO, **ended)
    result = CliRunner().invoke(app, ["ls"], env={"COLUMNS": columns})
    for exact in (run_id, "SUCCEEDED_WITH_LOSSES", "1,200/1,200", "121,956", "1,500"):
        assert exact in result.output
    assert max(map(len, result.output.splitlines())) <= max(int(columns), 46)


@pytest.mark.parametrize("outcome", ["SUCCEEDED", "SUCCEEDED_WITH_LOSSES"])
def test_ls_names_the_dataset_beside_a_long_id_at_100_columns(local: World, outcome: str) -> None:
    run_id = "0b6f8f4c-57d4-4cbb-9a2e-0d6f1c2b3a4d"
    ended_at = text(HOUR_AGO + timedelta(minutes=2))
    ended = dict(status="SUCCEEDED", outcome=outcome, ended_at=ended_at, rows=ROWS)
    put(local, run_id, HOUR_AGO, **ended, units={"total": 2, "stored": 2})
    lines = CliRunner().invoke(app, ["ls"], env={"COLUMNS": "100"}).output.splitlines()
    line = next(each for each in lines if run_id in each)
    assert "dataset" in lines[0]
    assert "orders" in line
    assert outcome in line


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize(
    ("since", "why"),
    [
        ("yesterday", "is no time"),
        ("2999-01-01", "is in the future"),
        ("1900-01-01", "more than 1830 days ago"),
        ("999999w", "more than 1830 days ago"),
    ],
)
def test_a_time_that_is_none_is_refused(since: str, why: str) -> None:
    result = pipeline("ls", "--since", since, "--json")
    assert (result.exit_code, why in error_of(result.stdout)["message"]) == (2, True)


@pytest.mark.usefixtures("local")
def test_a_status_that_no_run_has_is_refused_with_those_that_are() -> None:
    error = error_of(pipeline("ls", "--status", "DONE", "--json").stdout)
    assert "DONE is no status" in error["message"]
    assert "SUPERSEDED" in error["hint"]


def test_a_beginning_names_the_run_if_no_other_one_begins_so(local: World) -> None:
    put(local, "november-1", HOUR_AGO)
    put(local, "november-10", HOUR_AGO + timedelta(minutes=1))
    put(local, "december", HOUR_AGO + timedelta(minutes=2))

    def shown(name: str) -> str:
        return str(document("status", pipeline("status", name, "--json").stdout)["runId"])

    assert shown("dec") == "december"
    assert shown("november-1") == "november-1"  # also the beginning of another one
    assert shown("@last") == "december"
    several = error_of(pipeline("units", "nov", "--json").stdout)
    assert "november-1 and november-10" in several["message"].replace(
        "november-10 and november-1", "november-1 and november-10"
    )
    assert "30 days" in several["message"]
    none = error_of(pipeline("jobs", "oct", "--json").stdout)
    assert none["code"] == "NOT_FOUND"
    assert "30 days" in none["hint"]


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize(
    "command", ["units", "jobs", "rejected", "history", "results", "stop", "resume"]
)
def test_every_command_takes_the_newest_run(command: str) -> None:
    error = error_of(pipeline(command, "@last", "--json").stdout)
    assert "no run of the last 30 days" in error["message"]


def test_a_retry_names_the_whole_run(local: World) -> None:
    put(local, "failed-run", HOUR_AGO, status="FAILED", request=REQUEST)
    result = pipeline("run", "--retry-of", "fail", "--unchecked")
    assert result.exit_code == 0, result.output
    assert '"retryOf": "failed-run"' in local.sent()[0]


def test_a_stack_without_the_index_takes_full_ids(
    local: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_arguments: Any) -> Iterator[str]:
        raise run_list.NoIndex("no index", 1)

    put(local, "november-1", HOUR_AGO)
    monkeypatch.setattr(RunList, "run_ids", refused)
    assert pipeline("status", "november-1").exit_code == 0
    assert "there is no run nov " in pipeline("status", "nov").output
