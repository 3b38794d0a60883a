"""`pipeline resend`: rejected rows, mended, as a run of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.client.corrected_rows import MendedObject, NotMended, mended_object
from cli.client.ledger import Run
from cli.client.messages import message_of
from cli.client.quarantine import read_snapshot
from cli.client.sending import send
from cli.commands.run import follow_to_the_end
from cli.exit_codes import REFUSED, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption, TimeoutOption, find_run, ledger_of
from cli.views.tables import make_console, print_json
from contracts import layout
from contracts.dataset import DatasetSnapshot


def resend(
    file: Annotated[Path, typer.Argument(help="What pipeline rejected RUN --out wrote, mended.")],
    run: Annotated[str, typer.Option(help="The run whose rejected rows they are.")],
    wait: Annotated[bool, typer.Option("--wait", help="Follow the new run to its end.")] = False,
    timeout: TimeoutOption = None,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Send mended rows: they become an object beside the run's files, and a run over it.

    The new run has the query and the index of the first. Its id is made of the rows: the same file
    sent twice starts nothing new.

    Example: pipeline resend mended.jsonl --run november-1 --wait
    """
    deployment, _ = find_run(stack, region, run)
    snapshot = read_snapshot(deployment, run)
    mended = _mended(file, snapshot)
    run_id = mended.run_id(run)
    before = ledger_of(deployment).run(run_id)
    sent = before is None or before.status.may_be_taken_over
    bucket = deployment.output("DataBucketName")
    key = layout.resent_key(snapshot.run_id, mended.digest[:12], mended.ending)
    url, message_id = layout.s3_url(bucket, key), None
    if sent:
        # Named by its content: written again, it stays what it is.
        deployment.client("s3").put_object(Bucket=bucket, Key=key, Body=mended.body)
        request = {
            "datasetName": snapshot.dataset.name,
            "inputUrl": url,
            "query": snapshot.query,
            "index": snapshot.index if snapshot.index != snapshot.dataset.name else None,
            "runId": run_id,
            "itemsPerBatch": snapshot.array.items_per_batch if snapshot.array else None,
        }
        sending = send(deployment, message_of(request), checked=True)
        message_id = sending.message_id
        if wait:
            follow_to_the_end(deployment, sending.follower, timeout, json_output=json_output)
    if json_output:
        document = {"rows": mended.rows, "url": url, "runId": run_id, "messageId": message_id}
        print_json(make_console(), document)
        return
    make_console().print(_told(mended, url, run_id, before, sent=sent), soft_wrap=True)


def _mended(file: Path, snapshot: DatasetSnapshot) -> MendedObject:
    try:
        return mended_object(file.read_text(encoding="utf-8"), snapshot)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file} cannot be read: {error}", REFUSED) from None
    except NotMended as error:
        raise CommandFailed(f"{file} is not sent:\n{error}", REFUSED) from None


def _told(mended: MendedObject, url: str, run_id: str, before: Run | None, *, sent: bool) -> str:
    lines = [f"{mended.rows} rows: {url}"]
    if not sent and before is not None:
        ended = "which has ended" if before.status.ended else "which goes on"
        lines.append(
            f"nothing was sent: these rows were, as run {run_id}, {ended}: {before.status.value}"
        )
    elif before is not None:
        lines.append(f"sent again as run {run_id}, which had ended: {before.status.value}")
    else:
        lines.append(f"sent as run {run_id}")
    lines.append(f"look at it: pipeline status --follow {run_id}")
    return "\n".join(lines)
