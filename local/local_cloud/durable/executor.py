"""The Executor of AWS's testing SDK without the gaps that let an execution sleep for good."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python_testing.executor import Executor


class ResumingExecutor(Executor):
    """Loses no wake-up, whatever happens at the same time. The Executor loses two.

    **The end of a call.** While one branch of a map checkpoints, the response may report that
    another branch's call has ended. If that branch has suspended already, the handler returns
    PENDING all the same. The Executor then takes the end for used, and nothing wakes the execution
    any more as long as anything else is open: a callback that nobody waits for is enough. Where a
    wake-up came in during the invocation, one more invocation settles it.

    **A wait or a step's retry that falls due.** The Executor completes the operation in a task of
    the execution's lane, and invokes the handler from the timer that waits for this task. Whatever
    comes in between (the end of an invocation, a checkpoint) arms the timer anew and so cancels
    the very one that was to invoke. So the handler is invoked in the lane's task itself.
    """

    def _finish_invocation(self, execution_arn: str, *outcome: Any) -> None:
        execution = self._store.load(execution_arn)
        passed_over = execution.needs_reinvoke and not execution.has_unseen_changes()
        super()._finish_invocation(execution_arn, *outcome)
        if passed_over and not self._store.load(execution_arn).is_complete:
            self._invoke_execution(execution_arn)

    def _fire_due_operations(self, execution_arn: str) -> bool:
        if super()._fire_due_operations(execution_arn):
            self._invoke_execution(execution_arn)
        return False  # nothing is left for the timer to invoke
