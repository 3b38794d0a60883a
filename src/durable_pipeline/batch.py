"""A batch of SQS records: one run per record; a failure of one does not affect the others."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aws_durable_execution_sdk_python import ChildContextError, DurableContext

from contracts.costs.usage import Amounts, Meter, added
from contracts.errors import InvalidRequest
from contracts.messages import WOULD_FAIL_AGAIN
from contracts.run import RunResult, RunStatus
from contracts.run_request import RunRequest
from durable_pipeline.intake import NOTHING_ASKED, claimed_run_id, parse_message
from durable_pipeline.operations import operations_of
from durable_pipeline.pipeline import Pipeline
from durable_pipeline.plan import Executed, OtherRuns, Plan, Prepared
from durable_pipeline.settings import Settings
from durable_pipeline.steps import BoundSteps, StageFailed, in_child_context, is_broken_replay

# As JSON, in which a character may take six bytes; a chained invoke carries at most 1 MiB.
STORED_BODY_BYTES: Final = 900 * 1024
STORED_REASON_BYTES: Final = 8 * 1024
REQUESTS_OF_A_MESSAGE: Final = 3  # to SQS: it is sent, received and deleted
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Record:
    """One message of the batch.

    Attributes:
        sent_at: when the queue got it; absent from events that do not say so.
    """

    message_id: str
    body: str
    sent_at: datetime | None = None

    @classmethod
    def from_event(cls, record: dict[str, Any]) -> Record:
        sent = record.get("attributes", {}).get("SentTimestamp")  # epoch milliseconds, as text
        return cls(
            message_id=record["messageId"],
            body=record["body"],
            sent_at=_EPOCH + timedelta(milliseconds=int(sent)) if sent else None,
        )


class Batch:
    """The records of one execution. They share its 15 minutes, so long runs are handed over.

    First every record is prepared, then long runs are handed to the long-running function, then
    the short ones are executed one after another.
    """

    def __init__(self, context: DurableContext, settings: Settings, execution_arn: str) -> None:
        self.context = context
        self.settings = settings
        self.execution_arn = execution_arn
        self.failed: list[str] = []

    def process(self, records: Sequence[Record]) -> dict[str, Any]:
        """Process every record.

        Returns:
            `{"batchItemFailures": […]}`: the messages that go back to the queue, as another try
            may succeed. Refused messages are on the dead-letter queue, with the reason.
        """
        seconds = operations = 0
        at_once = self.settings.units_side_by_side
        here: list[tuple[Record, Plan]] = []
        for record, plan in self._plans(records):
            if plan.is_long(self.settings.short_run_seconds, seconds, operations, at_once):
                self._hand_over(record, plan)
            else:
                seconds += plan.seconds(at_once)
                operations += plan.operations
                here.append((record, plan))
        units = 0
        for number, (record, plan) in enumerate(here, start=1):
            self._execute(record, plan, OtherRuns(units, len(here) - number))
            units += len(plan.manifest.pending_positions())
        return {"batchItemFailures": [{"itemIdentifier": item} for item in self.failed]}

    def _plans(self, records: Sequence[Record]) -> list[tuple[Record, Plan]]:
        plans: list[tuple[Record, Plan]] = []
        seen: set[str] = set()
        for record in records:
            try:
                most = self.settings.units_side_by_side
                request = parse_message(record.body, record.message_id, units_at_most=most)
            except InvalidRequest as error:
                self._reject(record, str(error), claimed_run_id(record.body))
                continue
            except Exception as error:  # a bug of ours; the other records must still run
                self._reject(record, f"the message cannot be read: {error!r}", None)
                continue
            if request is None:
                self.context.logger.info(
                    "nothing to start",
                    extra={"why": NOTHING_ASKED, "message_id": record.message_id},
                )
                continue
            run = record.message_id if request.id_is_drawn else request.canonical()
            if run in seen:
                continue  # the same run twice in one batch
            seen.add(run)
            plan = self._prepare(record, request)
            if plan is not None:
                plans.append((record, plan))
        return plans

    def _prepare(self, record: Record, request: RunRequest) -> Plan | None:
        try:
            prepared = in_child_context(
                self.context,
                "prepare-run",
                Prepared,
                lambda child: _with_usage(
                    self._pipeline(child).prepare(
                        request, message_id=record.message_id, sent_at=record.sent_at
                    ),
                    child,
                ),
            )
        except ChildContextError as error:
            self._failed(record, request.run_id, error)
            return None
        if prepared.refused:
            named = None if request.id_is_drawn else request.run_id
            self._reject(record, prepared.refused, prepared.run_id or named)
        elif prepared.result and prepared.result.status is RunStatus.FAILED:
            self.failed.append(record.message_id)
        elif prepared.standing:
            self.context.logger.info("nothing to start", extra={"why": prepared.standing})
        return prepared.plan

    def _hand_over(self, record: Record, plan: Plan) -> None:
        try:
            self._pipeline(self.context).hand_over(plan)
        except StageFailed as failed:
            self._failed(record, plan.request.run_id, failed)

    def _execute(self, record: Record, plan: Plan, others: OtherRuns) -> None:
        def execute(child: DurableContext) -> Executed:
            operations_of(child).spend_all(plan.usage)
            operations_of(child).spend(Meter.OPERATIONS)  # this context
            pipeline = self._pipeline(child)
            done = pipeline.execute(plan, others=others)
            return Executed(result=done)

        try:
            result = in_child_context(self.context, "execute-run", Executed, execute).result
        except ChildContextError as error:
            self._failed(record, plan.request.run_id, error)
            return
        if result is None:
            self._hand_over(record, plan)
            return
        if result.status is not RunStatus.FAILED:
            return
        if self._is_permanent(result):
            reason = f"{result.reason or 'the run failed'}; {WOULD_FAIL_AGAIN}"
            self._reject(record, reason, plan.request.run_id)
        else:
            self.failed.append(record.message_id)

    def _is_permanent(self, result: RunResult) -> bool:
        """Whether a repeat would fail in the same way, as record-run says.

        Earlier steps do not say it: then only a run of items is permanent, of which every batch is
        stored, but too many items were rejected.
        """
        units = result.units
        too_many_rejected = result.items is not None and not (units.failed or units.not_started)
        if result.permanent is None or self.settings.redeliver_permanent:
            return too_many_rejected and result.files_error is None
        return result.permanent

    def _reject(self, record: Record, reason: str, run_id: str | None) -> None:
        body = _cut(record.body, STORED_BODY_BYTES)
        reason = _cut(reason, STORED_REASON_BYTES)
        if body != record.body:
            reason += " (only the beginning of the message is stored)"
        steps = BoundSteps(self.context, self.settings)
        try:
            steps.reject_message(
                message_id=record.message_id, body=body, reason=reason, run_id=run_id
            )
        except StageFailed as failed:  # not lost: after its last receive the queue redrives it
            self._failed(record, run_id, failed)

    def _failed(self, record: Record, run_id: str | None, error: Exception) -> None:
        if isinstance(error, ChildContextError) and is_broken_replay(error.error_type):
            raise error
        self.context.logger.error(
            "run failed",
            extra={"run_id": run_id, "message_id": record.message_id, "error": str(error)},
        )
        self.failed.append(record.message_id)

    def _pipeline(self, context: DurableContext) -> Pipeline:
        return Pipeline(context, self.settings, self.execution_arn)


def _with_usage(prepared: Prepared, context: DurableContext) -> Prepared:
    """A plan says what it took to make, as another context executes it."""
    if prepared.plan is None:
        return prepared
    of_its_message: Amounts = {Meter.SQS_REQUESTS: REQUESTS_OF_A_MESSAGE}
    usage = added((operations_of(context).usage(more=1), of_its_message))  # more: the context
    return prepared.model_copy(update={"plan": prepared.plan.model_copy(update={"usage": usage})})


def _cut(text: str, limit: int) -> str:
    """Shorten a text so that it takes at most `limit` bytes as JSON."""
    if len(json.dumps(text)) <= limit:
        return text
    ellipsis = len(json.dumps("…")) - len(json.dumps(""))
    # By halves: the text may have a million characters, and every replay comes by here.
    lengths = range(len(text))
    beginning = bisect_right(lengths, limit, key=lambda n: len(json.dumps(text[:n])) + ellipsis)
    return text[: max(beginning - 1, 0)] + "…"
