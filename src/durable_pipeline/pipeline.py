"""The stage sequence: what happens to a run request, from claim to notification.

    prepare:  claim-run → load-dataset → list-urls (→ wait-until-ready → list-urls …)
              → prepare-warehouse
    execute:  per unit (see rounds.py, shards.py, unit.py) → publish-files → record-run → notify
              (→ reject-message, of a long run that failed)

Pure orchestration: no clock, no random, no environment, no AWS calls. Effects live in the steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aws_durable_execution_sdk_python import DurableContext
from aws_durable_execution_sdk_python.config import Duration

from contracts import layout
from contracts.costs.usage import Amounts, Meter, added
from contracts.errors import REFUSED
from contracts.manifest import ManifestSummary, left_out, units_per_shard
from contracts.messages import (
    LOAD_FLOW,
    Claim,
    ClaimOutcome,
    LoadedDataset,
    RecordRun,
    letter_of,
)
from contracts.run import REASON_CHARACTERS, RunResult, RunStatus
from contracts.run_request import RunRequest, format_timestamp
from contracts.steps import Steps, UnitRef
from durable_pipeline.operations import usage_with_start
from durable_pipeline.plan import ALONE, OtherRuns, Plan, Prepared, operations_per_unit
from durable_pipeline.settings import Settings
from durable_pipeline.sharding.lanes import Share
from durable_pipeline.sharding.rounds import Rounds
from durable_pipeline.shards import Shards
from durable_pipeline.steps import BoundSteps, StageFailed
from durable_pipeline.stores import publish_files, store_run_rows


@dataclass(frozen=True)
class Pipeline:
    """The sequence, bound to one context of one durable execution.

    Attributes:
        of_long_runs: this is the long-running function. It waits for a run's data, and may start
            executions of its own. No message comes again for its runs, so it puts those that fail
            on the dead-letter queue.
    """

    context: DurableContext
    settings: Settings
    execution_arn: str
    of_long_runs: bool = False

    @property
    def steps(self) -> BoundSteps:
        return BoundSteps(self.context, self.settings)

    def prepare(
        self,
        request: RunRequest,
        handed_over_by: str | None = None,
        message_id: str | None = None,
        sent_at: datetime | None = None,
    ) -> Prepared:
        """Claim the run, load its contract, freeze its manifest.

        Where this execution does not wait for a run's data, the plan of one that has to wait comes
        without a manifest, to be handed over.

        Args:
            message_id: of the SQS message that asks for it; absent for a direct start.
            sent_at: when the queue got that message.

        Raises:
            StageFailed: the run could not be claimed, or its outcome could not be recorded.
        """
        drawn_for = message_id or self.execution_arn
        try:
            claim = self.steps.claim_run(
                request=request,
                execution_arn=self.execution_arn,
                handed_over_by=handed_over_by,
                drawn_for=drawn_for if request.id_is_drawn else None,
                sent_at=sent_at if request.is_relative else None,
            )
        except StageFailed as failed:
            if failed.error_type in REFUSED:
                return Prepared(refused=failed.message)
            raise
        request = _as_claimed(request, claim)
        prepared = self._prepare_claimed(request, claim, handed_over_by)
        return prepared.model_copy(update={"run_id": claim.run_id})

    def _prepare_claimed(
        self, request: RunRequest, claim: Claim, handed_over_by: str | None
    ) -> Prepared:
        if claim.outcome in (ClaimOutcome.LIVE, ClaimOutcome.ENDED):
            by = f"; run {claim.superseded_by} has superseded it" if claim.superseded_by else ""
            standing = f"run {request.run_id} is {claim.status} in {claim.holder}{by}"
            return Prepared(standing=standing)
        if handed_over_by is None:
            self._notify("run-started", request, claim)
        try:
            dataset = self.steps.load_dataset(request=request)
            handed_over = handed_over_by is not None
            manifest = self._list_urls(request, claim, dataset, handed_over)
            while manifest.waiting and self.of_long_runs:
                pause = Duration(seconds=manifest.waiting.look_again_seconds)
                self.context.wait(pause, name="wait-until-ready")
                manifest = self._list_urls(request, claim, dataset, handed_over)
            if manifest.objects and "redshift" in dataset.targets:
                self.steps.prepare_warehouse(run_id=request.run_id)
        except StageFailed as failed:
            refused = failed.error_type in REFUSED
            result = self.finish(request, claim, RunStatus.FAILED, failed.message, refused=refused)
            refused = refused and result.status is RunStatus.FAILED
            return Prepared(result=result, refused=failed.message if refused else None)
        if manifest.skipped:
            status, why = RunStatus.SKIPPED, manifest.skipped
            return Prepared(result=self.finish(request, claim, status, why, refused=True))
        if manifest.objects == 0 and not manifest.waiting:
            what = "items" if dataset.of_items else "objects"
            what = what if manifest.already_stored is None else "new objects"
            reason = f"no {what} to process: {_asked_for(request, claim, dataset)}"
            reason = "; ".join((reason, *filter(None, _why_nothing(manifest))))
            retried, status = dataset if request.retry_of else None, RunStatus.SKIPPED
            return Prepared(result=self.finish(request, claim, status, reason, retried=retried))
        return Prepared(plan=Plan(request=request, claim=claim, dataset=dataset, manifest=manifest))

    def execute(self, plan: Plan, *, others: OtherRuns = ALONE) -> RunResult | None:
        """Process every pending unit, then record and announce the run.

        The run always ends in the ledger, even if units or shards fail: a unit without an outcome
        counts as failed.

        Args:
            others: runs of the same batch.

        Returns:
            None: units are left that only the long-running function can begin. Hand the run over.

        Raises:
            StageFailed: the run's outcome could not be recorded, or another execution holds it.
        """
        rounds = Rounds(Shards(self.context, self.settings, self.execution_arn, plan))
        processed = rounds.first(of_long_runs=self.of_long_runs, others=others)
        if processed is None:
            return None
        if self.of_long_runs:
            plan, processed = rounds.further(processed)
        if processed.throttled:
            about = {"run_id": plan.request.run_id, "throttled": processed.throttled}
            self.context.logger.info("executions of shards were throttled", extra=about)
        status = RunStatus.FAILED if processed.problem else None
        return self.finish(
            plan.request, plan.claim, status, processed.problem, dataset=plan.dataset
        )

    def hand_over(self, plan: Plan) -> str:
        """Start the long-running function for this run; returns its execution's ARN.

        Raises:
            StageFailed: it could not be started.
        """
        started = self.steps.start_run(
            request=plan.request,
            run_attempt=plan.claim.run_attempt,
            execution_arn=self.execution_arn,
        )
        return started.execution_arn

    def finish(
        self,
        request: RunRequest,
        claim: Claim,
        status: RunStatus | None = None,
        reason: str | None = None,
        *,
        dataset: LoadedDataset | None = None,
        retried: LoadedDataset | None = None,
        refused: bool = False,
    ) -> RunResult:
        """Publish the run's files, record its outcome (by its units unless given), announce it.

        Args:
            retried: the dataset, for a retry that has no units to run: the files of the run it
                retries may still be unpublished.
            refused: its message can never run, or it is not to take place: a run that it was to
                retry is no longer superseded.
        """
        record = RecordRun(
            request=request,
            run_attempt=claim.run_attempt,
            execution_arn=self.execution_arn,
            status=status,
            reason=reason,
            refused=refused,
        )
        record = publish_files(self.steps, record, dataset or retried)
        recorded = self.steps.call_with(Steps.record_run, self._with_usage(record))
        result = recorded.result
        if dataset and dataset.warehouse and recorded.statements_url:
            unit = UnitRef(request.run_id, layout.RUN_UNIT, claim.run_attempt)
            priority = request.effective_priority
            missing = store_run_rows(self.steps, unit, dataset, priority)
            if missing and dataset.load_flow >= LOAD_FLOW:
                result = self._record_missing_rows(record, result, missing)
        self._notify("run-ended", request, claim, result)
        if self.of_long_runs and result.status is RunStatus.FAILED:
            self._reject(request, claim, result)
        return result

    def _with_usage(self, record: RecordRun) -> Callable[[int], RecordRun]:
        """The message of a try, which counts itself."""
        itself: Amounts = {Meter.OPERATIONS: 1}
        return lambda _used: record.model_copy(
            update={"usage": added((usage_with_start(self.context), itself))}
        )

    def _reject(self, request: RunRequest, claim: Claim, result: RunResult) -> None:
        """Put the run's request on the dead-letter queue, with the reason of its failure."""
        permanent = bool(result.permanent)
        letter = letter_of(request, claim.run_attempt, result.reason, permanent=permanent)
        try:
            self.steps.call(Steps.reject_message, letter)
        except StageFailed as failed:  # the reaper, which this execution's end wakes, sends it
            self.context.logger.error(
                "no dead letter sent", extra={"run_id": request.run_id, "error": str(failed)}
            )

    def _record_missing_rows(self, record: RecordRun, result: RunResult, why: str) -> RunResult:
        """Record once more, with what the warehouse lacks; the run's status stays as it is."""
        why = why[:REASON_CHARACTERS]
        again = record.model_copy(update={"warehouse_error": why})
        try:
            return self.steps.call_with(Steps.record_run, self._with_usage(again)).result
        except StageFailed as failed:  # the notification reports it anyway
            self.context.logger.error(
                "missing warehouse rows not recorded",
                extra={"run_id": record.request.run_id, "error": str(failed)},
            )
            return result.model_copy(update={"warehouse_error": why})

    def _list_urls(
        self, request: RunRequest, claim: Claim, dataset: LoadedDataset, handed_over: bool
    ) -> ManifestSummary:
        asked = request.concurrency(of_items=dataset.of_items)
        share = Share(min(asked, self.settings.units_side_by_side))
        return self.steps.list_urls(
            request=request,
            end_date_time=claim.end_date_time,
            units_per_shard=units_per_shard(operations_per_unit(dataset), share.of_each),
            run_attempt=claim.run_attempt,
            handed_over=handed_over,
            may_wait=True,
            shards_at_once=share.lanes,
        )

    def _notify(
        self, event: str, request: RunRequest, claim: Claim, result: RunResult | None = None
    ) -> None:
        try:
            self.steps.notify(
                event=event,
                run_id=request.run_id,
                dataset_name=request.dataset_name,
                run_attempt=claim.run_attempt,
                result=result,
            )
        except StageFailed as failed:  # a lost notification does not change the outcome
            self.context.logger.error(
                "notification not sent",
                extra={"run_id": request.run_id, "event": event, "error": str(failed)},
            )


def _as_claimed(request: RunRequest, claim: Claim) -> RunRequest:
    """The request with the run id that was drawn, and the range that its own came to."""
    if claim.run_id:
        request = request.model_copy(update={"run_id": claim.run_id})
    return request.with_range(claim.start_date_time, claim.end_date_time)


def _why_nothing(manifest: ManifestSummary) -> tuple[str | None, ...]:
    """What an empty manifest says about where was looked, and what was left out."""
    stored = manifest.already_stored
    return (
        None if stored is None else f"{stored:,} listed, {stored:,} already stored",
        f"looked at {manifest.looked_at}" if manifest.looked_at else None,
        left_out(manifest.hidden, manifest.excluded, manifest.not_ready),
        manifest.reason,
    )


def _asked_for(request: RunRequest, claim: Claim, dataset: LoadedDataset) -> str:
    if request.retry_of:
        return f"run {request.retry_of} has stored all it had"
    if request.input_url:
        return dataset.input_url or request.input_url
    start, end = request.fixed_start, format_timestamp(claim.end_date_time)
    return f"dataset {request.dataset_name} from {start and format_timestamp(start)} to {end}"
