"""reject_message: put a message that can never run on the dead-letter queue, or the request of a
long run that failed, with its reason (`runs.dead_letters`)."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.messages import RejectMessage
from ledger.table import Ledger
from runs.dead_letters import reject_message
from runtime.handler import settings_from_environment, step_handler, utc_now


@dataclass(frozen=True)
class Settings:
    ledger_table: str
    dead_letter_queue_url: str


@step_handler(RejectMessage)
def handler(message: RejectMessage) -> None:
    settings = settings_from_environment(Settings)
    reject_message(
        message, Ledger(settings.ledger_table), settings.dead_letter_queue_url, utc_now()
    )
