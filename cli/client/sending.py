"""Sending a message, and what is needed to follow the run that it starts."""

from __future__ import annotations

from dataclasses import dataclass

from cli.client.deployment import Deployment
from cli.client.follow import Follower
from cli.client.ledger import LedgerView, Run
from cli.client.messages import id_is_drawn, run_id_of, send_message, with_bucket
from cli.exit_codes import REFUSED, CommandFailed
from contracts.errors import InvalidRequest
from durable_pipeline.intake import parse_message


@dataclass(frozen=True)
class Sent:
    """A message on its way."""

    message_id: str
    queue_url: str
    follower: Follower

    @property
    def run_id(self) -> str | None:
        """Of the run that it asks for; None while that is not drawn (`runId: auto`)."""
        return self.follower.run_id


def send(deployment: Deployment, body: str, *, checked: bool) -> Sent:
    """Send the message to the deployment's queue.

    Args:
        checked: refuse to send what the ledger says will be refused: the id of a run with other
            content, or of one that has expired.

    Raises:
        CommandFailed: it would be refused.
    """
    body = with_bucket(body, deployment.output("DataBucketName"))
    ledger = LedgerView(deployment.client("dynamodb"), deployment.output("LedgerTable"))
    named = run_id_of(body, "")
    if checked and named and ledger.is_expiring(named):
        raise CommandFailed(
            f"not sent: run {named} has expired from the ledger, so its id starts nothing",
            REFUSED,
            "give another run id",
        )
    before = ledger.run(named) if named else None
    conflicts = conflicting_fields(body, before) if before else []
    if conflicts and checked:
        raise CommandFailed(
            f"not sent: there is a run {named} with other content ({', '.join(conflicts)})",
            REFUSED,
            "give another run id",
        )
    queue_url = deployment.output("DataProcessingQueueUrl")
    message_id = send_message(deployment.client("sqs"), queue_url, body)
    follower = Follower(
        deployment,
        run_id_of(body, message_id),
        message_id,
        before,
        awaits_refusal=before is not None and bool(conflicts),
        awaits_id=id_is_drawn(body),
    )
    return Sent(message_id, queue_url, follower)


def conflicting_fields(body: str, run: Run) -> list[str]:
    """The fields in which a message differs from the request of a run, by name."""
    try:
        request = parse_message(body, default_run_id=run.run_id)
    except InvalidRequest:
        return ["message"]
    return ["message"] if request is None else list(run.item.differences(request))
