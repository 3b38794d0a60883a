"""Durable executions, by the Lambda API."""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import ClientError

from cli.client.history import Event, Execution, read_history

_PAGE: Final = 1000


def fetch_events(lambda_client: Any, execution_arn: str, *, data: bool = True) -> list[Event]:
    """All events of one execution.

    Args:
        data: with the inputs and results of the operations.

    Raises:
        botocore.exceptions.ClientError: no such execution, or its retention is over.
    """
    events: list[Event] = []
    marker: dict[str, str] = {}
    while True:
        page = lambda_client.get_durable_execution_history(
            DurableExecutionArn=execution_arn,
            IncludeExecutionData=data,
            MaxItems=_PAGE,
            **marker,
        )
        events += page["Events"]
        if not page.get("NextMarker"):
            return events
        marker = {"Marker": page["NextMarker"]}


def fetch_execution(lambda_client: Any, execution_arn: str) -> Execution | None:
    """The execution read back from its history, or None where there is none (any more)."""
    try:
        return read_history(fetch_events(lambda_client, execution_arn))
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
            return None
        raise
