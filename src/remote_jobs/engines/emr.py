"""Amazon EMR on EC2: spark-submit as a step of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contracts.errors import PipelineError
from contracts.job import Engine
from remote_jobs.engines.base import JobRequest, RemoteJob, Response
from remote_jobs.engines.emr_steps import QUOTA, EmrSteps, step_command, step_name, step_pool


class EmrJobs:
    """Steps of one cluster; those of an earlier one are still checked."""

    engine = Engine.EMR
    recognises_repeats = False
    finds_others_jobs = True
    quota = QUOTA

    def __init__(self, client: Any, cluster: str, code_bucket: str) -> None:
        self._steps = EmrSteps(client, self.engine)
        self._cluster = cluster
        self._code_bucket = code_bucket

    def target(self, name: str | None) -> str:  # noqa: ARG002 - the cluster is the only place
        return self._cluster

    @staticmethod
    def pool(target: str) -> str:
        return step_pool(target)

    def capacity(self, target: str) -> int:
        return self._steps.capacity(target)

    def submit(self, request: JobRequest) -> str:
        command = step_command(request, self._code_bucket)
        return self._steps.add(request.job.target, step_name(request.job), command)

    def find(self, job: RemoteJob) -> str | None:
        return self._steps.find([job]).get(job.job_id)

    def status_of_many(self, jobs: Sequence[RemoteJob]) -> dict[str, Response]:
        return self._steps.status_of_many({job.known_id: job for job in jobs})

    def cancel_many(self, jobs: Sequence[RemoteJob]) -> dict[str, PipelineError]:
        return self._steps.cancel_many({job.known_id: job for job in jobs})

    def cancel(self, job: RemoteJob) -> bool:
        return self._steps.cancel(job.target, job.known_id)
