"""store_redshift: write down the transaction that loads a unit; it is submitted as a job then."""

from __future__ import annotations

from dataclasses import dataclass

from contracts import layout
from contracts.errors import NotConfigured
from contracts.messages import PreparedLoad, StoreRedshift
from steps import storage, warehouse
from steps.runtime import settings_from_environment, step_handler


@dataclass(frozen=True)
class Settings:
    data_bucket: str
    redshift_copy_role_arn: str = ""  # empty: the cluster's default role


@step_handler(StoreRedshift)
def handler(message: StoreRedshift) -> PreparedLoad:
    return store_redshift(message, settings_from_environment(Settings))


def store_redshift(message: StoreRedshift, settings: Settings) -> PreparedLoad:
    """Write the load's statements to S3; the same unit always gets the same ones.

    Raises:
        NotConfigured: the contract has no warehouse target.
    """
    bucket = settings.data_bucket
    snapshot = storage.read_snapshot(bucket, message.run_id)
    target = snapshot.dataset.targets.redshift
    if target is None:
        raise NotConfigured(f"dataset {snapshot.dataset.name} has no target redshift")
    output_prefix = layout.output_prefix(message.run_id, message.unit_id)
    statements = warehouse.load_statements(
        target,
        snapshot.output_columns,
        run_id=message.run_id,
        unit_id=message.unit_id,
        job_id=message.job_id,
        source_url=layout.s3_url(bucket, f"{output_prefix}part-"),
        rows=message.rows,
        copy_role_arn=settings.redshift_copy_role_arn,
    )
    url = storage.write_json(
        bucket,
        layout.load_key(message.run_id, message.unit_id),
        {
            "statements": statements,
            "load_id": warehouse.load_id(message.run_id, message.unit_id),
        },
    )
    return PreparedLoad(statements_url=url, rows=message.rows)
