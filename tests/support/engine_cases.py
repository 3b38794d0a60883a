"""Every engine's adapter over its service's fake, handled alike: what the engine contract is
tested with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from emr_fakes import CLUSTER, INSTANCE, FakeEmr, FakeSsm
from job_fakes import FakeClock, FakeGlue, FakeRedshift
from serverless_fakes import APPLICATION, ROLE_ARN, FakeServerless

from contracts.job import Engine, JobKey
from remote_jobs.engines import emr_serverless, glue, redshift, ssm_commands
from remote_jobs.engines.base import JobRequest, RemoteJob, RemoteJobs, Response
from remote_jobs.engines.emr import EmrJobs
from remote_jobs.engines.emr_ssm import EmrSsmJobs

CLOCK = FakeClock()


class EngineCase:
    """One engine.

    Attributes:
        jobs: the adapter.
        service: the fake that takes submissions; `asked` the one that knows the jobs' states.
        place: what errors name.
        submitting, asking: operations.
        unknown: an id that the service does not know.
        failed: the engine's word for a job that failed; `reported` how it words the error.
        many: so many jobs, and the requests that their states cost.
        pages_for_status: how many pages of a list are read; 0: there is no such list.
        pool: the name of its target's pool.
        sizing: the operation that says the capacity; None: none is asked.
        capacities: what the service says, and the capacity that this means.
    """

    engine: ClassVar[Engine]
    target: ClassVar[str]
    place: ClassVar[str]
    submitting: ClassVar[str]
    asking: ClassVar[str]
    unknown: ClassVar[str]
    failed: ClassVar = "FAILED"
    reported: ClassVar = "{}"
    many: ClassVar[tuple[int, int]]
    pages_for_status: ClassVar = 0
    pool: ClassVar[str]
    sizing: ClassVar[str | None]
    capacities: ClassVar[tuple[tuple[Any, int], ...]]
    jobs: RemoteJobs
    service: Any

    @property
    def asked(self) -> Any:
        return self.service

    @property
    def sized_by(self) -> Any:
        """The fake that says the capacity."""
        return self.service

    def job(self, number: int = 0, service_id: str | None = None) -> RemoteJob:
        key = JobKey(run_id="r" * 40, unit_id=f"00000-{number:03d}", stage="s" * 31, attempt=1)
        job_id = f"20261120T081500Z-{number:08x}"
        return RemoteJob(job_id, key, self.target, CLOCK(), service_id)

    def request(self, number: int = 0, **about: Any) -> JobRequest:
        job = self.job(number)
        whole = JobRequest(
            job,
            900,
            {"JOB_ID": job.job_id, "JOB_KEY": str(job.key)},
            script="jobs/a.py",
            statements=("INSERT INTO t SELECT 1",),
        )
        return replace(whole, **about)

    def submitted(self, count: int = 1) -> list[RemoteJob]:
        """So many jobs, submitted; the service's notes of it are forgotten."""
        requests = [self.request(number) for number in range(count)]
        made = [replace(one.job, service_id=self.jobs.submit(one)) for one in requests]
        self.asked.requests.clear()
        return made

    def status(self, job: RemoteJob) -> Response:
        return self.jobs.status_of_many([job])[job.job_id]

    def resize(self, capacity: Any) -> None:
        """The service says this of its capacity from now on."""
        raise NotImplementedError

    def finish(self, state: str, error: str | None = None) -> None:
        """The job that was submitted last comes to this state."""
        self.service.finish(state, error)


class GlueCase(EngineCase):
    engine, target, place = Engine.GLUE, "stack-clean", "stack-clean"
    submitting, asking, unknown = "StartJobRun", "GetJobRuns", "jr_gone"
    many, pages_for_status = (200, 1), glue.PAGES_FOR_STATUS
    pool, sizing = "glue/stack-clean", "GetJob"
    capacities = (({"MaxConcurrentRuns": 7}, 7), ({}, 1), (None, 1))

    def __init__(self, page: int = 200) -> None:
        self.service = FakeGlue(CLOCK, "stack-clean", "stack-other", page=page)
        self.jobs = glue.GlueJobs(self.service, "stack-")

    def resize(self, capacity: Any) -> None:
        said = {} if capacity is None else {"ExecutionProperty": capacity}
        self.service.definition = said


class RedshiftCase(EngineCase):
    engine, target, place = Engine.REDSHIFT, "analytics", "analytics"
    submitting, asking = "BatchExecuteStatement", "DescribeStatement"
    unknown = "00000000-0000-0000-0000-000000000000"
    many = (3, 3)
    pool, sizing, capacities = "redshift", None, ((None, 1),)

    def __init__(self, page: int = 100) -> None:
        del page  # its list is not read for states
        warehouse = redshift.Warehouse("", "analytics", "dev", "")
        self.service = FakeRedshift(CLOCK)
        self.jobs = redshift.RedshiftJobs(self.service, warehouse)

    def resize(self, capacity: Any) -> None:
        assert capacity is None, "a warehouse says nothing"


class EmrCase(EngineCase):
    engine, target, place = Engine.EMR, CLUSTER, CLUSTER
    submitting, asking, unknown = "AddJobFlowSteps", "ListSteps", "s-GONE"
    reported: ClassVar = "Error.: {}"
    many = (35, 4)
    pool, sizing = f"emr/{CLUSTER}", "DescribeCluster"
    capacities = ((10, 10), (None, 1), (1000, 256))

    def __init__(self, page: int = 50) -> None:
        self.service = FakeEmr(CLOCK, CLUSTER, "j-OTHER", page=page)
        self.jobs = EmrJobs(self.service, CLUSTER, "code-bucket")

    def resize(self, capacity: Any) -> None:
        self.service.concurrency = capacity


class EmrServerlessCase(EngineCase):
    engine, target, place = Engine.EMR_SERVERLESS, APPLICATION, APPLICATION
    submitting, asking, unknown = "StartJobRun", "ListJobRuns", "00gone"
    many, pages_for_status = (200, 4), emr_serverless.PAGES_FOR_STATUS
    pool, sizing = f"emr-serverless/{APPLICATION}", "GetApplication"
    capacities = (({"maxConcurrentRuns": 4}, 4), ({"queueTimeoutMinutes": 60}, 15), ({}, 15))

    def __init__(self, page: int = 50) -> None:
        self.service = FakeServerless(CLOCK, page=page)
        self.jobs = emr_serverless.EmrServerlessJobs(
            self.service, APPLICATION, ROLE_ARN, "code-bucket"
        )

    def resize(self, capacity: Any) -> None:
        self.service.scheduler = capacity


class EmrSsmCase(EngineCase):
    engine, target, place = Engine.EMR_SSM, CLUSTER, INSTANCE
    submitting, asking = "SendCommand", "ListCommandInvocations"
    unknown = "00000000-0000-0000-0000-000000000000"
    reported: ClassVar = "Error.: {}"
    many, pages_for_status = (100, 2), ssm_commands.PAGES_FOR_STATUS
    pool, sizing, capacities = EmrCase.pool, EmrCase.sizing, EmrCase.capacities

    def __init__(self, page: int = 50) -> None:
        self.emr = FakeEmr(CLOCK)
        self.service = FakeSsm(CLOCK, self.emr, page=page)
        self.jobs = EmrSsmJobs(
            self.service,
            self.emr,
            instance=INSTANCE,
            cluster=CLUSTER,
            code_bucket="code-bucket",
            stopwatch=lambda: 0.0,
            clock=CLOCK,
        )

    @property
    def sized_by(self) -> Any:
        return self.emr

    def resize(self, capacity: Any) -> None:
        self.emr.concurrency = capacity

    def finish(self, state: str, error: str | None = None) -> None:
        self.service.run()
        self.emr.finish(state, error)


CASES = (GlueCase, RedshiftCase, EmrCase, EmrServerlessCase, EmrSsmCase)
