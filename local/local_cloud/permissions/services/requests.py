"""What the rules of all services share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from local.local_cloud.http.services import ACCOUNT_ID, REGION
from local.local_cloud.permissions.calls import Call

Body = Mapping[str, Any]
# The calls of one operation's request; None: no rule says.
Rule = Callable[[str, Body], list[Call] | None]


def arn_of(service: str, resource: str, region: str = REGION, account: str = ACCOUNT_ID) -> str:
    return f"arn:aws:{service}:{region}:{account}:{resource}"
