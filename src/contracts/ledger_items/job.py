"""JOB items, and the notes that a job was adopted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from contracts.costs.usage import Amounts
from contracts.job import Engine, ErrorCode, JobKey, JobState, Priority
from contracts.ledger_items.base import Changes, Key, LedgerItem, after
from contracts.run_request import Timestamp


@dataclass(frozen=True, kw_only=True)
class JobItem(LedgerItem):
    """`JOB#<unit>#<stage>#<attempt>`: one job, who waits for it, and how it ended.

    Attributes:
        callback_id: what is completed when the job has ended.
        target: what the engine runs it on (`RemoteJob.target`).
        submitted_at: when the intent was written.
        deadline: epoch seconds; counted from `queue_until`, anew from the job's start.
        input_url: what it reads.
        submitting_until: epoch seconds; there while a submission may be under way or was
            interrupted.
        active: there, as the engine's name, until the job has ended and its end was reported.
        cancelling: why it is being cancelled; no attempt of the run adopts it any more.
        execution: ARN of the execution that waits for it; of a shard, its own.
        pool: where it takes a place while it runs; None: nowhere, or the intent is of before pools.
        priority: how often its run gets a turn there.
        queue_until: epoch seconds by which it has to run; until then it may wait in its pool and
            at its engine. None: the intent is of before, `deadline` bounds both.
        chained: it reads the output of the job before it in the chain.
        withholds_text: what it says of its end may quote rows, and its contract says
            `examples: false`.
        said_code: of such a job, as its own text said; of others it is read from `error`.
        objects: of a unit of several objects: how many of them it reads.
    """

    KEY_FIELDS: ClassVar = frozenset({"key"})
    PREFIX: ClassVar = "JOB#"

    key: JobKey
    job_id: str
    engine: Engine
    callback_id: str
    state: JobState
    target: str
    submitted_at: Timestamp
    deadline: int
    timeout_seconds: int
    output_url: str
    input_url: str
    service_id: str | None = None
    submitting_until: int | None = None
    active: bool = True
    cancelling: str | None = None
    execution: str | None = None
    pool: str | None = None
    priority: Priority = Priority.NORMAL
    queue_until: int | None = None
    chained: bool = False
    withholds_text: bool = False
    said_code: ErrorCode | None = None
    error: str | None = None
    log_url: str | None = None
    console_url: str | None = None
    log_tail: str | None = None
    ended_at: Timestamp | None = None
    usage: Amounts | None = None
    objects: int | None = None

    @classmethod
    def key_of(cls, key: JobKey) -> Key:
        """The sort key sorts by attempt."""
        return Key(key.run_id, f"{cls.prefix_of(key)}{key.attempt:04d}")

    @classmethod
    def prefix_of(cls, key: JobKey) -> str:
        """What the sort keys of all attempts at the same unit and stage begin with."""
        return f"{cls.PREFIX}{key.unit_id}#{key.stage}#"

    @classmethod
    def job_key_of(cls, item: Mapping[str, Any]) -> JobKey:
        """The job's key, as the item's own key says it."""
        key = Key(*(str(item.get(name, "")) for name in Key._fields))
        unit_id, stage, attempt = after(cls.PREFIX, item).split("#")
        return JobKey(run_id=key.run_id, unit_id=unit_id, stage=stage, attempt=int(attempt))

    @classmethod
    def changes(cls, **values: Any) -> Changes:
        if values.get("active"):
            raise TypeError("a job that has ended does not become active again")
        return super().changes(**{n: None if n == "active" else v for n, v in values.items()})

    def to_item(self) -> dict[str, Any]:
        key = self.key
        return {
            **self.key_of(key)._asdict(),
            "unit_id": key.unit_id,
            "stage": key.stage,
            "attempt": key.attempt,
            **self.changes(**self._said()).values,
            **({"active": self.engine.value} if self.active else {}),
        }

    def _said(self) -> dict[str, Any]:
        """The attributes that say more than their absence would."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {
            name: value
            for name, (value, default) in values.items()
            if name in self.attributes() - {"active"} and value != default
        }

    @classmethod
    def _of_key(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        return {"key": item, "active": "active" in item}


@dataclass(frozen=True, kw_only=True)
class AdoptedItem(LedgerItem):
    """`ADOPTED#<unit>#<stage>#<attempt>`: this key's job is that of an earlier attempt, which was
    alive or had succeeded when the run was taken over.

    Attributes:
        adopted_item: the earlier job's sort key.
    """

    PREFIX: ClassVar = "ADOPTED#"
    KEY_FIELDS: ClassVar = frozenset({"key"})

    key: JobKey | None = None
    adopted_item: str
    job_id: str

    @classmethod
    def key_of(cls, key: JobKey) -> Key:
        return Key(key.run_id, cls.PREFIX + JobItem.key_of(key).item.removeprefix(JobItem.PREFIX))

    def _key(self) -> Key:
        if self.key is None:
            raise TypeError("an adoption is written for a key")
        return self.key_of(self.key)
