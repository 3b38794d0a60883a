"""Applications and job runs of EMR Serverless, and how the API and events describe them."""

from __future__ import annotations

import json
import secrets
import shlex
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from local.local_cloud.events.service_events import service_event
from local.local_cloud.http.refusals import not_emulated
from local.local_cloud.http.services import ACCOUNT_ID, REGION, ServiceError
from local.local_cloud.jobs.job_queue import JobQueue, Phase, QueuedJob

BAD_INPUT: Final = "ValidationException"
LOG_GROUP: Final = "/aws/emr-serverless"
RELEASE: Final = "emr-7.9.0"
_DEFAULT_TIMEOUT_MINUTES: Final = 720
_CREATOR: Final = f"arn:aws:iam::{ACCOUNT_ID}:root"
_ID_LETTERS: Final = string.ascii_lowercase + string.digits
_EMULATED: Final = frozenset(
    {"clientToken", "executionRoleArn", "jobDriver", "configurationOverrides", "tags"}
    | {"executionTimeoutMinutes", "name", "mode"}
)
_STATES: Final = {
    Phase.STARTING: "SCHEDULED",
    Phase.RUNNING: "RUNNING",
    Phase.STOPPING: "CANCELLING",
    Phase.SUCCEEDED: "SUCCESS",
    Phase.FAILED: "FAILED",
    Phase.STOPPED: "CANCELLED",
    Phase.TIMED_OUT: "CANCELLED",  # the service cancels what runs too long
}


@dataclass(frozen=True)
class RunRequest:
    """StartJobRun, as far as it is emulated.

    Attributes:
        submit_words: what would follow `spark-submit`.
        timeout_minutes: 0: none.
        driver, overrides: as they were given.
    """

    name: str | None
    role_arn: str
    submit_words: tuple[str, ...]
    timeout_minutes: int
    driver: Mapping[str, Any]
    overrides: Mapping[str, Any]
    tags: Mapping[str, str]
    token: str
    fingerprint: str

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> RunRequest:
        """Read a request's body.

        Raises:
            ServiceError: it is wrong, or asks for what is not emulated.
        """
        refused = sorted(set(request) - _EMULATED)
        if refused:
            raise not_emulated(f"{', '.join(refused)} of EMR Serverless StartJobRun")
        if request.get("mode", "BATCH") != "BATCH":
            raise not_emulated("streaming jobs of EMR Serverless")
        for name in ("clientToken", "executionRoleArn"):
            if not request.get(name):
                raise ServiceError(BAD_INPUT, f"{name} is required")
        driver = request.get("jobDriver") or {}
        spark = driver.get("sparkSubmit")
        if not spark:
            raise not_emulated("job drivers of EMR Serverless other than sparkSubmit")
        words = [
            *_words(spark.get("sparkSubmitParameters") or ""),
            str(spark.get("entryPoint") or ""),
            *(str(argument) for argument in spark.get("entryPointArguments") or ()),
        ]
        return cls(
            name=request.get("name"),
            role_arn=str(request["executionRoleArn"]),
            submit_words=tuple(words),
            timeout_minutes=int(request.get("executionTimeoutMinutes", _DEFAULT_TIMEOUT_MINUTES)),
            driver=driver,
            overrides=request.get("configurationOverrides") or {},
            tags=request.get("tags") or {},
            token=str(request["clientToken"]),
            fingerprint=json.dumps(request, sort_keys=True),
        )


@dataclass(eq=False)
class Run:
    """A job run; its job has the state.

    Attributes:
        queued: whether it had to wait for a place.
    """

    id: str
    application_id: str
    request: RunRequest
    job: QueuedJob
    queued: bool = False

    @property
    def arn(self) -> str:
        return f"{_application_arn(self.application_id)}/jobruns/{self.id}"

    def state_in(self, phase: Phase) -> str:
        """The service's word for a phase."""
        return _STATES.get(phase) or ("QUEUED" if self.queued else "SUBMITTED")

    @property
    def state(self) -> str:
        return self.state_in(self.job.phase)

    def summary(self) -> dict[str, Any]:
        """As ListJobRuns returns it."""
        return {"id": self.id, "type": "Spark", **self._shared()}

    def describe(self) -> dict[str, Any]:
        """As GetJobRun returns it."""
        job = self.job
        began, ended = job.began_at, job.ended_at
        shown: dict[str, Any] = {
            "jobRunId": self.id,
            **self._shared(),
            "jobDriver": self.request.driver,
            "configurationOverrides": self.request.overrides,
            "tags": self.request.tags,
            "executionTimeoutMinutes": self.request.timeout_minutes,
            "totalExecutionDurationSeconds": int((ended or time.time()) - began) if began else 0,
        }
        times = {"startedAt": began, "endedAt": ended}
        return shown | {name: at for name, at in times.items() if at is not None}

    def log_targets(self) -> list[tuple[str, str, str]]:
        """Where its output goes: `stdout` or `stderr`, and the URL of an object or a log stream.

        A stream is given as `<group>` and `<stream>`, an object as `""` and its URL.
        """
        path = f"applications/{self.application_id}/jobs/{self.id}/SPARK_DRIVER"
        monitoring = self.request.overrides.get("monitoringConfiguration") or {}
        targets = []
        url = (monitoring.get("s3MonitoringConfiguration") or {}).get("logUri")
        watch = monitoring.get("cloudWatchLoggingConfiguration") or {}
        for kind in ("stdout", "stderr"):
            if url:
                targets.append((kind, "", f"{str(url).rstrip('/')}/{path}/{kind}.gz"))
            if watch.get("enabled"):
                prefix = str(watch.get("logStreamNamePrefix") or "").rstrip("/")
                stream = f"{prefix}/{path}/{kind}".lstrip("/")
                targets.append((kind, str(watch.get("logGroupName") or LOG_GROUP), stream))
        return targets

    def _shared(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "applicationId": self.application_id,
            "arn": self.arn,
            "createdBy": _CREATOR,
            "createdAt": self.job.submitted_at,
            "updatedAt": self.job.changed_at,
            "executionRole": self.request.role_arn,
            "state": self.state,
            "stateDetails": self._details(),
            "releaseLabel": RELEASE,
            "mode": "BATCH",
            "attempt": 1,
        }
        return shown | ({"name": self.request.name} if self.request.name else {})

    def _details(self) -> str:
        if self.job.phase is Phase.TIMED_OUT:
            minutes = self.request.timeout_minutes
            return f"Job run was cancelled: it ran longer than its timeout of {minutes} minutes."
        if self.job.phase is Phase.FAILED:
            return f"Job failed, please check complete logs. {self.job.error}"[:256]
        return f"Job run is {self.state.lower()}."


@dataclass(eq=False)
class Application:
    """An application that takes job runs, and those it was given."""

    id: str
    name: str
    max_concurrent_runs: int
    queue: JobQueue
    runs: dict[str, Run] = field(default_factory=dict)
    by_token: dict[str, Run] = field(default_factory=dict)
    created_at: float = field(default_factory=time.time)

    def describe(self) -> dict[str, Any]:
        """As GetApplication returns it."""
        return {
            "applicationId": self.id,
            "name": self.name,
            "arn": _application_arn(self.id),
            "releaseLabel": RELEASE,
            "type": "Spark",
            "state": "STARTED",
            "createdAt": self.created_at,
            "updatedAt": self.created_at,
            "autoStartConfiguration": {"enabled": True},
            "schedulerConfiguration": {"maxConcurrentRuns": self.max_concurrent_runs},
        }


def new_run_id() -> str:
    """An id in EMR Serverless' form."""
    return "00" + "".join(secrets.choice(_ID_LETTERS) for _ in range(14))


def run_event(run: Run, phase: Phase, previous: str) -> dict[str, Any]:
    """`EMR Serverless Job Run State Change`, with the members that its documentation shows."""
    detail = {
        "jobRunId": run.id,
        "jobRunName": run.request.name or "",
        "applicationId": run.application_id,
        "arn": run.arn,
        "releaseLabel": RELEASE,
        "state": run.state_in(phase),
        "previousState": previous,
        "createdBy": _CREATOR,
        "createdAt": _iso(run.job.submitted_at),
        "updatedAt": _iso(run.job.changed_at),
    }
    return service_event("aws.emr-serverless", "EMR Serverless Job Run State Change", detail)


def _application_arn(application_id: str) -> str:
    return f"arn:aws:emr-serverless:{REGION}:{ACCOUNT_ID}:/applications/{application_id}"


def _words(parameters: str) -> list[str]:
    try:
        return shlex.split(parameters)
    except ValueError as error:
        raise ServiceError(BAD_INPUT, f"sparkSubmitParameters: {error}") from error


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
