"""job_watcher: complete the callbacks of jobs that ended (`remote_jobs.watcher`).

A schedule and the engines' job events wake it; the event is never read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ledger.table import Ledger
from remote_jobs.callbacks import Callbacks
from remote_jobs.engines.registry import EngineSettings, adapter_for
from remote_jobs.ledger import JobLedger
from remote_jobs.tally import report
from remote_jobs.watcher import Watcher
from runtime import clients
from runtime.handler import flush_metrics, logger, settings_from_environment


@dataclass(frozen=True, kw_only=True)
class Settings(EngineSettings):
    ledger_table: str


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    settings = settings_from_environment(Settings)
    woken_by = event.get("detail-type", "a direct call")
    with logger.append_context_keys(request_id=context.aws_request_id, woken_by=woken_by):
        watcher = Watcher(
            jobs=JobLedger(Ledger(settings.ledger_table)),
            adapter=lambda engine: adapter_for(engine, settings),
            callbacks=Callbacks(clients.client("lambda")),
        )
        try:
            report(watcher.run())
        finally:
            flush_metrics()
