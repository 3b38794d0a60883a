"""EMR Serverless: our token, few requests, errors by what to do."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from job_fakes import FakeClock
from serverless_fakes import APPLICATION, ROLE_ARN, FakeServerless

from contracts.errors import (
    NotFound,
    PipelineError,
)
from contracts.job import JobKey, JobState
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


def test_an_application_that_is_gone_hides_no_run_of_another(jobs, serverless):
    (known,) = submitted(jobs, 1)
    serverless.finish("FAILED", "ran out of memory")
    gone = job(7, "00gone")
    elsewhere = job(8, "00gone", target="00nowhere")
    responses = jobs.status_of_many([known, gone, elsewhere])
    assert responses[known.job_id].state is JobState.FAILED
    assert isinstance(responses[gone.job_id], NotFound)
    assert isinstance(responses[elsewhere.job_id], PipelineError)
