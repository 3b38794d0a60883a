"""JOB items of the ledger: what was submitted, for which unit, and who waits for its end.

A JOB item holds the job of a key. An ADOPTED item says that this key's job is that of an earlier
attempt, which was alive or had succeeded when the run was taken over. `active` (the engine's name,
and the key of the `active-jobs` index) stays until the job has ended and its end was reported to
the orchestrator. Until `submitting_until` no other call may submit; after it, a call has to search
for the job at its engine first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from boto3.dynamodb.conditions import ConditionBase

from contracts.errors import NotFound, PipelineError
from contracts.job import Engine, JobKey, JobState
from contracts.ledger_items import AdoptedItem, JobItem
from ledger.conditions import JOB
from ledger.table import PARTITION, SORT, Item, Ledger
from remote_jobs.engines.base import EngineStatus
from remote_jobs.pools.queue import free_place
from remote_jobs.pools.store import Pools
from remote_jobs.record import JobRecord


class JobLedger:
    """Reads and (conditionally) changes JOB items."""

    def __init__(self, ledger: Ledger, pools: Pools | None = None) -> None:
        self._ledger = ledger
        self._pools = pools or Pools(ledger)

    @property
    def ledger(self) -> Ledger:
        """The table itself."""
        return self._ledger

    def find(self, key: JobKey) -> JobRecord | None:
        """The job of this key, which may be an adopted one."""
        item = self._ledger.get_item(*JobItem.key_of(key))
        if item is None and (found := self._ledger.get_item(*AdoptedItem.key_of(key))):
            item = self._ledger.get_item(key.run_id, AdoptedItem.from_item(found).adopted_item)
        return None if item is None else JobRecord.from_item(item)

    def get(self, key: JobKey) -> JobRecord:
        """The job of this key.

        Raises:
            NotFound: there is none.
        """
        return _known(key, self.find(key))

    def earlier(self, key: JobKey) -> list[JobRecord]:
        """Jobs of earlier attempts at the same unit and stage, newest first."""
        items = self._ledger.query(key.run_id, JobItem.prefix_of(key))
        records = [JobRecord.from_item(item) for item in items]
        return [record for record in reversed(records) if record.key.attempt < key.attempt]

    def all_of_run(self, run_id: str) -> Iterator[JobRecord]:
        """The run's jobs as they come (consistent reads), in the order of their keys."""
        yield from map(JobRecord.from_item, self._ledger.query(run_id, JobItem.PREFIX))

    def of_run(self, run_id: str) -> list[JobRecord]:
        """The run's jobs that have not ended, as they are now."""
        every = self.all_of_run(run_id)
        return [record for record in every if record.active and not record.state.ended]

    def active(self, engine: Engine) -> Iterator[JobRecord | PipelineError]:
        """Jobs whose end was not reported yet, oldest first; an error for what is no job."""
        for item in self._ledger.query_active(engine):
            try:
                yield JobRecord.from_item(item)
            except (KeyError, ValueError) as error:
                names = f"{item.get(PARTITION)}/{item.get(SORT)}"
                yield PipelineError(f"{names} in the ledger is not a job: {error!r}")

    def create(self, record: JobRecord) -> tuple[bool, JobRecord]:
        """Write the intent.

        Returns:
            Whether the key's job is this one, and the job of the key: that of another call, if it
            had one already.
        """
        written = self._ledger.put_if_absent(record.to_item())
        found = record if written.done else self._read(record.key, written.item)
        return found.job_id == record.job_id, found

    def adopt(self, key: JobKey, record: JobRecord) -> None:
        """Make the earlier job that of this key."""
        earlier = JobItem.key_of(record.key).item
        adopted = AdoptedItem(key=key, adopted_item=earlier, job_id=record.job_id)
        self._ledger.put_if_absent(adopted.to_item())

    def take(self, record: JobRecord, callback_id: str, execution: str | None) -> bool:
        """Make an earlier attempt's job that of this callback and execution; False if it is being
        stopped."""
        unchanged = JOB.callback_id.is_in([record.callback_id, callback_id])
        usable = JOB.cancelling.not_exists() | JOB.state.eq(JobState.SUCCEEDED)
        changes = dict(callback_id=callback_id, **_present(execution=execution or None))
        return self._change(record, unchanged & usable, **changes)[0]

    def mark_for_cancellation(self, record: JobRecord, reason: str) -> bool:
        """Mark the job as being cancelled; False if it has ended or another callback awaits it.

        The first reason stands.
        """
        condition = _GOING_ON & JOB.callback_id.eq(record.callback_id)
        return self._change(record, condition, cancelling=record.cancelling or reason)[0]

    def give_up_intent(self, ended: JobRecord) -> tuple[bool, JobRecord]:
        """End a job that was never submitted.

        Returns:
            False if somebody is submitting it now; and the job as it is then.
        """
        condition = _submission_as_seen(ended) & _NOT_SUBMITTED
        given_up = self._change(ended, condition, submitting_until=None, **_end_of(ended))
        self._free_place(given_up[1])
        return given_up

    def await_by(self, record: JobRecord, callback_id: str) -> JobRecord:
        """Make this callback the one to complete; returns the job as it is then."""
        if record.callback_id == callback_id:
            return record
        return self._change(record, JOB.job_id.exists(), callback_id=callback_id)[1]

    def claim_submission(self, record: JobRecord, until: int) -> bool:
        """Become the one call that may submit; False if another is, or the job was submitted."""
        condition = _submission_as_seen(record) & _NOT_SUBMITTED
        return self._change(record, condition, submitting_until=until)[0]

    def not_submitted(self, record: JobRecord, now: datetime, claim: int) -> tuple[bool, JobRecord]:
        """Nothing of this try is under way.

        Args:
            record: as it was before the try. If an earlier one was interrupted, the job is still
                looked for before the next.
            claim: of this try; if another call has claimed the submission since, that one stands.

        Returns:
            Whether it still was this call's to submit; and the job as it is then.
        """
        over = None if record.submitting_until is None else int(now.timestamp())
        mine = _NOT_SUBMITTED & JOB.submitting_until.eq(claim)
        return self._change(record, mine, submitting_until=over)

    def submitted(self, record: JobRecord, service_id: str, now: datetime) -> JobRecord:
        """Store the engine's id; returns the job as it is then.

        An intent of before pools counts its deadline from here. Another id there, or an end, means
        that another call was faster.
        """
        deadline = record.deadline
        if record.queue_until is None:
            deadline = math.ceil(now.timestamp()) + record.timeout_seconds
        return self._change(
            record,
            _NOT_SUBMITTED,
            service_id=service_id,
            deadline=deadline,
            submitting_until=None,
        )[1]

    def known_as(self, record: JobRecord, service_id: str | None) -> JobRecord:
        """With the engine's id of it, where more of that is known by now; None: it is not."""
        if service_id in (None, record.service_id):
            return record
        condition = JOB.service_id.eq(record.service_id)
        return self._change(record, condition, service_id=service_id)[1]

    def running(self, record: JobRecord, status: EngineStatus, now: datetime) -> JobRecord:
        """Record that a job no longer waits for its turn, and where it can be seen.

        Its deadline counts from its start by the engine's clock, or from now.
        """
        deadline = None
        if record.queue_until is not None:
            started_at = status.started_at or now
            deadline = math.ceil(started_at.timestamp()) + record.timeout_seconds
        changes = _present(
            log_url=status.log_url, console_url=status.console_url, deadline=deadline
        )
        condition = JOB.state.eq(JobState.SUBMITTED)
        return self._change(record, condition, state=JobState.RUNNING, **changes)[1]

    def store_log(self, record: JobRecord) -> None:
        """Add the end of the log of a job that has ended."""
        log = _present(log_tail=record.as_shown().log_tail, log_url=record.log_url)
        self._change(record, JOB.job_id.eq(record.job_id), **log)

    def end(self, ended: JobRecord, *, reported: bool) -> JobRecord:
        """Record the end of a job; returns the job as it is then, with the end that came first.

        Args:
            reported: the caller reports it to the orchestrator itself; else `active` stays for the
                watcher, and nothing is changed once another callback waits for the job.
        """
        changes = dict(submitting_until=None, **_end_of(ended))
        if reported:
            record = self._change(ended, _GOING_ON, active=None, **changes)[1]
        else:
            condition = _GOING_ON & JOB.callback_id.eq(ended.callback_id)
            record = self._change(ended, condition, **changes)[1]
        self._free_place(record)
        return record

    def reported(self, record: JobRecord) -> None:
        """Its end was reported to this record's callback: the watcher need not check it again."""
        self._change(record, JOB.callback_id.eq(record.callback_id), active=None)

    def _free_place(self, record: JobRecord) -> None:
        if record.state.ended:
            free_place(self._pools, record)

    def _change(
        self, record: JobRecord, condition: ConditionBase, **changes: Any
    ) -> tuple[bool, JobRecord]:
        """Change the job if the condition holds; whether it did, and the job as it is then."""
        key = record.key
        changed = JobItem.changes(**changes)
        written = self._ledger.change(JobItem.key_of(key), changed, condition)
        return written.done, self._read(key, written.item)

    @staticmethod
    def _read(key: JobKey, item: Item | None) -> JobRecord:
        return _known(key, None if item is None else JobRecord.from_item(item))


_GOING_ON: Final = JOB.state.is_in([JobState.SUBMITTED, JobState.RUNNING])
_NOT_SUBMITTED: Final = JOB.service_id.not_exists() & JOB.state.eq(JobState.SUBMITTED)


def _known(key: JobKey, record: JobRecord | None) -> JobRecord:
    if record is None:
        raise NotFound(f"no job {key} in the ledger")
    return record


def _submission_as_seen(record: JobRecord) -> ConditionBase:
    """Nobody has begun to submit it, or is through with it, since the record was read."""
    if record.submitting_until is None:
        return JOB.submitting_until.not_exists()
    return JOB.submitting_until.eq(record.submitting_until)


def _end_of(ended: JobRecord) -> dict[str, Any]:
    ended = ended.as_shown()
    optional = _present(
        error=ended.error,
        said_code=ended.said_code,
        log_url=ended.log_url,
        console_url=ended.console_url,
        log_tail=ended.log_tail,
        usage=ended.usage,
    )
    return dict(state=ended.state, ended_at=ended.ended_at, **optional)


def _present(**values: Any) -> dict[str, Any]:
    """The values that are known; the ledger retains the others."""
    return {name: value for name, value in values.items() if value is not None}
