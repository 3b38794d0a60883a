"""A backfill is followed: what is new, how it stands in between, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cli_world import History, World, pipeline
from json_documents import document
from test_backfill_command import RANGE, REQUEST, Functions, functions, put

from cli.client.backfill_follow import BackfillFollower, BackfillSnapshot
from cli.exit_codes import FAILED, NOT_FOUND, STILL_RUNNING, SUCCEEDED, CommandFailed
from cli.views.backfill_progress import SILENT_SECONDS, progress_lines, worth_saying
from contracts.ledger_items import BackfillItem
from contracts.times.backfill import BackfillStatus

__all__ = ["functions"]  # a fixture


def snapshot(seconds: float, states: str, *, over: bool = False, **more: Any) -> BackfillSnapshot:
    status = BackfillStatus.SUCCEEDED if over else BackfillStatus.RUNNING
    item = BackfillItem(
        backfill_id="november",
        request=REQUEST.canonical(),
        states=states,
        dataset_name="orders",
        created_at="2026-11-20T08:00:00Z",
        updated_at=datetime.now(UTC).isoformat(),
        **{"status": status, **more},
    )
    return BackfillSnapshot("november", seconds, item, tuple(REQUEST.windows()), over)


def said(*snapshots: BackfillSnapshot) -> list[list[str]]:
    return [list(progress_lines(now, old)) for now, old in worth_saying(iter(snapshots))]


def test_each_window_that_begins_and_ends_is_a_line() -> None:
    first, second, third, last = said(
        snapshot(0, "...."),
        snapshot(1, "r..."),
        snapshot(2, "fr.."),
        snapshot(3, "fsss", over=True),
    )
    assert first == ["    0.0 s  [--------------------] 0 of 4, 0%"]
    assert second[0] == "    1.0 s  2026-11-01  bf-november-20261101T000000Z  runs"
    assert [line.split("  ")[-1] for line in third[:2]] == ["FAILED", "runs"]
    assert [line.split("  ")[-1] for line in last[:-1]] == ["is done"] * 3
    assert last[-1] == "    3.0 s  SUCCEEDED: 3 of 4 windows done, 1 failed"


def test_it_is_never_silent_for_ten_seconds() -> None:
    looks = [snapshot(at * 3.0, "r...") for at in range(20)]
    times = [now.seconds for now, _ in worth_saying(iter(looks))]
    assert all(later - earlier <= 10 for earlier, later in zip(times, times[1:], strict=False))
    assert len(times) < len(looks), "looks without news in a row are not all said"
    assert SILENT_SECONDS < 10


def test_at_first_only_what_runs_is_said() -> None:
    ((*windows, _),) = said(snapshot(0, "sfr."))
    assert [line.split("  ")[-1] for line in windows] == ["runs"]


def test_what_somebody_has_decided_is_said() -> None:
    ((*_, line),) = said(snapshot(0, "r...", stop_requested_at="2026-11-20T08:00:00Z"))
    assert "being stopped; [" in line


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (BackfillStatus.SUCCEEDED, SUCCEEDED),
        (BackfillStatus.FAILED, FAILED),
        (BackfillStatus.STOPPED, FAILED),
        (BackfillStatus.PAUSED, STILL_RUNNING),
    ],
)
def test_the_exit_status_is_the_backfills(
    local: World,
    functions: Functions,  # noqa: ARG001, F811
    status: BackfillStatus,
    code: int,
) -> None:
    put(local, "sss.", status=status)
    result = pipeline("backfill", "watch", "nov")
    assert result.exit_code == code
    assert f"{status}: 3 of 4 windows done" in result.stdout
    assert "Windows: 4 = 3 done" in result.stdout, "it is shown as it stands then"


def test_as_json_each_look_is_a_document_on_a_line(
    local: World,
    functions: Functions,  # noqa: ARG001, F811
) -> None:
    put(local, "sfr.")
    result = pipeline("backfill", "watch", "@last", "--json", "--timeout", "0")
    assert result.exit_code == STILL_RUNNING
    (line,) = result.stdout.splitlines()
    found = document("backfill watch", line)
    assert (found["status"], found["over"], found["counts"]["done"]) == ("RUNNING", False, 1)
    assert [each["runId"] for each in found["running"]] == ["bf-november-20261103T000000Z"]


def test_an_unknown_one_is_said(functions: Functions) -> None:  # noqa: ARG001, F811
    assert pipeline("backfill", "watch", "october").exit_code == NOT_FOUND


def test_a_start_that_waits_has_the_exit_status_of_its_end(
    local: World,
    functions: Functions,  # noqa: ARG001, F811
) -> None:
    put(local, "sfss", status=BackfillStatus.FAILED, reason="1 of 4 windows failed")
    result = pipeline("backfill", *RANGE, "--wait")
    assert result.exit_code == FAILED
    assert "was started before" in result.stdout
    assert "FAILED: 3 of 4 windows done, 1 failed" in result.stdout
    result = pipeline("backfill", *RANGE, "--wait", "--json")
    found = document("backfill start", result.stdout)
    assert (result.exit_code, found["outcome"], found["status"]) == (FAILED, "EXISTS", "FAILED")


class TestBeforeItHasBegun:
    def looks(self, world: World, functions: Functions) -> Iterator[BackfillSnapshot]:  # noqa: F811
        arn = json.loads(pipeline("backfill", *RANGE, "--json").stdout)["executionArn"]
        functions.histories[arn] = died = History()
        died.add("ExecutionStarted")
        died.add("ExecutionFailed", details={"Error": {"Payload": {"ErrorType": "Throttled"}}})
        follower = BackfillFollower(world.deployment, "november", arn, sleep=lambda _: None)
        return follower.watch()

    def test_it_is_waited_for_and_the_death_of_its_execution_is_seen(
        self,
        local: World,
        functions: Functions,  # noqa: F811
    ) -> None:
        looks = self.looks(local, functions)
        first = next(looks)
        assert (first.item, first.over, first.exit_code) == (None, False, STILL_RUNNING)
        assert list(progress_lines(first, None))[0].endswith("waiting for its execution to begin")
        with pytest.raises(CommandFailed, match="ended before it began: FAILED"):
            list(looks)

    def test_once_it_is_there_it_is_followed(
        self,
        local: World,
        functions: Functions,  # noqa: F811
    ) -> None:
        looks = self.looks(local, functions)
        next(looks)
        put(local, "ssss", status=BackfillStatus.SUCCEEDED)
        (last,) = looks
        assert (last.over, last.exit_code) == (True, SUCCEEDED)
