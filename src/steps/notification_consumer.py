"""notification_consumer: logs and counts the notifications that its queue receives from the topic.

A starting point for what a team adds: a chat message, a ticket, the next system.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aws_lambda_powertools.metrics import MetricUnit, single_metric
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from contracts.ledger_items import EventItem
from contracts.run_request import format_timestamp
from ledger.table import Ledger
from runs.expectations.overdue import OVERDUE
from runs.received import partition_of, unwrap
from runs.topic import EventName
from runtime.handler import logger, metrics, settings_from_environment, utc_now

REMEMBERED_SECONDS: Final = 30 * 24 * 3600
ALARMING: Final = ("FAILED", "STOPPED")


@dataclass(frozen=True)
class Settings:
    ledger_table: str


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Returns `batchItemFailures`: SQS delivers only these messages again."""
    ledger = Ledger(settings_from_environment(Settings).ledger_table)

    def handle(record: SQSRecord) -> None:
        consume(record.body, record.message_id, ledger, utc_now())

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return dict(process_partial_response(event, handle, processor, context))


def consume(body: str, message_id: str, ledger: Ledger, now: datetime) -> bool:
    """Handle one notification; False if another message has reported the same event before.

    The ledger holds which SQS message reported an event first. That message is handled again when
    it is delivered again, as its first delivery may not have come to its end; any other message is
    a repeat.

    Raises:
        InvalidInput: not a notification of the pipeline.
    """
    notification = unwrap(body)
    if notification is None:
        logger.info("an alarm, not a notification of a run", extra={"message_id": message_id})
        return False
    event = EventItem(
        run_id=notification.get("runId") or partition_of(notification),
        event_id=notification["eventId"],
        message_id=message_id,
        seen_at=format_timestamp(now),
        expires_at=int(now.timestamp()) + REMEMBERED_SECONDS,
    )
    there = ledger.put_if_absent(event.to_item()).item
    if there is not None and EventItem.from_item(there).message_id != message_id:
        logger.info("repeated notification", extra={"event_id": event.event_id})
        return False
    alarming = notification.get("outcome") in ALARMING or notification["status"] == OVERDUE
    if notification["event"] == EventName.BACKFILL_ENDED:
        alarming = notification["status"] in ALARMING
    log = logger.warning if alarming else logger.info
    log("notification", extra={"run_id": notification.get("runId"), "notification": notification})
    _count(notification)
    return True


def _count(notification: dict[str, Any]) -> None:
    with single_metric(
        name="Notifications", unit=MetricUnit.Count, value=1, namespace=metrics.namespace
    ) as metric:
        metric.add_dimension("event", notification["event"])
        metric.add_dimension("status", notification["status"])
        if isinstance(notification.get("outcome"), str):  # of a unit it is an object
            metric.add_dimension("outcome", notification["outcome"])
