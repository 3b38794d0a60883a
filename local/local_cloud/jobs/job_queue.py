"""Jobs that wait for one of a number of places, run there as processes, and can be stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from local.local_cloud.http.services import ServiceError
from local.local_cloud.jobs.job_runner import Ended, JobRunner, Prepare, Result
from local.local_cloud.processes import JobProcess

LOGGER: Final = logging.getLogger(__name__)


class Phase(StrEnum):
    """Where a job is. Each service has words of its own for them."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    TIMED_OUT = "timed out"

    @property
    def ended(self) -> bool:
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.STOPPED, Phase.TIMED_OUT)

    @property
    def has_place(self) -> bool:
        return self in (Phase.STARTING, Phase.RUNNING, Phase.STOPPING)


@dataclass(eq=False)
class QueuedJob:
    """One job; its queue changes it under the lock.

    Attributes:
        prepare: makes its program.
        timeout_seconds: of the running program; None: it has none.
        began_at: when it got its place; times are epoch seconds.
        error: what went wrong.
        status: exit status of its program.
        ordered_stop: whether it was asked to stop.
    """

    id: str
    prepare: Prepare
    timeout_seconds: float | None = None
    phase: Phase = Phase.WAITING
    submitted_at: float = field(default_factory=time.time)
    changed_at: float = field(default_factory=time.time)
    began_at: float | None = None
    ended_at: float | None = None
    error: str | None = None
    status: int | None = None
    ordered_stop: bool = False
    process: JobProcess | None = None
    thread: threading.Thread | None = None


# Called with the phase that a job has entered, on the thread that changed it, without the lock.
OnPhase = Callable[[QueuedJob, Phase], None]


class JobQueue:
    """A cluster, application or instance: runs jobs in the order they came in."""

    def __init__(
        self,
        runner: JobRunner,
        lock: threading.RLock,
        *,
        places: int | None = 1,
        on_phase: OnPhase,
        keep_output: Callable[[QueuedJob], None] | None = None,
    ) -> None:
        """Make an empty queue.

        Args:
            runner: runs them.
            lock: guards the jobs of this and other queues.
            places: how many run at a time; None: all.
            on_phase: called with each phase.
            keep_output: puts a job's output where it belongs; before the job is seen to have
                ended.
        """
        self._runner = runner
        self._lock = lock
        self._places = places
        self._on_phase = on_phase
        self._keep_output = keep_output
        self._jobs: list[QueuedJob] = []  # those that have not ended
        self._threads: list[threading.Thread] = []
        self._stopping = False

    def __len__(self) -> int:
        """How many wait or run."""
        return len(self._jobs)

    @property
    def is_full(self) -> bool:
        """Whether the next job must wait."""
        return self._places is not None and len(self._jobs) >= self._places

    def submit(self, job: QueuedJob) -> None:
        """Take a job.

        Raises:
            ServiceError: the cloud is stopping.
        """
        with self._lock:
            if self._stopping:
                raise ServiceError("InternalServerException", "the service is stopping", 500)
        self._report(job, Phase.WAITING)
        with self._lock:
            if not job.phase.ended:  # by somebody who was notified of it
                self._jobs.append(job)
                self._launch_waiting()

    def stop_job(self, job: QueuedJob, *, at_once: bool = False) -> bool:
        """Ask a job to end; False: it already has.

        Args:
            job: of this queue.
            at_once: kill it, instead of asking it first.
        """
        with self._lock:
            if job.phase.ended:
                return False
            job.ordered_stop = True
            waiting = job.phase is Phase.WAITING
            if not waiting:
                self._enter(job, Phase.STOPPING)
            if job.process is not None:
                (job.process.kill if at_once else job.process.stop)()
        if waiting:
            self._finish(job, Ended(Result.STOPPED))
        else:
            self._report(job, Phase.STOPPING)
        return True

    def stop(self) -> None:
        """Kill what runs and wait for its end; nobody is notified."""
        with self._lock:
            self._stopping = True
            for job in self._jobs:
                job.ordered_stop = True
                if job.process is not None:
                    job.process.kill()
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _launch_waiting(self) -> None:
        """Give free places to those that wait longest; the lock is held."""
        for job in self._jobs:
            taken = sum(each.phase.has_place for each in self._jobs)
            if self._stopping or (self._places is not None and taken >= self._places):
                return
            if job.phase is Phase.WAITING and not job.ordered_stop:
                self._enter(job, Phase.STARTING)
                job.began_at = job.changed_at
                thread = threading.Thread(
                    target=self._execute, args=(job,), name=f"job-{job.id[:20]}", daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _execute(self, job: QueuedJob) -> None:
        def begin(start: Callable[[], JobProcess]) -> JobProcess | None:
            with self._lock:
                if job.ordered_stop:
                    return None
                job.process = start()
                self._enter(job, Phase.RUNNING)
            self._report(job, Phase.RUNNING)
            return job.process

        ended = self._runner.run(job.id, job.prepare, begin, job.timeout_seconds)
        if self._keep_output is not None and not self._stopping:
            self._keep_output(job)
        self._finish(job, ended)
        with self._lock:
            self._threads.remove(threading.current_thread())

    def _finish(self, job: QueuedJob, ended: Ended) -> None:
        with self._lock:
            if job.phase.ended:
                return
            self._enter(job, Phase(ended.result.value))
            job.error, job.status = ended.error, ended.status
            job.ended_at = job.changed_at
            job.process = None
            if job in self._jobs:
                self._jobs.remove(job)
            self._launch_waiting()
        self._report(job, job.phase)

    def _enter(self, job: QueuedJob, phase: Phase) -> None:
        job.phase = phase
        job.changed_at = time.time()

    def _report(self, job: QueuedJob, phase: Phase) -> None:
        if self._stopping:
            return
        try:
            self._on_phase(job, phase)
        except Exception:  # events are best effort
            LOGGER.exception("no notification that job %s is %s", job.id, phase)
