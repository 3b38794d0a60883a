"""store_redshift: write the transaction that loads a unit, and submit it as a job."""

from __future__ import annotations

from dataclasses import dataclass

from contracts import layout
from contracts.errors import NotConfigured, OwnershipLost, PipelineError
from contracts.job import JobStatus
from contracts.messages import PreparedLoad, StoreRedshift, SubmitJob
from ledger.stop_decision import refuse_stopped
from ledger.table import Ledger, LedgerSettings
from remote_jobs.engines.registry import EngineSettings
from remote_jobs.ledger import JobLedger
from remote_jobs.submission import submitter
from runtime import s3
from runtime.handler import logger, settings_from_environment, step_handler
from sources import frozen
from stores.redshift import load as warehouse
from tabular.parts import digest_of, output_parts


@dataclass(frozen=True)
class Settings:
    data_bucket: str
    redshift_copy_role_arn: str = ""  # empty: the cluster's default role


@step_handler(StoreRedshift)
def handler(message: StoreRedshift) -> PreparedLoad:
    ledger = Ledger(settings_from_environment(LedgerSettings).ledger_table)
    refuse_stopped(ledger, message.run_id)
    settings = settings_from_environment(Settings)
    prepared = store_redshift(message, settings)
    if message.submit is None:
        return prepared
    job = message.submit.model_copy(update={"input_url": prepared.statements_url})
    return prepared.model_copy(update={"status": _submitted(job, ledger, settings.data_bucket)})


def _submitted(job: SubmitJob, ledger: Ledger, data_bucket: str) -> JobStatus | None:
    """The job; None if it could not be submitted: submit-job tries again, longer than a store.

    Raises:
        OwnershipLost: the run was taken over by a newer attempt, or has ended.
    """
    engines = settings_from_environment(EngineSettings)
    try:
        return submitter(job.engine, JobLedger(ledger), engines, data_bucket).submit(job)
    except OwnershipLost:
        raise
    except PipelineError as error:
        logger.warning("load not submitted yet", extra={"error": repr(error)})
        return None


def store_redshift(message: StoreRedshift, settings: Settings) -> PreparedLoad:
    """Write the manifest of the unit's files and the load's statements to S3.

    The same rows always give the same manifest and statements, so a repeat overwrites them with the
    same bytes. Other rows of the same unit (a repeated job may write others) have other keys.

    Raises:
        NotConfigured: the contract has no warehouse target.
        NotFound: transform's files are not there.
    """
    bucket, run_id, unit_id = settings.data_bucket, message.run_id, message.unit_id
    snapshot = frozen.read_snapshot(bucket, run_id)
    target = snapshot.dataset.targets.redshift
    if target is None:
        raise NotConfigured(f"dataset {snapshot.dataset.name} has no target redshift")
    parts = output_parts(bucket, run_id, unit_id, message.files)
    digest = digest_of(parts)
    manifest_url = s3.write_json(
        bucket,
        layout.copy_manifest_key(run_id, unit_id, digest),
        warehouse.copy_manifest(bucket, parts),
    )
    load = warehouse.Load(
        snapshot,
        target,
        unit_id,
        message.job_id,
        manifest_url,
        message.rows,
        digest,
        message.run_attempt,
        settings.redshift_copy_role_arn,
        places=snapshot.group is not None,
    )
    url = s3.write_json(
        bucket,
        layout.load_key(run_id, unit_id, digest),
        {
            "statements": warehouse.load_statements(load),
            "load_id": load.id,
            **({} if snapshot.dataset.examples else {"private": True}),
        },
    )
    return PreparedLoad(statements_url=url, rows=message.rows)
