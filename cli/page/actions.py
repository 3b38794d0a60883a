"""What the page changes, by the same code as the commands that do so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from cli.client.contract_check import check_against_contract
from cli.client.corrected_rows import UnusableRows, corrected_object
from cli.client.dead_letters import DeadLetterQueue
from cli.client.decisions import request_stop, resume_run
from cli.client.messages import check_message, message_of
from cli.client.quarantine import VALUES, read_snapshot
from cli.client.replay import Replayed, Replayer, ReplayOutcome
from cli.client.resending import send_corrected
from cli.client.retrying import fields_of_retry, refuse_what_the_pipeline_would
from cli.client.sending import send
from cli.exit_codes import NOT_FOUND, REFUSED, CommandFailed
from cli.options import no_such_run
from cli.page.documents import Done
from cli.page.source import Source
from contracts.errors import InvalidRequest
from contracts.messages import STOP_REASON_CHARACTERS, ResumeOutcome, StopOutcome, StopRun
from durable_pipeline.intake import NOTHING_ASKED, parse_message

ROWS_AT_MOST: Final = 1000
Body = Mapping[str, Any]


def stop(source: Source, run_id: str, body: Body) -> Done:
    """`pipeline stop`."""
    stopped = request_stop(source.deployment, StopRun(run_id=run_id, reason=reason_of(body)))
    if stopped.outcome is StopOutcome.UNKNOWN:
        raise no_such_run(source.deployment, run_id)
    if stopped.outcome is StopOutcome.ENDED:
        ended = source.find_run(run_id).item.ended_at
        at = f" at {ended}" if ended else ""
        text = f"Nothing to stop: run {run_id} has ended{at}, {stopped.status}"
        return Done(text=text, run_id=run_id, refused=True)
    state = "is STOPPED" if stopped.outcome is StopOutcome.STOPPED else "is being stopped"
    return Done(text=f"Run {run_id} {state}", run_id=run_id)


def reason_of(body: Body) -> str | None:
    """Why something is stopped.

    Raises:
        CommandFailed: it is no text, or a long one.
    """
    reason = body.get("reason") or None
    if reason is None or (isinstance(reason, str) and len(reason) <= STOP_REASON_CHARACTERS):
        return reason
    raise CommandFailed(
        f"the reason is a text of at most {STOP_REASON_CHARACTERS} characters", REFUSED
    )


def resume(source: Source, run_id: str, _body: Body) -> Done:
    """`pipeline resume`."""
    resumed = resume_run(source.deployment, run_id).run
    match resumed.outcome:
        case ResumeOutcome.UNKNOWN:
            raise no_such_run(source.deployment, run_id)
        case ResumeOutcome.RESUMED:
            return Done(text=f"Run {run_id} is resumed", run_id=run_id)
        case ResumeOutcome.RUNNING:
            return Done(text=f"Run {run_id} was resumed before", run_id=run_id)
        case ResumeOutcome.SUPERSEDED:
            by = resumed.superseded_by
            text = f"Not resumed: run {by} has superseded run {run_id}"
            return Done(text=text, run_id=by, refused=True)
    ended = source.find_run(run_id).item.ended_at
    how = f"it has ended at {ended}, {resumed.status}" if ended else f"it is {resumed.status}"
    text = f"Not resumed: run {run_id} was not stopped; {how}"
    return Done(text=text, run_id=run_id, refused=True)


def retry(source: Source, run_id: str, _body: Body) -> Done:
    """`pipeline run --retry-of`."""
    given = {"retryOf": run_id}
    run = source.find_run(run_id)
    refuse_what_the_pipeline_would(run, given)
    message = message_of(fields_of_retry(run, given))
    check_message(message)
    sent = send(source.deployment, message, checked=True)
    return Done(text=f"Run {sent.run_id} retries run {run_id}", run_id=sent.run_id)


def resend(source: Source, run_id: str, body: Body) -> Done:
    """`pipeline resend`, with rows that were corrected on the page."""
    rows = body.get("rows")
    if not isinstance(rows, list) or not 0 < len(rows) <= ROWS_AT_MOST:
        raise CommandFailed(f"`rows` is a list of 1 to {ROWS_AT_MOST} rows", REFUSED)
    source.find_run(run_id)
    snapshot = read_snapshot(source.deployment, run_id)
    try:
        corrected = corrected_object("\n".join(json.dumps({VALUES: row}) for row in rows), snapshot)
    except UnusableRows as error:
        raise CommandFailed(f"nothing was sent:\n{error}", REFUSED) from None
    resent = send_corrected(source.deployment, corrected, snapshot, run_id)
    if resent.sent is None:
        text = f"Nothing was sent: these rows were sent before, as run {resent.run_id}"
        return Done(text=text, run_id=resent.run_id, refused=True)
    count = "1 row is" if resent.rows == 1 else f"{resent.rows:,} rows are"
    return Done(text=f"{count} sent as run {resent.run_id}", run_id=resent.run_id)


def replay(source: Source, body: Body) -> Done:
    """`pipeline dead-letters replay ID`."""
    message_id = _message_id(body)
    replayed, missing = Replayer(source.deployment).replay([message_id])
    if missing or not replayed:
        raise _no_such_letter(message_id)
    return _of_letter(replayed[0])


def correct(source: Source, body: Body) -> Done:
    """A dead letter's request as it should have been; every problem of it is said at once."""
    message_id, text = _message_id(body), body.get("body")
    if not isinstance(text, str):
        raise CommandFailed("`body` is the text of a message", REFUSED)
    _refuse_what_the_intake_would(source, text, message_id)
    letter = Replayer(source.deployment).correct(message_id, text)
    if letter is None:
        raise _no_such_letter(message_id)
    return _of_letter(letter)


def _refuse_what_the_intake_would(source: Source, text: str, message_id: str) -> None:
    try:
        request = parse_message(text, default_run_id=message_id)
    except InvalidRequest as error:
        lines = "\n".join(f"  {problem}" for problem in error.problems)
        raise CommandFailed(f"not sent: the pipeline would refuse it\n{lines}", REFUSED) from None
    if request is None:
        raise CommandFailed(f"not sent: it would start nothing ({NOTHING_ASKED})", REFUSED)
    try:
        check_against_contract(source.deployment, request)
    except CommandFailed as error:  # whose hint is about an option of the command
        raise CommandFailed(error.message, error.exit_code) from None


def _of_letter(letter: Replayed) -> Done:
    if letter.outcome is ReplayOutcome.REPLAYED:
        return Done(text=f"Sent as run {letter.run_id}", run_id=letter.run_id)
    if letter.outcome is ReplayOutcome.DELETED:
        return Done(text=f"Deleted, as {letter.detail}", run_id=letter.run_id)
    return Done(text=f"Not sent, and still on the queue: {letter.detail}", refused=True)


def delete(source: Source, body: Body) -> Done:
    """`pipeline dead-letters delete ID`."""
    message_id = _message_id(body)
    if DeadLetterQueue(source.deployment).visit([message_id], lambda _letter: True):
        raise _no_such_letter(message_id)
    return Done(text=f"Message {message_id} is deleted")


def _message_id(body: Body) -> str:
    message_id = body.get("messageId")
    if not isinstance(message_id, str) or not message_id:
        raise CommandFailed("`messageId` is the id of a message", REFUSED)
    return message_id


def _no_such_letter(message_id: str) -> CommandFailed:
    return CommandFailed(f"{message_id}: there is no such letter on the queue", NOT_FOUND)
