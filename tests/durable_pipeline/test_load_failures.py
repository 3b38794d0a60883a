"""What a warehouse says of a load that failed, and how often the load is tried."""

from __future__ import annotations

import pytest

from contracts.job import ErrorCode
from contracts.warehouse_errors import LATER_ATTEMPT, ROWS_MISSING, error_code
from durable_pipeline.load_failures import load_attempts
from durable_pipeline.policies import LOAD_AGAIN, UNKNOWN

PASSES_BY_ITSELF = [
    "ERROR:1023 DETAIL: Serializable isolation violation on a table in Redshift",
    "ERROR: 1023 DETAIL: Serializable isolation violation on table - 100, transactions forming the"
    " cycle are: 7, 8 (pid:9)",
    "ERROR: could not serialize access due to concurrent update",
    "ERROR: deadlock detected DETAIL: Process 1 waits for AccessExclusiveLock on relation 2",
    "ERROR: table 100123 dropped by concurrent transaction",
    "ERROR: could not open relation with OID 100123",
    "ERROR: Query (7) cancelled by WLM abort action of Query Monitoring Rule",
    "ERROR: Query (7) canceled on WLM timeout",
    "S3ServiceException:Please reduce your request rate.,Status 503,Error SlowDown",
    "S3ServiceException: Please reduce your request rate, copy-manifest.json",
    "S3ServiceException:We encountered an internal error. Please try again.,Status 500",
    "FATAL: terminating connection due to administrator command",
    "ERROR: the cluster is resizing",
    "FATAL: the database system is starting up",
    "could not connect: Connection refused",
    "Connection to the database was lost",
    "Connection does not exist",
    "ERROR: Disk Full DETAIL: error: Disk Full code: 1016",
    "ERROR: could not write block: No space left on device",
    'FATAL: connection limit "500" exceeded for non-bootstrap users',
]
FAILS_EVERY_TIME = [
    "ERROR: Load into table 'load_files_1' failed. Check 'sys_load_error_detail'",
    "Spectrum Scan Error: incompatible Parquet schema for column note",
    "ERROR: Value too long for character type",
    "Invalid digit: 3 rows expected, the files hold 2",
    "ERROR: Invalid digit, Value 'a', Pos 0, Type: Long",
    'ERROR: invalid input syntax for type bigint: "a later attempt than 1"',
    "ERROR: Cannot insert a NULL value into column id",
    "ERROR: Numeric data overflow (value out of range)",
    'ERROR: relation "mart.sales" does not exist',
    'ERROR: column "amount" of relation "sales" does not exist',
    'ERROR: schema "mart" does not exist',
    'ERROR: schema "connection" does not exist',
    'ERROR: relation "mart.connection" does not exist',
    'ERROR: relation "connection closed_orders" does not exist',
    'ERROR: relation "sales" already exists',
    "ERROR: permission denied for relation sales",
    "ERROR: must be owner of relation sales",
    "ERROR: must be owner of schema mart",
    "ERROR: S3ServiceException:Access Denied,Status 403,Error AccessDenied",
    "ERROR: UnauthorizedException: Not authorized to get credentials of role arn:aws:iam::1:role/x",
    "ERROR: User arn:aws:redshift:us-east-1:1:dbuser:c/u is not authorized to assume IAM Role x",
    "ERROR: The requested role arn:aws:iam::1:role/x is not associated to cluster",
    "ERROR: no default IAM role is associated with the cluster",
    "ERROR: S3ServiceException:The specified bucket does not exist,Status 404,Error NoSuchBucket",
    "S3ServiceException:The bucket must be addressed using the specified endpoint,Status 301",
    'ERROR: syntax error at or near "FROM"',
    'ERROR: column "a" is of type bigint but expression is of type boolean',
    "ERROR: cannot cast type boolean to bigint",
    "ERROR: LISTAGG DISTINCT is not supported",
    'FATAL: password authentication failed for user "loader"',
    'ERROR: duplicate key value violates unique constraint "orders_pkey"',
]
UNKNOWN_TEXTS = [
    "ERROR: XX000",
    "Query cancelled on user's request",
    "S3ServiceException: the position is out of range of what is ready",
    "",
]


@pytest.mark.parametrize("error", PASSES_BY_ITSELF)
def test_what_passes_by_itself_is_given_time(error: str) -> None:
    assert load_attempts(error) == LOAD_AGAIN.attempts == 10


@pytest.mark.parametrize("error", FAILS_EVERY_TIME)
def test_what_fails_every_time_is_not_tried_again(error: str) -> None:
    assert load_attempts(error) == 1


@pytest.mark.parametrize("error", UNKNOWN_TEXTS)
def test_what_is_not_known_is_tried_a_little(error: str) -> None:
    assert load_attempts(error) == UNKNOWN.attempts == 3


def test_what_passes_counts_before_what_else_the_text_says() -> None:
    error = "ERROR: Load into table 'x' failed: S3ServiceException: Error SlowDown, Status 503"

    assert load_attempts(error) == LOAD_AGAIN.attempts


@pytest.mark.parametrize(("code", "attempts"), [("PASSES", 10), ("PERMANENT", 1), ("UNKNOWN", 3)])
def test_the_code_that_a_step_gives_decides_whatever_the_text_is(code: str, attempts: int) -> None:
    for text in ("ERROR: deadlock detected", "ERROR: syntax error", "whatever"):
        assert load_attempts(text, code) == attempts


def test_a_code_of_a_later_release_counts_as_not_known() -> None:
    assert load_attempts("ERROR: deadlock detected", "OF-A-LATER-RELEASE") == UNKNOWN.attempts


@pytest.mark.parametrize("code", [ROWS_MISSING, LATER_ATTEMPT])
def test_what_guards_a_load_fails_by_its_own_code(code: str) -> None:
    assert error_code(f"ERROR: some text in words of the warehouse {code}") is ErrorCode.PERMANENT
