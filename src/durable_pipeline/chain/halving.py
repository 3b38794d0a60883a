"""Which objects of a unit make a job fail: jobs of its halves, down to single objects, show it.

A failed job of several objects says nothing about each. So the same job runs over each half of
them; a half that succeeds goes on along the chain, and one that fails is halved again. One bad
object of n costs at most 2 log2(n) further jobs of its stage, rounded up; together they are bounded
(JOBS_OF_PARTS), since a job may fail for what has nothing to do with its objects. Every decision is
taken by what operations have returned, so a replay takes the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from contracts.job import ErrorCode, JobStatus
from contracts.messages import LoadedJob, PartOutput
from contracts.messages.operations import JOBS_OF_PARTS, OF_A_JOB
from contracts.source.object_totals import FAILED_OBJECT_CHARACTERS
from contracts.source.unit_part import UnitPart
from contracts.steps import Steps
from durable_pipeline.operations import Operations
from durable_pipeline.steps import StageFailed

FAILED: Final = "JobFailed"


class PartJob(Protocol):
    """Runs a job of the chain over a part of the unit."""

    def __call__(
        self, of_chain: LoadedJob, part: UnitPart, input_url: str | None, attempts: int
    ) -> JobStatus:
        """Returns its end.

        Raises:
            StageFailed: it did not succeed.
        """


def may_be_halved(failed: StageFailed) -> bool:
    """Whether fewer objects may do: the job ran over several, and its end was a failure.

    One that ran out of time is not tried again, halved or whole. What was never submitted, or whose
    function Lambda refused to invoke, has not seen an object.
    """
    return of_its_input(failed) and failed.job is not None and (failed.job.objects or 0) > 1


def of_its_input(failed: StageFailed) -> bool:
    """Whether an object may be the reason of a failure of a job."""
    job = failed.job
    if failed.error_type != FAILED or job is None:
        return False
    if job.error_code == ErrorCode.NOT_INVOKED:
        return False
    return job.engine.invoked or job.service_id is not None


@dataclass
class Halving:
    """The jobs of the parts of one unit.

    Attributes:
        jobs: the chain.
        tries: how many tries of jobs have ended by now, whoever tried them.
        outputs: of the parts that are through, in the order of their objects.
    """

    jobs: Sequence[LoadedJob]
    run: PartJob
    tries: Callable[[], int]
    operations: Operations
    outputs: list[PartOutput] = field(default_factory=list)
    _failures: list[StageFailed] = field(default_factory=list)

    def isolate(
        self, failed: StageFailed, at: int, input_url: str | None
    ) -> tuple[PartOutput, ...]:
        """What becomes of all objects of the unit.

        Args:
            failed: the failure of a job that read them all.
            at: its place in the chain.
            input_url: what it read.

        Raises:
            StageFailed: all objects failed, or too many jobs would have to run.
        """
        assert failed.job is not None  # noqa: S101  (see may_be_halved)
        self._objects = failed.job.objects or 0
        self._before = self.tries()
        self._halve(UnitPart(0, self._objects - 1), at, input_url, failed)
        if all(one.failure for one in self.outputs):
            raise self._all_failed()
        return tuple(self.outputs)

    def _halve(self, part: UnitPart, at: int, input_url: str | None, failed: StageFailed) -> None:
        for half in part.halves:
            self._go_on(half, at, input_url, failed)

    def _go_on(self, part: UnitPart, at: int, input_url: str | None, before: StageFailed) -> None:
        """Take a part along the chain, from one of its jobs on."""
        job_id = None
        for place in range(at, len(self.jobs)):
            of_chain = self.jobs[place]
            attempts = self._attempts(of_chain, part, before)
            try:
                status = self.run(of_chain, part, input_url, attempts)
            except StageFailed as failed:
                if not of_its_input(failed):
                    raise
                if len(part) > 1:
                    self._halve(part, place, input_url, failed)
                else:
                    self._leave_out(part, failed)
                return
            input_url, job_id = status.output_url, status.job_id
        self.outputs.append(
            PartOutput(first=part.first, last=part.last, output_url=input_url, job_id=job_id)
        )

    def _attempts(self, of_chain: LoadedJob, part: UnitPart, before: StageFailed) -> int:
        """How often a job may be tried: of several objects once, as halves are the next try.

        Raises:
            StageFailed: no more often.
        """
        left = JOBS_OF_PARTS - (self.tries() - self._before)
        if left <= 0 or not self.operations.suffice_for(Steps.submit_job.name, OF_A_JOB):
            raise StageFailed(
                before.stage,
                before.error_type,
                f"the job of all {self._objects} objects failed, and {JOBS_OF_PARTS - left} jobs of"
                " parts of them have not shown all that are the reason; no more are tried (with"
                " fewer objects in a unit they would: source.group.objects of the contract, or"
                f" objectsPerUnit). The last failure: {before.message}",
                before.job,
            )
        return 1 if len(part) > 1 else min(of_chain.attempts, left)

    def _leave_out(self, part: UnitPart, failed: StageFailed) -> None:
        self._failures.append(failed)
        failure = failed.failure.model_copy(
            update={"message": failed.message[:FAILED_OBJECT_CHARACTERS], "log_tail": None}
        )
        job_id = failed.job.job_id if failed.job else None
        self.outputs.append(
            PartOutput(first=part.first, last=part.last, job_id=job_id, failure=failure)
        )

    def _all_failed(self) -> StageFailed:
        """The failure of a unit of which no object is left; it may pass if one of theirs may."""
        may_pass = (one for one in self._failures if not one.failure.is_permanent)
        chosen = next(may_pass, self._failures[0])
        return StageFailed(
            chosen.stage,
            chosen.error_type,
            f"the jobs of all {len(self._failures)} objects failed; one of them: {chosen.message}",
            chosen.job,
        )
