"""Claims about engines: jobs that ended well, and what the warehouse holds."""

from __future__ import annotations

from cli.client.warehouse import QueryFailed, query, warehouse_target
from cli.verify.claims import Finding, failed, not_configured, passed
from cli.verify.probes import GOOD_ROWS
from cli.verify.session import Session


def glue_modules(session: Session) -> Finding:
    return _jobs_succeeded(session, "glue", "glue")


def emr_engine(session: Session) -> Finding:
    return _configured(session, "emr", "EmrClusterId")


def emr_ssm_engine(session: Session) -> Finding:
    return _configured(session, "emr-ssm", "SsmInstanceId")


def emr_serverless_engine(session: Session) -> Finding:
    return _configured(session, "emr-serverless", "EmrServerlessApplicationId")


def copy_role(session: Session) -> Finding:
    """The probe's table holds what the load has copied out of the data bucket."""
    session.warehouse()
    run = session.ended("plain")
    target = warehouse_target(session.deployment.parameters)
    if target is None or run.probe.table is None:
        return failed("the warehouse has no table of the probe")
    try:
        count = f"SELECT COUNT(*) FROM {run.probe.table}"  # noqa: S608 - a name of ours
        ((rows,),) = query(session.deployment, target, count, {}).rows
    except QueryFailed as error:
        return failed(f"{run.probe.table} cannot be read: {error}; {run.failures}")
    seen = f"{run.probe.table} has {rows} rows"
    return passed(seen) if rows == GOOD_ROWS else failed(f"{seen}, not {GOOD_ROWS}; {run.failures}")


def statement_visibility(session: Session) -> Finding:
    """SubmitJob's role submits a load, those of the watcher and of CheckJob describe it."""
    session.warehouse()
    return _jobs_succeeded(session, "plain", "redshift")


def _configured(session: Session, engine: str, parameter: str) -> Finding:
    if engine not in session.runs:
        return not_configured(parameter)
    return _jobs_succeeded(session, engine, engine)


def _jobs_succeeded(session: Session, probe: str, engine: str) -> Finding:
    run = session.ended(probe)
    jobs = [job for job in run.jobs if job.engine == engine]
    seen = "; ".join(
        " ".join(str(part) for part in (job.service_id, job.state, job.error) if part)
        for job in jobs
    )
    if jobs and all(job.state == "SUCCEEDED" for job in jobs):
        return passed(seen)
    return failed(f"{run.probe.run_id}: {seen or f'no {engine} job'}; {run.failures}")
