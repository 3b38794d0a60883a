"""The job ledger: who may change a job, and what is read back."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.errors import NotFound, PipelineError
from contracts.job import Engine, JobKey, JobState
from remote_jobs.engines.base import EngineStatus
from remote_jobs.ledger import JobLedger
from remote_jobs.record import JobRecord

NOW = datetime(2026, 11, 20, 8, 15, tzinfo=UTC)


@pytest.fixture
def jobs(cloud: Any) -> JobLedger:
    return JobLedger(cloud.ledger)


def key(attempt: int = 1, unit: str = "00000-000", stage: str = "clean") -> JobKey:
    return JobKey(run_id="r1", unit_id=unit, stage=stage, attempt=attempt)


def intent(of: JobKey | None = None, **more: Any) -> JobRecord:
    of = of or key()
    values: dict[str, Any] = {
        "key": of,
        "job_id": f"job-{of}",
        "engine": Engine.GLUE,
        "callback_id": "c1",
        "state": JobState.SUBMITTED,
        "target": "stack-clean",
        "submitted_at": NOW,
        "deadline": int(NOW.timestamp()) + 900,
        "timeout_seconds": 900,
        "output_url": "s3://data/out/",
        "input_url": "s3://in/1.csv",
        **more,
    }
    return JobRecord(**values)


def created(jobs: JobLedger, of: JobKey | None = None, **more: Any) -> JobRecord:
    done, record = jobs.create(intent(of, **more))
    assert done
    return record


def submitted(jobs: JobLedger, of: JobKey | None = None, **more: Any) -> JobRecord:
    return jobs.submitted(created(jobs, of, **more), "jr_1", NOW)


def end_of(record: JobRecord, state: str, error: str | None = None) -> JobRecord:
    return record.ended(EngineStatus(JobState(state), state, error), NOW)


class TestReading:
    def test_a_job_that_is_not_there_is_named(self, jobs: JobLedger) -> None:
        assert jobs.find(key()) is None
        with pytest.raises(NotFound, match="no job r1/00000-000/clean/1 in the ledger"):
            jobs.get(key())

    def test_an_adopted_job_is_found_under_its_new_key(self, jobs: JobLedger) -> None:
        first = created(jobs)
        jobs.adopt(key(11), first)
        assert jobs.get(key(11)) == first
        assert jobs.find(key(12)) is None

    def test_a_job_of_the_key_itself_goes_before_an_adopted_one(self, jobs: JobLedger) -> None:
        jobs.adopt(key(11), created(jobs))
        own = created(jobs, key(11))
        assert jobs.get(key(11)) == own

    def test_earlier_jobs_are_those_of_the_unit_and_stage_newest_first(
        self, jobs: JobLedger
    ) -> None:
        for attempt in (1, 2, 11, 21):
            created(jobs, key(attempt))
        created(jobs, key(1, stage="enrich"))
        created(jobs, key(1, unit="00000-001"))
        assert [record.key.attempt for record in jobs.earlier(key(11))] == [2, 1]
        assert jobs.earlier(key(1)) == []

    def test_of_a_run_are_those_that_have_not_ended(self, jobs: JobLedger) -> None:
        running = submitted(jobs)
        jobs.end(end_of(submitted(jobs, key(2)), "FAILED"), reported=False)
        jobs.end(end_of(submitted(jobs, key(3)), "FAILED"), reported=True)
        jobs.reported(submitted(jobs, key(4)))
        assert jobs.of_run("r1") == [running]
        assert [record.key.attempt for record in jobs.all_of_run("r1")] == [1, 2, 3, 4]
        assert jobs.of_run("r2") == []

    def test_what_is_no_job_among_the_active_is_named_and_the_others_come(
        self, cloud: Any, jobs: JobLedger
    ) -> None:
        cloud.ledger.put_if_absent(
            {"run_id": "r0", "item": "JOB#x", "active": "glue", "submitted_at": "2026-11-20"}
        )
        record = created(jobs)
        error, other = jobs.active(Engine.GLUE)
        assert other == record
        assert isinstance(error, PipelineError)
        assert str(error).startswith("r0/JOB#x in the ledger is not a job:")
        assert list(jobs.active(Engine.EMR)) == []


class TestWriting:
    def test_of_two_intents_of_a_key_the_first_is_its_job(self, jobs: JobLedger) -> None:
        first = created(jobs)
        assert jobs.create(intent(job_id="other")) == (False, first)
        assert jobs.create(first) == (True, first), "a repeated request of the same"

    def test_only_an_intent_can_be_claimed_and_only_as_it_was_seen(self, jobs: JobLedger) -> None:
        record = created(jobs)
        assert jobs.claim_submission(record, 100)
        assert not jobs.claim_submission(record, 101)
        claimed = jobs.get(key())
        assert claimed.submitting_until == 100
        assert jobs.claim_submission(claimed, 101)
        assert not jobs.claim_submission(replace(claimed, submitting_until=None), 102)
        known = jobs.submitted(jobs.get(key()), "jr_1", NOW)
        assert not jobs.claim_submission(known, 103)

    def test_a_submission_starts_the_jobs_clock(self, jobs: JobLedger) -> None:
        record = created(jobs, submitting_until=100)
        later = NOW + timedelta(seconds=60, microseconds=1)
        known = jobs.submitted(record, "jr_1", later)
        assert known == jobs.get(key())
        assert (known.service_id, known.submitting_until) == ("jr_1", None)
        assert known.deadline == int(NOW.timestamp()) + 60 + 1 + 900, "whole seconds, later"
        assert jobs.submitted(record, "jr_2", later) == known, "the first id stays"

    @pytest.mark.parametrize(("before", "after"), [(None, None), (100, int(NOW.timestamp()))])
    def test_a_refused_try_leaves_an_earlier_interrupted_one_to_be_looked_for(
        self, jobs: JobLedger, before: int | None, after: int | None
    ) -> None:
        record = created(jobs, submitting_until=before)
        assert jobs.claim_submission(record, 200)
        done, there = jobs.not_submitted(record, NOW, 200)
        assert (done, there.submitting_until) == (True, after)
        assert jobs.get(key()) == there

    def test_a_try_that_is_late_leaves_the_claim_of_the_next(self, jobs: JobLedger) -> None:
        record = created(jobs, submitting_until=100)
        assert jobs.claim_submission(record, 200)
        done, there = jobs.not_submitted(record, NOW, 100)
        assert (done, there.submitting_until) == (False, 200)

    def test_an_intent_is_given_up_only_while_nobody_submits_it(self, jobs: JobLedger) -> None:
        record = created(jobs)
        assert jobs.claim_submission(record, 100)
        done, there = jobs.give_up_intent(end_of(record, "CANCELLED", "why"))
        assert (done, there.state) == (False, JobState.SUBMITTED)
        done, there = jobs.give_up_intent(end_of(there, "CANCELLED", "why"))
        assert (done, there.state, there.error) == (True, JobState.CANCELLED, "why")
        assert (there.submitting_until, there.ended_at) == (None, NOW)

    def test_one_that_is_marked_keeps_the_first_reason(self, jobs: JobLedger) -> None:
        record = submitted(jobs)
        assert jobs.mark_for_cancellation(record, "first")
        assert jobs.mark_for_cancellation(jobs.get(key()), "second")
        assert jobs.get(key()).cancelling == "first"

    def test_one_that_has_ended_or_is_awaited_otherwise_is_not_marked(
        self, jobs: JobLedger
    ) -> None:
        record = submitted(jobs)
        assert jobs.await_by(record, "c2").callback_id == "c2"
        assert not jobs.mark_for_cancellation(record, "why")
        ended = jobs.end(end_of(jobs.get(key()), "SUCCEEDED"), reported=False)
        assert not jobs.mark_for_cancellation(ended, "why")
        assert jobs.get(key()).cancelling is None

    def test_a_job_that_is_being_stopped_is_not_taken_unless_it_has_succeeded(
        self, jobs: JobLedger
    ) -> None:
        record = submitted(jobs)
        assert jobs.take(record, "c2", "arn:two")
        assert jobs.take(record, "c2", None), "a repeat, which finds its own callback"
        taken = jobs.get(key())
        assert (taken.callback_id, taken.execution) == ("c2", "arn:two")
        assert not jobs.take(record, "c3", None), "the callback is another one by now"
        assert jobs.mark_for_cancellation(taken, "why")
        assert not jobs.take(taken, "c3", None)
        jobs.end(end_of(taken, "SUCCEEDED"), reported=False)
        assert jobs.take(taken, "c3", None)

    def test_an_end_counts_once_and_only_for_the_callback_that_waits(self, jobs: JobLedger) -> None:
        record = submitted(jobs)
        jobs.await_by(record, "c2")
        assert jobs.end(end_of(record, "FAILED", "x"), reported=False).state.ended is False
        first = jobs.end(end_of(record, "FAILED", "x"), reported=True)
        assert (first.state, first.error, first.active) == (JobState.FAILED, "x", False)
        assert jobs.end(end_of(record, "SUCCEEDED"), reported=True) == first

    def test_an_end_stays_active_until_its_own_callback_has_it(self, jobs: JobLedger) -> None:
        record = submitted(jobs)
        ended = jobs.end(end_of(record, "SUCCEEDED"), reported=False)
        assert ended.active
        jobs.reported(replace(ended, callback_id="c2"))
        assert jobs.get(key()).active
        jobs.reported(ended)
        assert not jobs.get(key()).active

    def test_what_an_engine_does_not_say_stays_as_it_was(self, jobs: JobLedger) -> None:
        record = submitted(jobs)
        links = {"log_url": "https://log", "console_url": "https://job"}
        seen = jobs.running(record, EngineStatus(JobState.RUNNING, "RUNNING", **links), NOW)
        assert (seen.state, seen.log_url, seen.console_url) == ("RUNNING", *links.values())
        again = jobs.running(
            record, EngineStatus(JobState.RUNNING, "RUNNING", log_url="other"), NOW
        )
        assert again == seen, "it runs already"
        ended = jobs.end(replace(end_of(record, "FAILED"), error=None), reported=False)
        assert (ended.log_url, ended.error) == ("https://log", None)
        jobs.store_log(replace(ended, log_tail="the end", log_url=None))
        stored = jobs.get(key())
        assert (stored.log_tail, stored.log_url) == ("the end", "https://log")

    def test_a_log_of_another_job_is_not_stored(self, jobs: JobLedger) -> None:
        record = submitted(jobs)
        jobs.store_log(replace(record, job_id="other", log_tail="x"))
        assert jobs.get(key()).log_tail is None

    @pytest.mark.parametrize("reported", [None, "jr_1"])
    def test_an_id_that_is_no_news_writes_nothing(
        self, jobs: JobLedger, reported: str | None
    ) -> None:
        record = replace(submitted(jobs), target="as it was read")
        assert jobs.known_as(record, reported) is record

    def test_a_better_id_replaces_the_one_that_was_read(self, jobs: JobLedger) -> None:
        record = submitted(jobs)
        assert jobs.known_as(record, "jr_1:step").service_id == "jr_1:step"
        assert jobs.known_as(record, "jr_9").service_id == "jr_1:step", "read too long ago"

    def test_the_callback_that_waits_already_is_not_written_again(self, jobs: JobLedger) -> None:
        record = submitted(jobs)
        assert jobs.await_by(record, "c1") is record

    def test_a_change_of_a_job_that_is_not_there_makes_none(self, jobs: JobLedger) -> None:
        with pytest.raises(NotFound, match="no job r1/00000-000/clean/1"):
            jobs.await_by(intent(), "c2")
        assert jobs.find(key()) is None


def test_a_first_claim_asks_that_nobody_has_claimed_it(cloud: Any, clients: Any) -> None:
    """By its absence, not by an empty value: an attribute of the type NULL is there.

    Amazon DynamoDB API Reference, "Condition": NULL and NOT_NULL.
    """
    table = Requests(cloud.client("dynamodb"))
    clients.use("dynamodb", table)
    jobs = JobLedger(cloud.ledger)
    record = created(jobs)

    assert jobs.claim_submission(record, 100)

    (request,) = table.updates
    names = request["ExpressionAttributeNames"]
    absent = [
        names.get(name, name)
        for name in re.findall(r"attribute_not_exists\((\S+)\)", request["ConditionExpression"])
    ]
    assert sorted(absent) == ["service_id", "submitting_until"]


class Requests:
    """The DynamoDB client, and the updates that were asked of it."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.updates: list[dict[str, Any]] = []

    def update_item(self, **request: Any) -> Any:
        self.updates.append(request)
        return self.client.update_item(**request)

    def __getattr__(self, operation: str) -> Any:
        return getattr(self.client, operation)
