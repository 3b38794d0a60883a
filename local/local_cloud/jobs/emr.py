"""The part of Amazon EMR that runs Spark steps: every step really is a process."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from local.local_cloud.events.service_events import OnEvent
from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.operations import JsonService
from local.local_cloud.http.paging import page, required
from local.local_cloud.http.services import ServiceError
from local.local_cloud.jobs.emr_steps import (
    BAD_INPUT,
    INVALID_REQUEST,
    Cluster,
    Step,
    StepConfig,
    new_step_id,
    step_event,
)
from local.local_cloud.jobs.job_logs import put_log_object
from local.local_cloud.jobs.job_queue import JobQueue, Phase, QueuedJob
from local.local_cloud.jobs.job_runner import JobRunner
from local.local_cloud.jobs.retained_jobs import forget_oldest
from local.local_cloud.jobs.spark_submit import SparkSubmit

MOST_ACTIVE_STEPS: Final = 256
_MOST_IDS: Final = 10
_PAGE: Final = 50


class EmrService(JsonService):
    """Clusters and their steps.

    A cluster's steps run one after another, unless its concurrency is higher. Their output goes to
    `<work_dir>/logs` and, when they end, to S3 below the cluster's LogUri. Each change of a step
    is passed to `on_event` as `EMR Step Status Change`.
    """

    service: ClassVar = "elasticmapreduce"
    target_prefix: ClassVar = "ElasticMapReduce"

    def __init__(
        self,
        endpoint_url: str,
        work_dir: Path,
        on_event: OnEvent,
        environment: Mapping[str, str],
        *,
        clients: ServiceClients | None = None,
    ) -> None:
        """Make the service, without a cluster; `start` before use.

        Args:
            endpoint_url: where steps, and the service itself, find AWS.
            work_dir: for working directories and logs.
            on_event: called with each event, from threads of the service.
            environment: variables of every step's process: credentials and the like.
            clients: how the service itself reaches S3.
        """
        self._on_event = on_event
        self._clients = clients or ServiceClients(endpoint_url)
        self._runner = JobRunner(endpoint_url, work_dir, environment, self._clients)
        self._lock = threading.RLock()
        self._clusters: dict[str, Cluster] = {}
        super().__init__(
            {
                "AddJobFlowSteps": self._add_steps,
                "ListSteps": self._list_steps,
                "DescribeStep": self._describe_step,
                "CancelSteps": self._cancel_steps,
                "DescribeCluster": lambda request: {"Cluster": self._cluster(request).describe()},
                "ListClusters": self._list_clusters,
            }
        )

    def start(self) -> None:
        """Make the directories."""
        self._runner.prepare()

    def stop(self) -> None:
        """Kill every running step and wait for the ends; no events are sent for them."""
        for cluster in list(self._clusters.values()):
            cluster.queue.stop()
        self._clients.close()

    def add_cluster(self, cluster_id: str, name: str = "local", concurrency: int = 1) -> None:
        """Have a cluster that waits for steps.

        Args:
            cluster_id: `j-…`.
            name: for people.
            concurrency: how many steps run at a time (StepConcurrencyLevel).
        """

        def report(job: QueuedJob, phase: Phase) -> None:
            if phase is not Phase.STARTING:
                self._on_event(step_event(cluster, cluster.steps[job.id], phase))

        def keep_output(job: QueuedJob) -> None:
            for kind, file in zip(
                ("stdout", "stderr"), self._runner.log_files(job.id), strict=True
            ):
                put_log_object(self._clients, cluster.log_file(job.id, kind), file)

        queue = JobQueue(
            self._runner, self._lock, places=concurrency, on_phase=report, keep_output=keep_output
        )
        cluster = self._clusters[cluster_id] = Cluster(cluster_id, name, concurrency, queue)

    # Operations

    def _add_steps(self, request: dict[str, Any]) -> dict[str, Any]:
        cluster = self._clusters.get(str(required(request, "JobFlowId", BAD_INPUT)))
        if cluster is None:
            raise ServiceError(BAD_INPUT, "Specified job flow ID does not exist.")
        configs = [StepConfig.of(step) for step in required(request, "Steps", BAD_INPUT)]
        with self._lock:
            active = sum(not step.job.phase.ended for step in cluster.steps.values())
            if active + len(configs) > MOST_ACTIVE_STEPS:
                raise ServiceError(
                    BAD_INPUT,
                    "Maximum number of active steps(State = 'Running', 'Pending' or "
                    "'Cancel_Pending') for cluster exceeded.",
                )
            steps = [self._new_step(config) for config in configs]
            cluster.steps.update({step.id: step for step in steps})
            forget_oldest(cluster.steps, lambda step: step.job.phase.ended)
        for step in steps:
            cluster.queue.submit(step.job)
        return {"StepIds": [step.id for step in steps]}

    def _new_step(self, config: StepConfig) -> Step:
        step_id = new_step_id()
        job = QueuedJob(
            step_id,
            lambda directory: SparkSubmit.parse(config.submit_words).program(
                self._runner, directory
            ),
            config.timeout_seconds,
        )
        return Step(step_id, config.name, config.arguments, config.action_on_failure, job)

    def _list_steps(self, request: dict[str, Any]) -> dict[str, Any]:
        """Newest first; by ids or by states, or all."""
        cluster = self._cluster(request)
        ids, states = request.get("StepIds") or [], request.get("StepStates") or []
        if ids and states:
            raise ServiceError(INVALID_REQUEST, "Cannot specify both StepIds and StepStates.")
        if len(ids) > _MOST_IDS:
            raise ServiceError(
                INVALID_REQUEST, f"The maximum number of StepIds in one request is {_MOST_IDS}."
            )
        with self._lock:
            for step_id in ids:
                self._step(cluster, step_id)
            found = [
                step
                for step in reversed(cluster.steps.values())
                if (not ids or step.id in ids) and (not states or step.state in states)
            ]
            keys = [step.id for step in found]
            shown, marker = _marked_page(found, keys, request)
            return {"Steps": [step.describe(cluster) for step in shown], **marker}

    def _describe_step(self, request: dict[str, Any]) -> dict[str, Any]:
        cluster = self._cluster(request)
        with self._lock:
            step = self._step(cluster, str(required(request, "StepId", INVALID_REQUEST)))
            return {"Step": step.describe(cluster)}

    def _cancel_steps(self, request: dict[str, Any]) -> dict[str, Any]:
        cluster = self._cluster(request)
        ids = list(required(request, "StepIds", INVALID_REQUEST))
        kill = request.get("StepCancellationOption") == "TERMINATE_PROCESS"
        responses = []
        for step_id in ids:
            step = cluster.steps.get(step_id)
            if step is None:
                refusal = "The step does not exist."
            elif cluster.queue.stop_job(step.job, at_once=kill):
                responses.append({"StepId": step_id, "Status": "SUBMITTED"})
                continue
            else:
                refusal = f"The step is already {step.state} and cannot be cancelled."
            responses.append({"StepId": step_id, "Status": "FAILED", "Reason": refusal})
        return {"CancelStepsInfoList": responses}

    def _list_clusters(self, request: dict[str, Any]) -> dict[str, Any]:
        states = request.get("ClusterStates") or []
        summaries = [cluster.summary() for cluster in self._clusters.values()]
        return {"Clusters": [s for s in summaries if not states or s["Status"]["State"] in states]}

    def _cluster(self, request: Mapping[str, Any]) -> Cluster:
        cluster_id = str(required(request, "ClusterId", INVALID_REQUEST))
        if cluster_id not in self._clusters:
            raise ServiceError(INVALID_REQUEST, f"Cluster id '{cluster_id}' is not valid.")
        return self._clusters[cluster_id]

    def _step(self, cluster: Cluster, step_id: str) -> Step:
        if step_id not in cluster.steps:
            raise ServiceError(INVALID_REQUEST, f"Step id '{step_id}' is not valid.")
        return cluster.steps[step_id]


def _marked_page(
    items: Sequence[Step], keys: Sequence[str], request: Mapping[str, Any]
) -> tuple[Sequence[Step], dict[str, str]]:
    """A page of EMR, whose token is called Marker."""
    asked = {"NextToken": request.get("Marker"), "MaxResults": _PAGE}
    shown, token = page(items, keys, asked, INVALID_REQUEST)
    return shown, {"Marker": token["NextToken"]} if token else {}
