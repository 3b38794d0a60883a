"""The Executor of AWS's testing SDK without the one gap that lets an execution sleep for good."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python_testing.executor import Executor


class ResumingExecutor(Executor):
    """Asks a handler again when it was told of an end, and suspended without having used it.

    While one branch of a map checkpoints, the answer may tell that another branch's call has
    ended. If that branch has suspended already, the handler returns PENDING all the same. The
    Executor then takes the end for used, and nothing wakes the execution any more as long as
    anything else is open: a callback that nobody waits for is enough. Where a wake-up came in
    during the invocation, one more invocation settles it.
    """

    def _finish_invocation(self, execution_arn: str, *outcome: Any) -> None:
        execution = self._store.load(execution_arn)
        passed_over = execution.needs_reinvoke and not execution.has_unseen_changes()
        super()._finish_invocation(execution_arn, *outcome)
        if passed_over and not self._store.load(execution_arn).is_complete:
            self._invoke_execution(execution_arn)
