"""AWS Glue: job runs.

StartJobRun takes no idempotency token, so every run carries its key as an argument, by which
GetJobRuns finds it again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

from contracts.costs.usage import Amounts, Meter
from contracts.errors import NotConfigured, NotFound, PipelineError, TransientFailure
from contracts.job import Engine, JobState
from remote_jobs.engines.base import (
    JOB_KEY_ARGUMENT,
    EngineStatus,
    JobRequest,
    RemoteJob,
    Response,
    by_target,
    each_cancelled,
    engine_errors,
    mapped,
)
from remote_jobs.engines.paging import look_up, pages
from runtime import clients

STATES: Final[Mapping[str, JobState]] = {
    "WAITING": JobState.SUBMITTED,
    "STARTING": JobState.SUBMITTED,
    "RUNNING": JobState.RUNNING,
    "STOPPING": JobState.RUNNING,
    "STOPPED": JobState.CANCELLED,
    "SUCCEEDED": JobState.SUCCEEDED,
    "FAILED": JobState.FAILED,
    "ERROR": JobState.FAILED,
    "EXPIRED": JobState.FAILED,  # waited too long for a place at Glue and never ran
    "TIMEOUT": JobState.TIMED_OUT,
}
FULL: Final = frozenset({"ConcurrentRunsExceededException", "ResourceNumberLimitExceededException"})
TRANSIENT: Final = frozenset({"InternalServiceException", "OperationTimeoutException"})
RUNS_PER_PAGE: Final = 200  # the most GetJobRuns gives
BILLED_SECONDS_AT_LEAST: Final = 60
PAGES_FOR_STATUS: Final = 5  # what is further back is asked for one by one


class GlueJobs:
    """Runs of the Glue jobs whose names start with this deployment's prefix."""

    engine = Engine.GLUE
    recognises_repeats = False
    finds_others_jobs = True
    quota = None
    submissions = None

    def __init__(self, client: Any, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    def target(self, name: str | None) -> str:
        if name is None:
            raise NotConfigured("a job on Glue needs glueJob, the name of the Glue job")
        return self._prefix + name

    @staticmethod
    def pool(target: str) -> str:
        return f"{Engine.GLUE}/{target}"

    def capacity(self, target: str) -> int:
        """MaxConcurrentRuns of the Glue job; 1 where its definition has none."""
        try:
            with _errors(f"asking how many runs Glue job {target} may have at once"):
                job = self._client.get_job(JobName=target)["Job"]
        except NotFound as error:
            raise NotConfigured(f"Glue job {target} is not deployed: {error}") from error
        return int(job.get("ExecutionProperty", {}).get("MaxConcurrentRuns", 1))

    def submit(self, request: JobRequest) -> str:
        job = request.job
        try:
            with _errors(f"starting Glue job {job.target}"):
                response = self._client.start_job_run(
                    JobName=job.target,
                    Arguments={f"--{name}": value for name, value in request.arguments.items()},
                    Timeout=math.ceil(request.timeout_seconds / 60),
                )
        except NotFound as error:
            raise NotConfigured(
                f"Glue job {job.target} is not deployed; deploy it or fix glueJob of stage"
                f" {job.key.stage} in the dataset's contract"
            ) from error
        return str(response["JobRunId"])

    def find(self, job: RemoteJob) -> str | None:
        try:
            for page in self._pages(job.target):
                # a run that waits for its turn has not started
                recent = [run for run in page if run.get("StartedOn", job.oldest) >= job.oldest]
                for run in recent:
                    if run.get("Arguments", {}).get(f"--{JOB_KEY_ARGUMENT}") == str(job.key):
                        return str(run["Id"])
                if page and not recent:  # runs come newest first
                    return None
        except NotFound:  # no such Glue job: submitting says so
            return None
        return None

    def status_of_many(self, jobs: Sequence[RemoteJob]) -> dict[str, Response]:
        responses: dict[str, Response] = {}
        for name, wanted in by_target(jobs).items():
            responses |= self._status_of_one_name(name, wanted)
        return responses

    def cancel(self, job: RemoteJob) -> bool:
        with _errors(f"stopping Glue run {job.known_id} of {job.target}"):
            response = self._client.batch_stop_job_run(JobName=job.target, JobRunIds=[job.known_id])
        if not response.get("Errors"):
            return True
        raw_state = self._run(job)["JobRunState"]  # raises NotFound where that was the reason
        state = mapped(self.engine, STATES, raw_state)
        if state.ended:
            return False
        if raw_state == "STOPPING" or raw_state not in STATES:  # nothing more to be done
            return True
        detail = response["Errors"][0].get("ErrorDetail", {})
        raise TransientFailure(f"Glue run {job.known_id} was not stopped: {detail}")

    def cancel_many(self, jobs: Sequence[RemoteJob]) -> dict[str, PipelineError]:
        return each_cancelled(self.cancel, jobs)

    def _status_of_one_name(self, name: str, wanted: dict[str, RemoteJob]) -> dict[str, Response]:
        """States of the runs of one Glue job, `wanted` by run id."""
        found = look_up(
            wanted,
            islice(self._pages_if_known(name), PAGES_FOR_STATUS),
            lambda run: str(run["Id"]),
            lambda run_id: self._run(wanted[run_id]),
        )
        return {
            wanted[run_id].job_id: run if isinstance(run, PipelineError) else self._status(run)
            for run_id, run in found.items()
        }

    def _pages_if_known(self, name: str) -> Iterator[list[dict[str, Any]]]:
        """None of a Glue job that is gone: its runs are read one by one."""
        with suppress(NotFound):
            yield from self._pages(name)

    def _pages(self, name: str) -> Iterator[list[dict[str, Any]]]:
        return pages(
            self._client.get_job_runs,
            "JobRuns",
            "NextToken",
            lambda: _errors(f"listing runs of Glue job {name}"),
            JobName=name,
            MaxResults=RUNS_PER_PAGE,
        )

    def _run(self, job: RemoteJob) -> dict[str, Any]:
        with _errors(f"reading Glue run {job.known_id} of {job.target}"):
            response = self._client.get_job_run(JobName=job.target, RunId=job.known_id)
        run: dict[str, Any] = response["JobRun"]
        return run

    def _status(self, run: Mapping[str, Any]) -> EngineStatus:
        raw_state = run["JobRunState"]
        return EngineStatus(
            state=mapped(self.engine, STATES, raw_state),
            raw_state=raw_state,
            error=run.get("ErrorMessage") or None,
            log_url=self._log_url(run),
            console_url=self._console_url(run),
            ended_at=run.get("CompletedOn"),
            usage=_usage(run),
        )

    def _console_url(self, run: Mapping[str, Any]) -> str:
        region = self._client.meta.region_name
        return (
            f"{clients.console(region)}/gluestudio/home?region={region}"
            f"#/job/{run['JobName']}/run/{run['Id']}"
        )

    def _log_url(self, run: Mapping[str, Any]) -> str | None:
        group = run.get("LogGroupName")
        if not group:
            return None
        region = self._client.meta.region_name
        # the console's fragment is percent-encoded twice, with $ for the second %
        name = quote(quote(f"{group.rstrip('/')}/output", safe=""), safe="").replace("%", "$")
        return (
            f"{clients.console(region)}/cloudwatch/home?region={region}"
            f"#logsV2:log-groups/log-group/{name}/log-events/{run['Id']}"
        )


def _usage(run: Mapping[str, Any]) -> Amounts | None:
    """DPUs times time: as Glue adds it up (auto scaling, Flex), else by the run's capacity.

    ExecutionTime leaves out the start-up, as the bill does; a run is billed a minute at least (AWS
    Glue pricing, "ETL jobs").
    """
    if run.get("CompletedOn") is None:
        return None
    meter = Meter.GLUE_FLEX_DPU_MS if run.get("ExecutionClass") == "FLEX" else Meter.GLUE_DPU_MS
    if "DPUSeconds" in run:
        return {meter: round(run["DPUSeconds"] * 1000)}
    if "ExecutionTime" not in run or "MaxCapacity" not in run:
        return None
    seconds = run["ExecutionTime"]
    billed = max(seconds, BILLED_SECONDS_AT_LEAST) if seconds else 0
    return {meter: round(billed * run["MaxCapacity"] * 1000)}


def _errors(doing: str) -> AbstractContextManager[None]:
    return engine_errors(doing, FULL, TRANSIENT)
