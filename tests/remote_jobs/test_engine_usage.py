"""What the engines of jobs report that a job has used, as it is billed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from job_fakes import FakeClock, service_error
from serverless_fakes import APPLICATION, ROLE_ARN, FakeServerless

from contracts.costs.usage import Amounts, Meter
from contracts.job import Engine, JobKey, JobState
from remote_jobs.engines import emr_steps, glue, redshift
from remote_jobs.engines.base import EngineStatus, JobRequest, RemoteJob
from remote_jobs.engines.emr_serverless import EmrServerlessJobs
from remote_jobs.record import JobRecord

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
KEY = JobKey(run_id="r1", unit_id="00000-000", stage="clean", attempt=1)


@pytest.mark.parametrize(
    ("run", "usage"),
    [
        ({"ExecutionTime": 90, "MaxCapacity": 2.0}, {Meter.GLUE_DPU_MS: 180_000}),
        ({"ExecutionTime": 7, "MaxCapacity": 0.0625}, {Meter.GLUE_DPU_MS: 3750}),
        ({"ExecutionTime": 0, "MaxCapacity": 2.0}, {Meter.GLUE_DPU_MS: 0}),
        ({"DPUSeconds": 12.5, "MaxCapacity": 9.0}, {Meter.GLUE_DPU_MS: 12_500}),
        (
            {"DPUSeconds": 12.5, "ExecutionClass": "FLEX"},
            {Meter.GLUE_FLEX_DPU_MS: 12_500},
        ),
        ({"ExecutionTime": 90}, None),
        ({}, None),
    ],
)
def test_glue_bills_dpus_by_the_second_and_a_minute_at_least(
    run: dict[str, Any], usage: Amounts | None
) -> None:
    assert glue._usage({"CompletedOn": NOW, **run}) == usage


def test_a_glue_run_that_goes_on_has_no_usage_yet() -> None:
    assert glue._usage({"ExecutionTime": 90, "MaxCapacity": 2.0}) is None


def test_a_step_on_emr_reports_how_long_it_ran() -> None:
    assert emr_steps._usage(NOW, NOW + timedelta(seconds=2.5)) == {Meter.EMR_MS: 2500}
    assert emr_steps._usage(NOW, None) is None


@pytest.mark.parametrize(
    ("cluster", "meter"), [("", Meter.REDSHIFT_MS), ("c1", Meter.REDSHIFT_CLUSTER_MS)]
)
def test_redshift_reports_how_long_a_load_ran(cluster: str, meter: Meter) -> None:
    warehouse = redshift.Warehouse(cluster, "" if cluster else "w", "dev", "")
    jobs = redshift.RedshiftJobs(None, warehouse)
    assert jobs._usage({"Duration": 1_500_000_000}) == {meter: 1500}


@pytest.fixture
def serverless() -> FakeServerless:
    return FakeServerless(FakeClock())


def ended_job(serverless: FakeServerless, **described: Any) -> tuple[EmrServerlessJobs, RemoteJob]:
    jobs = EmrServerlessJobs(serverless, APPLICATION, ROLE_ARN, "code-bucket")
    job = RemoteJob("job-1", KEY, APPLICATION, FakeClock()(), None)
    service_id = jobs.submit(JobRequest(job, 900, {"OUTPUT_URL": "s3://d/o/"}, script="a.py"))
    serverless.runs[0] |= {"state": "SUCCESS", **described}
    return jobs, RemoteJob("job-1", KEY, APPLICATION, FakeClock()(), service_id)


@pytest.mark.parametrize("name", ["billedResourceUtilization", "totalResourceUtilization"])
def test_emr_serverless_says_what_is_billed_or_what_was_used(
    serverless: FakeServerless, name: str
) -> None:
    used = {"vCPUHour": 0.5, "memoryGBHour": 2.0, "storageGBHour": 0.25}
    jobs, job = ended_job(serverless, **{name: used})
    status = jobs.status_of_many([job])["job-1"]
    assert isinstance(status, EngineStatus)
    assert status.usage == {
        Meter.EMR_SERVERLESS_VCPU_MS: 1_800_000,
        Meter.EMR_SERVERLESS_MEMORY_GB_MS: 7_200_000,
        Meter.EMR_SERVERLESS_STORAGE_GB_MS: 900_000,
    }


def test_an_end_is_reported_though_its_usage_cannot_be_read(
    serverless: FakeServerless, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, job = ended_job(serverless)

    def refused(**_: Any) -> Any:
        raise service_error("GetJobRun", "AccessDeniedException", 403)

    monkeypatch.setattr(serverless, "get_job_run", refused)
    status = jobs.status_of_many([job])["job-1"]
    assert isinstance(status, EngineStatus)
    assert (status.state, status.usage) == (JobState.SUCCEEDED, None)


def test_the_jobs_record_and_its_report_have_it() -> None:
    record = JobRecord(
        key=KEY,
        job_id="job-1",
        engine=Engine.GLUE,
        callback_id="c",
        state=JobState.RUNNING,
        target="clean",
        submitted_at=NOW,
        deadline=int(NOW.timestamp()) + 900,
        timeout_seconds=900,
        output_url="s3://d/o/",
        input_url="s3://d/i",
        service_id="jr_1",
    )
    ended = record.ended(
        EngineStatus(JobState.SUCCEEDED, "SUCCEEDED", usage={"glue-dpu-ms": 5}), NOW
    )
    assert ended.status(NOW).usage == {"glue-dpu-ms": 5}
    assert JobRecord.from_item(ended.to_item()).usage == {"glue-dpu-ms": 5}
    assert record.status(NOW).usage is None
