"""Following a run to its end: what is known at each moment, and when nothing more will come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from cli.client.deployment import Deployment
from cli.client.executions import fetch_execution
from cli.client.history import Execution
from cli.client.ledger import JobRow, LedgerView, Run, UnitRow
from cli.exit_codes import FAILED, REFUSED, SKIPPED, STILL_RUNNING, SUCCEEDED
from contracts.ledger_items import PoolItem
from contracts.run import RunStatus
from contracts.steps import Steps

SECONDS_BETWEEN_LOOKS: Final = {True: 0.4, False: 3.0}  # locally; on AWS
# After the run's outcome is recorded its execution still announces it; and an execution that ended
# without an outcome may just not be read back yet.
GRACE_SECONDS: Final = 20.0
_CODES: Final = {
    RunStatus.SUCCEEDED: SUCCEEDED,
    RunStatus.FAILED: FAILED,
    RunStatus.STOPPED: FAILED,
    RunStatus.SKIPPED: SKIPPED,
}


@dataclass(frozen=True)
class Snapshot:
    """What is known of a run at one moment.

    Attributes:
        seconds: since the following began.
        run: its RUN item; None before it is claimed.
        units: its UNIT items so far.
        execution: the durable execution that holds it.
        jobs: its JOB items, and the pools while one of them waits for its turn; of a run that has
            ended neither.
        refusal: why its message was refused.
        message_id: of that message.
        stood_before: the run had ended before the message was sent, which starts nothing new.
        over: nothing more will come.
    """

    run_id: str
    seconds: float = 0.0
    run: Run | None = None
    units: tuple[UnitRow, ...] = ()
    execution: Execution | None = None
    jobs: tuple[JobRow, ...] = ()
    pools: tuple[PoolItem, ...] = ()
    refusal: str | None = None
    message_id: str | None = None
    stood_before: bool = False
    over: bool = False

    @property
    def holder(self) -> str | None:
        return self.run.holder if self.run else None

    @property
    def objects(self) -> int | None:
        """How many units the run has, once they are listed."""
        if self.run and self.run.units.total:
            return self.run.units.total
        for operation in reversed(self.execution.operations if self.execution else ()):
            if operation.name == Steps.list_urls.name and isinstance(operation.response, dict):
                return int(operation.response["objects"])
        return None

    @property
    def exit_code(self) -> int:
        """See `exit_codes`; STILL_RUNNING while it is not over."""
        if self.refusal:
            return REFUSED
        if self.run and self.run.status in _CODES:
            return _CODES[self.run.status]
        return FAILED if self.over else STILL_RUNNING


def look_at(deployment: Deployment, run_id: str) -> Snapshot:
    """What is known of a run now."""
    return next(Follower(deployment, run_id).watch(timeout=0))


class Follower:
    """Looks at one run again and again.

    Args:
        message_id: of the message just sent, to learn of its refusal; None to follow a run alone.
        before: the run as it was before the message was sent.
        awaits_refusal: the message differs from that run, so it will be refused.
        awaits_id: the run id of the message is drawn when its run is claimed; until then it has
            none but the message's.
    """

    def __init__(
        self,
        deployment: Deployment,
        run_id: str,
        message_id: str | None = None,
        before: Run | None = None,
        *,
        awaits_refusal: bool = False,
        awaits_id: bool = False,
    ) -> None:
        self._lambda: Any = deployment.client("lambda")
        self._ledger = LedgerView(deployment.client("dynamodb"), deployment.output("LedgerTable"))
        self._pause = SECONDS_BETWEEN_LOOKS[deployment.local]
        self._run_id = run_id
        self._message_id = message_id
        self._before = before
        self._awaits_refusal = awaits_refusal
        self._awaits_id = awaits_id
        self._ended_at: float | None = None

    def watch(
        self,
        timeout: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Iterator[Snapshot]:
        """Snapshots until the run is over or the time is.

        A look takes longer the larger the run is: the pause grows with it, so that following never
        takes a large share of what the services grant.

        Args:
            timeout: seconds; None: no limit.
        """
        began = clock()
        while True:
            looked_at = clock()
            snapshot = self._look(looked_at - began)
            yield snapshot
            now = clock()
            if snapshot.over or (timeout is not None and now - began >= timeout):
                return
            sleep(max(self._pause, 3 * (now - looked_at)))

    @property
    def run_id(self) -> str | None:
        """The run's id; None while it is not drawn, as far as was looked."""
        return None if self._awaits_id else self._run_id

    def _look(self, seconds: float) -> Snapshot:
        if self._awaits_id and (drawn := self._ledger.drawn_run_id(self._run_id)):
            self._run_id, self._awaits_id = drawn, False
        run = self._ledger.run(self._run_id)
        if run is not None and self._is_the_earlier_run(run):
            if run.may_be_taken_over or self._awaits_refusal:
                run = None  # taken over, or refused, in a moment; until then there is nothing new
            else:
                return Snapshot(self._run_id, seconds, run, stood_before=True, over=True)
        refusal = self._refusal(run)
        if run is None:
            return Snapshot(
                self._run_id,
                seconds,
                refusal=refusal,
                message_id=self._message_id,
                over=refusal is not None,
            )
        execution = fetch_execution(self._lambda, run.holder) if run.holder else None
        jobs = () if run.status.ended else tuple(self._ledger.jobs(self._run_id))
        waits = any(job.pool and not job.service_id and not job.ended_at for job in jobs)
        return Snapshot(
            self._run_id,
            seconds,
            run,
            units=tuple(self._ledger.units(self._run_id)),
            execution=execution,
            jobs=jobs,
            pools=tuple(self._ledger.pools()) if waits else (),
            refusal=refusal,
            message_id=self._message_id,
            over=refusal is not None or self._is_over(run, execution, seconds),
        )

    def _refusal(self, run: Run | None) -> str | None:
        """Why the message was refused: before its run was claimed, or after (an unknown dataset),
        or because the run is another's. A run that failed with its units has an outcome of its
        own, which is also why its message is on the dead-letter queue."""
        if self._message_id is None:
            return None
        if run is not None and run.units.total and not self._awaits_refusal:
            return None
        if run is None or run.may_be_taken_over or self._before is not None:
            return self._ledger.refusal(self._message_id, self._run_id)
        return None

    def _is_the_earlier_run(self, run: Run) -> bool:
        before = self._before
        return before is not None and before.status.ended and run.run_attempt == before.run_attempt

    def _is_over(self, run: Run, execution: Execution | None, seconds: float) -> bool:
        execution_ended = execution is None or execution.status != "RUNNING"
        if run.status.ended and execution_ended:
            return True
        if not run.status.ended and not execution_ended:
            self._ended_at = None
            return False
        # One of the two has ended: give the other time.
        if self._ended_at is None:
            self._ended_at = seconds
        return seconds - self._ended_at >= GRACE_SECONDS
