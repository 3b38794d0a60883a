"""`pools.yaml` in the code bucket: how many places pools have.

pools:
  database: { limit: 4 }            # named by jobs of contracts: pool: database
  redshift: { limit: 2 }            # instead of what the engine says
  glue/my-stack-clean-csv: { limit: 5 }
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from contracts.errors import InvalidInput, Problem
from contracts.job_step import NO_POOLS, POOL_PATTERN
from contracts.source import Integer, StrictContract
from runtime.contract_file import parse_contract

# Of engines, as `RemoteJobs.pool` names them.
OF_ENGINES: Final = (
    "glue/[A-Za-z0-9_-]{1,255}|emr/j-[A-Z0-9]{1,64}|emr-serverless/[0-9a-z]{1,64}|redshift"
)
NAME_PATTERN: Final = rf"^({POOL_PATTERN.strip('^$')}|{OF_ENGINES})$"
LIMIT_AT_MOST: Final = 500
POOLS_AT_MOST: Final = 200
BYTES_AT_MOST: Final = 64 * 1024


def _is_a_pool(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        raise PydanticCustomError(
            "pool_name",
            "is no name of a pool: take lower-case letters, digits, - and _ (nightly-spark), or the"
            " name of an engine's pool, as `pipeline pools` lists them (glue/GLUE_JOB)",
        )
    if name in NO_POOLS and name != "redshift":
        raise PydanticCustomError(
            "pool",
            "is an engine, which has a pool for each place where jobs run: glue/GLUE_JOB (its full"
            " name), emr/CLUSTER_ID (of emr-ssm, too) or emr-serverless/APPLICATION_ID",
        )
    return name


_Name = Annotated[
    str,
    Field(
        json_schema_extra={
            "pattern": NAME_PATTERN,
            "not": {"enum": sorted(NO_POOLS - {"redshift"})},
        },
    ),
    AfterValidator(_is_a_pool),
]


class PoolLimit(StrictContract):
    """What is said of one pool.

    Attributes:
        limit: how many of its jobs run at once, 1 to 500. Jobs that run already when it is lowered
            go on.
    """

    limit: Integer = Field(ge=1, le=LIMIT_AT_MOST)


class PoolsFile(StrictContract):
    """The limits of pools.

    Attributes:
        pools: by name. A name of letters, digits, `-` and `_` is a pool of its own, which jobs of
            contracts name (`pool: NAME`). `redshift` and those with a slash are pools of engines,
            as `pipeline pools` lists them: `glue/GLUE_JOB` (the full name), `emr/CLUSTER_ID`,
            `emr-serverless/APPLICATION_ID`; the limit here is used instead of the engine's own.
    """

    pools: dict[_Name, PoolLimit] = Field(
        max_length=POOLS_AT_MOST, json_schema_extra={"additionalProperties": False}
    )

    @property
    def limits(self) -> dict[str, int]:
        return {name: pool.limit for name, pool in self.pools.items()}


def parse_pools(text: str, file: str) -> PoolsFile:
    """Parse and validate the file.

    Args:
        file: its name in messages.

    Raises:
        InvalidInput: with every problem, each with its line.
    """
    if len(text.encode("utf-8", "surrogatepass")) > BYTES_AT_MOST:
        problem = f"is too large; it may have {BYTES_AT_MOST:,} bytes"
        raise InvalidInput(file, [Problem("file", problem)])
    return parse_contract(
        text, file, PoolsFile, InvalidInput, first_field="pools", fields=lambda: ("pools", "limit")
    )[0]


def parse_pools_bytes(content: bytes, file: str) -> PoolsFile:
    """As `parse_pools`, of a file's bytes, which have to be UTF-8."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(file, [Problem(f"byte {error.start}", "is not UTF-8")]) from error
    return parse_pools(text, file)


def version_of(content: bytes) -> str:
    """First 12 hex digits of the SHA-256 of the file's bytes."""
    return hashlib.sha256(content).hexdigest()[:12]
