"""Contracts and limits of pools, as the deployment has them."""

from __future__ import annotations

from cli.client.contracts import dataset_names, find_contract
from cli.client.deployment import Deployment
from cli.client.ledger import LedgerView
from cli.health.diagnosis import Diagnosis, Health, with_stack
from contracts import layout
from contracts.errors import InvalidDataset
from dataset_loading.check import check_dataset
from dataset_loading.file import contract_text


def contracts(deployment: Deployment) -> list[Diagnosis]:
    """Every contract in the code bucket, checked as a run would."""
    names = dataset_names(deployment)
    if not names:
        advice = with_stack("pipeline upload", deployment)
        return [Diagnosis("contracts", Health.PROBLEM, "there are none", advice)]
    broken = [found for name in names if (found := _broken(deployment, name))]
    return broken or [Diagnosis("contracts", Health.OK, f"{len(names)}, all valid")]


def pools(deployment: Deployment) -> list[Diagnosis]:
    """What the pipeline has read of `pools.yaml`."""
    ledger = LedgerView(deployment.client("dynamodb"), deployment.output("LedgerTable"))
    file = ledger.pools_file()
    if not file.problem:
        return [Diagnosis(layout.POOLS_KEY, Health.OK, "no problem")]
    advice = with_stack(f"correct {layout.POOLS_KEY}, then: pipeline upload", deployment)
    return [Diagnosis(layout.POOLS_KEY, Health.PROBLEM, file.problem, advice)]


def _broken(deployment: Deployment, name: str) -> Diagnosis | None:
    file = layout.dataset_source_key(name)
    content = find_contract(deployment, name)
    if content is None:  # removed just now
        return None
    try:
        check_dataset(contract_text(content, file), name)
    except InvalidDataset as error:
        problems = "; ".join(str(problem) for problem in error.problems[:3])
        more = f"; and {len(error.problems) - 3} more" if len(error.problems) > 3 else ""
        advice = with_stack(f"correct {file}, then: pipeline upload", deployment)
        return Diagnosis(f"dataset {name}", Health.PROBLEM, problems + more, advice)
    return None
