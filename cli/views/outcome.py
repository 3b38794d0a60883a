"""How a run's outcome is shown: what rows broke, why units failed, what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from cli.client.ledger import JobRow, UnitRow
from contracts.run import FailedUnit, Finding, NextStep
from runs.notification_text import LOG_LINES, describe, failure_lines

FAILURES_SHOWN: Final = 3


def failed_units(units: Iterable[UnitRow]) -> list[FailedUnit]:
    return [FailedUnit(unit_id=u.unit_id, failure=u.failure) for u in units if u.failure]


def print_failures(console: Console, failed: Sequence[FailedUnit]) -> None:
    """The first failed units: error, job, links, and the end of the job's log."""
    if not failed:
        return
    title(console, "Failed units")
    for unit in failed[:FAILURES_SHOWN]:
        print_lines(console, failure_lines(unit))
    if len(failed) > FAILURES_SHOWN:
        console.print(f"and {len(failed) - FAILURES_SHOWN} more")


def print_failed_jobs(console: Console, jobs: Sequence[JobRow]) -> None:
    """What is known of the latest jobs that ended badly, beside the table of all."""
    failed = [job for job in jobs if job.error is not None]
    for job in failed[-FAILURES_SHOWN:]:
        title(console, f"Job {job.job_id} ({job.unit_id}, {job.stage}): {job.state}")
        print_lines(console, _job_lines(job))


def _job_lines(job: JobRow) -> list[str]:
    links = [f"{name}: {job.raw[f'{name}_url']}" for name in _LINKS if job.raw.get(f"{name}_url")]
    tail = str(job.raw.get("log_tail") or "").splitlines()
    shown = [f"| {line}" for line in tail[-LOG_LINES:]]
    return [job.error or "", *links, *(["the log's last lines:"] if shown else []), *shown]


_LINKS: Final = ("log", "console")


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """The rules that rows broke, with how many and an example."""
    if findings:
        title(console, "Rules that rows broke")
        print_lines(console, (f"- {describe(finding)}" for finding in findings))


def print_next_steps(console: Console, steps: Sequence[NextStep], stack: str | None) -> None:
    """What to do about it; commands stand on lines of their own."""
    if not steps:
        return
    title(console, "What to do next")
    for number, step in enumerate(steps, start=1):
        console.print(f"{number}. {step.why}", soft_wrap=True)
        command = step.command_on(stack)
        if command:
            console.print(Text(f"   {command}", style="bold"), soft_wrap=True)


def print_lines(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def title(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold underline"), soft_wrap=True)
