"""Sending corrected rows: they become one object, and a run of their own processes it."""

from __future__ import annotations

from dataclasses import dataclass

from cli.client.corrected_rows import CorrectedObject
from cli.client.deployment import Deployment
from cli.client.ledger import LedgerView, Run
from cli.client.messages import message_of
from cli.client.sending import Sent, send
from contracts import layout
from contracts.dataset import DatasetSnapshot


@dataclass(frozen=True)
class Resent:
    """Corrected rows as they were sent.

    Attributes:
        url: of the object that holds them.
        run_id: of the run over that object, derived from the rows.
        before: that run as it was before; None: there was none.
        sent: None where the same rows were sent before, so nothing was sent now.
    """

    rows: int
    url: str
    run_id: str
    before: Run | None
    sent: Sent | None


def send_corrected(
    deployment: Deployment, corrected: CorrectedObject, snapshot: DatasetSnapshot, run_id: str
) -> Resent:
    """Upload the rows and send the message of their run, unless it has done so or is under way.

    Args:
        run_id: of the run that rejected the rows.

    Raises:
        CommandFailed: the pipeline would refuse the message.
    """
    new_run_id = corrected.run_id(run_id)
    ledger = LedgerView(deployment.client("dynamodb"), deployment.output("LedgerTable"))
    before = ledger.run(new_run_id)
    bucket = deployment.output("DataBucketName")
    key = layout.resent_key(snapshot.run_id, corrected.digest[:12], corrected.ending)
    url, sent = layout.s3_url(bucket, key), None
    if before is None or before.may_be_taken_over:
        # The key is derived from the content: writing it again changes nothing.
        deployment.client("s3").put_object(Bucket=bucket, Key=key, Body=corrected.body)
        sent = send(deployment, _message(url, new_run_id, snapshot), checked=True)
    return Resent(corrected.rows, url, new_run_id, before, sent)


def _message(url: str, run_id: str, snapshot: DatasetSnapshot) -> str:
    request = {
        "datasetName": snapshot.dataset.name,
        "inputUrl": url,
        "query": snapshot.query,
        "index": snapshot.index if snapshot.index != snapshot.dataset.name else None,
        "runId": run_id,
        "itemsPerBatch": snapshot.array.items_per_batch if snapshot.array else None,
    }
    return message_of(request)
