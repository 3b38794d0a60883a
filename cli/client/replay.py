"""Replaying dead letters: each one's request is sent under the id of its run, then it is deleted.

The run's id makes that safe to break off: a request that was sent twice starts one run.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from cli.client.dead_letters import DeadLetterQueue
from cli.client.deployment import Deployment
from cli.client.ledger import LedgerView
from cli.client.messages import DeadLetter, send_message
from cli.client.sending import conflicting_fields
from contracts.errors import InvalidRequest
from contracts.run import RunStatus
from contracts.run_request import RunRequest
from durable_pipeline.intake import NOTHING_ASKED, claimed_run_id, parse_message


class ReplayOutcome(StrEnum):
    """REPLAYED: its request is sent, and the letter is deleted. DELETED: its run has ended well or
    is superseded, so there was nothing to send. REFUSED: it stays on the queue; nothing was sent.
    """

    REPLAYED = "REPLAYED"
    DELETED = "DELETED"
    REFUSED = "REFUSED"


@dataclass(frozen=True)
class Replayed:
    """What became of one letter.

    Attributes:
        run_id: None where its body names no run that can be.
        detail: why; None where it was replayed.
        sent_message_id: of the message that was sent.
    """

    letter: DeadLetter
    run_id: str | None
    outcome: ReplayOutcome
    detail: str | None = None
    sent_message_id: str | None = None


class CannotReplay(Exception):
    """Why a letter stays on the queue, and what to do instead."""


def is_refused_as_it_is(letter: DeadLetter) -> bool:
    """Whether the pipeline would refuse the letter's body again, whatever else has changed."""
    try:
        return letter.body_changed or parse_message(letter.body, letter.message_id) is None
    except InvalidRequest:
        return True


def _how_to_correct(letter: DeadLetter) -> str:
    """What to do with a body that is wrong."""
    return f"correct it: pipeline dead-letters show {letter.message_id} says how"


def request_of(letter: DeadLetter, ledger: LedgerView) -> RunRequest:
    """The request of a letter, whatever its form, with the id of the run that it asked for first.

    That is the id that it names, else the one that was drawn for it, else its message id, which is
    also taken where none was drawn yet: a new one would be another run at each try.

    Raises:
        CannotReplay: it would be refused again.
    """
    if letter.body_changed:
        raise CannotReplay(
            "the queue holds only a part of it; send the whole message: pipeline run"
        )
    try:
        request = parse_message(letter.body, default_run_id=letter.message_id)
    except InvalidRequest as error:
        problems = "; ".join(str(problem) for problem in error.problems)
        raise CannotReplay(
            f"it would be refused again: {problems}; {_how_to_correct(letter)}"
        ) from None
    if request is None:
        raise CannotReplay(f"it would start nothing ({NOTHING_ASKED})")
    if not request.id_is_drawn:
        return request
    run_id = ledger.drawn_run_id(letter.message_id) or letter.message_id
    return request.model_copy(update={"run_id": run_id})


class Replayer:
    """The dead letters of a deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self._sqs: Any = deployment.client("sqs")
        self._dead_letters = DeadLetterQueue(deployment)
        self._requests = deployment.output("DataProcessingQueueUrl")
        self._ledger = LedgerView(deployment.client("dynamodb"), deployment.output("LedgerTable"))
        self._sent: dict[str, str] = {}

    def replay(self, wanted: Collection[str] | None) -> tuple[list[Replayed], list[str]]:
        """Replay letters one by one; those that stay can be seen again at the end.

        Args:
            wanted: message ids, or ids of the runs that the letters ask for; None: all letters.

        Returns:
            What became of each, oldest first, and the ids that are of no letter.
        """
        done: list[Replayed] = []

        def is_done(letter: DeadLetter) -> bool:
            done.append(self._replay(letter))
            return done[-1].outcome is not ReplayOutcome.REFUSED

        missing = self._dead_letters.visit(wanted, is_done)
        return sorted(done, key=lambda each: each.letter.sent_at_ms), missing

    def correct(self, message_id: str, body: str) -> Replayed | None:
        """Send a letter's request as it should have been, then delete the letter.

        Of a body that names no run it is the run that the letter asked for: breaking off and
        sending once more starts one run.

        Args:
            message_id: of the letter, or the id of the run that it asks for.
            body: in place of the letter's own.

        Returns:
            What became of it; None: there is no such letter.
        """
        done: list[Replayed] = []

        def is_done(letter: DeadLetter) -> bool:
            corrected = replace(letter, body=body, body_changed=False, run_id=claimed_run_id(body))
            done.append(self._replay(corrected))
            return done[-1].outcome is not ReplayOutcome.REFUSED

        self._dead_letters.visit([message_id], is_done)
        return done[0] if done else None

    def _replay(self, letter: DeadLetter) -> Replayed:
        try:
            request = request_of(letter, self._ledger)
        except CannotReplay as error:
            return Replayed(letter, letter.run_id, ReplayOutcome.REFUSED, str(error))
        run_id, text = request.run_id, request.canonical()
        if request.is_relative and request.as_of is None and self._ledger.run(run_id) is None:
            # Its range is that of its own time, not of the replay's.
            sent_at = datetime.fromtimestamp(letter.sent_at_ms / 1000, UTC)
            text = request.model_copy(update={"as_of": sent_at}).canonical()
        try:
            needless = self._needless(run_id, text)
        except CannotReplay as error:
            return Replayed(letter, run_id, ReplayOutcome.REFUSED, str(error))
        if needless is not None:
            return Replayed(letter, run_id, ReplayOutcome.DELETED, needless)
        if text not in self._sent:
            self._sent[text] = send_message(self._sqs, self._requests, text)
        sent = self._sent[text]
        return Replayed(letter, run_id, ReplayOutcome.REPLAYED, sent_message_id=sent)

    def _needless(self, run_id: str, request: str) -> str | None:
        """Why there is nothing to send; None: the request starts the run, or it is running.

        Raises:
            CannotReplay: the run is another's, or starts by other means only.
        """
        run = self._ledger.run(run_id)
        if run is None and self._ledger.is_expiring(run_id):
            raise CannotReplay(
                f"run {run_id} has expired from the ledger; send it with another run id: pipeline"
                " run"
            )
        if run is None:
            return None
        if conflicts := conflicting_fields(request, run):
            raise CannotReplay(
                f"there is a run {run_id} with other content ({', '.join(conflicts)}); send it with"
                " another run id: pipeline run"
            )
        if run.superseded_by is not None:
            return f"run {run.superseded_by} has superseded run {run_id}"
        if run.status is RunStatus.STOPPED:
            raise CannotReplay(
                f"run {run_id} was stopped; to go on with it: pipeline resume {run_id}"
            )
        if run.status.ended and not run.may_be_taken_over:
            return f"run {run_id} has ended, {run.status}"
        return None
