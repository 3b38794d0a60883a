"""Commands that start, follow, stop or resume a run, and those about dead letters.

`report` is there when the command has followed the run (`--wait`, `--follow`), else null.
"""

from __future__ import annotations

from datetime import UTC, datetime

from cli.client.messages import DeadLetter
from cli.client.replay import ReplayOutcome
from cli.documents.base import Document
from cli.documents.ledger import RunDocument
from cli.documents.report import ReportDocument
from contracts.job import JobState
from contracts.messages import ResumeOutcome, StopOutcome
from contracts.run import RunStatus
from contracts.run_request import format_timestamp


class SentDocument(Document):
    """`pipeline run --json`: a message that was sent.

    Attributes:
        run_id: null where it is to be drawn (`runId: auto`) and the run was not claimed in time.
    """

    message_id: str
    run_id: str | None = None
    report: ReportDocument | None = None


class StatusDocument(RunDocument):
    """`pipeline status --json`: one run as the ledger holds it."""

    report: ReportDocument | None = None


class EndedJob(Document):
    """A job that had ended before it could be cancelled."""

    job_id: str
    state: JobState


class CancellingJob(Document):
    """A job that is being cancelled.

    Attributes:
        detail: what its engine says.
    """

    job_id: str
    detail: str


class StopDocument(Document):
    """`pipeline stop --json`: what became of the request.

    Attributes:
        outcome: STOPPING: the run comes to its end; STOPPED: it has ended so; ENDED: it had
            succeeded, or was skipped or superseded before, and nothing was changed (the exit
            status is 2).
        requested_at, reason: of the decision that was recorded first.
        ended_at: when the run ended; null where it has not.
        jobs_cancelled: ids of jobs that have ended because of it.
    """

    run_id: str
    outcome: StopOutcome
    status: RunStatus | None = None
    requested_at: str | None = None
    reason: str | None = None
    ended_at: str | None = None
    jobs_cancelled: tuple[str, ...] = ()
    jobs_ended_before: tuple[EndedJob, ...] = ()
    jobs_being_cancelled: tuple[CancellingJob, ...] = ()
    report: ReportDocument | None = None


class ResumeDocument(Document):
    """`pipeline resume --json`: what became of the request.

    Attributes:
        outcome: RESUMED: the run's message is sent; RUNNING: it was resumed before, and is running.
            With the others the exit status is 2, and nothing was changed: ACTIVE: it has not ended;
            ENDED: it was not stopped; SUPERSEDED: another run took its place.
        run_attempt: its latest; RESUMED: the next one is to come.
        superseded_by: the run that took its place.
        ended_at: when the run ended, if nothing was changed because it had.
        message_id: null where nothing was sent.
    """

    run_id: str
    outcome: ResumeOutcome
    status: RunStatus | None = None
    run_attempt: int | None = None
    superseded_by: str | None = None
    ended_at: str | None = None
    message_id: str | None = None
    report: ReportDocument | None = None


class PurgeDocument(Document):
    """`pipeline purge --json`: what was removed of a run.

    Attributes:
        removed: false with --dry-run: it would be.
        objects: in the data bucket: the run's files and its rejected rows.
        records: items of the ledger.
    """

    run_id: str
    removed: bool
    objects: int
    object_bytes: int
    records: int


class ResentDocument(Document):
    """`pipeline resend --json`: corrected rows that were sent.

    Attributes:
        rows: how many.
        url: the object that holds them.
        run_id: the run over that object.
        message_id: null where the same rows were sent before, so nothing was sent now.
    """

    rows: int
    url: str
    run_id: str
    message_id: str | None = None
    report: ReportDocument | None = None


class DeadLetterDocument(Document):
    """A message on the dead-letter queue.

    Attributes:
        message_id: of the message as it was first sent.
        reason: why it was refused, or of one that was delivered too often, why its run failed; null
            where the ledger has no run of it.
        run_id: its run, if it named or made one.
    """

    message_id: str
    sent_at: str
    reason: str | None = None
    run_id: str | None = None
    body: str


class DeadLettersDocument(Document):
    """`pipeline dead-letters --json`: messages on the dead-letter queue, oldest first.

    Attributes:
        approximate_count: how many there are, as SQS counts them; of hundreds, some may be missing
            among the messages.
    """

    queue_url: str
    approximate_count: int
    messages: tuple[DeadLetterDocument, ...]


class DeletedLettersDocument(Document):
    """`pipeline dead-letters delete --json`: messages that were deleted, each as it was.

    Attributes:
        not_found: ids that were asked for and are of no letter on the queue.
    """

    queue_url: str
    deleted: tuple[DeadLetterDocument, ...]
    not_found: tuple[str, ...] = ()


class ReplayedLetter(Document):
    """One dead letter.

    Attributes:
        message_id: of the message as it was first sent.
        run_id: the run that it asks for; null where its body names none that can be.
        outcome: REPLAYED: its request is sent and the letter deleted; DELETED: its run has ended
            well or is superseded, so there was nothing to send; REFUSED: it stays on the queue.
        detail: why.
        sent_message_id: of the message that was sent now.
    """

    message_id: str
    run_id: str | None = None
    outcome: ReplayOutcome
    detail: str | None = None
    sent_message_id: str | None = None


class ReplayDocument(Document):
    """`pipeline dead-letters replay --json`: what became of each dead letter, oldest first.

    Attributes:
        not_found: ids that were asked for and are of no letter on the queue.
    """

    queue_url: str
    letters: tuple[ReplayedLetter, ...]
    not_found: tuple[str, ...] = ()


def dead_letter_document(letter: DeadLetter) -> DeadLetterDocument:
    """The document of one message."""
    return DeadLetterDocument(
        message_id=letter.message_id,
        sent_at=format_timestamp(datetime.fromtimestamp(letter.sent_at_ms / 1000, UTC)),
        reason=letter.reason,
        run_id=letter.run_id,
        body=letter.body,
    )
