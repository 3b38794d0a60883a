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
from runs.executions import Executions, function_of, latest_child, stop_execution
from runtime.handler import logger
from sources.manifest import read_summary

RUN_SHARD: Final = "run-shard"  # the operation by which a run's execution starts a shard's


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
        """Stop the run's execution, then that of the shard it was waiting for.

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
        self._stop_shard(run)
        return True

    def _stop_shard(self, run: RunItem) -> None:
        """The run's execution starts one shard after another, so only the latest can be alive."""
        try:
            shard = latest_child(run.holder, RUN_SHARD)
            if shard is not None and self.executions(shard).alive:
                stop_execution(shard, run.why_stopped)
        except PipelineError as error:
            logger.warning("a shard's execution goes on", extra={"error": repr(error)})

    def _has_stored_all(self, run_id: str) -> bool:
        """Looks from the last shard on, which of a run that goes on is not stored as a rule."""
        manifest = read_summary(self.data_bucket, run_id)
        if manifest is None:
            return False
        shards = reversed(tuple(enumerate(manifest.shard_sizes)))
        return all(len(stored_positions(self.ledger, run_id, n)) == size for n, size in shards)


def _name(function: str) -> str:
    return function_of(function) if function.startswith("arn:") else function.partition(":")[0]
