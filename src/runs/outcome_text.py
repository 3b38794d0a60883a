"""A run's outcome in words: notifications and the command line show the same lines. Pure.

Sums have one order everywhere: what was read, what of it was lost at each stage, what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.manifest import left_out
from contracts.output.files import FilesTotals
from contracts.run import (
    FailedUnit,
    Finding,
    ItemTotals,
    NextStep,
    RowCounts,
    RunResult,
    StageFailure,
    UnitTotals,
    seconds_between,
)
from contracts.source.object_totals import FailedObject, ObjectTotals
from costs.texts import cost_text

LOG_LINES: Final = 10
FAILURES_SHOWN: Final = 3
_OUTCOME_WORDS: Final = {"SUCCEEDED_WITH_LOSSES": "SUCCEEDED with losses"}


@dataclass(frozen=True)
class Section:
    """Lines under one title.

    Attributes:
        title: None: the lines stand for themselves.
    """

    title: str | None
    lines: tuple[str, ...]


def end_text(result: RunResult, stack: str | None = None) -> str:
    """The text of the notification. Its first line stands alone: it is the subject, too.

    Args:
        stack: the name that commands get with `--stack`; None: commands for the local cloud.
    """
    lines = [headline(result)]
    for section in (*evidence(result), *next_steps(result.next_steps, stack)):
        lines += [f"{section.title}:"] if section.title else []
        lines += section.lines
    if result.cost is not None:
        lines.append(cost_text(result.cost))
    return "\n".join(lines)


def headline(result: RunResult) -> str:
    """`Run r1 of orders SUCCEEDED: 3 of 3 units, 120 rows stored, 4 rejected`."""
    outcome = _OUTCOME_WORDS.get(result.outcome, result.outcome.value)
    head = f"Run {result.run_id} of {result.dataset_name} {outcome}"
    if not result.units.total:
        return f"{head}: {result.reason}" if result.reason else head
    parts = [f"{result.units.stored:,} of {result.units.total:,} units"]
    if result.items is not None:
        parts.append(f"{result.items.stored:,} of {result.items.total:,} items")
    if result.objects is not None:
        parts.append(f"{result.objects.stored:,} of {result.objects.total:,} objects")
    parts += [f"{_counted(result.rows.stored)} stored", f"{result.rows.rejected:,} rejected"]
    if result.rows.warned:
        parts.append(f"{result.rows.warned:,} warned")
    return f"{head}: {', '.join(parts)}"


def evidence(result: RunResult) -> tuple[Section, ...]:
    """Counts, broken rules, failed units, and where the rest is written down."""
    links = [
        *([f"Every unit: {result.results_url}"] if result.results_url else []),
        *([f"Every item: {result.item_results_url}"] if result.item_results_url else []),
    ]
    return (
        *facts(result),
        *broken_rules(result.findings),
        *failed_units(result.failures, result.units.failed),
        *failed_objects(result.failed_objects or ()),
        *([Section(None, tuple(links))] if links else []),
    )


def facts(result: RunResult) -> tuple[Section, ...]:
    """Reason, counts, files and time, a line each."""
    lines = tuple(_facts(result))
    return (Section(None, lines),) if lines else ()


def broken_rules(findings: Sequence[Finding]) -> tuple[Section, ...]:
    """The rules that rows broke, with how many rows and an example."""
    lines = tuple(f"- {describe(finding)}" for finding in findings)
    return (Section("Rules that rows broke", lines),) if lines else ()


def failed_units(failed: Sequence[FailedUnit], total: int) -> tuple[Section, ...]:
    """Why the first failed units failed.

    Args:
        total: how many units failed.
    """
    shown = failed[:FAILURES_SHOWN]
    if not shown:
        return ()
    lines = tuple(line for unit in shown for line in failure_lines(unit))
    return (Section(f"Failed units (the first {len(shown)} of {total:,})", lines),)


def failed_objects(failed: Sequence[FailedObject]) -> tuple[Section, ...]:
    """Why the first objects failed that were left out of stored units."""
    lines = tuple(f"- {failed_object_text(each)}" for each in failed[:FAILURES_SHOWN])
    return (Section("Objects left out of their units (the first)", lines),) if lines else ()


def next_steps(steps: Iterable[NextStep], stack: str | None) -> tuple[Section, ...]:
    """What to do about the outcome; a command stands on a line of its own."""
    lines: list[str] = []
    for number, step in enumerate(steps, start=1):
        command = step.command_on(stack)
        lines += [f"{number}. {step.why}", *([f"   {command}"] if command else [])]
    return (Section("What to do next", tuple(lines)),) if lines else ()


def _facts(result: RunResult) -> Iterator[str]:
    units = result.units
    if units.total:
        if result.reason:
            yield f"Reason: {result.reason}"
        yield f"Units: {units_sum(units)}"
        yield f"Rows of stored units: {rows_sum(result.rows)}"
    if result.items is not None:
        yield f"Items: {items_sum(result.items)}"
    if result.objects is not None:
        yield f"Objects: {objects_sum(result.objects)}"
    left = left_out(
        result.hidden_objects, result.excluded_objects, result.not_ready, result.already_stored
    )
    if left and units.total:
        yield f"Left out: {left}" if result.objects is not None else f"Objects: {left}"
    if result.files:
        yield published(result.files)
    if result.warehouse_error:
        yield missing_in_warehouse(result.warehouse_error)
    seconds = seconds_between(result.started_at, result.ended_at)
    if seconds is not None:
        yield f"Time: {result.started_at} to {result.ended_at} ({seconds:,.0f} s)"


def rows_sum(rows: RowCounts) -> str:
    """`9 in = 1 filtered + 2 rejected + 1 removed + 5 stored`, and which of them are notable."""
    sign = "=" if rows.balanced else "is NOT"
    warned = f"; {rows.warned:,} of them break a rule that only warns" if rows.warned else ""
    newer = f"; {rows.superseded:,} superseded by newer ones" if rows.superseded else ""
    return (
        f"{rows.rows_in:,} in {sign} {rows.filtered:,} filtered + {rows.rejected:,} rejected"
        f" + {rows.removed:,} removed + {rows.stored:,} stored{warned}{newer}"
    )


def units_sum(units: UnitTotals) -> str:
    """`3 = 1 failed + 2 stored`, and those that were not to begin."""
    not_started = f"{units.not_started:,} not started + " if units.not_started else ""
    return f"{units.total:,} = {not_started}{units.failed:,} failed + {units.stored:,} stored"


def items_sum(items: ItemTotals) -> str:
    """`50 = 1 rejected + 25 of failed batches + 24 stored`, and those that were not to begin."""
    not_started = f"{items.not_started:,} not started + " if items.not_started else ""
    return (
        f"{items.total:,} = {not_started}{items.rejected:,} rejected"
        f" + {items.failed:,} of failed batches + {items.stored:,} stored"
    )


def objects_sum(objects: ObjectTotals) -> str:
    """`400 = 1 failed + 399 stored`, and those that were not to begin."""
    not_started = f"{objects.not_started:,} not started + " if objects.not_started else ""
    return f"{objects.total:,} = {not_started}{objects.failed:,} failed + {objects.stored:,} stored"


def published(files: FilesTotals) -> str:
    """`Files: 3 with 120 rows (4,567 bytes): s3://…/_runs/r1.json`, and what became of others."""
    notes = ""
    if files.supersedes:
        runs = "1 earlier run" if files.supersedes == 1 else f"{files.supersedes:,} earlier runs"
        notes += f"; supersedes {runs}"
    if files.removed:
        notes += f"; {files.removed:,} replaced files removed"
    if files.superseded_by:
        notes += f"; superseded by the newer run {files.superseded_by}"
    return (
        f"Files: {files.files:,} with {_counted(files.rows)} ({files.bytes:,} bytes):"
        f" {files.manifest_url}{notes}"
    )


def missing_in_warehouse(error: str) -> str:
    """That a run's own rows did not reach the warehouse, and why."""
    return (
        "The warehouse has no current rows about this run (pipeline_runs, pipeline_units,"
        f" pipeline_jobs): {error}"
    )


def describe(finding: Finding) -> str:
    """`positive of amount (quarantine): 12 rows, such as unit 00000-001, line 7: -3`."""
    column = f" of {finding.column}" if finding.column else ""
    example = f", such as {finding.example}" if finding.example else ""
    return f"{finding.rule}{column} ({finding.severity}): {_counted(finding.rows)}{example}"


def _counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def failure_text(failure: StageFailure) -> str:
    """`validate: InvalidData: 40% of the rows were rejected`."""
    return f"{failure.stage}: {failure.error_type}: {failure.message}"


def failed_object_text(failed: FailedObject) -> str:
    """`s3://bucket/key at validate: InvalidData: 40% of the rows were rejected`."""
    return f"{failed.url} at {failed.stage}: {failed.error_type}: {failed.message}"


def unit_failure_text(unit: FailedUnit) -> str:
    """`00000-001 at validate: InvalidData: 40% of the rows were rejected`."""
    return f"{unit.unit_id} at {failure_text(unit.failure)}"


def failure_lines(unit: FailedUnit) -> Iterator[str]:
    """Why a unit failed; of a job also where its log is, and its last lines."""
    failure = unit.failure
    yield f"- {unit_failure_text(unit)}"
    known = {"job": failure.job_id, "log": failure.log_url, "console": failure.console_url}
    yield from (f"  {name}: {value}" for name, value in known.items() if value)
    yield from (f"  {line}" for line in log_lines(failure.log_tail))


def log_lines(tail: str | None) -> Iterator[str]:
    """The last lines of a job's log, marked as such."""
    if tail:
        yield "the log's last lines:"
        yield from (f"| {line}" for line in tail.splitlines()[-LOG_LINES:])
