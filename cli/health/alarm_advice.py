"""What to do when an alarm of the template is on; docs/operations.md says more of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# By logical id. A test holds these to the template and to the table of docs/operations.md.
ALARM_ADVICE: Final[Mapping[str, str]] = {
    "PipelineFailedAlarm": "pipeline history of the failed runs; what died begins again by itself",
    "PipelineTimedOutAlarm": "nothing at once: its runs go to the long-running function; raise"
    " unitSeconds in the contract",
    "BackfillFailedAlarm": "pipeline backfill ls, then pipeline backfill show",
    "BackfillTimedOutAlarm": "nothing: the next execution goes on",
    "BackfillWindowsErrorsAlarm": "look at the log of its function",
    "LongRunFailedAlarm": "pipeline history of the run; it is begun again by itself",
    "LongRunTimedOutAlarm": "nothing at once: the next attempt begins; raise LongRunTimeoutSeconds",
    "DeadLettersAlarm": "pipeline dead-letters; once the cause is fixed, pipeline dead-letters"
    " replay",
    "LostNotificationsAlarm": "the log of the notification consumer; redrive its dead-letter queue",
    "WaitingNotificationsAlarm": "the event source and the log of the notification consumer",
    "OldestMessageAlarm": "raise MaximumConcurrency, or look for an execution that hangs",
    "RunErrorsAlarm": "the steps' log group: errors of the steps of whole runs",
    "StepErrorsAlarm": "the steps' log group: errors of the steps of units",
    "WatcherErrorsAlarm": "the steps' log group: errors of watcher, reaper and consumer",
    "PoolsFileBrokenAlarm": "pipeline pools says what is wrong; correct it, then: pipeline upload",
    "DaysOverdueAlarm": "see below which days of which datasets are not stored; have their objects"
    " arrived, and what became of their runs (pipeline ls)?",
    "ReaperFailedAlarm": "the reaper's log names the runs and jobs",
    "SilentWatcherAlarm": "look at the schedule of the job watcher and at its log; meanwhile runs"
    " poll their jobs themselves",
}
