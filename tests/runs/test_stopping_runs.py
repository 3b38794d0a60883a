"""A person stops a run: the decision is recorded first, and everything follows from it."""

from __future__ import annotations

import json

import pytest
from job_fakes import Killed
from job_world import RUN_ID, UNIT
from reaper_world import FIRST, ReaperWorld

from contracts import layout
from contracts.errors import Conflict, RunStopped
from contracts.job import Engine, JobState
from contracts.manifest import ManifestSummary
from contracts.messages import ListUrls, RecordRun, StartUnit, StopOutcome, StoppedRun, StopRun
from contracts.run import RunStatus
from contracts.run_request import RunRequest
from ledger.stop_decision import refuse_stopped
from runs.executions import Ended
from runs.reaping import parts
from runs.recording import Recording, record_run
from runs.unit.beginning import start_unit
from sources.listed_run import list_run
from steps import reaper

OTHER_UNIT = layout.unit_id(0, 1)
WHY = "it was stopped on request: wrong input"


@pytest.fixture
def world(cloud, clients) -> ReaperWorld:
    return ReaperWorld(cloud, clients)


def stop(
    world: ReaperWorld, run_id: str = RUN_ID, reason: str | None = "wrong input"
) -> StoppedRun:
    return world.reaper.stop_run(StopRun(run_id=run_id, reason=reason))


def put_manifest(world: ReaperWorld, *sizes: int) -> None:
    summary = ManifestSummary(
        manifest_url="s3://data/summary.json",
        objects=sum(sizes),
        total_bytes=2,
        shard_sizes=sizes,
        pending=((0, sizes[0]),),
    )
    world.cloud.put(layout.manifest_summary_key(RUN_ID), json.dumps(summary.to_json()))


def put_unit(world: ReaperWorld, unit: str, status: str) -> None:
    rows = {"rows_in": 5, "stored": 5} if status == "STORED" else {}
    failure = {"stage": "validate", "error_type": "InvalidData", "message": "broken"}
    more = {} if status == "STORED" else {"failure": failure}
    item = {"status": status, "run_attempt": 1, "rows": rows, **more}
    world.cloud.ledger.update(RUN_ID, f"UNIT#{unit}", item)


def record(world: ReaperWorld, status: RunStatus | None = None) -> RunStatus:
    message = RecordRun(
        request=RunRequest.from_json(json.loads(world.run()["request"])),
        run_attempt=1,
        execution_arn=FIRST,
        status=status,
    )
    settings = Recording(data_bucket=world.cloud.data_bucket)
    return record_run(message, settings, world.cloud.ledger, world.clock()).result.status


class TestTheDecision:
    def test_it_is_recorded_with_its_reason_and_jobs_are_cancelled(self, world):
        world.submit()
        stopped = stop(world)
        assert stopped.outcome is StopOutcome.STOPPING
        assert (world.run()["stop_reason"], world.run()["status"]) == ("wrong input", "RUNNING")
        assert stopped.jobs_cancelled == (world.job().job_id,)
        assert (world.job().state, world.job().error) == (JobState.CANCELLED, WHY)

    def test_a_job_that_ends_before_its_engine_could_stop_it_does_not_count_as_cancelled(
        self, world
    ):
        world.submit()
        world.glue.runs[0]["JobRunState"] = "SUCCEEDED"
        stopped = stop(world)
        job = world.job()
        assert (stopped.jobs_cancelled, job.state) == ((), JobState.SUCCEEDED)
        assert stopped.jobs_ended_before == {job.job_id: JobState.SUCCEEDED}

    def test_the_first_decision_stands(self, world):
        first = stop(world)
        second = stop(world, reason="another reason")
        assert (second.reason, second.requested_at) == (first.reason, first.requested_at)

    @pytest.mark.parametrize("status", ["SUCCEEDED", "SKIPPED"])
    def test_a_run_that_has_ended_is_not_changed(self, world, status):
        world.cloud.ledger.update(RUN_ID, "RUN", {"status": status})
        before = world.run()
        stopped = stop(world)
        assert (stopped.outcome, stopped.status) == (StopOutcome.ENDED, status)
        assert world.run() == before

    def test_a_run_that_nobody_knows_is_named_so(self, world):
        assert stop(world, "other").outcome is StopOutcome.UNKNOWN
        assert world.run("other") is None

    def test_a_failed_run_whose_message_would_start_it_again_ends_as_stopped(self, world):
        put_manifest(world, 1)
        put_unit(world, UNIT, "FAILED")
        assert record(world) is RunStatus.FAILED
        world.end("SUCCEEDED")
        stopped = stop(world)
        assert stopped.outcome is StopOutcome.STOPPED
        assert (world.run()["status"], world.run()["reason"]) == ("STOPPED", WHY)
        (news,) = world.cloud.published()
        assert (news["event"], news["status"]) == ("run-ended", "STOPPED")
        document = world.cloud.read_json(layout.results_key(RUN_ID))
        assert document["status"] == "STOPPED"

    def test_its_execution_still_announces_the_failure_before_the_stop_is_announced(self, world):
        """It may be loading the run's own row: that job is not cancelled."""
        world.cloud.put(layout.load_key(RUN_ID, layout.RUN_UNIT), '{"statements": ["SELECT 1"]}')
        message = world.message(engine=Engine.REDSHIFT, unit=layout.RUN_UNIT)
        world.submit(message)
        put_manifest(world, 1)
        put_unit(world, UNIT, "FAILED")
        record(world)
        assert stop(world).outcome is StopOutcome.STOPPED
        assert not world.record(message).state.ended
        assert world.cloud.published() == []
        world.end("SUCCEEDED")
        world.sweep()
        assert [news["status"] for news in world.cloud.published()] == ["STOPPED"]

    def test_a_decision_between_the_end_and_its_announcement_is_announced(self, world):
        put_manifest(world, 1)
        put_unit(world, UNIT, "FAILED")
        world.end("FAILED")
        run = {"status": "FAILED", "reason": "its execution failed", "reaped": "marked"}
        world.cloud.ledger.update(RUN_ID, "RUN", run)
        decision = {"stop_requested_at": "2026-11-20T08:00:00Z", "status": "STOPPED"}
        world.before("update_item", 2, lambda: world.cloud.ledger.update(RUN_ID, "RUN", decision))
        world.reap("FAILED")
        assert world.run()["reaped"] == "marked"
        stop(world)
        assert [news["status"] for news in world.cloud.published()][-1] == "STOPPED"
        assert world.run()["reaped"] == "announced"

    def test_a_run_whose_execution_is_gone_is_ended_at_once(self, world):
        world.end("TIMED_OUT")
        assert stop(world).outcome is StopOutcome.STOPPED
        assert (world.run()["status"], world.run()["reason"]) == ("STOPPED", WHY)

    def test_the_load_of_the_runs_own_row_is_left_alone(self, world):
        world.cloud.put(layout.load_key(RUN_ID, layout.RUN_UNIT), '{"statements": ["SELECT 1"]}')
        message = world.message(engine=Engine.REDSHIFT, unit=layout.RUN_UNIT)
        world.submit(message)
        stopped = stop(world)
        assert not stopped.jobs_cancelled
        assert not world.record(message).state.ended

    def test_the_handler_takes_it_and_returns(self, world, monkeypatch, lambda_context):
        monkeypatch.setattr(parts, "execution", lambda _arn: Ended("RUNNING"))
        for name in ("LEDGER_TABLE", "DATA_BUCKET", "CODE_BUCKET", "TOPIC_ARN"):
            values = {"LEDGER_TABLE": "ledger", "DATA_BUCKET": world.cloud.data_bucket}
            monkeypatch.setenv(name, values.get(name, world.cloud.topic_arn))
        event = {"detail-type": "Stop Run", "detail": {"runId": RUN_ID, "reason": "wrong input"}}
        response = reaper.handler(event, lambda_context)
        assert StoppedRun.from_json(response).outcome is StopOutcome.STOPPING


class TestWhatFollows:
    def test_steps_begin_nothing_more(self, world):
        stop(world)
        with pytest.raises(RunStopped, match="wrong input"):
            world.submit()
        with pytest.raises(RunStopped):
            start_unit(
                StartUnit(run_id=RUN_ID, unit_id=UNIT, run_attempt=1),
                world.cloud.ledger,
                world.cloud.data_bucket,
                world.clock(),
            )
        with pytest.raises(RunStopped):
            refuse_stopped(world.cloud.ledger, RUN_ID)
        assert world.glue.runs == []

    def test_a_job_whose_intent_was_just_written_is_not_submitted(self, world):
        """The decision comes between the intent and the submission."""
        decision = {"stop_requested_at": "2026-11-20T08:00:00Z"}
        world.before("put_item", 1, lambda: world.cloud.ledger.update(RUN_ID, "RUN", decision))
        with pytest.raises(RunStopped):
            world.submit()
        assert world.glue.runs == []
        assert world.job().state is JobState.CANCELLED

    @pytest.mark.parametrize("shard", [0, 1])
    def test_a_further_shard_has_nothing_pending(self, world, shard):
        put_manifest(world, 2, 2)
        stop(world)
        message = ListUrls(
            request=RunRequest.from_json(json.loads(world.run()["request"])),
            end_date_time="2026-11-20T08:00:00Z",
            units_per_shard=2,
            run_attempt=1,
            shard=shard,
        )
        arguments = (message, world.cloud.data_bucket, world.cloud.ledger, world.clock())
        if shard == 0:
            with pytest.raises(RunStopped):
                list_run(*arguments)
        else:
            assert list_run(*arguments).pending_positions() == []

    @pytest.mark.parametrize("status", [None, RunStatus.FAILED])
    def test_the_run_ends_as_stopped(self, world, status):
        put_manifest(world, 2)
        put_unit(world, UNIT, "STORED")
        put_unit(world, OTHER_UNIT, "FAILED")
        stop(world)
        assert record(world, status) is RunStatus.STOPPED
        assert (world.run()["status"], world.run()["reason"]) == ("STOPPED", WHY)

    def test_it_came_too_late_if_all_is_stored(self, world):
        put_manifest(world, 1)
        put_unit(world, UNIT, "STORED")
        stop(world)
        assert record(world) is RunStatus.SUCCEEDED

    def test_a_decision_while_the_end_is_being_recorded_is_not_lost(self, world):
        put_manifest(world, 1)
        put_unit(world, UNIT, "FAILED")
        decision = {"stop_requested_at": "2026-11-20T08:00:00Z"}
        world.before("update_item", 1, lambda: world.cloud.ledger.update(RUN_ID, "RUN", decision))
        with pytest.raises(Conflict):
            record(world)
        assert record(world) is RunStatus.STOPPED

    def test_the_sweep_cancels_what_was_submitted_meanwhile(self, world):
        world.submit()
        decision = {"stop_requested_at": "2026-11-20T08:00:00Z"}
        world.cloud.ledger.update(RUN_ID, "RUN", decision)
        world.sweep()
        world.sleep(60)
        world.sweep()  # it asks the engine to stop the job, and sees at the next time that it has
        assert world.job().state is JobState.CANCELLED

    def test_whoever_waits_for_a_cancelled_job_is_reported(self, world):
        world.submit()
        stop(world)
        world.watch()
        (response,) = world.responses()
        assert (response.state, response.error) == (JobState.CANCELLED, WHY)

    @pytest.mark.parametrize("status", ["STOPPED", "FAILED", "TIMED_OUT"])
    def test_an_execution_that_ends_badly_afterwards_changes_nothing(self, world, status):
        stop(world)
        world.end(status)
        world.reap(status)
        assert (world.run()["status"], world.run()["reason"]) == ("STOPPED", WHY)


class TestCrashes:
    @pytest.mark.parametrize("after", [False, True])
    def test_a_kill_at_any_request_is_made_good_by_a_repeat(self, world, after):
        world.submit()
        for number in range(1, 40):
            world.fate.kill_at(number, after=after)
            try:
                stop(world)
            except Killed:
                continue
            finally:
                world.fate.spare()
            break
        world.sweep()
        assert world.run()["stop_reason"] == "wrong input"
        assert world.job().state is JobState.CANCELLED
        assert world.glue.count("StartJobRun") == 1


class TestAStoppedExecution:
    """Stopped by hand, it was at the first run that it had claimed and not ended."""

    def test_only_the_run_it_was_at_stays_stopped(self, world):
        for number in (2, 3):
            world.put_held_run(f"run-{number}")
            since = {"submitted_at": f"2026-11-20T08:00:0{number}Z"}
            world.cloud.ledger.update(f"run-{number}", "RUN", since)
        world.end("STOPPED")
        world.reap()
        world.reap()
        statuses = [world.run(run)["status"] for run in (RUN_ID, "run-2", "run-3")]
        assert statuses == ["STOPPED", "FAILED", "FAILED"]
        assert "message starts it again" in world.run("run-2")["reason"]

    def test_it_was_at_the_run_with_a_unit_under_way(self, world):
        """An earlier one may wait for its message: its end could not be recorded."""
        world.put_held_run("run-2")
        since = {"submitted_at": "2026-11-20T08:00:02Z"}
        world.cloud.ledger.update("run-2", "RUN", since)
        world.cloud.ledger.update(RUN_ID, f"UNIT#{UNIT}", {"status": "STORED", "run_attempt": 1})
        under_way = {"status": "RUNNING", "run_attempt": 1}
        world.cloud.ledger.update("run-2", f"UNIT#{UNIT}", under_way)
        world.end("STOPPED")
        world.reap()
        world.reap()
        assert [world.run(run)["status"] for run in (RUN_ID, "run-2")] == ["FAILED", "STOPPED"]

    def test_a_run_that_was_stopped_before_is_not_the_one(self, world):
        put_manifest(world, 1)
        put_unit(world, UNIT, "FAILED")
        record(world)
        stop(world)
        world.put_held_run("run-2")
        later = {"submitted_at": "2026-11-20T09:00:00Z"}
        world.cloud.ledger.update("run-2", "RUN", later)
        world.end("STOPPED")
        world.reap()
        assert world.run("run-2")["status"] == "STOPPED"

    def test_runs_that_had_ended_before_are_not_the_one(self, world):
        world.cloud.ledger.update(RUN_ID, "RUN", {"status": "SUCCEEDED"})
        world.put_held_run("run-2")
        later = {"submitted_at": "2026-11-20T08:00:02Z"}
        world.cloud.ledger.update("run-2", "RUN", later)
        world.end("STOPPED")
        world.reap()
        assert world.run("run-2")["status"] == "STOPPED"
