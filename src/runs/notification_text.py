"""What a notification of a run's end says to people: what happened, the evidence, what to do. Pure.

The first line stands alone: it is the subject, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from contracts.manifest import left_out
from contracts.output_files import FilesTotals
from contracts.run import (
    FailedUnit,
    Finding,
    ItemTotals,
    NextStep,
    RowCounts,
    RunResult,
    seconds_between,
)

LOG_LINES: Final = 10
OUTCOME_WORDS: Final = {"SUCCEEDED_WITH_LOSSES": "SUCCEEDED with losses"}


def end_text(result: RunResult, stack: str | None = None) -> str:
    """The whole text, in lines.

    Args:
        stack: what the commands are to name with `--stack`; absent: none.
    """
    return "\n".join([_headline(result), *_evidence(result), *_next_steps(result, stack)])


def _headline(result: RunResult) -> str:
    """`Run r1 of orders SUCCEEDED: 3 of 3 units, 120 rows stored, 4 rejected`."""
    outcome = OUTCOME_WORDS.get(result.outcome, result.outcome.value)
    head = f"Run {result.run_id} of {result.dataset_name} {outcome}"
    if not result.units.total:
        return f"{head}: {result.reason}" if result.reason else head
    parts = [f"{result.units.stored} of {result.units.total} units"]
    if result.items is not None:
        parts.append(f"{result.items.stored} of {result.items.total} items")
    parts += [f"{result.rows.stored} rows stored", f"{result.rows.rejected} rejected"]
    if result.rows.warned:
        parts.append(f"{result.rows.warned} warned")
    return f"{head}: {', '.join(parts)}"


def _evidence(result: RunResult) -> Iterator[str]:
    yield from _counts(result)
    if result.hidden_objects and result.units.total:
        yield f"Objects: {left_out(result.hidden_objects)}"
    if result.warehouse_error:
        yield missing_in_warehouse(result.warehouse_error)
    passed = seconds_between(result.started_at, result.ended_at)
    if passed is not None:
        yield f"Time: {result.started_at} to {result.ended_at} ({passed:.0f} s)"
    if result.findings:
        yield "Rules that rows broke:"
        yield from (f"- {describe(finding)}" for finding in result.findings)
    if result.failures:
        yield f"Failed units (the first {len(result.failures)} of {result.units.failed}):"
        for unit in result.failures:
            yield from failure_lines(unit)
    if result.files:
        yield published(result.files)
    if result.results_url:
        yield f"Every unit: {result.results_url}"
    if result.item_results_url:
        yield f"Every item: {result.item_results_url}"


def _counts(result: RunResult) -> Iterator[str]:
    if result.units.total:
        if result.reason:
            yield f"Reason: {result.reason}"
        yield f"Rows of stored units: {balance(result.rows)}"
    if result.items is not None:
        yield f"Items: {_of_items(result.items)}"


def balance(rows: RowCounts) -> str:
    """`9 in = 5 stored + 2 rejected + 1 filtered + 1 removed`, and what else there is to say."""
    sign = "=" if rows.balanced else "is NOT"
    warned = f"; {rows.warned} of them break a rule that only warns" if rows.warned else ""
    newer = f"; {rows.superseded} superseded by newer ones" if rows.superseded else ""
    return (
        f"{rows.rows_in} in {sign} {rows.stored} stored + {rows.rejected} rejected"
        f" + {rows.filtered} filtered + {rows.removed} removed{warned}{newer}"
    )


def published(files: FilesTotals) -> str:
    """`Files: 3 with 120 rows (4,567 bytes): s3://…/_runs/r1.json`, and what became of others."""
    notes = ""
    if files.supersedes:
        runs = "1 earlier run" if files.supersedes == 1 else f"{files.supersedes} earlier runs"
        notes += f"; supersedes {runs}"
    if files.removed:
        notes += f"; {files.removed} replaced files removed"
    if files.superseded_by:
        notes += f"; superseded by the newer run {files.superseded_by}"
    return (
        f"Files: {files.files} with {files.rows} rows ({files.bytes:,} bytes):"
        f" {files.manifest_url}{notes}"
    )


def missing_in_warehouse(error: str) -> str:
    """What is to be said of a run whose own rows did not reach the warehouse."""
    return (
        "The warehouse has no current rows about this run (pipeline_runs, pipeline_units,"
        f" pipeline_jobs): {error}"
    )


def _of_items(items: ItemTotals) -> str:
    return (
        f"{items.total} = {items.stored} stored + {items.rejected} rejected"
        f" + {items.failed} of failed batches"
    )


def describe(finding: Finding) -> str:
    """`positive of amount (quarantine): 12 rows, such as unit 00000-001, line 7: -3`."""
    column = f" of {finding.column}" if finding.column else ""
    example = f", such as {finding.example}" if finding.example else ""
    rows = "1 row" if finding.rows == 1 else f"{finding.rows} rows"
    return f"{finding.rule}{column} ({finding.severity}): {rows}{example}"


def failure_lines(unit: FailedUnit) -> Iterator[str]:
    """Why a unit failed; of a job also where its log lies, and how that ends."""
    failure = unit.failure
    yield f"- {unit.unit_id} at {failure.stage}: {failure.error_type}: {failure.message}"
    known = {"job": failure.job_id, "log": failure.log_url, "console": failure.console_url}
    yield from (f"  {name}: {value}" for name, value in known.items() if value)
    if failure.log_tail:
        yield "  the log's last lines:"
        yield from (f"  | {line}" for line in failure.log_tail.splitlines()[-LOG_LINES:])


def _next_steps(result: RunResult, stack: str | None) -> Iterator[str]:
    if result.next_steps:
        yield "What to do next:"
        for number, step in enumerate(result.next_steps, start=1):
            yield from _of_step(number, step, stack)


def _of_step(number: int, step: NextStep, stack: str | None) -> Iterator[str]:
    yield f"{number}. {step.why}"
    if step.command:
        yield f"   {step.command_on(stack)}"
