"""Transforms a unit that holds several objects: the contract's SQL over the rows of each by itself.

So every row is what it is where each object is a unit: a transform that looks at all rows looks at
those of one object, and keys are unique within an object. The results become the unit's files, in
the order of the objects; each row says the place of its object (`stores.versions.PLACE`).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import duckdb

from contracts import layout
from contracts.dataset import VALID_RELATION, DatasetSnapshot
from contracts.errors import InvalidData, PipelineError
from contracts.manifest import ManifestEntry
from contracts.messages import Transform, Transformed
from contracts.run import RowCounts
from contracts.source.object_outcomes import (
    ObjectOutcome,
    ObjectOutcomes,
    named_failures,
    rows_of,
    totals_of,
)
from contracts.steps import Steps
from runtime import s3
from sources import frozen
from stores.limits import StoreLimits
from stores.versions import PLACE
from tabular import workspace
from tabular.capacity import Capacity
from tabular.part_files import RowFiles, Rows, write_parts
from tabular.sql import PASSED_ON, STORED, sql_identifier, sql_literal
from tabular.workspace import MEGABYTE, Workspace
from transformation.computing import DISK, Computation, Computed, check_disk, compute
from transformation.contract_select import transform_failed
from transformation.row_scope import RowScope
from validation.group import failure_of, joined, own_directory, refuse_if_none_is_left
from validation.violations import BrokenRules

RELATION: Final = "rows-of-all"  # the hyphens keep it apart from every table
_VALID: Final = "valid-of-all"
_DISK_OF_ALL: Final = 3.0  # per byte of valid rows: they, all results, and a part of these


def transform_group(
    space: Workspace,
    message: Transform,
    data_bucket: str,
    capacity: Capacity,
    snapshot: DatasetSnapshot,
    scope: RowScope,
    valid: Rows,
) -> Transformed:
    """Write the stored form of the valid rows of all objects of a unit.

    Args:
        valid: they, object after object.

    Raises:
        InvalidData: see `transform_unit`.
    """
    run_id, unit_id = message.run_id, message.unit_id
    entries = frozen.objects_of(frozen.read_unit(data_bucket, run_id, unit_id))
    document = s3.read_json(data_bucket, layout.objects_valid_key(run_id, unit_id))
    validated = ObjectOutcomes.from_json(document).objects
    results = _Results(space, message, data_bucket, capacity, snapshot, scope)
    check_disk(valid, _DISK_OF_ALL, f"unit {unit_id} of run {run_id}", capacity)
    before = 0
    for place, (entry, outcome) in enumerate(zip(entries, validated, strict=True)):
        if outcome.failure is not None:
            results.outcomes.append(outcome)
            continue
        rows = Rows(valid.files, _VALID)
        end = before + outcome.rows.stored
        with own_directory(space, place) as own:
            results.add(own, place, entry, outcome, _rows_between(own, rows, before, end))
        before = end
    if before != valid.count:
        raise InvalidData(
            f"unit {unit_id} of run {run_id} has {valid.count} valid rows, its objects {before}"
        )
    return results.write()


def _rows_between(own: Workspace, valid: Rows, first: int, last: int) -> Rows:
    """The rows of one object, in a file of their own."""
    path = own.path("valid.parquet")
    valid.show(own, first, last)
    own.connection.execute(
        f"COPY (FROM {sql_identifier(valid.relation)}) TO {sql_literal(path)} {PASSED_ON}"
    )
    return Rows(RowFiles((path,), (last - first,)), VALID_RELATION)


class _Results:
    """Gathers what comes of the objects, in the unit's workspace."""

    def __init__(
        self,
        space: Workspace,
        message: Transform,
        bucket: str,
        capacity: Capacity,
        snapshot: DatasetSnapshot,
        scope: RowScope,
    ) -> None:
        self._space, self._message, self._bucket = space, message, bucket
        self._capacity, self._snapshot, self._scope = capacity, snapshot, scope
        self.outcomes: list[ObjectOutcome] = []
        self._refused: PipelineError | None = None  # the first one
        self._rules = BrokenRules()
        self._unstorable = space.path("unstorable-of-all.jsonl")
        self._rejected = 0
        self._parts: list[Path] = []
        self._empty: Path | None = None
        run_id, unit_id = message.run_id, message.unit_id
        self._quarantine_key = layout.transform_quarantine_key(
            snapshot.dataset.name, run_id, unit_id
        )
        self._findings_key = layout.transform_findings_key(run_id, unit_id)

    def add(
        self,
        own: Workspace,
        place: int,
        entry: ManifestEntry,
        outcome: ObjectOutcome,
        valid: Rows,
    ) -> None:
        """Transform the rows of one object.

        Raises:
            PipelineError: it failed by something else than these rows.
        """
        unit = self._of_object(place, entry, outcome)
        try:
            check_disk(valid, DISK[unit.scope], unit.where, unit.capacity)
            try:
                computed = compute(own, unit, valid)
            except duckdb.Error as error:
                raise transform_failed(error, unit.where) from error
        except InvalidData as error:
            self._refused = self._refused or error
            failure = failure_of(error, Steps.transform.name, entry, self._snapshot)
            outcome = ObjectOutcome(url=entry.url, etag=entry.etag, failure=failure)
            self.outcomes.append(outcome)
            for part in self._space.directory.glob(f"{_name(place)}-*"):
                part.unlink()
            return
        counts = _stored(outcome.rows, computed)
        self._rejected += computed.rejected
        self.outcomes.append(outcome.model_copy(update={"rows": counts}))
        made = sorted(self._space.directory.glob(f"{_name(place)}-*"))
        if computed.rows:
            self._parts += made
        elif self._empty is None:
            self._empty = made[0]  # it has the columns

    def write(self) -> Transformed:
        """Write the unit's files; evidence comes first.

        Raises:
            InvalidData: see `transform_unit`.
        """
        message, bucket, snapshot = self._message, self._bucket, self._snapshot
        run_id, unit_id = message.run_id, message.unit_id
        rejected_url = findings_url = None
        if self._unstorable.exists():
            rejected_url = workspace.upload(self._unstorable, bucket, self._quarantine_key)
            said = self._rules if snapshot.dataset.examples else self._rules.without_values()
            findings_url = s3.write_json(bucket, self._findings_key, said.to_json())
        document = ObjectOutcomes(run_id=run_id, unit_id=unit_id, objects=tuple(self.outcomes))
        s3.write_json(bucket, layout.objects_key(run_id, unit_id), document.to_json())
        if self._refused is not None and snapshot.group and snapshot.group.bad_object == "fail":
            raise self._refused
        refuse_if_none_is_left(self.outcomes, unit_id)
        prefix = layout.output_prefix(run_id, unit_id)
        counts = rows_of(self.outcomes)
        files = write_parts(
            self._space,
            Rows(joined(self._space, self._parts, self._empty), RELATION),
            snapshot.dataset.limits.part_megabytes * MEGABYTE,
            lambda part, name: workspace.upload(part, bucket, prefix + name),
        )
        return Transformed(
            rows=counts.stored,
            removed=counts.removed,
            output_url=layout.s3_url(bucket, prefix),
            files=files,
            rejected=self._rejected,
            rejected_url=rejected_url,
            findings_url=findings_url,
            counts=counts,
            objects=totals_of(self.outcomes),
            failed_objects=named_failures(self.outcomes),
        )

    def _of_object(self, place: int, entry: ManifestEntry, outcome: ObjectOutcome) -> Computation:
        def keep(part: Path, name: str) -> None:
            whole = self._space.path(f"{_name(place)}-{name}")
            self._space.connection.execute(
                f"COPY (SELECT *, CAST({place} AS BIGINT) AS {sql_identifier(PLACE)}"
                f" FROM read_parquet({sql_literal(part)})) TO {sql_literal(whole)} {STORED}"
            )

        def keep_evidence(path: Path, rules: BrokenRules) -> tuple[str, str]:
            with self._unstorable.open("ab") as joined_rows, path.open("rb") as lines:
                shutil.copyfileobj(lines, joined_rows, MEGABYTE)
            self._rules.add_object(rules, entry.url)
            return (
                layout.s3_url(self._bucket, self._quarantine_key),
                layout.s3_url(self._bucket, self._findings_key),
            )

        message = self._message
        return Computation(
            snapshot=self._snapshot,
            capacity=self._capacity,
            scope=self._scope,
            limits=StoreLimits(self._snapshot, message, self._bucket, of=(entry, place)),
            where=f"{entry.url} (unit {message.unit_id} of run {message.run_id})",
            source=lambda: entry.url,
            rows_in=outcome.rows.rows_in,
            rejected=outcome.rows.rejected,
            keep=keep,
            keep_evidence=keep_evidence,
        )


def _stored(validated: RowCounts, computed: Computed) -> RowCounts:
    """The counts of an object whose result is to be stored."""
    return RowCounts(
        rows_in=validated.rows_in,
        filtered=validated.filtered,
        rejected=validated.rejected + computed.rejected,
        removed=validated.removed + computed.removed,
        stored=computed.rows,
        warned=validated.warned,
    )


def _name(place: int) -> str:
    return f"made-{place:04d}"
