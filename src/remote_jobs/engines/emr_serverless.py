"""Amazon EMR Serverless: Spark job runs of one application."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, Final

from contracts.costs.usage import Amounts, Meter
from contracts.errors import NotConfigured, NotFound, PipelineError
from contracts.job import Engine, JobState
from remote_jobs.engines.base import (
    EngineStatus,
    JobRequest,
    RemoteJob,
    Response,
    by_target,
    each_cancelled,
    engine_errors,
    mapped,
    script_arguments,
    script_url,
)
from remote_jobs.engines.paging import look_up, pages
from runtime import clients
from runtime.handler import logger

STATES: Final[Mapping[str, JobState]] = {
    "SUBMITTED": JobState.SUBMITTED,
    "PENDING": JobState.SUBMITTED,
    "QUEUED": JobState.SUBMITTED,
    "SCHEDULED": JobState.SUBMITTED,
    "RUNNING": JobState.RUNNING,
    "CANCELLING": JobState.RUNNING,
    "SUCCESS": JobState.SUCCEEDED,
    "FAILED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
}
FULL: Final = frozenset(
    {"ServiceQuotaExceededException", "ApplicationMaxCapacityExceededException"}
)
TRANSIENT: Final = frozenset({"ConflictException"})  # the application is just starting or stopping
# Of an application that does not say it: the default of one that limits its runs (Amazon EMR
# Serverless API Reference, "SchedulerConfiguration").
RUNS_AT_ONCE: Final = 15
MS_PER_HOUR: Final = 3_600_000
RUNS_PER_PAGE: Final = 50  # the most ListJobRuns gives
PAGES_FOR_STATUS: Final = 8  # what is further back is asked for one by one


class EmrServerlessJobs:
    """Job runs of one application; those of an earlier one are still checked."""

    engine = Engine.EMR_SERVERLESS
    recognises_repeats = True
    finds_others_jobs = True
    quota = None
    submissions = None

    def __init__(self, client: Any, application: str, role_arn: str, code_bucket: str) -> None:
        self._client = client
        self._application = application
        self._role_arn = role_arn
        self._code_bucket = code_bucket

    def target(self, name: str | None) -> str:  # noqa: ARG002 - the application is the only place
        return self._application

    @staticmethod
    def pool(target: str) -> str:
        return f"{Engine.EMR_SERVERLESS}/{target}"

    def capacity(self, target: str) -> int:
        """The application's maxConcurrentRuns; without one, its vCPUs limit it, which no call
        says as a number of runs."""
        try:
            with _errors(f"asking how many job runs application {target} runs at once"):
                found = self._client.get_application(applicationId=target)["application"]
        except NotFound as error:
            raise NotConfigured(
                f"there is no EMR Serverless application {target}: {error}"
            ) from error
        scheduler = found.get("schedulerConfiguration", {})
        return int(scheduler.get("maxConcurrentRuns", RUNS_AT_ONCE))

    def submit(self, request: JobRequest) -> str:
        job = request.job
        spark: dict[str, Any] = {
            "entryPoint": script_url(request, self._code_bucket),
            "entryPointArguments": script_arguments(request.arguments),
        }
        if request.spark_arguments:
            spark["sparkSubmitParameters"] = shlex.join(request.spark_arguments)
        try:
            with _errors(f"starting job run {job.job_id} of application {job.target}"):
                response = self._client.start_job_run(
                    applicationId=job.target,
                    clientToken=job.client_token,
                    executionRoleArn=self._role_arn,
                    name=run_name(job),
                    executionTimeoutMinutes=math.ceil(request.timeout_seconds / 60),
                    jobDriver={"sparkSubmit": spark},
                    **_logs(request),
                )
        except NotFound as error:
            raise NotConfigured(
                f"there is no EMR Serverless application {job.target}; deploy with another"
                f" EmrServerlessApplicationId: {error}"
            ) from error
        return str(response["jobRunId"])

    def find(self, job: RemoteJob) -> str | None:
        for page in self._pages(job.target, [job]):
            for run in page:
                if run.get("name") == run_name(job):
                    return str(run["id"])
        return None

    def status_of_many(self, jobs: Sequence[RemoteJob]) -> dict[str, Response]:
        responses: dict[str, Response] = {}
        for application, wanted in by_target(jobs).items():
            responses |= self._status_in(application, wanted)
        return responses

    def cancel(self, job: RemoteJob) -> bool:
        run = self._run(job)  # an ended run is cancelled without a complaint
        if mapped(self.engine, STATES, run["state"]).ended:
            return False
        with _errors(f"cancelling job run {job.known_id} of application {job.target}"):
            self._client.cancel_job_run(applicationId=job.target, jobRunId=job.known_id)
        return True

    def cancel_many(self, jobs: Sequence[RemoteJob]) -> dict[str, PipelineError]:
        return each_cancelled(self.cancel, jobs)

    def _status_in(self, application: str, wanted: dict[str, RemoteJob]) -> dict[str, Response]:
        """States of the runs of one application, `wanted` by run id."""
        found = look_up(
            wanted,
            islice(self._pages(application, wanted.values()), PAGES_FOR_STATUS),
            lambda run: str(run["id"]),
            lambda run_id: self._run(wanted[run_id]),
        )
        return {
            wanted[run_id].job_id: run
            if isinstance(run, PipelineError)
            else self._status(self._with_utilization(wanted[run_id], run))
            for run_id, run in found.items()
        }

    def _with_utilization(self, job: RemoteJob, run: Mapping[str, Any]) -> Mapping[str, Any]:
        """An ended run as GetJobRun describes it: lists leave out what it has used."""
        if (
            "totalExecutionDurationSeconds" in run
            or not mapped(self.engine, STATES, run["state"]).ended
        ):
            return run
        try:
            return self._run(job)
        except PipelineError as error:  # that it has ended matters more than what it has used
            logger.warning("usage not known", extra={"job_id": job.job_id, "error": repr(error)})
            return run

    def _pages(self, application: str, jobs: Iterable[RemoteJob]) -> Iterator[list[dict[str, Any]]]:
        """Runs that are not older than the jobs."""
        return pages(
            self._client.list_job_runs,
            "jobRuns",
            "nextToken",
            lambda: _errors(f"listing job runs of application {application}"),
            applicationId=application,
            createdAtAfter=min(job.oldest for job in jobs),
            maxResults=RUNS_PER_PAGE,
        )

    def _run(self, job: RemoteJob) -> dict[str, Any]:
        with _errors(f"reading job run {job.known_id} of application {job.target}"):
            response = self._client.get_job_run(applicationId=job.target, jobRunId=job.known_id)
        run: dict[str, Any] = response["jobRun"]
        return run

    def _status(self, run: Mapping[str, Any]) -> EngineStatus:
        region = self._client.meta.region_name
        state = mapped(self.engine, STATES, run["state"])
        return EngineStatus(
            state=state,
            raw_state=run["state"],
            error=run.get("stateDetails") or None,
            console_url=(f"{clients.console(region)}/emr/home?region={region}#/serverless"),
            started_at=run.get("startedAt"),
            ended_at=run.get("updatedAt") if state.ended else None,
            usage=_usage(run) if state.ended else None,
        )


def _usage(run: Mapping[str, Any]) -> Amounts | None:
    """As it is billed; as it was used, where that is not settled yet."""
    used = run.get("billedResourceUtilization") or run.get("totalResourceUtilization")
    if not used:
        return None
    return {
        meter: round(used.get(name, 0) * MS_PER_HOUR)
        for name, meter in (
            ("vCPUHour", Meter.EMR_SERVERLESS_VCPU_MS),
            ("memoryGBHour", Meter.EMR_SERVERLESS_MEMORY_GB_MS),
            ("storageGBHour", Meter.EMR_SERVERLESS_STORAGE_GB_MS),
        )
    }


def run_name(job: RemoteJob) -> str:
    """What marks a run as the job's; at most 256 characters."""
    return f"{job.job_id} {job.key}"


def _logs(request: JobRequest) -> dict[str, Any]:
    """The run's logs go beside its output, where its role may write."""
    output = request.arguments.get("OUTPUT_URL")
    if not output:
        return {}
    monitoring = {"s3MonitoringConfiguration": {"logUri": f"{output}logs/"}}
    return {"configurationOverrides": {"monitoringConfiguration": monitoring}}


def _errors(doing: str) -> AbstractContextManager[None]:
    return engine_errors(doing, FULL, TRANSIENT)
