"""How often a warehouse load that FAILED is tried in all, by what the warehouse says. Pure."""

from __future__ import annotations

import re
from typing import Final

from contracts.job import ErrorCode
from contracts.warehouse_errors import error_code
from durable_pipeline.policies import LOAD_AGAIN, PERMANENT, UNKNOWN, Policy

# The rule of flow 1. Never change it: histories recorded then are replayed with it.
_PERMANENT_OF_FLOW_1: Final = re.compile(
    r"Load into table|incompatible Parquet schema|Unmatched number of columns|Value too long"
    r"|String length exceeds|(value|integer|bigint|numeric|date|timestamp)\b.* out of range"
    r"|overflow|not-null|NULL value|rows expected, the files hold|a later attempt than"
    r"|Invalid digit|(relation|column|table|schema|function|bucket|type|role)\b.* does not exist"
    r"|permission denied|Access ?Denied|syntax error",
    re.IGNORECASE,
)


def load_attempts(error: str, code: str | None = None) -> int:
    """Tries in all for a load that failed with this error, the first included.

    Args:
        error: of the Data API's DescribeStatement, or our own words for it.
        code: what the step says of it (`ErrorCode`); absent from steps of an earlier release, whose
            error is looked at here.

    Returns:
        LOAD_AGAIN.attempts for transient errors, 1 for permanent ones, a few for unknown ones.
    """
    policies: dict[str, Policy] = {ErrorCode.PASSES: LOAD_AGAIN, ErrorCode.PERMANENT: PERMANENT}
    return policies.get(code or error_code(error), UNKNOWN).attempts


def load_attempts_of_flow_1(error: str) -> int:
    """The same by the rule of flow 1, for runs whose recorded LoadedDataset has it."""
    permanent = _PERMANENT_OF_FLOW_1.search(error)
    return (PERMANENT if permanent else LOAD_AGAIN).attempts
