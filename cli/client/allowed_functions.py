"""Whether a deployment allows the functions that a contract's jobs run on."""

from __future__ import annotations

from cli.client.deployment import Deployment, find_deployment
from cli.exit_codes import CommandFailed
from contracts.dataset import Dataset
from contracts.errors import NotConfigured, Problem
from remote_jobs.engines.lambda_functions import allowed_functions, resolve

PARAMETER = "JobFunctionArns"


def problems_of_functions(dataset: Dataset, stack: str | None, region: str | None) -> list[Problem]:
    """A problem for each job whose function is not allowed; none where no deployment is known.

    Raises:
        CommandFailed: there is no stack of that name, or it cannot be read.
    """
    named = [(index, job.function) for index, job in enumerate(dataset.jobs) if job.function]
    deployment = _deployment(stack, region) if named else None
    if deployment is None:
        return []
    where = f"stack {stack}" if stack else "the local cloud that runs here"
    problems = []
    for index, function in named:
        try:
            resolve(function, allowed_functions(deployment.parameters.get(PARAMETER, "")))
        except NotConfigured as error:
            problems.append(Problem(f"jobs[{index}].function", f"on {where}: {error}"))
    return problems


def _deployment(stack: str | None, region: str | None) -> Deployment | None:
    if stack:
        return find_deployment(stack, region)
    try:
        return find_deployment(None)
    except CommandFailed:  # no local cloud is running, so this is unknown
        return None
