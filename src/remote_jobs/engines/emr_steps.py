"""Steps of EMR clusters, as far as both ways to submit one share it.

AddJobFlowSteps takes no idempotency token, so every step carries its job's id and key as its name,
by which ListSteps finds it again. A step takes no timeout either: its command line begins with one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from contracts.costs.usage import Amounts, Meter
from contracts.errors import EngineFull, NotConfigured, NotFound, PipelineError, TransientFailure
from contracts.job import Engine, JobState
from remote_jobs.engines.base import (
    EngineStatus,
    JobRequest,
    Quota,
    RemoteJob,
    Response,
    mapped,
    script_arguments,
    script_url,
)
from remote_jobs.engines.paging import pages
from runtime import clients

STATES: Final[Mapping[str, JobState]] = {
    "PENDING": JobState.SUBMITTED,
    "RUNNING": JobState.RUNNING,
    "CANCEL_PENDING": JobState.RUNNING,
    "COMPLETED": JobState.SUCCEEDED,
    "CANCELLED": JobState.CANCELLED,
    "FAILED": JobState.FAILED,
    "INTERRUPTED": JobState.FAILED,  # the cluster went away under it
}
CANCEL_PENDING: Final = "CANCEL_PENDING"
ACTIVE: Final = ("PENDING", "RUNNING", CANCEL_PENDING)
ACTIVE_STEPS_AT_MOST: Final = 256
IDS_PER_REQUEST: Final = 10
CANCELLED_PER_REQUEST: Final = 256
# The pipeline cancels a step at its deadline; this ends one that nobody could cancel.
GRACE_SECONDS: Final = 60
KILL_AFTER_SECONDS: Final = 30
# EMR gives an account about one request every two seconds, and a few more at once. The rest of
# both is left to submissions, to check-job, and to whoever else uses the account.
QUOTA: Final = Quota("emr", burst=12, per_second=0.4, jobs_per_request=IDS_PER_REQUEST)
# Each operation has a quota of its own, also of the account: five AddJobFlowSteps at once, then one
# every two seconds (Amazon EMR Management Guide, "What are Amazon EMR Service Quotas").
SUBMISSIONS: Final = Quota("emr-submissions", burst=5, per_second=0.5, jobs_per_request=1)
# How refusals of one error code (ValidationException) differ.
FULL_MESSAGE: Final = "Maximum number of active steps"
NO_CLUSTER_MESSAGES: Final = (
    "job flow ID does not exist",
    "shutting down, terminated, or finished",
)
COMMAND_RUNNER: Final = "command-runner.jar"


def step_name(job: RemoteJob) -> str:
    """What marks a step as the job's; at most 256 characters."""
    return f"{job.job_id} {job.key}"


def step_pool(cluster: str) -> str:
    """The pool of a cluster's steps, whichever way they are submitted."""
    return f"{Engine.EMR}/{cluster}"


def step_command(request: JobRequest, code_bucket: str) -> list[str]:
    """The step's command line."""
    return [
        *timeout_words(request.timeout_seconds + GRACE_SECONDS),
        "spark-submit",
        *request.spark_arguments,
        script_url(request, code_bucket),
        *script_arguments(request.arguments),
    ]


def timeout_words(seconds: int) -> list[str]:
    """What ends the command that follows after so many seconds.

    In the foreground: in a process group of its own, it would be missed by whoever cancels the step
    by that of the step.
    """
    return ["timeout", "--foreground", f"--kill-after={KILL_AFTER_SECONDS}", str(seconds)]


class EmrSteps:
    """Looks at, and cancels, steps.

    Attributes:
        engine: for which engine; named in messages.
    """

    def __init__(self, client: Any, engine: Engine) -> None:
        self._client = client
        self.engine = engine

    def add(self, cluster: str, name: str, command: Sequence[str]) -> str:
        """Submit a step; returns its id."""
        step = {
            "Name": name,
            "ActionOnFailure": "CONTINUE",
            "HadoopJarStep": {"Jar": COMMAND_RUNNER, "Args": list(command)},
        }
        with _errors(f"adding a step to EMR cluster {cluster}"):
            response = self._client.add_job_flow_steps(JobFlowId=cluster, Steps=[step])
        return str(response["StepIds"][0])

    def capacity(self, cluster: str) -> int:
        """How many steps the cluster runs at once: StepConcurrencyLevel, 1 unless it was set."""
        try:
            with _errors(f"asking how many steps EMR cluster {cluster} runs at once"):
                found = self._client.describe_cluster(ClusterId=cluster)["Cluster"]
        except NotFound as error:
            raise NotConfigured(f"{error}; deploy with another EmrClusterId") from error
        return min(int(found.get("StepConcurrencyLevel", 1)), ACTIVE_STEPS_AT_MOST)

    def is_full(self, cluster: str) -> bool:
        """Whether the cluster has as many active steps as it may have."""
        count = 0
        for page in self._pages(cluster, StepStates=list(ACTIVE)):
            count += len(page)
            if count >= ACTIVE_STEPS_AT_MOST:
                return True
        return False

    def find(self, jobs: Sequence[RemoteJob]) -> dict[str, str]:
        """Step ids of those jobs of one cluster that have a step, by our job id."""
        wanted = {step_name(job): job.job_id for job in jobs}
        oldest = min(job.oldest for job in jobs)
        found: dict[str, str] = {}
        for page in self._pages(jobs[0].target):
            for step in page:
                if job_id := wanted.pop(step["Name"], None):
                    found[job_id] = str(step["Id"])
            created = [step["Status"]["Timeline"]["CreationDateTime"] for step in page]
            if not wanted or (created and max(created) < oldest):  # steps come newest first
                break
        return found

    def status_of_many(self, jobs: Mapping[str, RemoteJob]) -> dict[str, Response]:
        """State of jobs of any cluster, `jobs` by step id; responses by our job id."""
        by_cluster: dict[str, list[str]] = defaultdict(list)
        for step_id, job in jobs.items():
            by_cluster[job.target].append(step_id)
        responses: dict[str, Response] = {}
        for cluster, step_ids in by_cluster.items():
            for first in range(0, len(step_ids), IDS_PER_REQUEST):
                some = step_ids[first : first + IDS_PER_REQUEST]
                for step_id, response in self._status(cluster, some).items():
                    responses[jobs[step_id].job_id] = response
        return responses

    def cancel_many(self, jobs: Mapping[str, RemoteJob]) -> dict[str, PipelineError]:
        """Cancel those that have not ended, `jobs` by step id; errors by our job id."""
        by_cluster: dict[str, list[str]] = defaultdict(list)
        for step_id, job in jobs.items():
            by_cluster[job.target].append(step_id)
        errors: dict[str, PipelineError] = {}
        for cluster, step_ids in by_cluster.items():
            for first in range(0, len(step_ids), CANCELLED_PER_REQUEST):
                some = step_ids[first : first + CANCELLED_PER_REQUEST]
                for step_id, error in self._not_cancelled(cluster, some).items():
                    errors[jobs[step_id].job_id] = error
        return errors

    def _not_cancelled(self, cluster: str, step_ids: Sequence[str]) -> dict[str, PipelineError]:
        """Cancel steps of one cluster; why some neither are cancelled nor have ended."""
        try:
            results = self._cancel(cluster, step_ids)
        except PipelineError as error:
            return dict.fromkeys(step_ids, error)
        refused = {info["StepId"]: info for info in results if info["Status"] != "SUBMITTED"}
        errors: dict[str, PipelineError] = {}
        for first in range(0, len(refused), IDS_PER_REQUEST):
            some = list(refused)[first : first + IDS_PER_REQUEST]
            for step_id, status in self._status(cluster, some).items():
                if isinstance(status, PipelineError):
                    errors[step_id] = status
                elif not status.state.ended and status.raw_state != CANCEL_PENDING:
                    reason = refused[step_id].get("Reason")
                    errors[step_id] = TransientFailure(f"step {step_id} not cancelled: {reason}")
        return errors

    def _cancel(self, cluster: str, step_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Running steps by their processes; what EMR says of each."""
        with _errors(f"cancelling {', '.join(step_ids[:3])} of EMR cluster {cluster}"):
            response = self._client.cancel_steps(
                ClusterId=cluster,
                StepIds=list(step_ids),
                StepCancellationOption="TERMINATE_PROCESS",
            )
        results: list[dict[str, Any]] = response["CancelStepsInfoList"]
        return results

    def cancel(self, cluster: str, step_id: str) -> bool:
        """Cancel a step. False: it had ended before."""
        (info,) = self._cancel(cluster, [step_id])
        if info["Status"] == "SUBMITTED":
            return True
        status = self._status(cluster, [step_id])[step_id]
        if isinstance(status, PipelineError):
            raise status
        if status.state.ended:
            return False
        if status.raw_state == CANCEL_PENDING:  # it is being cancelled already
            return True
        raise TransientFailure(f"step {step_id} was not cancelled: {info.get('Reason')}")

    def _status(self, cluster: str, step_ids: Collection[str]) -> dict[str, Response]:
        """At most ten steps of one cluster, by step id."""
        try:
            pages = self._pages(cluster, StepIds=list(step_ids))
            steps = [step for page in pages for step in page]
        except NotFound as error:
            return self._without_the_unknown(cluster, step_ids, error)
        except PipelineError as error:
            return dict.fromkeys(step_ids, error)
        responses: dict[str, Response] = {
            step_id: NotFound(f"EMR cluster {cluster} does not know step {step_id}")
            for step_id in step_ids
        }
        return responses | {step["Id"]: self._status_of(cluster, step) for step in steps}

    def _without_the_unknown(
        self, cluster: str, step_ids: Collection[str], error: NotFound
    ) -> dict[str, Response]:
        """One unknown id has the whole request refused: the others are asked for again."""
        if len(step_ids) == 1:
            return dict.fromkeys(step_ids, error)
        unknown = {step_id for step_id in step_ids if step_id in str(error)}
        if not unknown:  # nobody says which; each is asked for alone by check-job
            return dict.fromkeys(step_ids, PipelineError(str(error)))
        rest = set(step_ids) - unknown
        responses: dict[str, Response] = dict.fromkeys(unknown, error)
        return responses | (self._status(cluster, rest) if rest else {})

    def _status_of(self, cluster: str, step: Mapping[str, Any]) -> EngineStatus:
        status = step["Status"]
        failure = status.get("FailureDetails", {})
        texts = (failure.get("Reason"), failure.get("Message"))
        reason = status.get("StateChangeReason", {}).get("Message")
        timeline = status.get("Timeline", {})
        begun, ended = timeline.get("StartDateTime"), timeline.get("EndDateTime")
        region = self._client.meta.region_name
        return EngineStatus(
            state=mapped(self.engine, STATES, status["State"]),
            raw_state=status["State"],
            error=": ".join(text for text in texts if text) or reason or None,
            log_url=failure.get("LogFile") or None,
            console_url=(
                f"{clients.console(region)}/emr/home?region={region}#/clusterDetails/{cluster}"
            ),
            started_at=begun,
            ended_at=ended,
            usage=_usage(begun, ended),
        )

    def _pages(self, cluster: str, **which: Any) -> Iterator[list[dict[str, Any]]]:
        return pages(
            self._client.list_steps,
            "Steps",
            "Marker",
            lambda: _errors(f"listing steps of EMR cluster {cluster}"),
            ClusterId=cluster,
            **which,
        )


def _usage(begun: datetime | None, ended: datetime | None) -> Amounts | None:
    """How long the step ran; what its cluster costs meanwhile, EMR does not say."""
    if begun is None or ended is None:
        return None
    return {Meter.EMR_MS: round((ended - begun) / timedelta(milliseconds=1))}


@contextmanager
def _errors(doing: str) -> Iterator[None]:
    """`aws.translated`; EMR's refusals differ by their messages only."""
    with clients.translated(doing):
        try:
            yield
        except ClientError as error:
            message = f"{doing}: {error}"
            if FULL_MESSAGE in message:
                raise EngineFull(message) from error
            if any(part in message for part in NO_CLUSTER_MESSAGES):
                raise NotConfigured(f"{message}; deploy with another EmrClusterId") from error
            if (
                clients.error_code(error) == "InvalidRequestException"
            ):  # "... id '...' is not valid"
                raise NotFound(message) from error
            raise
