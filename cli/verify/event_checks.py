"""Claims about events: what the job watcher and the reaper say that has woken them.

Both log the event's detail type as `woken_by`; their lines are looked for by FilterLogEvents.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

import yaml

from cli.verify.claims import Concluded, Finding, failed, not_configured, passed, skipped
from cli.verify.probes import upload_contract
from cli.verify.runs import take_item
from cli.verify.session import Session
from contracts import layout

_UPLOADED: Final = "id,recorded_at,value,unit\nup,2026-11-01T08:00:00Z,1,C\n"
_LINE: Final = 400  # characters of a line that are shown


def glue_event(session: Session) -> Finding:
    session.ended("glue")
    return _woken(session, "Glue Job State Change", "watched")


def load_event(session: Session) -> Finding:
    session.warehouse()
    session.ended("plain")
    return _woken(session, "Redshift Data Statement Status Change", "watched")


def emr_event(session: Session) -> Finding:
    if "emr" not in session.runs:
        return not_configured("EmrClusterId")
    session.ended("emr")
    return _woken(session, "EMR Step Status Change", "watched")


def emr_serverless_event(session: Session) -> Finding:
    if "emr-serverless" not in session.runs:
        return not_configured("EmrServerlessApplicationId")
    session.ended("emr-serverless")
    return _woken(session, "EMR Serverless Job Run State Change", "watched")


def status_event(session: Session) -> Finding:
    run = session.stopped()
    terms = ("Durable Execution Status Change", "run ended by the reaper", run.probe.run_id)
    return _woken(session, *terms)


def upload_event(session: Session) -> Finding:
    """An object of a dataset of its own; the rule's message starts a run by its own id.

    The contract's prefix covers the object: an upload that no listing would find stores nothing.
    """
    if session.parameter("StartRunsOnUpload") != "true":
        return skipped("the parameter StartRunsOnUpload is not true: the rule is disabled")
    session.ended("plain")  # where not even that run ends, nothing is learnt from an upload
    contract = upload_contract(session.probe_id)
    dataset, prefix = contract["name"], contract["source"]["prefix"]
    bucket, key = session.deployment.output("DataBucketName"), f"{prefix}up.csv"
    code_bucket = session.deployment.output("CodeBucketName")
    contract_key = layout.dataset_source_key(dataset)
    text = yaml.safe_dump(contract, sort_keys=False)
    s3 = session.deployment.client("s3")
    what = f"the row of s3://{bucket}/{key}"
    with ExitStack() as removed_again:
        for of, name, body in ((code_bucket, contract_key, text), (bucket, key, _UPLOADED)):
            s3.put_object(Bucket=of, Key=name, Body=body.encode())
            removed_again.callback(s3.delete_object, Bucket=of, Key=name)
        item = session.wait_for(lambda: take_item(session, f"{dataset}#up"), what, session.patience)
    if item is None:
        return failed(f"{what} was not stored within {session.patience:.0f} s")
    session.left.append(f"the record of run {item.get('run_id')} in the ledger")
    return passed(f"{what} was stored by run {item.get('run_id')}")


def _woken(session: Session, detail_type: str, *terms: str) -> Finding:
    if session.parameter("LogLevel") not in ("DEBUG", "INFO", ""):
        raise Concluded(skipped(f"LogLevel is {session.parameter('LogLevel')}: it is not logged"))
    line = session.log_line(detail_type, *terms)
    if line is None:
        return failed(
            f"no line with {detail_type!r} and {' and '.join(map(repr, terms))} in"
            f" {session.steps_log_group} within {session.patience:.0f} s"
        )
    return passed(line[:_LINE])
