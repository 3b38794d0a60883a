"""How a run's outcome is shown on a terminal; the words are those of notifications, too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from cli.client.ledger import JobRow, Run, UnitRow
from cli.views.printing import printable
from cli.views.tables import STATUS_STYLES
from contracts.run import FailedUnit, RunResult, UnitState
from runs.outcome_text import (
    FAILURES_SHOWN,
    Section,
    broken_rules,
    headline,
    log_lines,
    next_steps,
)
from runs.outcome_text import failed_units as failed_units_section


def result_of(run: Run, units: Iterable[UnitRow] = ()) -> RunResult:
    """The result of a run as far as the ledger has it.

    Args:
        units: of the run, for what is known of those that failed.
    """
    return RunResult(
        run_id=run.run_id,
        dataset_name=run.dataset_name,
        status=run.status,
        units=run.units,
        rows=run.rows,
        reason=run.reason,
        failures=tuple(failed_units(units)[:FAILURES_SHOWN]),
        findings=run.findings,
        items=run.item.items,
        objects=run.item.objects,
        next_steps=run.next_steps,
        started_at=run.item.claimed_at,
        ended_at=run.item.ended_at,
        results_url=run.results_url,
        warehouse_error=run.warehouse_error,
        already_stored=run.item.already_stored,
    )


def failed_units(units: Iterable[UnitRow]) -> list[FailedUnit]:
    """The units that failed, each with what is known of why; those that never began did not."""
    return [
        FailedUnit(unit_id=unit.unit_id, failure=unit.failure)
        for unit in units
        if unit.failure and unit.status is not UnitState.NOT_STARTED
    ]


def print_headline(console: Console, result: RunResult) -> None:
    """One line: how the run ended."""
    console.print(Text(headline(result), STATUS_STYLES.get(result.outcome, "")), soft_wrap=True)


def print_sections(console: Console, sections: Iterable[Section]) -> None:
    """Each section under its title."""
    for section in sections:
        if section.title:
            title(console, section.title)
        print_lines(console, section.lines)


def print_failures(console: Console, failed: Sequence[FailedUnit]) -> None:
    """The first failed units: error, job, links, and the end of the job's log."""
    print_sections(console, failed_units_section(failed, len(failed)))


def evidence_of_run(
    run: Run, stack: str | None, units: Iterable[UnitRow] = ()
) -> tuple[Section, ...]:
    """Of a run that has ended: the broken rules, why units failed, and what to do next."""
    if not run.status.ended:
        return ()
    failed = failed_units(units)
    return (
        *broken_rules(run.findings),
        *failed_units_section(failed, len(failed)),
        *next_steps(run.next_steps, stack),
    )


def print_failed_jobs(console: Console, jobs: Sequence[JobRow]) -> None:
    """What is known of the latest jobs that failed, below the table of all."""
    failed = [job for job in jobs if job.error is not None]
    for job in failed[-FAILURES_SHOWN:]:
        title(console, f"Job {job.job_id} ({job.unit_id}, {job.stage}): {job.state}")
        print_lines(console, _job_lines(job))


def _job_lines(job: JobRow) -> list[str]:
    links = {"log": job.log_url, "console": job.console_url}
    lines = [f"{name}: {link}" for name, link in links.items() if link]
    return [job.error or "", *lines, *log_lines(job.log_tail)]


def print_lines(console: Console, lines: Iterable[str]) -> None:
    """Lines as they are; a command in one of them can be pasted."""
    for line in lines:
        # Escaped before: Text itself leaves some control characters out.
        console.print(Text(printable(line)), soft_wrap=True)


def title(console: Console, text: str) -> None:
    """A title with a blank line before it."""
    console.print()
    console.print(Text(text, style="bold underline"), soft_wrap=True)
