"""`pipeline results --json`: the results document of a run, as this release writes it.

What record-run keeps in S3 may be of another release, and may have 100,000 units: it is read and
printed unit by unit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

from cli.client.ledger import Run, next_steps_of
from cli.documents.base import Document
from cli.documents.ledger import RequestDocument, run_fields
from contracts.costs.figures import RunCost
from contracts.output.files import FilesTotals
from contracts.run import (
    FailedUnit,
    Finding,
    ItemTotals,
    NextStep,
    RowCounts,
    RunOutcome,
    RunResult,
    RunStatus,
    UnitOutcome,
    UnitTotals,
    seconds_between,
)
from contracts.source.object_totals import FailedObject, ObjectTotals
from contracts.source.ready import NotReady

_OUTCOMES: Final = b'"outcomes": ['
_NONE: Final = "[]\n}"  # how a document without outcomes ends


class ResultsDocument(Document):
    """What came of a run that has ended.

    Attributes:
        outcome: its status, but for SUCCEEDED_WITH_LOSSES and SUPERSEDED.
        superseded_by: the run that retries it and took its place.
        execution_arn: the durable execution that recorded the end.
        dataset_version: content hash of the contract; null where the run ended before it read one.
        rows: of the stored units. `rowsIn == filtered + rejected + removed + stored`.
        objects: where units hold several, by outcome; those are what may fail.
        failed_objects: the first that were left out of stored units.
        findings: the rules that most rows broke.
        failures: the first failed units; `outcomes` has them all.
        hidden_objects: objects of the range that were left out as hidden.
        excluded_objects: objects of the range that were left out by the contract's `exclude`.
        not_ready: partitions that were left out as their marker is not there; null: none.
        already_stored: objects of the range that were left out as already stored (`onlyNew`); null:
            the run takes all.
        files, files_error: what was published in the output bucket, or why it could not be.
        permanent: of a run that FAILED: whether processing the same again would fail in the same
            way; null where that is not recorded.
        warehouse_error: why the warehouse lacks the rows about the run itself.
        cost: what it used, at list prices; null: not known, as it is of an earlier release.
        item_results_url: the prefix under which each item has its result.
        outcomes: every unit, in the manifest's order; empty where the run ended before it had any.
    """

    run_id: str
    dataset_name: str
    status: RunStatus
    outcome: RunOutcome
    superseded_by: str | None = None
    reason: str | None = None
    run_attempt: int | None = None
    execution_arn: str | None = None
    request: RequestDocument | None = None
    dataset_version: str | None = None
    end_date_time: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    seconds: float | None = None
    units: UnitTotals
    rows: RowCounts
    rows_add_up: bool
    items: ItemTotals | None = None
    objects: ObjectTotals | None = None
    failed_objects: tuple[FailedObject, ...] | None = None
    findings: tuple[Finding, ...] = ()
    failures: tuple[FailedUnit, ...] = ()
    next_steps: tuple[NextStep, ...] = ()
    hidden_objects: int = 0
    excluded_objects: int = 0
    not_ready: NotReady | None = None
    already_stored: int | None = None
    files: FilesTotals | None = None
    files_error: str | None = None
    permanent: bool | None = None
    warehouse_error: str | None = None
    cost: RunCost | None = None
    results_url: str | None = None
    item_results_url: str | None = None
    outcomes: tuple[UnitOutcome, ...] = ()

    @classmethod
    def of_stored(cls, head: dict[str, Any], run: Run) -> Self:
        """From what record-run wrote, without its outcomes, and what became of the run since."""
        result = RunResult.from_json(head)
        result = result.model_copy(
            update={"next_steps": next_steps_of(run.item, result.next_steps)}
        )
        request = head.get("request")
        return cls(
            **{name: getattr(result, name) for name in type(result).model_fields},
            outcome=RunOutcome.SUPERSEDED if run.superseded_by else result.outcome,
            superseded_by=run.superseded_by,
            rows_add_up=result.rows.balanced,
            run_attempt=head.get("runAttempt"),
            execution_arn=head.get("execution"),
            request=None if request is None else RequestDocument.from_json(request),
            dataset_version=head.get("datasetVersion"),
            end_date_time=head.get("endDateTime"),
            seconds=head.get("seconds"),
        )

    @classmethod
    def of_run(cls, run: Run) -> Self:
        """Of a run that ended before it had units: the ledger has all there is."""
        known = {name: value for name, value in run_fields(run).items() if name in cls.model_fields}
        known["outcome"] = run.outcome or RunOutcome(run.status.value)
        seconds = seconds_between(known["started_at"], known.get("ended_at"))
        return cls(**known, rows_add_up=run.rows.balanced, seconds=seconds)

    def lines(self, outcomes: Iterable[UnitOutcome]) -> Iterator[str]:
        """The text of the document with these outcomes, in parts to be written one by one."""
        yield self.model_dump_json(by_alias=True, indent=2).removesuffix(_NONE) + "["
        separator = ""
        for outcome in outcomes:
            yield f"{separator}\n    {outcome.model_dump_json(by_alias=True)}"
            separator = ","
        yield "\n  ]\n}\n" if separator else "]\n}\n"


@dataclass(frozen=True)
class StoredResults:
    """A results document, as record-run writes it.

    Attributes:
        head: all of it but its outcomes.
        outcomes: of every unit, in manifest order; can be gone through once.
    """

    head: dict[str, Any]
    outcomes: Iterator[UnitOutcome]

    @classmethod
    def read(cls, lines: Iterable[bytes]) -> StoredResults:
        """Read the head; the outcomes, of which there may be 100,000, as they are asked for."""
        rest = iter(lines)
        head: list[bytes] = []
        for line in rest:
            if line.strip() == _OUTCOMES:
                break
            head.append(line)
        values = json.loads(b"\n".join(head).rstrip().removesuffix(b",") + b"}")
        return cls(values, _outcomes(rest))


def _outcomes(lines: Iterator[bytes]) -> Iterator[UnitOutcome]:
    for line in lines:
        text = line.strip().removesuffix(b",")
        if text.startswith(b"{"):
            yield UnitOutcome.from_json(json.loads(text))
