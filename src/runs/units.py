"""Reads the outcomes of a run's units from the ledger, once; they need not fit into memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Final

from contracts import layout
from contracts.dataset import DatasetSnapshot
from contracts.errors import InvalidData, RunStopped
from contracts.ledger_items import UnitItem
from contracts.manifest import ManifestSummary
from contracts.run import (
    Finding,
    RowCounts,
    StageFailure,
    UnitOutcome,
    UnitOutputs,
    UnitState,
    UnitStatus,
    seconds_between,
)
from contracts.source.object_totals import ObjectTotals
from contracts.steps import Steps, from_to
from contracts.targets import Targets
from stores.rules import SUMMARIES

_ORDER: Final = tuple(Targets.model_fields)  # in which a unit's rows are stored
_TABLES: Final = {
    Steps.store_dynamodb.name: "dynamodb",
    Steps.store_redshift.name: "redshift",
    Steps.explain_load.name: "redshift",
}
_STORES: Final = from_to(Steps.store_files, Steps.explain_load)
_AFTER_VALIDATE: Final = from_to(Steps.validate, Steps.explain_load)[1:]
OUTCOME_MISSING: Final = "OutcomeMissing"
NOT_STARTED: Final = "not started: "  # and why, of a unit that was not to begin
IN_MEMORY_BYTES: Final = 8 * 1024 * 1024  # of outcomes; more of them go to a temporary file


@dataclass(frozen=True)
class OutputLocations:
    """Where the results of a run's units lie.

    Attributes:
        tables: what stored rows are stored in, as `UnitOutputs.tables` names it.
    """

    bucket: str
    run_id: str
    dataset_name: str
    tables: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, bucket: str, run_id: str, dataset: str, snapshot: DatasetSnapshot | None
    ) -> OutputLocations:
        """Those of a run; without tables if it ended before its contract was read."""
        tables: list[str] = []
        if snapshot is not None:
            targets = snapshot.dataset.targets
            tables += [f"files:{targets.files.prefix}"] if targets.files else []
            tables += ["dynamodb"] if targets.dynamodb else []
            tables += [f"redshift:{targets.redshift.table}"] if targets.redshift else []
        return cls(bucket, run_id, dataset, tuple(tables))

    def outputs(
        self,
        unit_id: str,
        failed_stage: str | None,
        rows: RowCounts,
        findings: tuple[Finding, ...],
        set_aside: int = 0,
        stored_in: tuple[str, ...] | None = None,
        *,
        lost_objects: bool = False,
    ) -> UnitOutputs:
        """What a unit has written, up to the stage where it ended.

        Args:
            failed_stage: absent: it is stored.
            set_aside: rows that transform found unstorable.
            stored_in: targets that have all rows of a unit that failed; absent: those before the
                store that failed, in the order of an earlier release.
            lost_objects: it holds several objects, and some were left out: their rejected rows
                count nowhere.
        """
        after_transform = failed_stage is None or failed_stage in _STORES
        after_validate = failed_stage is None or failed_stage in _AFTER_VALIDATE
        run, url = self.run_id, self._url
        rules = {finding.rule for finding in findings if finding.severity != "warn"}
        in_transform = set_aside or lost_objects or failed_stage == Steps.transform.name
        ours = set(SUMMARIES) & rules if in_transform else set()
        lost = lost_objects or failed_stage is not None
        rejected = rows.rejected > set_aside or bool(lost and rules - ours)
        quarantine = layout.quarantine_key(self.dataset_name, run, unit_id)
        unstorable = layout.transform_quarantine_key(self.dataset_name, run, unit_id)
        return UnitOutputs(
            valid_url=url(layout.valid_prefix(run, unit_id)) if after_validate else None,
            output_url=url(layout.output_prefix(run, unit_id)) if after_transform else None,
            quarantine_url=url(quarantine) if rejected else None,
            set_aside_url=url(unstorable) if set_aside or ours else None,
            findings_url=url(layout.findings_key(run, unit_id)) if findings else None,
            tables=self._tables(failed_stage, stored_in),
        )

    def _tables(
        self, failed_stage: str | None, stored_in: tuple[str, ...] | None
    ) -> tuple[str, ...]:
        """Where the rows are."""
        if failed_stage is None:
            return self.tables
        failed = _TABLES.get(failed_stage)
        before = stored_in
        if before is None:
            before = _ORDER[: _ORDER.index(failed)] if failed else ()
        return tuple(name for name in self.tables if name.partition(":")[0] in before)

    def _url(self, key: str) -> str:
        return layout.s3_url(self.bucket, key)


class UnitRecords:
    """The outcomes of a run's units, in manifest order; they can be read repeatedly.

    A context manager, which removes its temporary file.
    """

    def __init__(
        self, outcomes: Iterable[UnitOutcome], in_memory_bytes: int = IN_MEMORY_BYTES
    ) -> None:
        self._file = SpooledTemporaryFile(max_size=in_memory_bytes)  # noqa: SIM115  (see __exit__)
        self.count = 0
        for outcome in outcomes:
            line = json.dumps(outcome.to_json(), sort_keys=True, ensure_ascii=False)
            self._file.write(line.encode() + b"\n")
            self.count += 1

    def __enter__(self) -> UnitRecords:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[UnitOutcome]:
        return (UnitOutcome.from_json(json.loads(line)) for line in self.lines())

    def lines(self) -> Iterator[bytes]:
        """Each outcome as JSON without a line break; one pass at a time."""
        self._file.seek(0)
        return (line.rstrip(b"\n") for line in self._file)


def unit_outcomes(
    manifest: ManifestSummary | None,
    units: Iterable[UnitItem],
    places: OutputLocations,
    why_stopped: str | None = None,
) -> Iterator[UnitOutcome]:
    """One outcome for every unit of the manifest.

    A unit that the ledger does not know has failed, unless others before it were not to begin: then
    its shard was not reached for the same reason.

    Args:
        units: the run's units in the ledger's order, which is the manifest's.
        why_stopped: of a run that a person stops: why units were not begun.
    """
    not_begun = _missing(Steps.start_unit.name, "the unit was never begun"), UnitState.FAILED
    if why_stopped is not None:
        not_begun = _stopped(why_stopped), UnitState.NOT_STARTED
    recorded = iter(units)
    unit = next(recorded, None)
    for shard, size in enumerate(manifest.shard_sizes if manifest else ()):
        for unit_id in (layout.unit_id(shard, index) for index in range(size)):
            while unit is not None and unit.unit_id < unit_id:
                unit = next(recorded, None)
            if unit is None or unit.unit_id != unit_id:
                failure, status = not_begun
                yield UnitOutcome(unit_id=unit_id, status=status, failure=failure)
                continue
            if unit.not_started and unit.failure is not None:
                not_begun = unit.failure, UnitState.NOT_STARTED
            yield _outcome(unit, places)


def _outcome(unit: UnitItem, places: OutputLocations) -> UnitOutcome:
    status, rows, failure = unit.status, unit.rows or RowCounts(), unit.failure
    objects = unit.objects
    if status is UnitStatus.RUNNING:
        failure = _missing(Steps.end_unit.name, "the unit never came to an end")
    elif status is UnitStatus.STORED and not rows.balanced:
        failure = StageFailure(
            stage=Steps.record_run.name,
            error_type=InvalidData.__name__,
            message=f"its rows do not add up: {rows!r}",
        )
    failed_stage = failure.stage if failure else None
    if objects is not None and failure is not None and not unit.not_started:
        objects = ObjectTotals(total=objects.total, failed=objects.total)
    return UnitOutcome(
        unit_id=unit.unit_id,
        status=UnitState.FAILED if failure and not unit.not_started else unit.outcome,
        rows=rows,
        job_ids=unit.job_ids,
        failure=failure,
        source_url=unit.source_url,
        outputs=places.outputs(
            unit.unit_id,
            failed_stage,
            rows,
            unit.findings,
            unit.set_aside or 0,
            unit.stored_in,
            lost_objects=bool(unit.objects and unit.objects.failed),
        ),
        findings=unit.findings,
        items=unit.items,
        objects=objects,
        failed_objects=unit.failed_objects or None,
        objects_url=unit.objects_url,
        started_at=unit.started_at,
        ended_at=unit.ended_at,
        seconds=seconds_between(unit.started_at, unit.ended_at),
    )


def _stopped(why: str) -> StageFailure:
    return StageFailure(
        stage=Steps.start_unit.name, error_type=RunStopped.__name__, message=f"{NOT_STARTED}{why}"
    )


def _missing(stage: str, message: str) -> StageFailure:
    return StageFailure(stage=stage, error_type=OUTCOME_MISSING, message=message)
