"""Commands that start, follow or stop a run: `run`, `status`, `stop`, `resend`, `dead-letters`.

`report` is there when the command has followed the run (`--wait`, `--follow`), else null.
"""

from __future__ import annotations

from cli.documents.base import Document
from cli.documents.ledger import RunDocument
from cli.documents.report import ReportDocument
from contracts.job import JobState
from contracts.messages import StopOutcome
from contracts.run import RunStatus


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
            succeeded or was skipped before, and nothing was changed (the exit status is 2).
        requested_at, reason: of the decision that was recorded first.
        jobs_cancelled: ids of jobs that have ended because of it.
    """

    run_id: str
    outcome: StopOutcome
    status: RunStatus | None = None
    requested_at: str | None = None
    reason: str | None = None
    jobs_cancelled: tuple[str, ...] = ()
    jobs_ended_before: tuple[EndedJob, ...] = ()
    jobs_being_cancelled: tuple[CancellingJob, ...] = ()
    report: ReportDocument | None = None


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
    """`pipeline dead-letters --json`: messages on the dead-letter queue, oldest first."""

    queue_url: str
    messages: tuple[DeadLetterDocument, ...]
