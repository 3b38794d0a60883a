"""The pipeline's adapters of EMR against the local cloud's services: the words on the wire fit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from job_services import BUCKET, ENVIRONMENT, World, wait_until, world

from contracts.job import Engine, JobKey, JobState
from local.local_cloud.jobs.emr import EmrService
from local.local_cloud.jobs.emr_serverless import EmrServerlessService
from local.local_cloud.jobs.ssm import SsmService
from remote_jobs.engines.base import EngineStatus, JobRequest, RemoteJob, RemoteJobs
from remote_jobs.engines.emr import EmrJobs
from remote_jobs.engines.emr_serverless import EmrServerlessJobs
from remote_jobs.engines.emr_ssm import EmrSsmJobs

CLUSTER = "j-LOCAL1"
INSTANCE = "i-00000000000000001"
APPLICATION = "00local000000001"
ROLE = "arn:aws:iam::000000000000:role/emr"
ODD = 'it\'s "{{odd}}" $HOME'
SUCCEEDS = f"""
    import sys
    words = sys.argv[1:]
    sys.exit(0 if words[words.index("--QUERY") + 1] == {ODD!r} else "other words: " + str(words))
"""
ENGINES = (Engine.EMR, Engine.EMR_SSM, Engine.EMR_SERVERLESS)


class Engines:
    """One of each, and a job's way through it."""

    def __init__(self, around: World) -> None:
        self.around = around
        emr, ssm = around.client("emr"), around.client("ssm")
        serverless = around.client("emr-serverless")
        self.adapters: dict[Engine, RemoteJobs] = {
            Engine.EMR: EmrJobs(emr, CLUSTER, BUCKET),
            Engine.EMR_SSM: EmrSsmJobs(
                ssm, emr, instance=INSTANCE, cluster=CLUSTER, code_bucket=BUCKET
            ),
            Engine.EMR_SERVERLESS: EmrServerlessJobs(serverless, APPLICATION, ROLE, BUCKET),
        }

    def request(self, engine: Engine, source: str, number: int = 0) -> JobRequest:
        self.around.put_script(source)
        key = JobKey(run_id="run-1", unit_id=f"00000-{number:03d}", stage="enrich", attempt=1)
        target = self.adapters[engine].target(None)
        job = RemoteJob(f"20261120T081500Z-{number:08x}", key, target, datetime.now(UTC))
        arguments = {"QUERY": ODD, "OUTPUT_URL": f"s3://{BUCKET}/out/"}
        return JobRequest(job, 120, arguments, script="jobs/script.py")

    def submit(self, engine: Engine, source: str) -> RemoteJob:
        request = self.request(engine, source)
        return replace(request.job, service_id=self.adapters[engine].submit(request))

    def status(self, engine: Engine, job: RemoteJob) -> tuple[RemoteJob, EngineStatus]:
        response = self.adapters[engine].status_of_many([job])[job.job_id]
        assert isinstance(response, EngineStatus), response
        return replace(job, service_id=response.service_id or job.service_id), response

    def until(self, engine: Engine, job: RemoteJob, state: JobState) -> EngineStatus:
        deadline = time.monotonic() + 30
        while True:
            job, status = self.status(engine, job)
            if status.state is state:
                return status
            assert not status.state.ended, status
            assert time.monotonic() < deadline, status
            time.sleep(0.05)


@pytest.fixture
def engines(moto_endpoint: str, tmp_path: Path) -> Iterator[Engines]:
    with world(moto_endpoint) as around:
        url, events = around.front.url, around.events
        ssm = SsmService(url, tmp_path / "ssm", events, ENVIRONMENT)
        emr = EmrService(url, tmp_path / "emr", events, ENVIRONMENT)
        serverless = EmrServerlessService(url, tmp_path / "serverless", events, ENVIRONMENT)
        for each in (ssm, emr, serverless):
            each.start()
        around.front.add_json(ssm)
        around.front.add_json(emr)
        around.front.add_rest("emr-serverless", serverless)
        ssm.add_instance(INSTANCE)
        emr.add_cluster(CLUSTER)
        serverless.add_application(APPLICATION)
        try:
            yield Engines(around)
        finally:
            for service in (ssm, emr, serverless):
                service.stop()


@pytest.mark.cloud
@pytest.mark.parametrize("engine", ENGINES)
def test_a_job_is_submitted_found_and_seen_to_succeed(engines: Engines, engine: Engine) -> None:
    job = engines.submit(engine, SUCCEEDS)
    adapter = engines.adapters[engine]
    assert adapter.find(job) == job.service_id
    assert adapter.find(engines.request(engine, SUCCEEDS, 1).job) is None
    engines.until(engine, job, JobState.SUCCEEDED)


@pytest.mark.cloud
@pytest.mark.parametrize("engine", ENGINES)
def test_a_failure_is_seen_with_its_error(engines: Engines, engine: Engine) -> None:
    job = engines.submit(engine, "raise SystemExit('no such column')")
    status = engines.until(engine, job, JobState.FAILED)
    assert status.error
    assert status.console_url


@pytest.mark.cloud
@pytest.mark.parametrize("engine", ENGINES)
def test_a_job_is_cancelled_and_ends(engines: Engines, engine: Engine) -> None:
    job = engines.submit(engine, "import time; time.sleep(60)")
    wait_until(lambda: engines.status(engine, job)[1].raw_state not in ("Pending", "InProgress"))
    job, _ = engines.status(engine, job)
    assert engines.adapters[engine].cancel(job)
    engines.until(engine, job, JobState.CANCELLED)
    assert not engines.adapters[engine].cancel(job)
