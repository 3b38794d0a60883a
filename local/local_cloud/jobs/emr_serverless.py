"""The part of EMR Serverless that runs Spark jobs: every job run really is a process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from local.local_cloud.events.service_events import OnEvent
from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.operations import served_by
from local.local_cloud.http.paging import page
from local.local_cloud.http.rest_routes import Request, decode
from local.local_cloud.http.services import HttpRequest, Response, ServiceError
from local.local_cloud.jobs.emr_serverless_runs import (
    BAD_INPUT,
    Application,
    Run,
    RunRequest,
    new_run_id,
    run_event,
)
from local.local_cloud.jobs.job_logs import put_log_object, put_log_stream
from local.local_cloud.jobs.job_queue import JobQueue, Phase, QueuedJob
from local.local_cloud.jobs.job_runner import JobRunner
from local.local_cloud.jobs.retained_jobs import forget_oldest
from local.local_cloud.jobs.spark_submit import SparkSubmit

_MISSING: Final = "ResourceNotFoundException"
_SERVICE: Final = "emr-serverless"
_PAGE: Final = 50
_DEFAULT_CONCURRENT_RUNS: Final = 15

Query = Mapping[str, Sequence[str]]


class EmrServerlessService:
    """Applications and their job runs (a `RestService`, signed for `emr-serverless`).

    Over the application's limit job runs are queued. Their output goes to `<work_dir>/logs` and,
    when they end, where their monitoring configuration says. Each change goes to `on_event` as
    `EMR Serverless Job Run State Change`.
    """

    def __init__(
        self,
        endpoint_url: str,
        work_dir: Path,
        on_event: OnEvent,
        environment: Mapping[str, str],
        *,
        role_environment: Callable[[str], Mapping[str, str]] | None = None,
        clients: ServiceClients | None = None,
    ) -> None:
        """Make the service, without an application; `start` before use.

        Args:
            endpoint_url: where job runs, and the service itself, find AWS.
            work_dir: for working directories and logs.
            on_event: called with each event, from threads of the service.
            environment: variables of every process: credentials and the like.
            role_environment: more variables, by the run's role (its credentials).
            clients: how the service itself reaches S3 and CloudWatch Logs.
        """
        self._calls: dict[str, Callable[[Request], dict[str, Any]]] = {
            "GetApplication": self._get_application,
            "StartJobRun": self._start_job_run,
            "ListJobRuns": self._list_job_runs,
            "GetJobRun": self._get_job_run,
            "CancelJobRun": self._cancel_job_run,
        }
        self._on_event = on_event
        self._role_environment = role_environment
        self._clients = clients or ServiceClients(endpoint_url)
        self._runner = JobRunner(endpoint_url, work_dir, environment, self._clients)
        self._lock = threading.RLock()
        self._applications: dict[str, Application] = {}

    def start(self) -> None:
        """Make the directories."""
        self._runner.prepare()

    def stop(self) -> None:
        """Kill every job run and wait for the ends; no events are sent for them."""
        for application in list(self._applications.values()):
            application.queue.stop()
        self._clients.close()

    def add_application(
        self,
        application_id: str,
        name: str = "local",
        max_concurrent_runs: int = _DEFAULT_CONCURRENT_RUNS,
    ) -> None:
        """Have an application that takes job runs."""
        last_states: dict[str, str] = {}

        def report(job: QueuedJob, phase: Phase) -> None:
            run = application.runs[job.id]
            if phase is Phase.STARTING:
                return
            state = run.state_in(phase)
            previous = last_states.get(job.id, state)
            last_states[job.id] = state
            self._on_event(run_event(run, phase, previous))
            if phase.ended:
                del last_states[job.id]

        queue = JobQueue(
            self._runner,
            self._lock,
            places=max_concurrent_runs,
            on_phase=report,
            keep_output=lambda job: self._keep_output(application.runs[job.id]),
        )
        application = Application(application_id, name, max_concurrent_runs, queue)
        self._applications[application_id] = application

    def handle(self, request: HttpRequest) -> Response:
        """The response to a request of the REST API.

        Raises:
            ServiceError: for the client.
        """
        asked = decode(_SERVICE, request)
        document = served_by(self._calls, _SERVICE, asked.operation)(asked)
        return Response(200, {"Content-Type": "application/json"}, json.dumps(document).encode())

    # Operations

    def _get_application(self, asked: Request) -> dict[str, Any]:
        return {"application": self._application(asked).describe()}

    def _start_job_run(self, asked: Request) -> dict[str, Any]:
        application = self._application(asked)
        request = RunRequest.of(_decoded(asked.body))
        with self._lock:
            earlier = application.by_token.get(request.token)
            if earlier is not None:
                if earlier.request.fingerprint != request.fingerprint:
                    raise ServiceError(
                        "ConflictException",
                        "the clientToken was used before with other parameters",
                        409,
                    )
                return _accepted(earlier)
            run = self._new_run(application, request)
            application.runs[run.id] = run
            forget_oldest(application.runs, lambda one: one.job.phase.ended)
            application.by_token[request.token] = run
        application.queue.submit(run.job)
        return _accepted(run)

    def _new_run(self, application: Application, request: RunRequest) -> Run:
        run_id = new_run_id()
        seconds = request.timeout_minutes * 60.0 or None
        job = QueuedJob(
            run_id,
            lambda directory: SparkSubmit.parse(request.submit_words).program(
                self._runner,
                directory,
                self._role_environment(request.role_arn) if self._role_environment else None,
            ),
            seconds,
        )
        return Run(run_id, application.id, request, job, queued=application.queue.is_full)

    def _list_job_runs(self, request: Request) -> dict[str, Any]:
        """Newest first."""
        query = request.query
        states = query.get("states") or []
        after, before = _moment(query, "createdAtAfter"), _moment(query, "createdAtBefore")
        asked = {
            "NextToken": "".join(query.get("nextToken", [])),
            "MaxResults": "".join(query.get("maxResults", [])),
        }
        with self._lock:
            application = self._application(request)
            found = [
                run
                for run in reversed(application.runs.values())
                if (not states or run.state in states)
                and (after is None or run.job.submitted_at >= after)
                and (before is None or run.job.submitted_at < before)
            ]
            shown, token = page(found, [run.id for run in found], asked, BAD_INPUT, _PAGE)
            response: dict[str, Any] = {"jobRuns": [run.summary() for run in shown]}
        return response | ({"nextToken": token["NextToken"]} if token else {})

    def _get_job_run(self, request: Request) -> dict[str, Any]:
        with self._lock:
            return {"jobRun": self._run(request).describe()}

    def _cancel_job_run(self, request: Request) -> dict[str, Any]:
        """Best effort: an ended job run stays as it is."""
        run = self._run(request)
        self._application(request).queue.stop_job(run.job)
        return {"applicationId": run.application_id, "jobRunId": run.id}

    # What is stored

    def _application(self, request: Request) -> Application:
        application_id = request.uri["applicationId"]
        application = self._applications.get(application_id)
        if application is None:
            raise ServiceError(_MISSING, f"Application {application_id} does not exist", 404)
        return application

    def _run(self, request: Request) -> Run:
        run_id = request.uri["jobRunId"]
        run = self._application(request).runs.get(run_id)
        if run is None:
            raise ServiceError(_MISSING, f"Job run {run_id} does not exist", 404)
        return run

    def _keep_output(self, run: Run) -> None:
        files = dict(zip(("stdout", "stderr"), self._runner.log_files(run.id), strict=True))
        for kind, group, place in run.log_targets():
            if group:
                put_log_stream(self._clients, group, place, files[kind])
            else:
                put_log_object(self._clients, place, files[kind])


def _accepted(run: Run) -> dict[str, Any]:
    return {"applicationId": run.application_id, "jobRunId": run.id, "arn": run.arn}


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        decoded = json.loads(body or b"{}")
    except ValueError as error:
        raise ServiceError(BAD_INPUT, f"not JSON: {error}") from error
    if not isinstance(decoded, dict):
        raise ServiceError(BAD_INPUT, "the body is not an object")
    return decoded


def _moment(query: Query, name: str) -> float | None:
    """A time among the query's parameters, as epoch seconds."""
    if name not in query:
        return None
    try:
        moment = datetime.fromisoformat(query[name][0].replace("Z", "+00:00"))
    except ValueError as error:
        raise ServiceError(BAD_INPUT, f"{name}: {error}") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
