"""JOB items of the ledger: what was submitted, for whom, and who waits for its answer.

`JOB#<unit>#<stage>#<attempt>` holds the job of a key. `ADOPTED#<unit>#<stage>#<attempt>` says that
this key's job is that of an earlier attempt, which was alive or had succeeded when the run was
taken over. `active` (the engine; what the `active-jobs` index holds) is there until the job has
ended and its end was told to the orchestrator. `submitting_until` (epoch seconds) is there while a
submission may be under way or was interrupted: until then nobody else may submit, and afterwards
the job has to be looked for at its engine first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from boto3.dynamodb.conditions import Attr, ConditionBase

from contracts.errors import NotFound, PipelineError
from contracts.job import Engine, JobKey, JobState
from contracts.run import RunStatus
from contracts.run_request import format_timestamp
from ledger.table import RUN, Ledger
from remote_jobs.engines.base import EngineStatus
from remote_jobs.record import JobRecord, item_of, record_of


class JobLedger:
    """Reads and (conditionally) changes JOB items."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def ledger(self) -> Ledger:
        """The table itself."""
        return self._ledger

    def run(self, run_id: str) -> tuple[int, RunStatus | None]:
        """The run's newest attempt and its status; 0 and None if the ledger does not know it."""
        run = self._ledger.get_item(run_id, RUN) or {}
        status = run.get("status")
        return int(run.get("run_attempt", 0)), RunStatus(status) if status else None

    def find(self, key: JobKey) -> JobRecord | None:
        """The job of this key, which may be an adopted one."""
        item = self._ledger.get_item(key.run_id, key.item)
        if item is None and (adopted := self._ledger.get_item(key.run_id, _adopted_item(key))):
            item = self._ledger.get_item(key.run_id, adopted["adopted_item"])
        return None if item is None else record_of(item)

    def get(self, key: JobKey) -> JobRecord:
        """The job of this key.

        Raises:
            NotFound: there is none.
        """
        record = self.find(key)
        if record is None:
            raise NotFound(f"no job {key} in the ledger")
        return record

    def earlier(self, key: JobKey) -> list[JobRecord]:
        """Jobs of earlier attempts at the same unit and stage, newest first."""
        prefix = key.item.rpartition("#")[0] + "#"
        records = [record_of(item) for item in self._ledger.query(key.run_id, prefix)]
        return [record for record in reversed(records) if record.key.attempt < key.attempt]

    def of_run(self, run_id: str) -> list[JobRecord]:
        """The run's jobs that have not ended, as they are now (a consistent read)."""
        records = [record_of(item) for item in self._ledger.query(run_id, "JOB#")]
        return [record for record in records if record.active and not record.state.ended]

    def active(self, engine: Engine) -> Iterator[JobRecord | PipelineError]:
        """Jobs whose end was not told yet, oldest first; an error for an item that is no job."""
        for item in self._ledger.query_active(engine):
            try:
                yield record_of(item)
            except (KeyError, ValueError) as error:
                names = f"{item.get('run_id')}/{item.get('item')}"
                yield PipelineError(f"{names} in the ledger is not a job: {error!r}")

    def create(self, record: JobRecord) -> bool:
        """Write the intent; False if the key has a job already, that of another call."""
        if self._ledger.put_if_absent(item_of(record)):
            return True
        return self.get(record.key).job_id == record.job_id

    def adopt(self, key: JobKey, record: JobRecord) -> None:
        """From now on this key's job is that earlier one."""
        self._ledger.put_if_absent(
            {
                "run_id": key.run_id,
                "item": _adopted_item(key),
                "adopted_item": record.key.item,
                "job_id": record.job_id,
            }
        )

    def take(self, record: JobRecord, callback_id: str, execution: str | None) -> bool:
        """Make an earlier attempt's job that of this callback and execution; False if it is being
        stopped."""
        unchanged = Attr("callback_id").is_in([record.callback_id, callback_id])
        usable = Attr("cancelling").not_exists() | Attr("state").eq(JobState.SUCCEEDED)
        condition = unchanged & usable
        values = {"callback_id": callback_id, **({"execution": execution} if execution else {})}
        return self._update(record, values, condition=condition)

    def condemn(self, record: JobRecord, reason: str) -> bool:
        """Decide to stop the job; False if it has ended, or somebody else awaits it by now.

        Of a job that is condemned already the first reason stays.
        """
        condition = _GOING_ON & Attr("callback_id").eq(record.callback_id)
        return self._update(
            record, {"cancelling": record.cancelling or reason}, condition=condition
        )

    def give_up_intent(self, ended: JobRecord) -> bool:
        """End a job that was never submitted; False if somebody submits it just now."""
        condition = _submission_as_seen(ended) & _NOT_SUBMITTED
        return self._update(ended, _end_values(ended), ("submitting_until",), condition=condition)

    def await_by(self, record: JobRecord, callback_id: str) -> JobRecord:
        """Make this callback the one that is answered; gives the job as it is then."""
        if record.callback_id == callback_id:
            return record
        self._update(record, {"callback_id": callback_id}, condition=Attr("job_id").exists())
        return self._again(record)

    def claim_submission(self, record: JobRecord, until: int) -> bool:
        """Become the one call that may submit; False if another is, or the job is past that."""
        condition = _submission_as_seen(record) & _NOT_SUBMITTED
        return self._update(record, {"submitting_until": until}, condition=condition)

    def not_submitted(self, record: JobRecord, now: datetime) -> None:
        """The engine refused this try, so nothing of it is under way.

        Args:
            record: as it was before the try. If an earlier one was interrupted, the job is still
                looked for before the next.
        """
        if record.submitting_until is None:
            self._update(record, {}, ("submitting_until",), condition=_NOT_SUBMITTED)
        else:
            over = {"submitting_until": int(now.timestamp())}
            self._update(record, over, condition=_NOT_SUBMITTED)

    def submitted(self, record: JobRecord, service_id: str, now: datetime) -> JobRecord:
        """Keep the engine's id and start the job's clock; gives the job as it is then.

        Another id there, or an end, means that another call was faster.
        """
        values = {
            "service_id": service_id,
            "deadline": math.ceil(now.timestamp()) + record.timeout_seconds,
        }
        self._update(record, values, ("submitting_until",), condition=_NOT_SUBMITTED)
        return self._again(record)

    def known_as(self, record: JobRecord, service_id: str | None) -> JobRecord:
        """With the engine's id of it, where more of that is known by now; None: it is not."""
        if service_id in (None, record.service_id):
            return record
        condition = Attr("service_id").eq(record.service_id)
        self._update(record, {"service_id": service_id}, condition=condition)
        return self._again(record)

    def running(self, record: JobRecord, status: EngineStatus) -> JobRecord:
        """Keep that a job no longer waits for its turn, and where it can be seen."""
        condition = Attr("state").eq(JobState.SUBMITTED)
        links = {"log_url": status.log_url, "console_url": status.console_url}
        values = {name: link for name, link in links.items() if link is not None}
        values["state"] = JobState.RUNNING
        self._update(record, values, condition=condition)
        return self._again(record)

    def keep_log(self, record: JobRecord) -> None:
        """Add the end of the log of a job that has ended."""
        kept = {"log_tail": record.log_tail, "log_url": record.log_url}
        values = {name: value for name, value in kept.items() if value is not None}
        self._update(record, values, condition=Attr("job_id").eq(record.job_id))

    def end(self, ended: JobRecord, *, told: bool) -> JobRecord:
        """Keep the end of a job; gives the job as it is then, which is another's end if that won.

        Args:
            told: the caller tells the orchestrator itself; else `active` stays for the watcher, and
                nothing is changed once another callback waits for the job.
        """
        condition = _GOING_ON
        remove = ["submitting_until"]
        if told:
            remove.append("active")
        else:
            condition = condition & Attr("callback_id").eq(ended.callback_id)
        self._update(ended, _end_values(ended), remove, condition=condition)
        return self._again(ended)

    def told(self, record: JobRecord) -> None:
        """The end was told to the callback of this record, so nobody needs to look any more."""
        condition = Attr("callback_id").eq(record.callback_id)
        self._update(record, {}, ("active",), condition=condition)

    def _again(self, record: JobRecord) -> JobRecord:
        return self.get(record.key)

    def _update(
        self,
        record: JobRecord,
        values: dict[str, Any],
        remove: list[str] | tuple[str, ...] = (),
        *,
        condition: ConditionBase,
    ) -> bool:
        key = record.key
        return self._ledger.update(key.run_id, key.item, values, remove, condition)


_GOING_ON: Final = Attr("state").is_in([JobState.SUBMITTED, JobState.RUNNING])
_NOT_SUBMITTED: Final = Attr("service_id").not_exists() & Attr("state").eq(JobState.SUBMITTED)


def _submission_as_seen(record: JobRecord) -> ConditionBase:
    """Nobody has begun to submit it, or is through with it, since the record was read."""
    until = Attr("submitting_until")
    if record.submitting_until is None:
        return until.not_exists()
    return until.eq(record.submitting_until)


def _end_values(ended: JobRecord) -> dict[str, Any]:
    optional = {
        "error": ended.error,
        "log_url": ended.log_url,
        "console_url": ended.console_url,
        "log_tail": ended.log_tail,
    }
    return {
        "state": ended.state,
        "ended_at": ended.ended_at and format_timestamp(ended.ended_at),
        **{name: value for name, value in optional.items() if value is not None},
    }


def _adopted_item(key: JobKey) -> str:
    return f"ADOPTED{key.item.removeprefix('JOB')}"
