"""reaper: end what is left of an execution that was stopped, failed or ran out of time
(`runs.reaping`).

Woken by the status event of an execution, by a schedule, which sweeps for what no event reported
and for runs that the ledger has held for long enough, by `pipeline stop` and `pipeline resume`, for
one run, and by `pipeline backfill`, for one backfill. The schedule also looks whether what
contracts expect is stored by now (`runs.expectations`).
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from contracts.messages import ControlBackfill, ResumeRun, StopRun
from ledger.retention import expire_due
from ledger.table import Ledger
from runs.reaping.parts import Settings, backfills_of, look_at_expectations, reaper_of
from runtime.handler import flush_metrics, logger, settings_from_environment, utc_now

STATUS_CHANGE: Final = "Durable Execution Status Change"
STOP_RUN: Final = "Stop Run"  # what `pipeline stop` calls this with
RESUME_RUN: Final = "Resume Run"  # what `pipeline resume` does
CONTROL_BACKFILL: Final = "Control Backfill"  # what `pipeline backfill pause` and others do


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:
    woken_by = event.get("detail-type", "a direct call")
    with logger.append_context_keys(request_id=context.aws_request_id, woken_by=woken_by):
        settings = settings_from_environment(Settings)
        reaper, backfills = reaper_of(settings, utc_now), backfills_of(settings, utc_now)
        try:
            if woken_by == STATUS_CHANGE:
                detail = event["detail"]
                reaper.reap(detail["durableExecutionArn"], detail["status"])
                backfills.reap(detail["durableExecutionArn"], detail["status"])
            elif woken_by == STOP_RUN:
                return reaper.stop_run(StopRun.from_json(event["detail"])).to_json()
            elif woken_by == RESUME_RUN:
                return reaper.resume_run(ResumeRun.from_json(event["detail"])).to_json()
            elif woken_by == CONTROL_BACKFILL:
                return backfills.control(ControlBackfill.from_json(event["detail"])).to_json()
            else:
                with ExitStack() as then:  # what one leaves undone does not concern the next
                    now, left = utc_now(), context.get_remaining_time_in_millis
                    ledger = Ledger(settings.ledger_table)
                    then.callback(look_at_expectations, settings, context.function_name, now)
                    then.callback(expire_due, ledger, settings, utc_now, left)
                    then.callback(backfills.sweep)
                    reaper.sweep()
        finally:
            flush_metrics()
    return None
