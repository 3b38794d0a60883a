"""The part of AWS Glue that runs Python shell and Spark jobs: every run really is a process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from local.local_cloud.events.service_events import OnEvent
from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.operations import JsonService
from local.local_cloud.http.paging import page, required
from local.local_cloud.http.services import ServiceError
from local.local_cloud.jobs.glue_jobs import JobDefinition, JobRun, RunState, ended_event
from local.local_cloud.jobs.glue_runner import RoleEnvironment, ScriptRunner
from local.local_cloud.jobs.retained_jobs import forget_oldest
from local.local_cloud.processes import JobProcess

LOGGER: Final = logging.getLogger(__name__)
_BAD_INPUT: Final = "InvalidInputException"


class GlueService(JsonService):
    """Jobs and their runs.

    A run's process gets an environment of its own (nothing of ours is inherited), a working
    directory of its own, and the job's arguments as Glue passes them. Its output goes to
    `<work_dir>/logs/<run id>.out` and `.err`, and to CloudWatch Logs before the run is seen to have
    ended. Each ended run goes to `on_event` as the EventBridge event `Glue Job State Change`.
    """

    service: ClassVar = "glue"
    target_prefix: ClassVar = "AWSGlue"

    def __init__(
        self,
        endpoint_url: str,
        work_dir: Path,
        on_event: OnEvent,
        environment: Mapping[str, str],
        *,
        role_environment: RoleEnvironment | None = None,
        clients: ServiceClients | None = None,
    ) -> None:
        """Make the service; `start` before use.

        Args:
            endpoint_url: where jobs, and the service itself, find AWS.
            work_dir: for scripts, working directories and logs.
            on_event: called with each event, from threads of the service.
            environment: variables of every job's process: credentials and the like.
            role_environment: more variables, by the job's role (its credentials).
            clients: how the service itself reaches S3 and CloudWatch Logs.
        """
        self._on_event = on_event
        self._clients = clients or ServiceClients(endpoint_url)
        self._runner = ScriptRunner(
            endpoint_url, work_dir, environment, role_environment, self._clients
        )
        self._lock = threading.RLock()
        self._jobs: dict[str, JobDefinition] = {}
        self._runs: dict[str, dict[str, JobRun]] = {}  # by job, then by run
        self._stopping = False
        super().__init__(
            {
                "StartJobRun": self._start_job_run,
                "GetJobRun": self._get_job_run,
                "GetJobRuns": self._get_job_runs,
                "BatchStopJobRun": self._batch_stop_job_run,
                "GetJob": self._get_job,
                "GetJobs": self._get_jobs,
                "ListJobs": self._list_jobs,
                "BatchGetJobs": self._batch_get_jobs,
            }
        )

    def start(self) -> None:
        """Make the directories."""
        self._runner.prepare()

    def stop(self) -> None:
        """Kill every running job and wait for the ends; no events are sent for them."""
        with self._lock:
            self._stopping = True
            runs = [run for runs in self._runs.values() for run in runs.values()]
            for run in runs:
                run.stop_requested = True
                if run.process is not None:
                    run.process.kill()
        for run in runs:
            if run.thread is not None:
                run.thread.join()
        self._runner.stop()
        self._clients.close()

    def define_job(self, name: str, properties: Mapping[str, Any]) -> list[str]:
        """Create or replace a job.

        Args:
            name: the job's name.
            properties: of AWS::Glue::Job in CloudFormation's terms, references resolved.

        Returns:
            What of the definition is not emulated, one sentence each.

        Raises:
            ServiceError: a command other than `pythonshell` and `glueetl`, or no script location.
        """
        job = JobDefinition.from_properties(name, properties)
        with self._lock:
            self._jobs[name] = job
            self._runs.setdefault(name, {})
        return list(job.warnings)

    # Jobs

    def _job(self, request: Mapping[str, Any]) -> JobDefinition:
        name = _need(request, "JobName")
        with self._lock:
            job = self._jobs.get(name)
        if job is None:
            raise ServiceError("EntityNotFoundException", f"Job {name} does not exist")
        return job

    def _get_job(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"Job": self._job(request).as_job()}

    def _get_jobs(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            jobs = [self._jobs[name] for name in sorted(self._jobs)]
        shown, token = page(jobs, [job.name for job in jobs], request, _BAD_INPUT)
        return {"Jobs": [job.as_job() for job in shown], **token}

    def _list_jobs(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("Tags"):
            raise ServiceError(_BAD_INPUT, "ListJobs by Tags is not emulated")
        with self._lock:
            names = sorted(self._jobs)
        shown, token = page(names, names, request, _BAD_INPUT)
        return {"JobNames": shown, **token}

    def _batch_get_jobs(self, request: dict[str, Any]) -> dict[str, Any]:
        names = list(_need(request, "JobNames"))
        with self._lock:
            found = [self._jobs[name].as_job() for name in names if name in self._jobs]
            return {"Jobs": found, "JobsNotFound": [n for n in names if n not in self._jobs]}

    # Runs

    def _start_job_run(self, request: dict[str, Any]) -> dict[str, Any]:
        job = self._job(request)
        if request.get("JobRunId"):
            raise ServiceError(_BAD_INPUT, "JobRunId (retry of a run) is not emulated")
        queuing = job.queuing and bool(request.get("JobRunQueuingEnabled"))
        with self._lock:
            if self._stopping:
                raise ServiceError("InternalServiceException", "the service is stopping", 500)
            full = self._running(job.name) >= job.max_concurrent_runs
            if full and not queuing:
                raise ServiceError(
                    "ConcurrentRunsExceededException", f"Concurrent runs exceeded for {job.name}"
                )
            run = JobRun(
                job=job,
                arguments={k: str(v) for k, v in (request.get("Arguments") or {}).items()},
                timeout_minutes=float(request.get("Timeout") or job.timeout_minutes),
                queuing=bool(request.get("JobRunQueuingEnabled")),
                state=RunState.WAITING if full else RunState.STARTING,
                detail="waiting for a place among the job's concurrent runs" if full else None,
            )
            self._runs[job.name][run.id] = run
            forget_oldest(self._runs[job.name], lambda one: one.state.ended)
            if not full:
                self._launch(run)
        return {"JobRunId": run.id}

    def _get_job_run(self, request: dict[str, Any]) -> dict[str, Any]:
        job = self._job(request)
        run_id = _need(request, "RunId")
        with self._lock:
            for run in self._runs[job.name].values():
                if run.id == run_id:
                    return {"JobRun": run.as_job_run()}
        raise ServiceError("EntityNotFoundException", f"Job run {run_id} of {job.name} not found")

    def _get_job_runs(self, request: dict[str, Any]) -> dict[str, Any]:
        job = self._job(request)
        with self._lock:
            runs = list(self._runs[job.name].values())[::-1]
            shown, token = page(runs, [run.id for run in runs], request, _BAD_INPUT)
            return {"JobRuns": [run.as_job_run() for run in shown], **token}

    def _batch_stop_job_run(self, request: dict[str, Any]) -> dict[str, Any]:
        name, ids = _need(request, "JobName"), list(_need(request, "JobRunIds"))
        stopped: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for run_id in ids:
            problem = self._stop_run(name, run_id)
            response: dict[str, Any] = {"JobName": name, "JobRunId": run_id}
            if problem is None:
                stopped.append(response)
            else:
                detail = {"ErrorCode": problem.code, "ErrorMessage": problem.message}
                errors.append({**response, "ErrorDetail": detail})
        return {"SuccessfulSubmissions": stopped, "Errors": errors}

    def _stop_run(self, name: str, run_id: str) -> ServiceError | None:
        """Ask one run to stop; returns why it cannot be stopped."""
        with self._lock:
            run = self._runs.get(name, {}).get(run_id)
            if run is None:
                return ServiceError("EntityNotFoundException", f"Job run {run_id} not found")
            if run.state.ended:
                return ServiceError(_BAD_INPUT, f"Job run {run_id} is already {run.state}")
            run.stop_requested = True
            waiting = run.state is RunState.WAITING
            if not waiting:
                self._change(run, RunState.STOPPING)
            if run.process is not None:
                run.process.stop()
        if waiting:
            self._finish(run, RunState.STOPPED)
        return None

    def _running(self, name: str) -> int:
        return sum(run.state.counts for run in self._runs[name].values())

    # The life of a run

    def _launch(self, run: JobRun) -> None:
        """Begin a run; the lock is held."""
        self._change(run, RunState.STARTING)
        run.detail = None
        name = f"glue-{run.id[:11]}"
        run.thread = threading.Thread(target=self._execute, args=(run,), name=name, daemon=True)
        run.thread.start()

    def _execute(self, run: JobRun) -> None:
        def begin(start: Callable[[], JobProcess]) -> JobProcess | None:
            with self._lock:
                if run.stop_requested:
                    return None
                run.process = start()
                run.began_on = time.time()
                self._change(run, RunState.RUNNING)
                return run.process

        state, error = self._runner.run(run, begin)
        if not self._stopping:
            self._runner.upload_logs(run)
        self._finish(run, state, error)

    def _finish(self, run: JobRun, state: RunState, error: str | None = None) -> None:
        with self._lock:
            run.error = error
            run.completed_on = time.time()
            run.process = None
            self._change(run, state)
            silent = self._stopping
            if not silent:
                self._launch_waiting(run.job)
        if not silent:
            self._report(run)

    def _launch_waiting(self, job: JobDefinition) -> None:
        """Give a free place to the run that waited longest; the lock is held."""
        for run in self._runs[job.name].values():
            if self._running(job.name) >= job.max_concurrent_runs:
                return
            if run.state is RunState.WAITING and not run.stop_requested:
                self._launch(run)

    def _change(self, run: JobRun, state: RunState) -> None:
        run.state = state
        run.modified_on = time.time()

    def _report(self, run: JobRun) -> None:
        try:
            self._on_event(ended_event(run))
        except Exception:  # events are best effort; the run has ended all the same
            LOGGER.exception("event of Glue job run %s was not delivered", run.id)


def _need(request: Mapping[str, Any], name: str) -> Any:
    return required(request, name, _BAD_INPUT)
