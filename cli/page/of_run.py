"""A run as the page shows it: how it stands, why units failed, what can be done. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from cli.client.deployment import Deployment
from cli.client.ledger import JobRow, Run, UnitRow
from cli.client.quarantine import VALUES
from cli.client.run_list import shown_status
from cli.client.unit_pages import UnitProgress
from cli.documents.ledger import job_document, run_document, unit_document
from cli.documents.rejected import RejectedRow
from cli.page.documents import (
    Action,
    FailureGroup,
    ProgressView,
    RejectedRowView,
    RunView,
    Step,
)
from cli.views.next_steps import environment_commands, look_further
from cli.views.outcome import result_of
from contracts.run import RowCounts, RunStatus, StageFailure, UnitState
from costs.texts import cost_text
from runs.outcome_text import facts, failure_text, headline, rows_sum

_UNIT_IDS: Final = 20
# What differs between two failures of one kind: URLs, quoted values, ids and numbers.
_OWN: Final = re.compile(r"s3://\S+|'[^']*'|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\d+")


def run_view(run: Run, deployment: Deployment) -> RunView:
    """A run by its record alone."""
    result = result_of(run)
    lines = [line for section in facts(result) for line in section.lines]
    lines += [cost_text(run.item.cost)] if run.item.cost else []
    return RunView(
        run=run_document(run),
        shown=shown_status(run),
        headline=headline(result) if run.status.ended else _so_far(run),
        facts=tuple(lines) if run.status.ended else (),
        steps=tuple(
            Step(why=step.why, command=step.command_on(deployment.stack)) for step in run.next_steps
        ),
        actions=tuple(_actions(run, deployment)),
        commands=(
            *environment_commands(deployment),
            *look_further(deployment, run.run_id, run.dataset_name, run.holder),
        ),
    )


def _so_far(run: Run) -> str:
    head = f"Run {run.run_id} of {run.dataset_name} "
    item = run.item
    if item.stop_requested_at:
        why = f": {item.stop_reason}" if item.stop_reason else ""
        return f"{head}is being stopped{why}"
    if item.waiting_for:
        return f"{head}waits for {item.waiting_for}, until {item.waiting_until}"
    if item.waits_until and item.waiting_units:
        return f"{head}waits until {item.waits_until}, then {item.waiting_units:,} units run again"
    return f"{head}is {run.status}"


def _actions(run: Run, deployment: Deployment) -> Iterable[Action]:
    on = f" --stack {deployment.stack}" if deployment.stack else ""
    run_id = run.run_id
    if run.status is RunStatus.STOPPED and run.superseded_by is None:
        yield Action(
            name="resume",
            label="Resume",
            does="Another execution goes on with what is not stored. The run keeps its id, its"
            " contract, its list of objects and the end of its range.",
            command=f"pipeline resume {run_id}{on}",
        )
    if run.status.ended and run.superseded_by is None:
        yield Action(
            name="retry",
            label="Retry in a new run",
            does="A new run processes the units that this one has not stored, and supersedes it.",
            command=f"pipeline run --retry-of {run_id}{on}",
        )
    if not run.status.ended:
        yield Action(
            name="stop",
            label="Stop",
            does="It starts nothing more, its jobs are cancelled, and its message is done with."
            " Rows that were stored stay stored. It can be resumed.",
            command=f"pipeline stop {run_id}{on}",
        )


def states(run: Run, counted: UnitProgress | None) -> dict[str, int]:
    """Units by state.

    Args:
        counted: of a run that has not ended; the record of one that has holds its totals.
    """
    if counted is not None:
        return counted.states
    units = run.units
    found = {
        UnitState.STORED.value: units.stored,
        UnitState.FAILED.value: units.failed,
        UnitState.NOT_STARTED.value: units.not_started,
    }
    return {state: number for state, number in found.items() if number}


def failure_groups(
    failed: Sequence[UnitRow], jobs_of: Callable[[str], Sequence[JobRow]]
) -> tuple[FailureGroup, ...]:
    """Failed units by the text of their failure, those of most units first.

    Args:
        jobs_of: the jobs of a unit.
    """
    groups: dict[str, list[UnitRow]] = {}
    for unit in failed:
        if unit.failure is not None:
            groups.setdefault(_kind_of(unit.failure), []).append(unit)
    largest_first = sorted(groups.values(), key=len, reverse=True)
    return tuple(
        FailureGroup(
            error=failure_text(units[0].failure) if units[0].failure else "",
            units=len(units),
            unit_ids=tuple(unit.unit_id for unit in units[:_UNIT_IDS]),
            first=unit_document(units[0]),
            jobs=tuple(job_document(job) for job in jobs_of(units[0].unit_id)),
        )
        for units in largest_first
    )


def _kind_of(failure: StageFailure) -> str:
    return _OWN.sub("…", failure_text(failure))


def progress_view(
    run: Run,
    found: dict[str, int],
    rows: RowCounts,
    failures: tuple[FailureGroup, ...],
    *,
    failures_all: bool,
) -> ProgressView:
    """The view of what was counted."""
    return ProgressView(
        total=run.units.total or None,
        states=found,
        rows=rows,
        rows_text=rows_sum(rows),
        adds_up=rows.balanced,
        objects=run.item.objects if run.status.ended else None,
        failures=failures,
        failures_all=failures_all,
    )


def rejected_row(row: RejectedRow, with_values: dict[str, Any]) -> RejectedRowView:
    """A rejected row and its values by column."""
    raw = row.raw if row.raw is not None else (row.row or row.result)
    text = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False)
    return RejectedRowView(
        row=row, raw_text="" if raw is None else text, values=with_values[VALUES]
    )
