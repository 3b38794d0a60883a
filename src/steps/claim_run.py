"""claim_run: become the one execution that holds a run (`runs.claims`)."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.messages import Claim, ClaimRun
from ledger.table import Ledger
from runs.claims import claim_run
from runtime.handler import settings_from_environment, step_handler, utc_now


@dataclass(frozen=True)
class Settings:
    ledger_table: str


@step_handler(ClaimRun)
def handler(message: ClaimRun) -> Claim:
    settings = settings_from_environment(Settings)
    return claim_run(message, Ledger(settings.ledger_table), utc_now())
