"""Events as services put them on EventBridge's default bus."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from local.local_cloud.http.services import ACCOUNT_ID, REGION

OnEvent = Callable[[dict[str, Any]], None]


def service_event(
    source: str, detail_type: str, detail: dict[str, Any], resources: Sequence[str] = ()
) -> dict[str, Any]:
    """The whole event, with the envelope that rules and targets see.

    Args:
        source: `aws.glue`, `aws.redshift-data`.
        detail_type: e.g. `Glue Job State Change`.
        detail: the service's own part.
        resources: ARNs of what the event is about.
    """
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT_ID,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": list(resources),
        "detail": detail,
    }
