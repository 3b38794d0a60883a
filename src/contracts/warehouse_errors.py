"""Which errors of the warehouse are transient and which are permanent. Pure.

The Data API reports a failed statement's error as text only, so the texts are matched. Transient
patterns come first: a retry too many does no harm, as everything is one transaction.
"""

from __future__ import annotations

import re
from typing import Final

from contracts.job import ErrorCode

# Statements that guard a load fail on purpose, with a text that holds one of these codes.
ROWS_MISSING: Final = "PIPELINE-ROWS-MISSING"
LATER_ATTEMPT: Final = "PIPELINE-LATER-ATTEMPT"

# Each alternative with its source; (inferred): no document of AWS shows the text.
_PASSES: Final = re.compile(
    # Redshift guide, "Troubleshooting serializable isolation errors": retry the transaction.
    r"\bERROR: ?1023\b|serializable isolation violation|dropped by concurrent transaction"
    r"|could not open relation with OID"
    # PostgreSQL, errcodes 40001 and 40P01; Redshift's leader node keeps its words (inferred).
    r"|could not serialize access|deadlock detected"
    # S3, "Error responses": 503 SlowDown, 503 ServiceUnavailable, 500 InternalError.
    r"|SlowDown|reduce your request rate|ServiceUnavailable|Status 50[03]\b"
    # A cluster that restarts, is resized or patched: PostgreSQL, errcodes 57 and 08 (inferred).
    r"|terminating connection|server closed the connection"
    r"|is (restarting|resizing|paused|rebooting)"
    r"|(shutting down|starting up|recovery mode)|in maintenance"
    r"|^connection does not exist"
    r"|(?<![\"\w.])connection\b[^\"]{0,40}\b(reset|refused|lost|timed out|closed)\b"
    r"|too many (connections|clients)|connection limit"
    # Redshift management guide, "WLM query monitoring rules" and "WLM timeout".
    r"|(cancel+ed|aborted?)\b.{0,30}\bWLM\b|WLM\b.{0,30}(cancel+ed|abort|timeout)"
    # AWS Knowledge Center, "disk full" errors: space comes back when other queries end.
    r"|disk full|no space left|out of (memory|shared memory)|insufficient memory",
    re.IGNORECASE,
)
_PERMANENT: Final = re.compile(
    rf"{ROWS_MISSING}|{LATER_ATTEMPT}"
    # of its rows
    r"|Load into table|incompatible Parquet schema|Unmatched number of columns|Value too long"
    r"|String length exceeds|(value|integer|bigint|numeric|date|timestamp)\b.* out of range"
    r"|overflow|not-null|NULL value"
    r"|Invalid (digit|input syntax)|invalid value|Assert\b.*\bcode: ?100[01]\b|violates"
    # of its statements or tables
    r"|(relation|column|table|schema|function|bucket|type|role|database|user|key|operator)\b"
    r".* (does not exist|doesn't exist|not found)"
    r"|already exists|syntax error|is of type\b.*\bbut expression is|cannot (be cast|cast)"
    r"|not supported|unsupported|ambiguous|prefix .{0,200}does not exist|NoSuch(Bucket|Key)"
    # of rights
    r"|permission denied|Access ?Denied|Status 403\b|must be (the )?owner|not authorized"
    r"|UnauthorizedException|could not be assumed|cannot assume|no default IAM role"
    r"|not associated (to|with) (the )?cluster|Invalid IAM role|InvalidAccessKeyId"
    r"|ExpiredToken|(password )?authentication failed|read-only transaction"
    r"|must be addressed using the specified endpoint|PermanentRedirect|Status 301\b",
    re.IGNORECASE,
)


def passes_by_itself(error: str) -> bool:
    """Whether the same transaction may succeed later, with nothing changed by a person.

    Args:
        error: of the Data API's DescribeStatement.
    """
    return _PASSES.search(error) is not None


def is_permanent(error: str) -> bool:
    """Whether the same transaction is known to fail every time; False: it passes, or is not known.

    Args:
        error: of the Data API's DescribeStatement, or our own words for it.
    """
    return not passes_by_itself(error) and _PERMANENT.search(error) is not None


def error_code(error: str) -> ErrorCode:
    """What the error of a load means for its next try.

    Args:
        error: of the Data API's DescribeStatement, or our own words for it.
    """
    if passes_by_itself(error):
        return ErrorCode.PASSES
    return ErrorCode.PERMANENT if is_permanent(error) else ErrorCode.UNKNOWN
