"""store_redshift: write the transaction that loads a unit; a job then submits it."""

from __future__ import annotations

from dataclasses import dataclass

from contracts import layout
from contracts.errors import NotConfigured
from contracts.messages import PreparedLoad, StoreRedshift
from ledger.stop_decision import refuse_stopped
from ledger.table import Ledger, LedgerSettings
from runtime import s3
from runtime.handler import settings_from_environment, step_handler
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
    return store_redshift(message, settings_from_environment(Settings))


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
