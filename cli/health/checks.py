"""All checks of a deployment, and some of them at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from cli.client.deployment import Deployment
from cli.health import (
    backfill_checks,
    contract_checks,
    expectation_checks,
    run_checks,
    service_checks,
)
from cli.health.diagnosis import Check, Diagnosis, Health

CHECKS: Final[Mapping[str, Check]] = {
    "requests": service_checks.queue,
    "dead letters": service_checks.dead_letters,
    "alarms": service_checks.alarms,
    "job watcher": service_checks.watcher,
    "reaper": service_checks.reaper,
    "contracts": contract_checks.contracts,
    "pools": contract_checks.pools,
    "expected days": expectation_checks.expectations,
    "runs": run_checks.runs,
    "jobs": run_checks.jobs,
    "backfills": backfill_checks.backfills,
}
# Those of a moment: cheap, and the same for whatever is looked at.
AT_A_GLANCE: Final = {
    name: CHECKS[name] for name in ("requests", "dead letters", "job watcher", "reaper")
}


def diagnose(deployment: Deployment, checks: Mapping[str, Check] = CHECKS) -> list[Diagnosis]:
    """The findings of checks; one that cannot be made is UNKNOWN, and the others go on."""
    found: list[Diagnosis] = []
    for name, check in checks.items():
        try:
            found += check(deployment)
        except (ClientError, BotoCoreError) as error:
            found.append(Diagnosis(name, Health.UNKNOWN, f"cannot be seen: {error}"))
    return found
