"""Sending the probes, following them to their ends, and removing what they left."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import yaml
from botocore.exceptions import BotoCoreError, ClientError

from cli.client.executions import fetch_events
from cli.client.ledger import Item, plain_item
from cli.client.messages import send_message
from cli.client.warehouse import QueryFailed, execute, warehouse_target
from cli.verify.probes import STOPPED_BY, Probe
from cli.verify.session import ProbeRun, Session
from contracts import layout


def upload_probe(session: Session, probe: Probe) -> None:
    """Put the contract and the objects where the run reads them."""
    s3, outputs = session.deployment.client("s3"), session.deployment.output
    text = yaml.safe_dump(dict(probe.contract), sort_keys=False)
    s3.put_object(Bucket=outputs("CodeBucketName"), Key=probe.contract_key, Body=text.encode())
    for key, body in probe.objects.items():
        s3.put_object(Bucket=outputs("DataBucketName"), Key=key, Body=body)


def send_probe(session: Session, run: ProbeRun) -> None:
    """Send the probe's message."""
    queue_url = session.deployment.output("DataProcessingQueueUrl")
    body = json.dumps(dict(run.probe.request))
    run.message_id = send_message(session.deployment.client("sqs"), queue_url, body)


def follow(session: Session, seconds: float) -> None:
    """Look at all runs until they have ended, or the time is over."""

    def look() -> bool | None:
        for run in session.runs.values():
            if not run.ended:
                _look(session, run)
        return all(run.ended for run in session.runs.values()) or None

    session.wait_for(look, "runs to end: " + ", ".join(session.runs), seconds)
    for run in session.runs.values():
        _gather(session, run)
        session.report(f"{run.probe.run_id}: {run.state}")


def _look(session: Session, run: ProbeRun) -> None:
    run_id = run.probe.run_id
    run.run = session.ledger.run(run_id)
    if run.run is None:
        run.refusal = session.ledger.refusal(run.message_id, run_id)
        return
    to_stop = run.probe.name == "stop" and run.stopped_at is None and run.stop_error is None
    if not to_stop or run.run.status.ended:
        return
    if any(job.service_id for job in session.ledger.jobs(run_id)):
        _stop(session, run, run.run.holder)


def _stop(session: Session, run: ProbeRun, holder: str) -> None:
    try:
        session.deployment.client("lambda").stop_durable_execution(
            DurableExecutionArn=holder, Error={"ErrorMessage": STOPPED_BY}
        )
    except ClientError as error:
        run.stop_error = str(error)
        session.report(f"{run.probe.run_id} cannot be stopped and continues: {error}")
    else:
        run.stopped_at = time.time()


def _gather(session: Session, run: ProbeRun) -> None:
    """What the ledger, the history and the result table hold of a run; its rows are removed."""
    run_id, ledger = run.probe.run_id, session.ledger
    if run.run is None:
        return
    run.units, run.jobs = ledger.units(run_id), ledger.jobs(run_id)
    if run.run.holder:
        try:
            run.events = fetch_events(session.deployment.client("lambda"), run.run.holder)
        except ClientError as error:
            session.report(f"{run_id}: its history cannot be read: {error}")
    keys = run.probe.keys_of_items
    found = {key: item for key in keys if (item := take_item(session, key)) is not None}
    run.items = found


def take_item(session: Session, key: str) -> Item | None:
    """Remove an item of a probe from the result table; returns it as it was."""
    response = session.deployment.client("dynamodb").delete_item(
        TableName=session.deployment.output("ProcessedDataTable"),
        Key={"pk": {"S": key}},
        ReturnValues="ALL_OLD",
    )
    return plain_item(response["Attributes"]) if response.get("Attributes") else None


@contextmanager
def removed_afterwards(session: Session) -> Iterator[None]:
    """Whatever happens within, remove what the probes need, and note what stays."""
    try:
        yield
    finally:
        _remove(session)


def _remove(session: Session) -> None:
    s3, output = session.deployment.client("s3"), session.deployment.output
    for run in session.runs.values():
        probe = run.probe
        if run.message_id and not run.ended:
            session.left.append(
                f"run {probe.run_id}, which is still active, with its contract and objects"
            )
            continue
        places = [(output("CodeBucketName"), probe.contract_key)]
        places += [(output("DataBucketName"), key) for key in probe.objects]
        for bucket, key in places:
            remove = partial(s3.delete_object, Bucket=bucket, Key=key)
            _try(session, f"s3://{bucket}/{key}", remove)
        if probe.table:
            _try(session, f"the table {probe.table}", partial(_drop, session, probe.table))
    ids = ", ".join(run.probe.run_id for run in session.runs.values())
    session.left += [
        f"records of {ids} in the ledger and in the warehouse's pipeline_… tables",
        f"their histories until they expire, their files under {_run_files(session)} and"
        " quarantine/ until RunFilesRetentionDays have passed",
        f"22 bytes for each object that they stored, under {_stored_objects(session)}",
        "delete markers and old versions of the contracts, where the code bucket is versioned",
    ]


def _run_files(session: Session) -> str:
    bucket = session.deployment.output("DataBucketName")
    return layout.s3_url(bucket, f"runs/verify-{session.probe_id}-*")


def _stored_objects(session: Session) -> str:
    bucket = session.deployment.output("DataBucketName")
    return layout.s3_url(bucket, layout.stored_objects_prefix("verify_*"))


def _drop(session: Session, table: str) -> None:
    target = warehouse_target(session.deployment.parameters)
    if target is not None:
        execute(session.deployment, target, f"DROP TABLE IF EXISTS {table}")


def _try(session: Session, what: str, remove: Callable[[], Any]) -> None:
    try:
        remove()
    except (ClientError, BotoCoreError, QueryFailed) as error:
        session.left.append(f"{what}, which could not be removed: {error}")
