"""A run's units as the ledger holds them, one outcome each: read once, gone through as often as
needed, and never all in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Final

from contracts import layout
from contracts.dataset import DatasetSnapshot
from contracts.errors import InvalidData
from contracts.manifest import ManifestSummary
from contracts.run import (
    Finding,
    ItemTotals,
    RowCounts,
    StageFailure,
    UnitOutcome,
    UnitOutputs,
    UnitStatus,
    seconds_between,
)
from contracts.steps import Steps, from_to
from contracts.targets import Targets
from ledger.table import UNIT_PREFIX, Item
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
IN_MEMORY_BYTES: Final = 8 * 1024 * 1024  # of outcomes; more of them go to a temporary file


@dataclass(frozen=True)
class Places:
    """Where the results of a run's units lie.

    Attributes:
        tables: what stored rows are stored in, as `UnitOutputs.tables` names it.
    """

    bucket: str
    run_id: str
    dataset_name: str
    tables: tuple[str, ...] = ()

    @classmethod
    def of(cls, bucket: str, run_id: str, dataset: str, snapshot: DatasetSnapshot | None) -> Places:
        """The places of a run; without tables where it ended before its contract was read."""
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
    ) -> UnitOutputs:
        """What a unit has written, as far as it came.

        Args:
            failed_stage: absent: it is stored.
            set_aside: rows that transform has set aside.
        """
        after_transform = failed_stage is None or failed_stage in _STORES
        after_validate = failed_stage is None or failed_stage in _AFTER_VALIDATE
        run, url = self.run_id, self._url
        rules = {finding.rule for finding in findings if finding.severity != "warn"}
        ours = (
            set(SUMMARIES) & rules if set_aside or failed_stage == Steps.transform.name else set()
        )
        rejected = rows.rejected > set_aside or bool(failed_stage and rules - ours)
        quarantine = layout.quarantine_key(self.dataset_name, run, unit_id)
        aside = layout.transform_quarantine_key(self.dataset_name, run, unit_id)
        return UnitOutputs(
            valid_url=url(layout.valid_prefix(run, unit_id)) if after_validate else None,
            output_url=url(layout.output_prefix(run, unit_id)) if after_transform else None,
            quarantine_url=url(quarantine) if rejected else None,
            set_aside_url=url(aside) if set_aside or ours else None,
            findings_url=url(layout.findings_key(run, unit_id)) if findings else None,
            tables=self._tables(failed_stage),
        )

    def _tables(self, failed_stage: str | None) -> tuple[str, ...]:
        """Where the rows are: everywhere, or in what comes before the store that failed."""
        if failed_stage is None:
            return self.tables
        failed = _TABLES.get(failed_stage)
        before = _ORDER[: _ORDER.index(failed)] if failed else ()
        return tuple(name for name in self.tables if name.partition(":")[0] in before)

    def _url(self, key: str) -> str:
        return layout.s3_url(self.bucket, key)


class UnitRecords:
    """The outcomes of a run's units, in manifest order; may be gone through again and again.

    A context manager: its temporary file goes at the end.
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
    manifest: ManifestSummary | None, items: Iterable[Item], places: Places
) -> Iterator[UnitOutcome]:
    """One outcome for every unit of the manifest; a unit without one has failed.

    Args:
        items: the run's UNIT items in the ledger's order, which is the manifest's.
    """
    recorded = iter(items)
    item = next(recorded, None)
    for shard, size in enumerate(manifest.shard_sizes if manifest else ()):
        for unit in (layout.unit_id(shard, index) for index in range(size)):
            while item is not None and _unit_id(item) < unit:
                item = next(recorded, None)
            found = item if item is not None and _unit_id(item) == unit else None
            yield _outcome(unit, found, places)


def _unit_id(item: Item) -> str:
    return str(item["item"]).removeprefix(UNIT_PREFIX)


def _outcome(unit_id: str, item: Item | None, places: Places) -> UnitOutcome:
    if item is None:
        never_begun = _missing(Steps.start_unit.name, "the unit was never begun")
        return UnitOutcome(unit_id=unit_id, status=UnitStatus.FAILED, failure=never_begun)
    status, rows = UnitStatus(item["status"]), RowCounts.from_json(item.get("rows", {}))
    failure = StageFailure.from_json(item["failure"]) if "failure" in item else None
    if status is UnitStatus.RUNNING:
        failure = _missing(Steps.end_unit.name, "the unit never came to an end")
    elif status is UnitStatus.STORED and not rows.balanced:
        failure = StageFailure(
            stage=Steps.record_run.name,
            error_type=InvalidData.__name__,
            message=f"its rows do not add up: {rows!r}",
        )
    findings = tuple(Finding.from_json(finding) for finding in item.get("findings", ()))
    failed_stage = failure.stage if failure else None
    set_aside = int(item.get("set_aside", 0))
    return UnitOutcome(
        unit_id=unit_id,
        status=UnitStatus.FAILED if failure else status,
        rows=rows,
        job_ids=tuple(item.get("job_ids", ())),
        failure=failure,
        source_url=item.get("source_url"),
        outputs=places.outputs(unit_id, failed_stage, rows, findings, set_aside),
        findings=findings,
        items=ItemTotals.from_json(item["items"]) if "items" in item else None,
        started_at=item.get("started_at"),
        ended_at=item.get("ended_at"),
        seconds=seconds_between(item.get("started_at"), item.get("ended_at")),
    )


def _missing(stage: str, message: str) -> StageFailure:
    return StageFailure(stage=stage, error_type=OUTCOME_MISSING, message=message)
