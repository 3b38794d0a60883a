"""Which engines this deployment has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from contracts.errors import NotConfigured
from contracts.job import Engine
from remote_jobs.engines.base import RemoteJobs
from remote_jobs.engines.emr import EmrJobs
from remote_jobs.engines.emr_serverless import EmrServerlessJobs
from remote_jobs.engines.emr_ssm import EmrSsmJobs
from remote_jobs.engines.glue import GlueJobs
from remote_jobs.engines.lambda_functions import LambdaJobs, allowed_functions
from remote_jobs.engines.redshift import RedshiftJobs, Warehouse
from runtime import clients


@dataclass(frozen=True, kw_only=True)
class EmrSettings:
    """Where Spark jobs run; empty: this deployment does not have it.

    Attributes:
        ssm_instance_id: the instance that submits steps for engine `emr-ssm`.
        emr_serverless_role_arn: what job runs may do.
    """

    emr_cluster_id: str = ""
    ssm_instance_id: str = ""
    emr_serverless_application_id: str = ""
    emr_serverless_role_arn: str = ""

    def lacking(self, engine: Engine) -> list[str]:
        """Names of the template's parameters that the engine needs and that are not set."""
        return [
            name for name, field in PARAMETERS.get(engine, {}).items() if not getattr(self, field)
        ]


PARAMETERS: Final[Mapping[Engine, Mapping[str, str]]] = {
    Engine.EMR: {"EmrClusterId": "emr_cluster_id"},
    Engine.EMR_SSM: {"EmrClusterId": "emr_cluster_id", "SsmInstanceId": "ssm_instance_id"},
    Engine.EMR_SERVERLESS: {
        "EmrServerlessApplicationId": "emr_serverless_application_id",
        "EmrServerlessRoleArn": "emr_serverless_role_arn",
    },
}


@dataclass(frozen=True, kw_only=True)
class EngineSettings(EmrSettings):
    """How each engine is reached; empty: it is not there.

    Attributes:
        glue_job_prefix: what the names of this deployment's Glue jobs start with.
        redshift_cluster, redshift_workgroup: one of them, or neither.
        code_bucket: where scripts of Spark jobs lie.
        job_function_arns: functions that jobs may run on, with commas between.
    """

    glue_job_prefix: str = ""
    redshift_cluster: str = ""
    redshift_workgroup: str = ""
    redshift_database: str = "dev"
    redshift_secret_arn: str = ""
    code_bucket: str = ""
    job_function_arns: str = ""


def adapter_for(engine: Engine, settings: EngineSettings) -> RemoteJobs:
    """The engine's adapter.

    Raises:
        NotConfigured: this deployment does not have the engine.
    """
    if lacking := settings.lacking(engine):
        raise NotConfigured(f"engine {engine}: deploy with {' and '.join(lacking)}")
    return ADAPTERS[engine](settings)


def _glue(settings: EngineSettings) -> RemoteJobs:
    if not settings.glue_job_prefix:
        raise NotConfigured("engine glue: this deployment has no Glue jobs (GLUE_JOB_PREFIX)")
    return GlueJobs(clients.client("glue"), settings.glue_job_prefix)


def _emr(settings: EngineSettings) -> RemoteJobs:
    return EmrJobs(clients.client("emr"), settings.emr_cluster_id, settings.code_bucket)


def _emr_ssm(settings: EngineSettings) -> RemoteJobs:
    return EmrSsmJobs(
        clients.client("ssm"),
        clients.client("emr"),
        instance=settings.ssm_instance_id,
        cluster=settings.emr_cluster_id,
        code_bucket=settings.code_bucket,
    )


def _emr_serverless(settings: EngineSettings) -> RemoteJobs:
    return EmrServerlessJobs(
        clients.client("emr-serverless"),
        settings.emr_serverless_application_id,
        settings.emr_serverless_role_arn,
        settings.code_bucket,
    )


def _redshift(settings: EngineSettings) -> RemoteJobs:
    return RedshiftJobs(clients.client("redshift-data"), _warehouse(settings))


def _lambda(settings: EngineSettings) -> RemoteJobs:
    return LambdaJobs(allowed_functions(settings.job_function_arns))


ADAPTERS: Final[Mapping[Engine, Callable[[EngineSettings], RemoteJobs]]] = {
    Engine.GLUE: _glue,
    Engine.EMR: _emr,
    Engine.EMR_SSM: _emr_ssm,
    Engine.EMR_SERVERLESS: _emr_serverless,
    Engine.REDSHIFT: _redshift,
    Engine.LAMBDA: _lambda,
}


_POOLS: Final[Mapping[Engine, Callable[[str], str | None]]] = {
    Engine.GLUE: GlueJobs.pool,
    Engine.EMR: EmrJobs.pool,
    Engine.EMR_SSM: EmrSsmJobs.pool,
    Engine.EMR_SERVERLESS: EmrServerlessJobs.pool,
    Engine.REDSHIFT: RedshiftJobs.pool,
    Engine.LAMBDA: LambdaJobs.pool,
}


def pool_of(engine: Engine, target: str) -> str | None:
    """The pool of the engine's jobs there, as its adapter names it."""
    return _POOLS[engine](target)


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
