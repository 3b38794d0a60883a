"""Which engines this deployment has."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.errors import NotConfigured
from contracts.job import Engine
from steps import aws
from steps.remote_jobs.base import RemoteJobs
from steps.remote_jobs.glue import GlueJobs
from steps.remote_jobs.redshift import RedshiftJobs, Warehouse


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """What tells the engines apart that are there; empty: this one is not.

    Attributes:
        glue_job_prefix: what the names of this deployment's Glue jobs start with.
        redshift_cluster, redshift_workgroup: one of them, or neither.
    """

    glue_job_prefix: str = ""
    redshift_cluster: str = ""
    redshift_workgroup: str = ""
    redshift_database: str = "dev"
    redshift_secret_arn: str = ""


def adapter_for(engine: Engine, settings: EngineSettings) -> RemoteJobs:
    """The engine's adapter.

    Raises:
        NotConfigured: this deployment, or this release, does not have the engine.
    """
    if engine is Engine.GLUE:
        if not settings.glue_job_prefix:
            raise NotConfigured("engine glue: this deployment has no Glue jobs (GLUE_JOB_PREFIX)")
        return GlueJobs(aws.client("glue"), settings.glue_job_prefix)
    if engine is Engine.REDSHIFT:
        return RedshiftJobs(aws.client("redshift-data"), _warehouse(settings))
    raise NotConfigured(f"engine {engine} is not available in this release; use glue")


def _warehouse(settings: EngineSettings) -> Warehouse:
    if bool(settings.redshift_cluster) == bool(settings.redshift_workgroup):
        raise NotConfigured(
            "engine redshift: deploy with RedshiftClusterIdentifier or RedshiftWorkgroupName"
            " (exactly one of them), or leave the redshift target out of the dataset"
        )
    return Warehouse(
        cluster=settings.redshift_cluster,
        workgroup=settings.redshift_workgroup,
        database=settings.redshift_database,
        secret_arn=settings.redshift_secret_arn,
    )
