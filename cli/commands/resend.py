"""`pipeline resend`: corrected rows, sent as a run of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.client.corrected_rows import CorrectedObject, UnusableRows, corrected_object
from cli.client.ledger import Run
from cli.client.messages import message_of
from cli.client.quarantine import read_snapshot
from cli.client.sending import send
from cli.documents.base import print_document
from cli.documents.report import ReportDocument
from cli.documents.runs import ResentDocument
from cli.exit_codes import REFUSED, SUCCEEDED, CommandFailed
from cli.following import follow_run, show_followed
from cli.options import JsonOption, RegionOption, StackOption, TimeoutOption, find_run, ledger_of
from cli.views.printing import make_console
from contracts import layout
from contracts.dataset import DatasetSnapshot


def resend(
    file: Annotated[
        Path, typer.Argument(help="File of pipeline rejected RUN_ID --out, its rows corrected.")
    ],
    run: Annotated[str, typer.Option(help="Id of the run that rejected the rows.")],
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", help="Follow the new run to its end; the exit status is then the run's."
        ),
    ] = False,
    timeout: TimeoutOption = None,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Send corrected rows: they are uploaded as one object, and a new run processes that object.

    The new run has the query and the index of the first. Its id is derived from the rows, so the
    same file sent twice starts nothing new.
    """
    deployment, rejecting = find_run(stack, region, run)
    run = rejecting.run_id
    snapshot = read_snapshot(deployment, run)
    corrected = _corrected(file, snapshot)
    run_id = corrected.run_id(run)
    before = ledger_of(deployment).run(run_id)
    sent = before is None or before.may_be_taken_over
    bucket = deployment.output("DataBucketName")
    key = layout.resent_key(snapshot.run_id, corrected.digest[:12], corrected.ending)
    url, message_id = layout.s3_url(bucket, key), None
    report: ReportDocument | None = None
    code = SUCCEEDED
    if sent:
        # The key is derived from the content: writing it again changes nothing.
        deployment.client("s3").put_object(Bucket=bucket, Key=key, Body=corrected.body)
        sending = send(deployment, _message(url, run_id, snapshot), checked=True)
        message_id = sending.message_id
        if wait:
            followed = follow_run(deployment, sending.follower, timeout, json_output=json_output)
            report, code = followed.report, followed.exit_code
            if not json_output:
                show_followed(followed, deployment.stack)
                raise typer.Exit(code)
    if json_output:
        document = ResentDocument(
            rows=corrected.rows, url=url, run_id=run_id, message_id=message_id, report=report
        )
        print_document(document)
    else:
        lines = _lines(corrected, url, run_id, before, sent=sent)
        make_console().print("\n".join(lines), soft_wrap=True)
    if code:
        raise typer.Exit(code)


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


def _corrected(file: Path, snapshot: DatasetSnapshot) -> CorrectedObject:
    try:
        return corrected_object(file.read_text(encoding="utf-8"), snapshot)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(
            f"{file} cannot be read: {error}", REFUSED, "give a file of pipeline rejected --out"
        ) from None
    except UnusableRows as error:
        raise CommandFailed(
            f"{file} is not sent:\n{error}", REFUSED, "correct these lines, or delete them"
        ) from None


def _lines(
    corrected: CorrectedObject, url: str, run_id: str, before: Run | None, *, sent: bool
) -> list[str]:
    lines = [f"{corrected.rows} rows: {url}"]
    if not sent and before is not None:
        ended = "which has ended" if before.status.ended else "which is still active"
        lines.append(
            f"nothing was sent: these rows were sent before, as run {run_id}, {ended}:"
            f" {before.status.value}"
        )
    elif before is not None:
        lines.append(f"sent again as run {run_id}, which had ended: {before.status.value}")
    else:
        lines.append(f"sent as run {run_id}")
    return [*lines, f"look at it: pipeline status --follow {run_id}"]
