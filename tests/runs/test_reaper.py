"""reaper: an execution that ended badly leaves no job and no run behind, and touches no other's."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from job_fakes import Killed
from job_world import RUN_ID, SERVICES, UNIT
from reaper_world import FIRST, SECOND, ReaperWorld

from contracts import layout
from contracts.errors import OwnershipLost, TransientFailure
from contracts.job import Engine, JobState
from contracts.ledger_items import ACTIVE_RUN
from contracts.manifest import ManifestSummary
from contracts.run_request import format_timestamp
from runs.executions import SETTLING, Ended
from runs.reaping.reaper import PATIENCE, ReaperIncomplete
from steps import reaper

STOPPED = {"STOPPED", "ABORTED", "CANCELLED", "Cancelled"}  # in the words of the engines
OTHER_UNIT = layout.unit_id(0, 1)
SHARD = "arn:aws:lambda:us-east-1:123456789012:function:long:1/durable-execution/shard/0"


@pytest.fixture
def world(cloud, clients) -> ReaperWorld:
    return ReaperWorld(cloud, clients)


class TestStopping:
    def test_a_stopped_execution_leaves_no_job_running(self, world):
        world.submit()
        world.submit(world.message(unit=OTHER_UNIT, callback="callback2"))
        world.end("STOPPED")
        world.reap()
        assert [run["JobRunState"] for run in world.glue.runs] == ["STOPPED", "STOPPED"]
        assert world.job().state is world.job(unit=OTHER_UNIT).state is JobState.CANCELLED
        assert world.job().error == "its execution was stopped"
        assert world.glue.count("BatchStopJobRun") == 2

    @pytest.mark.parametrize("engine", SERVICES)
    def test_a_job_of_any_engine_is_stopped(self, world, engine):
        message = world.message(engine=engine)
        world.submit(message)
        world.reap()
        assert world.states(engine) <= STOPPED
        assert world.record(message).state is JobState.CANCELLED

    def test_a_running_step_is_stopped(self, world):
        message = world.message(engine=Engine.EMR)
        world.submit(message)
        world.emr.finish("RUNNING")
        world.reap()
        assert world.states(Engine.EMR) == {"CANCELLED"}
        assert world.record(message).state is JobState.CANCELLED

    def test_a_step_that_a_command_submitted_unseen_is_stopped(self, world):
        message = world.message(engine=Engine.EMR_SSM)
        world.submit(message)
        world.ssm.run()
        world.reap()
        assert world.states(Engine.EMR_SSM) == {"Success", "CANCELLED"}  # the command did its part
        assert world.record(message).state is JobState.CANCELLED

    @pytest.mark.parametrize(
        ("status", "marked", "reason"),
        [
            ("STOPPED", "STOPPED", "its execution was stopped: by Ada"),
            ("TIMED_OUT", "FAILED", "its execution ran out of time: by Ada"),
            ("FAILED", "FAILED", "its execution failed: by Ada"),
        ],
    )
    def test_the_run_is_marked_and_its_end_is_announced(self, world, status, marked, reason):
        world.submit()
        world.end(status, "by Ada")
        world.reap(status)
        run = world.run()
        assert (run["status"], run["reason"]) == (marked, reason)
        (news,) = world.cloud.published()
        assert (news["event"], news["status"], news["runAttempt"]) == ("run-ended", marked, 1)
        assert news["result"]["reason"] == reason

    def test_the_results_document_reports_what_there_is(self, world):
        summary = ManifestSummary(
            manifest_url="s3://data/summary.json",
            objects=2,
            total_bytes=2,
            shard_sizes=(2,),
            pending=((0, 2),),
        )
        world.cloud.put(layout.manifest_summary_key(RUN_ID), json.dumps(summary.to_json()))
        stored = {"status": "STORED", "run_attempt": 1, "rows": {"rows_in": 5, "stored": 5}}
        world.cloud.ledger.update(RUN_ID, f"UNIT#{UNIT}", stored)
        world.reap()
        document = world.cloud.read_json(layout.results_key(RUN_ID))
        assert (document["status"], document["units"]["stored"]) == ("STOPPED", 1)
        assert world.run()["units"] == {"total": 2, "stored": 1, "failed": 1, "not_started": 0}

    def test_a_run_that_ended_while_it_waited_waits_no_more(self, world):
        waits = {"waits_until": "2026-11-20T08:16:00Z", "waiting_units": 3}
        world.cloud.ledger.update(RUN_ID, "RUN", waits)
        world.reap("FAILED")
        assert not waits.keys() & world.run().keys()

    def test_a_job_that_had_ended_by_itself_keeps_its_end(self, world):
        world.submit()
        world.glue.finish()
        world.reap()
        assert world.job().state is JobState.SUCCEEDED
        assert world.glue.count("BatchStopJobRun") == 0

    def test_every_run_of_a_batch_is_ended(self, world):
        world.put_held_run("run-2")
        world.reap("FAILED")
        assert world.run()["status"] == world.run("run-2")["status"] == "FAILED"

    def test_a_run_with_an_outcome_keeps_it(self, world):
        world.cloud.ledger.update(RUN_ID, "RUN", {"status": "SUCCEEDED"})
        world.reap("FAILED")
        assert world.run()["status"] == "SUCCEEDED"
        assert world.cloud.published() == []

    def test_whoever_still_waits_for_a_stopped_job_is_reported_by_the_watcher(self, world):
        """A shard is an execution of its own, which may outlive the one that holds the run."""
        world.submit()
        world.reap()
        world.watch()
        (response,) = world.responses()
        assert response.state is JobState.CANCELLED


class TestEvents:
    def test_an_execution_that_holds_nothing_ends_nothing(self, world):
        world.submit()
        world.reap(arn=SECOND)
        assert world.run()["status"] == "RUNNING"
        assert world.job().state is JobState.SUBMITTED

    def test_the_event_twice_announces_and_stops_once(self, world):
        world.submit()
        world.reap()
        world.reap()
        assert len(world.cloud.published()) == 1
        assert world.glue.count("BatchStopJobRun") == 1

    def test_a_late_event_leaves_the_next_attempt_and_its_adopted_job_alone(self, world):
        world.submit()
        world.take_over()
        world.submit(world.message(run_attempt=2, callback="callback2"))
        world.reap()
        assert (world.run()["status"], world.run()["holder"]) == ("CLAIMED", SECOND)
        assert world.job().state is JobState.SUBMITTED
        assert world.glue.count("BatchStopJobRun") == 0

    @pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
    def test_other_events_are_none_of_its_business(self, world, status):
        world.reap(status)
        assert world.run()["status"] == "RUNNING"


class TestRaces:
    def test_a_run_taken_over_before_it_is_marked_stays_the_next_attempts(self, world):
        world.submit()
        world.before("update_item", 1, world.take_over)
        world.reap()
        assert (world.run()["status"], world.run()["run_attempt"]) == ("CLAIMED", 2)
        assert world.glue.count("BatchStopJobRun") == 0
        assert world.cloud.published() == []

    def test_a_job_adopted_before_it_is_marked_goes_on(self, world):
        world.submit()

        def adopt() -> None:
            world.take_over()
            world.submit(world.message(run_attempt=2, callback="callback2"))

        world.before("update_item", 2, adopt)  # the first marks the run
        world.reap()
        assert world.job().callback_id == "callback2"
        assert world.job().cancelling is None
        assert world.glue.count("BatchStopJobRun") == 0
        assert world.run()["holder"] == SECOND

    def test_jobs_that_the_next_attempt_has_by_then_go_on(self, world):
        world.submit()

        def take_over_and_go_on() -> None:
            world.take_over()
            world.submit(world.message(run_attempt=2, callback="callback2"))
            world.submit(world.message(run_attempt=2, callback="callback3", unit=OTHER_UNIT))

        world.before("query", 2, take_over_and_go_on)  # marked; the jobs are about to be read
        world.reap()
        assert world.job().callback_id == "callback2"
        assert [run["JobRunState"] for run in world.glue.runs] == ["STARTING", "STARTING"]
        assert world.cloud.published() == []

    def test_a_job_marked_for_cancellation_is_not_adopted(self, world):
        world.submit()
        assert world.jobs.mark_for_cancellation(world.job(), "stopped")
        world.take_over()
        status = world.submit(world.message(run_attempt=2, callback="callback2"))
        assert status.attempt == 11
        assert len(world.glue.runs) == 2
        assert world.job().callback_id == "callback1"

    def test_a_marked_job_that_succeeded_all_the_same_is_adopted(self, world):
        world.put_report(world.submit())
        world.jobs.mark_for_cancellation(world.job(), "stopped")
        world.glue.finish()
        world.watch()
        world.take_over()
        assert world.submit(world.message(run_attempt=2)).state is JobState.SUCCEEDED
        assert len(world.glue.runs) == 1

    def test_a_submission_behind_the_reapers_back_is_refused(self, world):
        world.reap()
        with pytest.raises(OwnershipLost, match="ended as STOPPED"):
            world.submit()
        assert world.glue.runs == []


class TestVerifying:
    def test_a_job_that_will_not_stop_makes_the_call_fail_and_the_next_one_goes_on(self, world):
        world.submit()
        world.stops_after = float("inf")
        with pytest.raises(ReaperIncomplete, match="glue says STOPPING"):
            world.reap()
        assert world.run()["status"] == "STOPPED"
        assert len(world.cloud.published()) == 1
        assert world.job().active
        world.finish_stopping()
        world.reap()
        assert world.job().state is JobState.CANCELLED
        assert world.cloud.published() == []

    def test_it_looks_for_so_long_and_no_longer_whatever_the_number_of_runs(self, world):
        """The function's own time limit is not to cut it off between two runs."""
        world.submit()
        world.stops_after = float("inf")
        began = world.clock()
        world.put_held_run("run-2")
        with pytest.raises(ReaperIncomplete):
            world.reap()
        assert world.clock() - began == PATIENCE
        assert world.run("run-2")["status"] == "FAILED"  # a neighbour: its message starts it again

    def test_an_engine_that_refuses_to_stop_is_asked_again(self, world):
        world.submit()
        world.glue.refuse_once("BatchStopJobRun", "ThrottlingException")
        world.stops_after = 2
        world.reap()
        assert world.job().state is JobState.CANCELLED

    def test_one_engine_in_trouble_does_not_save_the_jobs_of_another(self, world):
        load = world.message(engine=Engine.REDSHIFT, unit=OTHER_UNIT)
        world.cloud.put(layout.load_key(RUN_ID, OTHER_UNIT), '{"statements": ["SELECT 1"]}')
        world.submit()
        world.submit(load)
        for _ in range(100):
            world.glue.refuse_once("GetJobRuns", "ThrottlingException")
        with pytest.raises(ReaperIncomplete, match="Throttling"):
            world.reap()
        assert world.record(load).state is JobState.CANCELLED

    def test_a_job_that_was_never_submitted_is_given_up(self, world):
        world.glue.refuse_once("StartJobRun", "ConcurrentRunsExceededException")
        assert world.submit().service_id is None, "it waits"
        world.reap()
        assert world.job().state is JobState.CANCELLED
        assert world.glue.runs == []

    @pytest.mark.parametrize(
        ("engine", "service", "operation"),
        [
            (Engine.GLUE, "glue", "StartJobRun"),
            (Engine.EMR, "emr", "AddJobFlowSteps"),
            (Engine.EMR_SSM, "ssm", "SendCommand"),
            (Engine.EMR_SERVERLESS, "serverless", "StartJobRun"),
        ],
    )
    def test_an_interrupted_submission_is_found_and_stopped(
        self, world, engine, service, operation
    ):
        message = world.message(engine=engine)
        getattr(world, service).break_once(operation, Killed(), after=True)
        with pytest.raises(Killed):
            world.submit(message)
        world.stops_after = 13  # longer than a submission may take
        world.reap()
        assert world.states(engine) <= STOPPED
        assert world.record(message).service_id == world.started(engine)[0]
        assert world.record(message).state is JobState.CANCELLED


@pytest.mark.slow
class TestCrashes:
    # A call that is killed leaves moto's own files of the objects it was about open.
    @pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <function SpooledTemporaryFile"
        ":pytest.PytestUnraisableExceptionWarning"
    )
    @pytest.mark.parametrize("after", [False, True])
    def test_killed_at_any_outside_call_it_is_finished_by_the_next(self, cloud, clients, after):
        """Every call in turn; a run and a job of its own in each round."""
        for position in range(40):
            world = ReaperWorld(cloud, clients)
            unit = layout.unit_id(0, position)
            message = world.message(unit=unit, callback=f"callback{position}")
            world.submit(message)
            world.fate.kill_at(position + 1, after=after)
            try:
                world.reap()
            except Killed:
                world.fate.spare()
                world.reap()
                killed = True
            else:
                killed = False
            world.fate.spare()
            assert world.glue.runs[-1]["JobRunState"] == "STOPPED"
            assert world.record(message).state is JobState.CANCELLED
            assert world.run()["status"] == "STOPPED"
            assert world.run()["reaped"] == "announced"
            news = world.cloud.published()
            assert {item["eventId"] for item in news} == {f"{RUN_ID}/run-ended/1"}
            assert len(news) <= 2
            cloud.ledger.update(RUN_ID, "RUN", {}, ("reaped",))
            if not killed:
                break
        assert 7 < position < 39


class TestSweep:
    def test_a_job_whose_run_has_ended_is_stopped(self, world):
        world.submit()
        world.cloud.ledger.update(RUN_ID, "RUN", {"status": "FAILED"})
        world.sweep()
        world.finish_stopping()
        world.sweep()
        assert world.job().state is JobState.CANCELLED
        assert world.job().error == "its run has ended as FAILED"

    @pytest.mark.parametrize(
        ("status", "marked"),
        [("STOPPED", "STOPPED"), ("TIMED_OUT", "FAILED"), ("GONE", "FAILED")],
    )
    def test_a_run_whose_event_was_lost_is_ended_with_its_jobs(self, world, status, marked):
        world.submit()
        world.end(status)
        world.sweep()
        assert world.run()["status"] == marked
        assert [news["event"] for news in world.cloud.published()] == ["run-ended"]
        world.finish_stopping()
        world.watch()
        assert world.job().state is JobState.CANCELLED

    def test_a_job_is_stopped_when_it_is_long_overdue_and_no_sooner(self, world):
        world.submit()
        world.clock.advance(900 + 900)
        world.sweep()
        assert world.glue.count("BatchStopJobRun") == 0
        world.clock.advance(1)
        world.sweep()
        world.finish_stopping()
        world.sweep()
        assert world.job().state is JobState.TIMED_OUT
        assert world.job().error == "still running long after its deadline"
        assert world.run()["status"] == "RUNNING"

    def test_a_job_that_was_slow_to_stop_is_stopped_until_it_has_ended(self, world):
        """cancel-job waits a little only; the run goes on meanwhile."""
        world.submit()
        world.clock.advance(901)
        world.stops_after = math.inf
        assert world.cancel(world.message().key, "too late").state is JobState.TIMED_OUT
        world.glue.finish("RUNNING")  # as if the request had been lost
        world.sweep()
        assert world.glue.runs[0]["JobRunState"] == "STOPPING"
        world.finish_stopping()
        world.sweep()
        assert world.job().state is JobState.TIMED_OUT
        assert world.job().error == "too late"
        assert world.run()["status"] == "RUNNING"

    @pytest.mark.parametrize("status", ["STOPPED", "TIMED_OUT", "FAILED", "GONE"])
    def test_a_run_without_jobs_whose_event_was_lost_is_ended_too(self, world, status):
        world.sweep()
        assert world.run()["status"] == "RUNNING"
        world.end(status)
        world.sweep()
        assert world.run()["status"] == ("STOPPED" if status == "STOPPED" else "FAILED")
        assert [news["event"] for news in world.cloud.published()] == ["run-ended"]
        assert list(world.cloud.ledger.query_active(ACTIVE_RUN)) == []
        world.sweep()
        assert world.cloud.published() == [], "once"

    def test_an_execution_that_is_not_known_just_after_a_hand_over_is_left_alone(self, world):
        world.submit()
        handed_over = {"updated_at": format_timestamp(world.clock())}
        world.cloud.ledger.update(RUN_ID, "RUN", handed_over)
        world.end("GONE")
        world.clock.advance(SETTLING.total_seconds() - 1)
        world.sweep()
        assert world.run()["status"] == "RUNNING"
        assert world.job().cancelling is None
        world.clock.advance(1)
        world.sweep()
        assert world.run()["status"] == "FAILED"

    def test_jobs_of_a_shard_that_is_not_known_yet_go_on(self, world):
        world.submit(world.message(execution_arn=SHARD))
        world.sweep()
        assert world.job().cancelling is None
        world.clock.advance(SETTLING.total_seconds())
        world.sweep()
        assert world.job().cancelling == "the execution that waited for it has ended"

    def test_an_end_that_was_marked_but_not_announced_is_announced(self, world):
        def lost(_news):
            raise TransientFailure("no connection")

        world.end("STOPPED")
        with pytest.raises(ReaperIncomplete):
            replace(world.reaper, publish=lost).sweep()
        assert world.run()["status"] == "STOPPED"
        assert world.cloud.published() == []
        world.sweep()
        assert [news["event"] for news in world.cloud.published()] == ["run-ended"]

    def test_jobs_of_a_shard_that_has_ended_are_stopped_though_the_run_goes_on(self, world):
        """A run's shards are executions of their own; the run's holder is their parent."""
        world.executions[SHARD] = Ended("TIMED_OUT")
        world.submit(world.message(execution_arn=SHARD))
        world.submit(world.message(unit=OTHER_UNIT, callback="callback2", execution_arn=FIRST))
        world.sweep()
        world.finish_stopping()
        world.sweep()
        assert world.job().error == "the execution that waited for it has ended"
        assert world.job().state is JobState.CANCELLED
        assert world.job(unit=OTHER_UNIT).cancelling is None
        assert world.run()["status"] == "RUNNING"

    def test_the_event_of_a_shard_stops_its_jobs_at_once(self, world):
        world.executions[SHARD] = Ended("STOPPED")
        world.submit(world.message(execution_arn=SHARD))
        world.submit(world.message(unit=OTHER_UNIT, callback="callback2", execution_arn=FIRST))
        world.reap("STOPPED", SHARD)
        assert world.job().state is JobState.CANCELLED
        assert world.job().error == "its execution was stopped"
        assert world.job(unit=OTHER_UNIT).state is JobState.SUBMITTED
        assert world.run()["status"] == "RUNNING"

    def test_jobs_of_a_living_run_go_on(self, world):
        world.submit()
        world.sweep()
        assert world.job().cancelling is None

    def test_a_job_that_the_next_attempt_may_still_adopt_goes_on(self, world):
        world.submit()
        world.end("TIMED_OUT")
        world.take_over()
        world.sweep()
        assert world.job().cancelling is None

    def test_the_runs_own_row_goes_to_the_warehouse_after_its_end(self, world):
        row = world.message(engine=Engine.REDSHIFT, unit=layout.RUN_UNIT, stage="record-run")
        world.cloud.put(layout.load_key(RUN_ID, layout.RUN_UNIT), '{"statements": ["SELECT 1"]}')
        world.cloud.ledger.update(RUN_ID, "RUN", {"status": "SUCCEEDED"})
        world.submit(row)
        world.sweep()
        assert world.record(row).cancelling is None
        world.end("STOPPED")
        world.sweep()
        assert world.redshift.statements[0]["Status"] == "ABORTED"

    def test_one_run_in_trouble_does_not_save_the_jobs_of_another(self, world):
        world.submit()
        world.cloud.ledger.update(RUN_ID, "RUN", {"status": "FAILED"})
        broken = {"active": "glue", "submitted_at": "2026-01-01T00:00:00Z"}
        world.cloud.ledger.update("run-0", "JOB#x", broken)
        with pytest.raises(ReaperIncomplete, match="run-0/JOB#x"):
            world.sweep()
        assert world.glue.runs[0]["JobRunState"] == "STOPPING"

    def test_runs_that_have_ended_are_not_checked_again(self, world):
        world.cloud.ledger.update(RUN_ID, "RUN", {"status": "SUCCEEDED"}, ("active",))
        world.executions.clear()
        asked = []
        executions = world.reaper.executions
        replace(world.reaper, executions=lambda arn: asked.append(arn) or executions(arn)).sweep()
        assert asked == []


def counted(capsys) -> dict[str, str]:
    """The function of every metric that was written by function."""
    lines = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    return {
        metric["Name"]: line["FunctionName"]
        for line in lines
        if "FunctionName" in line
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    }


class TestCounting:
    @pytest.mark.parametrize(
        ("status", "metric"),
        [
            ("STOPPED", "ExecutionsStopped"),
            ("TIMED_OUT", "ExecutionsTimedOut"),
            ("FAILED", "ExecutionsFailed"),
        ],
    )
    def test_an_execution_that_ended_badly_is_counted_by_its_function(
        self, world, capsys, status, metric
    ):
        world.end(status)
        world.reap(status)
        assert counted(capsys) == {metric: "long"}

    def test_one_whose_event_was_lost_is_counted_once(self, world, capsys):
        world.end("TIMED_OUT")
        world.sweep()
        assert counted(capsys) == {"ExecutionsTimedOut": "long"}
        world.sweep()
        assert counted(capsys) == {}

    def test_one_that_holds_no_run_is_counted_too(self, world, capsys):
        world.end("FAILED", arn=SHARD)
        world.reap("FAILED", SHARD)
        assert counted(capsys) == {"ExecutionsFailed": "long"}


class FakeExecutions:
    """The part of Lambda that describes executions."""

    def __init__(self, **response: object) -> None:
        self.response = response

    def get_durable_execution(
        self,
        DurableExecutionArn: str,  # noqa: N803
        IncludeExecutionData: bool,  # noqa: N803
    ) -> dict[str, object]:
        assert DurableExecutionArn == FIRST
        return {
            name: value
            for name, value in self.response.items()
            if IncludeExecutionData or name not in ("InputPayload", "Result", "Error")
        }


class TestHandler:
    def test_the_event_names_the_execution(self, world, clients, lambda_context):
        clients.use(
            "lambda", FakeExecutions(Status="STOPPED", Error={"ErrorMessage": "wrong input"})
        )
        detail = {"durableExecutionArn": FIRST, "status": "STOPPED"}
        event = {"detail-type": "Durable Execution Status Change", "detail": detail}
        reaper.handler(event, lambda_context)
        assert world.run()["status"] == "STOPPED"
        assert world.run()["reason"] == "its execution was stopped: wrong input"

    def test_the_schedule_makes_it_sweep(self, world, clients, lambda_context):
        clients.use("lambda", FakeExecutions(Status="RUNNING"))
        reaper.handler({"detail-type": "Scheduled Event"}, lambda_context)
        assert world.run()["status"] == "RUNNING"
