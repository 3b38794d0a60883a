"""DuckDB for one invocation: bounded memory, and no access outside its scratch directory.

Objects come from and go to S3 by boto3; DuckDB itself sees local files only, and only those of its
scratch directory, so that SQL from a contract or a message can reach nothing else.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
from botocore.exceptions import ClientError

from contracts.errors import InvalidData
from runtime import clients
from tabular.sql import sql_literal

MEGABYTE: Final = 1024 * 1024
BLOCK_BYTES: Final = MEGABYTE  # of a file, read at a time
_MEMORY_PER_CPU: Final = 1769  # MB; how Lambda shares out processors


def connect(
    database: str = ":memory:",
    config: Mapping[str, str | bool | int | float | list[str]] | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open a database without a progress bar.

    DuckDB draws one on standard output once a query has taken two seconds, in every process that it
    takes for an interactive one: whose main module has no file, as under `python -c`.
    """
    connection = duckdb.connect(database, config=dict(config or {}))
    connection.execute("SET enable_progress_bar = false")
    return connection


@dataclass(frozen=True)
class Workspace:
    """A connection and the directory that it may use; both end with the `with` block.

    Attributes:
        memory: of the connection, in MB.
    """

    connection: duckdb.DuckDBPyConnection
    directory: Path
    memory: int = 512

    def path(self, name: str) -> Path:
        return self.directory / name

    def number(self, sql: str) -> int:
        """The single integer that a query returns."""
        row = self.connection.execute(sql).fetchone()
        return int(row[0]) if row else 0


@contextmanager
def workspace(function_memory_mb: int, *, threads: int | None = None) -> Iterator[Workspace]:
    """Open a database in a scratch directory.

    Args:
        function_memory_mb: memory of the function; DuckDB gets about half of it and spills what is
            more, the rest is for Python and for what DuckDB does not count.
        threads: how many processors it uses; absent: as many as the function has.
    """
    with tempfile.TemporaryDirectory(prefix="duck-") as scratch:
        directory = Path(scratch).resolve()
        memory = max(128, function_memory_mb * 55 // 100)
        threads = threads or processors(function_memory_mb)
        connection = _connection(directory, str(directory / "work.duckdb"), memory, threads)
        try:
            yield Workspace(connection, directory, memory)
        finally:
            connection.close()


@contextmanager
def parallel_connections(
    space: Workspace, number: int
) -> Iterator[list[duckdb.DuckDBPyConnection]]:
    """Databases in memory that share a workspace's directory and, among them, as much memory.

    Args:
        number: how many; each uses one thread.
    """
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                closing(
                    _connection(space.directory, ":memory:", max(96, space.memory // number), 1, n)
                )
            )
            for n in range(number)
        ]


def processors(function_memory_mb: int) -> int:
    """How many a function of so much memory has, at least in part."""
    return max(1, math.ceil(function_memory_mb / _MEMORY_PER_CPU))


def _connection(
    directory: Path, database: str, memory: int, threads: int, number: int | None = None
) -> duckdb.DuckDBPyConnection:
    connection = connect(
        database,
        {
            "memory_limit": f"{memory}MiB",
            "threads": threads,
            "temp_directory": str(directory / f"spill{'' if number is None else number}"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    # Then it is NULL, as for a Glue job's DuckDB 1.4, which computes queries before this one does.
    connection.execute("SET error_on_division_by_zero = false")
    if number is not None:
        connection.execute("CALL enable_logging(level = 'info')")  # see validation.scanner
    # A long IN list would become a join, and joins do not preserve the rows' order (in 2.0).
    connection.execute("SET disabled_optimizers = 'in_clause'")
    connection.execute(f"SET allowed_directories = [{sql_literal(f'{directory}/')}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def download(bucket: str, key: str, path: Path, *, etag: str | None = None) -> None:
    """Copy an object to a file, in chunks.

    Args:
        etag: what the object must still be, without quotes.

    Raises:
        NotFound: it is not there.
        InvalidData: it is not what it was when it was listed.
    """
    url = f"s3://{bucket}/{key}"
    condition = {} if etag is None else {"IfMatch": f'"{etag}"'}
    with clients.translated(f"reading {url}"):
        try:
            body = clients.client("s3").get_object(Bucket=bucket, Key=key, **condition)["Body"]
        except ClientError as error:
            if clients.error_code(error) in ("PreconditionFailed", "412"):
                raise InvalidData(
                    f"{url} has changed since the run listed it; start a new run for it"
                ).without_values() from error
            raise
        with path.open("wb") as file:
            shutil.copyfileobj(body, file, MEGABYTE)


def upload(path: Path, bucket: str, key: str) -> str:
    """Copy a file to an object, which appears whole or not at all; returns its URL."""
    url = f"s3://{bucket}/{key}"
    with clients.translated(f"writing {url}"), path.open("rb") as file:
        clients.client("s3").upload_fileobj(Fileobj=file, Bucket=bucket, Key=key)
    return url
