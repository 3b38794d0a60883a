"""Backfills and schedules on the page: what is shown, and what is changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from cli.client.backfill_actions import control, stop_runs
from cli.client.backfill_view import find_backfill, look_at
from cli.client.scheduling import Scheduling
from cli.documents.backfills import (
    BackfillDocument,
    BackfillsDocument,
    backfill_document,
    summary,
)
from cli.documents.schedules import SchedulesDocument, schedule_document
from cli.exit_codes import REFUSED, CommandFailed
from cli.page.actions import Body, reason_of
from cli.page.documents import Done
from cli.page.source import Source
from cli.views.backfills import control_text, stopped_text
from contracts.messages import BackfillAction, ControlBackfill, ControlOutcome

_Query = Mapping[str, str]
_REFUSED: Final = (ControlOutcome.ENDED, ControlOutcome.NOTHING_LEFT, ControlOutcome.UNKNOWN)


def backfills(source: Source, _names: tuple[str, ...], _query: _Query) -> BackfillsDocument:
    """All of them, the newest first."""
    return BackfillsDocument(backfills=tuple(map(summary, source.ledger.backfills())))


def backfill(source: Source, names: tuple[str, ...], _query: _Query) -> BackfillDocument:
    """One with its windows that run or have failed.

    Raises:
        CommandFailed: there is none of this id.
    """
    view = look_at(source.deployment, find_backfill(source.deployment, names[0]))
    # To the minute: what changed is sent, and not that time goes on.
    return backfill_document(view, datetime.now(UTC).replace(second=0, microsecond=0))


def schedules(source: Source, _names: tuple[str, ...], _query: _Query) -> SchedulesDocument:
    """Those of contracts, and those that there are."""
    now = datetime.now(UTC)
    planned = Scheduling(source.deployment).plan()
    return SchedulesDocument(schedules=tuple(schedule_document(each, now) for each in planned))


def pause_backfill(source: Source, backfill_id: str, _body: Body) -> Done:
    """`pipeline backfill pause`."""
    return _control(source, backfill_id, BackfillAction.PAUSE)


def resume_backfill(source: Source, backfill_id: str, body: Body) -> Done:
    """`pipeline backfill resume`, with `--failed` if the body has `failed`."""
    return _control(source, backfill_id, BackfillAction.RESUME, failed_too=_is_set(body, "failed"))


def stop_backfill(source: Source, backfill_id: str, body: Body) -> Done:
    """`pipeline backfill stop`, with `--runs` if the body has `runs`."""
    runs_too = _is_set(body, "runs")
    return _control(
        source, backfill_id, BackfillAction.STOP, runs_too=runs_too, reason=reason_of(body)
    )


def pause_schedule(source: Source, name: str, _body: Body) -> Done:
    """`pipeline schedules pause`."""
    return _set_paused(source, name, paused=True)


def resume_schedule(source: Source, name: str, _body: Body) -> Done:
    """`pipeline schedules resume`."""
    return _set_paused(source, name, paused=False)


def _control(
    source: Source,
    backfill_id: str,
    action: BackfillAction,
    *,
    runs_too: bool = False,
    **more: Any,
) -> Done:
    deployment = source.deployment
    found = find_backfill(deployment, backfill_id).backfill_id
    message = ControlBackfill(backfill_id=found, action=action, **more)
    controlled = control(deployment, message)
    lines = [control_text(controlled, action, runs_too=runs_too)]
    if runs_too and controlled.stopping:
        lines += map(stopped_text, stop_runs(deployment, found, message.reason))
    return Done(text="\n".join(lines), refused=controlled.outcome in _REFUSED)


def _set_paused(source: Source, name: str, *, paused: bool) -> Done:
    scheduling = Scheduling(source.deployment)
    found = [each for each in scheduling.named([name]) if each.name == name]
    changed = [scheduling.set_paused(each, paused=paused) for each in found]
    state = "paused" if paused else "resumed"
    text = f"Schedule {name} is {state}" if any(changed) else f"{name} was {state} before"
    return Done(text=text, refused=not any(changed))


def _is_set(body: Body, name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise CommandFailed(f"`{name}` is true or false", REFUSED)
    return value
