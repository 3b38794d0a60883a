"""EMR Serverless: our token, few requests, errors by what to do."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from emr_fakes import refusal
from job_fakes import FakeClock, service_model
from serverless_fakes import APPLICATION, ROLE_ARN, FakeServerless

from contracts.errors import (
    EngineFull,
    NotConfigured,
    NotFound,
    PipelineError,
    Throttled,
    TransientFailure,
)
from contracts.job import JobKey, JobState
from remote_jobs.engines import emr_serverless
from remote_jobs.engines.base import JobRequest, RemoteJob
from remote_jobs.engines.emr_serverless import EmrServerlessJobs

CLOCK = FakeClock()


def job(number: int = 0, service_id: str | None = None, target: str = APPLICATION) -> RemoteJob:
    key = JobKey(run_id="r" * 40, unit_id=f"00000-{number:03d}", stage="s" * 31, attempt=1)
    return RemoteJob(f"20261120T081500Z-{number:08x}", key, target, CLOCK(), service_id)


def request(number: int = 0, **about: object) -> JobRequest:
    arguments = {"OUTPUT_URL": "s3://data/out/"}
    return replace(JobRequest(job(number), 901, arguments, script="jobs/a.py"), **about)


@pytest.fixture
def serverless() -> FakeServerless:
    return FakeServerless(CLOCK)


@pytest.fixture
def jobs(serverless: FakeServerless) -> EmrServerlessJobs:
    return EmrServerlessJobs(serverless, APPLICATION, ROLE_ARN, "code-bucket")


def submitted(jobs: EmrServerlessJobs, count: int) -> list[RemoteJob]:
    return [replace(job(n), service_id=jobs.submit(request(n))) for n in range(count)]


def test_a_run_has_our_token_its_timeout_and_logs_beside_its_output(jobs, serverless):
    options = ("--conf", "spark.x=1 2")
    first = jobs.submit(request(spark_arguments=options))
    assert jobs.submit(request(spark_arguments=options)) == first, "the token makes it the same"
    (run,) = serverless.runs
    assert run["name"] == f"{job().job_id} {job().key}"
    assert run["request"]["executionRoleArn"] == ROLE_ARN
    assert run["request"]["executionTimeoutMinutes"] == 16
    spark = run["request"]["jobDriver"]["sparkSubmit"]
    assert shlex.split(spark["sparkSubmitParameters"]) == list(options)
    logs = run["request"]["configurationOverrides"]["monitoringConfiguration"]
    assert logs == {"s3MonitoringConfiguration": {"logUri": "s3://data/out/logs/"}}


def test_without_options_there_are_none(jobs, serverless):
    jobs.submit(request(arguments={}))
    spark = serverless.runs[0]["request"]["jobDriver"]["sparkSubmit"]
    assert spark == {"entryPoint": "s3://code-bucket/jobs/a.py", "entryPointArguments": []}


def test_the_token_differs_by_job_and_fits():
    tokens = {emr_serverless.client_token(job(number)) for number in range(5)}
    tokens.add(emr_serverless.client_token(replace(job(), job_id="another")))
    assert len(tokens) == 6
    shape = service_model("emr-serverless").shape_for("ClientToken")
    assert {len(token) for token in tokens} == {shape.metadata["max"]}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ServiceQuotaExceededException", EngineFull),
        ("ApplicationMaxCapacityExceededException", EngineFull),
        ("ThrottlingException", Throttled),
        ("TooManyRequestsException", Throttled),
        ("ConflictException", TransientFailure),
        ("InternalServerException", TransientFailure),
        ("ValidationException", PipelineError),
        ("ResourceNotFoundException", NotConfigured),
    ],
)
def test_errors_say_what_to_do(jobs, serverless, code, expected):
    serverless.break_once("StartJobRun", refusal("StartJobRun", code, "no"))
    with pytest.raises(PipelineError, match=APPLICATION) as caught:
        jobs.submit(request())
    assert type(caught.value) is expected


def test_a_run_is_found_by_its_name_on_any_page():
    jobs = EmrServerlessJobs(FakeServerless(CLOCK, page=3), APPLICATION, ROLE_ARN, "code-bucket")
    known = submitted(jobs, 8)
    assert jobs.find(job(1)) == known[1].service_id
    assert jobs.find(job(99)) is None


def test_two_hundred_runs_cost_four_requests(jobs, serverless):
    known = submitted(jobs, 200)
    serverless.requests.clear()
    assert len(jobs.status_of_many(known)) == 200
    assert len(serverless.requests) == 4


def test_runs_far_back_are_asked_for_one_by_one():
    serverless = FakeServerless(CLOCK, page=1)
    jobs = EmrServerlessJobs(serverless, APPLICATION, ROLE_ARN, "code-bucket")
    known = submitted(jobs, emr_serverless.PAGES_FOR_STATUS + 1)
    answer = jobs.status_of_many(known[:1])[known[0].job_id]
    assert answer.state is JobState.SUBMITTED
    assert serverless.count("GetJobRun") == 1


def test_status_holds_an_answer_for_every_job(jobs, serverless):
    (known,) = submitted(jobs, 1)
    serverless.finish("FAILED", "ran out of memory")
    gone = job(7, "00gone")
    elsewhere = job(8, "00gone", target="00nowhere")
    answers = jobs.status_of_many([known, gone, elsewhere])
    assert (answers[known.job_id].state, answers[known.job_id].error) == (
        JobState.FAILED,
        "ran out of memory",
    )
    assert isinstance(answers[gone.job_id], NotFound)
    assert isinstance(answers[elsewhere.job_id], PipelineError)
    serverless.finish("HIBERNATING")
    assert jobs.status_of_many([known])[known.job_id].state is JobState.RUNNING


def test_cancelling_tells_whether_there_was_something_to_stop(jobs, serverless):
    (known,) = submitted(jobs, 1)
    assert jobs.cancel(known)
    assert serverless.runs[0]["state"] == "CANCELLING"
    serverless.finish("CANCELLED")
    assert not jobs.cancel(known)
    with pytest.raises(NotFound):
        jobs.cancel(job(7, "00gone"))
