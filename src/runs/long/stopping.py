"""Stops the execution of a long run from outside, and those of its shards.

An execution of the long-running function holds one run and no other, so it may be stopped with it.
Of a batch nobody can say so: it may be claiming the next run just now. Its run ends by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from contracts.errors import PipelineError
from contracts.ledger_items import RunItem
from ledger.table import Ledger
from ledger.units import stored_positions
from runs.executions import Executions, children_going_on, function_of, stop_execution
from runtime.handler import logger
from sources.manifest import read_summary

# The operations by which a run's execution starts that of a shard, or one that starts those of some
# hundred shards by the former.
RUN_SHARD: Final = "run-shard"
RUN_SHARDS: Final = "run-shards"


@dataclass(frozen=True)
class LongRuns:
    """The runs of the long-running function.

    Attributes:
        function: the long-running function, as its callers name it (ARN or name, with alias);
            empty: no execution is stopped from outside.
        executions: looks up an execution's status.
    """

    ledger: Ledger
    data_bucket: str
    function: str
    executions: Executions

    def holds(self, run: RunItem) -> bool:
        """Whether an execution of the function holds the run, or did last."""
        return bool(self.function) and function_of(run.holder) == _name(self.function)

    def stop(self, run: RunItem) -> bool:
        """Stop the run's execution, then those of the shards it was waiting for.

        Not once all its units are stored: then it is about to end by itself, with its own outcome.
        What fails is left to the next sweep; the run starts nothing more in any case.

        Returns:
            Whether its execution was stopped.
        """
        if not self.holds(run):
            return False
        try:
            if self._has_stored_all(run.run_id):
                return False
            stop_execution(run.holder, run.why_stopped)
        except PipelineError as error:
            logger.warning("the run's execution goes on", extra={"error": repr(error)})
            return False
        self._stop_shards(run.holder, run.why_stopped)
        return True

    def _stop_shards(self, parent: str, why: str) -> None:
        """As many as run side by side; each after its parent, which would start the next one."""
        try:
            children = children_going_on(parent, (RUN_SHARD, RUN_SHARDS))
        except PipelineError as error:
            logger.warning("shards' executions go on", extra={"error": repr(error)})
            return
        for operation, child in children:
            try:
                if self.executions(child).alive:
                    stop_execution(child, why)
            except PipelineError as error:
                logger.warning("a shard's execution goes on", extra={"error": repr(error)})
            if operation == RUN_SHARDS:
                self._stop_shards(child, why)

    def _has_stored_all(self, run_id: str) -> bool:
        """Looks from the last shard on, which of a run that goes on is not stored as a rule."""
        manifest = read_summary(self.data_bucket, run_id)
        if manifest is None:
            return False
        shards = reversed(tuple(enumerate(manifest.shard_sizes)))
        return all(len(stored_positions(self.ledger, run_id, n)) == size for n, size in shards)


def _name(function: str) -> str:
    return function_of(function) if function.startswith("arn:") else function.partition(":")[0]
