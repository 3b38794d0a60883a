"""How many places pools have: what `pools.yaml` says of them, else what their engines say.

Neither a broken file nor an engine that cannot be asked stops jobs: the last good file, and the
last known limit, stay in force.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, NamedTuple

from contracts import layout
from contracts.errors import (
    NotFound,
    PipelineError,
    Throttled,
    TransientFailure,
)
from contracts.job import Engine
from contracts.ledger_items import PoolItem, PoolsFileItem
from ledger.conditions import POOLS_FILE
from ledger.table import Ledger
from remote_jobs.engines.base import RemoteJobs
from remote_jobs.pools.pools_file import BYTES_AT_MOST, parse_pools_bytes, version_of
from runtime import s3
from runtime.handler import Clock, count_of_function, logger, utc_now

# Of a pool whose limit was never known: every engine has one place, so it is never too many.
PLACES_WHEN_UNKNOWN: Final = 1
PROBLEM_CHARACTERS: Final = 2_000


class Limit(NamedTuple):
    """Attributes:
    places: how many jobs of the pool run at once, at least 1.
    source: where that is from, for people.
    """

    places: int
    source: str


@dataclass(frozen=True)
class CurrentPoolsFile:
    """`pools.yaml` as it is in the code bucket, and the last good one, which the ledger holds.

    Attributes:
        counted_for: name of the function that reads it each minute, for which a broken file is
            counted; None: it is not.
        read_only: the ledger's item is left to others to change.
    """

    ledger: Ledger
    code_bucket: str
    clock: Clock = utc_now
    counted_for: str | None = None
    read_only: bool = False

    def in_force(self) -> PoolsFileItem:
        """The file's limits; while it is broken, those of the last good one, with the problem."""
        item = self.ledger.get_item(*PoolsFileItem.key_of())
        last = PoolsFileItem() if item is None else PoolsFileItem.from_item(item)
        try:
            found = self._current()
        except (Throttled, TransientFailure) as error:
            logger.warning("pools.yaml was not read; the last good one stays", exc_info=error)
            return last
        except PipelineError as error:
            found = self._broken(last, error)
        if found == last or self.read_only:
            return found
        # Another reader, of a newer file perhaps, may have been faster: the next one compares anew.
        unchanged = POOLS_FILE.revision.not_exists()
        if last.revision is not None:
            unchanged = POOLS_FILE.revision.eq(last.revision)
        changes = {name: getattr(found, name) for name in PoolsFileItem.attributes()}
        self.ledger.change(PoolsFileItem.key_of(), PoolsFileItem.changes(**changes), unchanged)
        return found

    def _current(self) -> PoolsFileItem:
        """The file that is there now.

        Raises:
            InvalidInput: it is broken.
            PipelineError: it cannot be read.
        """
        try:
            read = s3.read_bytes(self.code_bucket, layout.POOLS_KEY, at_most=BYTES_AT_MOST + 1)
        except NotFound:
            return PoolsFileItem()
        limits = parse_pools_bytes(read, layout.POOLS_KEY).limits
        return PoolsFileItem(revision=version_of(read), limits=limits)

    def _broken(self, last: PoolsFileItem, error: PipelineError) -> PoolsFileItem:
        if self.counted_for is not None:
            count_broken_file(self.counted_for)
        logger.error("pools.yaml is broken; the last good one stays", extra={"error": str(error)})
        problem = str(error)[:PROBLEM_CHARACTERS]
        since = last.problem_at if last.problem == problem else self.clock()
        return replace(last, problem=problem, problem_at=since)


def count_broken_file(function: str) -> None:
    """Count the metric that raises an alarm."""
    count_of_function("PoolsFileBroken", function)


class Limits:
    """Limits of pools; reads the file once, so make one for each invocation."""

    def __init__(self, file: CurrentPoolsFile, adapter: Callable[[Engine], RemoteJobs]) -> None:
        self._read_file = file
        self._adapter = adapter

    @cached_property
    def file(self) -> PoolsFileItem:
        """The limits of `pools.yaml` that are in force."""
        return self._read_file.in_force()

    def of(self, pool: PoolItem) -> Limit:
        """How many places the pool of this record has now."""
        return self.limit_of(pool.name, pool.engine, pool.target, pool.limit)

    def limit_of(
        self,
        pool: str,
        engine: str | None = None,
        target: str | None = None,
        last: int | None = None,
    ) -> Limit:
        """How many places the pool has now.

        Args:
            engine, target: of a pool of an engine: what is asked; absent for a named pool.
            last: what the limit was before, if it is known; used where nothing says it now.
        """
        if (places := self.file.limits.get(pool)) is not None:
            return Limit(places, layout.POOLS_KEY)
        if engine is None or target is None:
            return _unknown(last, f"{layout.POOLS_KEY} has no such pool")
        try:
            return Limit(max(self._adapter(Engine(engine)).capacity(target), 1), engine)
        except PipelineError as error:
            about = {"pool": pool, "error": repr(error)}
            logger.warning("the engine does not say how many jobs it runs", extra=about)
            return _unknown(last, f"{engine} does not say it")


def _unknown(last: int | None, why: str) -> Limit:
    if last is None:
        return Limit(PLACES_WHEN_UNKNOWN, f"default: {why}")
    return Limit(last, f"last known: {why}")
