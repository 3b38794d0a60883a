"""What one run of the job watcher did, and the metrics of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from aws_lambda_powertools.metrics import MetricUnit

from contracts.errors import PipelineError
from remote_jobs.record import JobRecord
from runtime.handler import metrics

ERRORS_NAMED: Final = 5


class WatcherIncomplete(PipelineError):
    """Some jobs could not be checked this time; the next run tries again."""


class Done(StrEnum):
    """What was done for one job."""

    REPORTED = "reported"
    HEARTBEAT = "heartbeat"
    NOTHING = "nothing"


@dataclass
class Tally:
    """What one run of the watcher did; `active` counts its jobs, `done` the outcomes.

    Attributes:
        jobs: as the index had them at its beginning.
        submitted: jobs whose turn came.
        left: turns that were not used for want of time.
    """

    active: int = 0
    jobs: list[JobRecord] = field(default_factory=list)
    submitted: int = 0
    left: bool = False
    done: Counter[Done] = field(default_factory=Counter)
    errors: list[Exception] = field(default_factory=list)


def report(tally: Tally) -> None:
    """Metrics, and one error for all that failed.

    Raises:
        WatcherIncomplete: something failed.
    """
    for name, value in (
        ("WatcherRuns", 1),
        ("ActiveJobs", tally.active),
        ("JobsDispatched", tally.submitted),
        ("JobsAnswered", tally.done[Done.REPORTED]),
        ("WatcherErrors", len(tally.errors)),
    ):
        metrics.add_metric(name, MetricUnit.Count, value)
    if tally.errors:
        named = "; ".join(repr(error) for error in tally.errors[:ERRORS_NAMED])
        raise WatcherIncomplete(f"{len(tally.errors)} of {tally.active} jobs or engines: {named}")
