"""The stage sequence: what happens to a run request, from claim to notification.

    prepare:  claim-run → load-dataset → list-urls → prepare-warehouse
    execute:  per unit (see unit.py) → publish-files → record-run → notify

Pure orchestration: no clock, no random, no environment, no AWS calls. Effects live in the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_durable_execution_sdk_python import BatchResult, DurableContext, InvokeError
from aws_durable_execution_sdk_python.config import CompletionConfig, MapConfig
from aws_durable_execution_sdk_python.exceptions import NonDeterministicExecutionError

from contracts import layout
from contracts.manifest import ManifestSummary, left_out, units_per_shard
from contracts.messages import (
    LOAD_FLOW,
    Claim,
    ClaimOutcome,
    LoadedDataset,
    RecordRun,
)
from contracts.run import REASON_CHARACTERS, RunResult, RunStatus
from contracts.run_request import RunRequest, format_timestamp
from contracts.steps import Steps, UnitRef
from durable_pipeline.plan import Plan, Prepared, Shard, operations_per_unit
from durable_pipeline.policies import REFUSED
from durable_pipeline.settings import Settings
from durable_pipeline.steps import BoundSteps, StageFailed, is_broken_replay
from durable_pipeline.stores import publish_files, store_run_rows
from durable_pipeline.unit import Unit


@dataclass(frozen=True)
class Pipeline:
    """The sequence, bound to one context of one durable execution."""

    context: DurableContext
    settings: Settings
    execution_arn: str

    @property
    def steps(self) -> BoundSteps:
        return BoundSteps(self.context, self.settings)

    def prepare(
        self,
        request: RunRequest,
        handed_over_by: str | None = None,
        message_id: str | None = None,
    ) -> Prepared:
        """Claim the run, load its contract, freeze its manifest.

        Args:
            message_id: of the SQS message that asks for it; absent for a direct start.

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
            )
        except StageFailed as failed:
            if failed.error_type in REFUSED:
                return Prepared(refused=failed.message)
            raise
        prepared = self._prepare_claimed(_with_drawn_id(request, claim), claim, handed_over_by)
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
            manifest = self._list_urls(request, claim, dataset, shard=0)
            if manifest.objects and "redshift" in dataset.targets:
                self.steps.prepare_warehouse(run_id=request.run_id)
        except StageFailed as failed:
            refused = failed.error_type in REFUSED
            result = self.finish(request, claim, RunStatus.FAILED, failed.message, refused=refused)
            refused = refused and result.status is RunStatus.FAILED
            return Prepared(result=result, refused=failed.message if refused else None)
        if manifest.objects == 0:
            what = "items" if dataset.of_items else "objects"
            reason = f"no {what} to process: {_asked_for(request, claim, dataset)}"
            looked = f"looked at {manifest.looked_at}" if manifest.looked_at else None
            why = (looked, left_out(manifest.hidden, manifest.excluded), manifest.reason)
            reason = "; ".join((reason, *filter(None, why)))
            retried, status = dataset if request.retry_of else None, RunStatus.SKIPPED
            return Prepared(result=self.finish(request, claim, status, reason, retried=retried))
        return Prepared(plan=Plan(request=request, claim=claim, dataset=dataset, manifest=manifest))

    def execute(self, plan: Plan) -> RunResult:
        """Process every pending unit, then record and announce the run.

        The run always ends in the ledger, even if units or shards fail: a unit without an outcome
        counts as failed.

        Raises:
            StageFailed: the run's outcome could not be recorded, or another execution holds it.
        """
        if len(plan.manifest.shard_sizes) == 1:
            self.execute_shard(plan, shard=0)
        else:
            for shard in range(len(plan.manifest.shard_sizes)):
                self._run_shard(plan, shard)
        return self.finish(plan.request, plan.claim, dataset=plan.dataset)

    def _run_shard(self, plan: Plan, shard: int) -> None:
        message = {"shard": Shard(plan=plan, shard=shard).to_json()}
        same_code = self.execution_arn.partition("/durable-execution/")[0]  # function and version
        try:
            self.context.invoke(same_code, message, name="run-shard")
        except InvokeError as error:
            self._unrecorded("shard", f"{shard}: {error}", plan)

    def execute_shard(self, plan: Plan, shard: int) -> None:
        """Process the pending units of one shard, as many in parallel as the request allows."""
        manifest = plan.manifest
        if shard > 0:
            manifest = self._list_urls(plan.request, plan.claim, plan.dataset, shard)
        units = [layout.unit_id(shard, position) for position in manifest.pending_positions()]

        def process(context: DurableContext, unit_id: str, _index: int, _all: Sequence[str]) -> Any:
            unit = UnitRef(plan.request.run_id, unit_id, plan.claim.run_attempt)
            steps = BoundSteps(context, self.settings)
            return Unit(steps, plan.dataset, unit, holder=plan.claim.holder).process()

        config: MapConfig[Any] = MapConfig(
            max_concurrency=plan.concurrency,
            # Every unit runs, even if others fail.
            completion_config=CompletionConfig(tolerated_failure_percentage=100),
            item_namer=lambda unit_id, _index: f"unit-{unit_id}",
        )
        if not units:
            return
        batch: BatchResult[Any] = self.context.map(units, process, name="units", config=config)
        for item in batch.failed():
            why = item.error.message if item.error else "no error reported"
            if item.error and is_broken_replay(item.error.type):
                raise NonDeterministicExecutionError(why or "")
            self._unrecorded("unit", f"{units[item.index]}: {why}", plan)

    def _unrecorded(self, what: str, details: str, plan: Plan) -> None:
        extra = {"run_id": plan.request.run_id, what: details}
        self.context.logger.error("no outcome recorded", extra=extra)

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
            refused: its message can never run.
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
        recorded = self.steps.call(Steps.record_run, record)
        result = recorded.result
        if dataset and dataset.warehouse and recorded.statements_url:
            unit = UnitRef(request.run_id, layout.RUN_UNIT, claim.run_attempt)
            missing = store_run_rows(self.steps, unit, dataset)
            if missing and dataset.load_flow >= LOAD_FLOW:
                result = self._record_missing_rows(record, result, missing)
        self._notify("run-ended", request, claim, result)
        return result

    def _record_missing_rows(self, record: RecordRun, result: RunResult, why: str) -> RunResult:
        """Record once more, with what the warehouse lacks; the run's status stays as it is."""
        why = why[:REASON_CHARACTERS]
        again = record.model_copy(update={"warehouse_error": why})
        try:
            return self.steps.call(Steps.record_run, again).result
        except StageFailed as failed:  # the notification reports it anyway
            self.context.logger.error(
                "missing warehouse rows not recorded",
                extra={"run_id": record.request.run_id, "error": str(failed)},
            )
            return result.model_copy(update={"warehouse_error": why})

    def _list_urls(
        self, request: RunRequest, claim: Claim, dataset: LoadedDataset, shard: int
    ) -> ManifestSummary:
        return self.steps.list_urls(
            request=request,
            end_date_time=claim.end_date_time,
            units_per_shard=units_per_shard(operations_per_unit(dataset)),
            run_attempt=claim.run_attempt,
            shard=shard,
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


def _with_drawn_id(request: RunRequest, claim: Claim) -> RunRequest:
    return request.model_copy(update={"run_id": claim.run_id}) if claim.run_id else request


def _asked_for(request: RunRequest, claim: Claim, dataset: LoadedDataset) -> str:
    if request.retry_of:
        return f"run {request.retry_of} has stored all it had"
    if request.input_url:
        return dataset.input_url or request.input_url
    start, end = request.start_date_time, format_timestamp(claim.end_date_time)
    return f"dataset {request.dataset_name} from {start and format_timestamp(start)} to {end}"
