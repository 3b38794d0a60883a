"""One verification: the deployment, the runs that were sent, and waiting that is never silent."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from cli.client.deployment import Deployment
from cli.client.history import Event
from cli.client.ledger import Item, JobRow, LedgerView, Run, UnitRow
from cli.verify.claims import Concluded, failed, not_configured, skipped
from cli.verify.probes import Probe

Seen = TypeVar("Seen")
LOOKS_EVERY: Final = {True: 0.3, False: 3.0}  # seconds; locally, on AWS
REPORTS_EVERY: Final = 8.0  # seconds between two lines of progress, at most
Progress = Callable[[str], None]


@dataclass
class ProbeRun:
    """What is known of a run that was sent.

    Attributes:
        message_id: of its message.
        refusal: why its message was refused.
        stopped_at: seconds since the epoch at which its execution was stopped.
        stop_error: why it could not be stopped.
        items: what it stored in DynamoDB, by partition key.
    """

    probe: Probe
    message_id: str = ""
    run: Run | None = None
    refusal: str | None = None
    stopped_at: float | None = None
    stop_error: str | None = None
    units: Sequence[UnitRow] = ()
    jobs: Sequence[JobRow] = ()
    events: Sequence[Event] = ()
    items: Mapping[str, Item] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return self.refusal is not None or (self.run is not None and self.run.status.ended)

    @property
    def state(self) -> str:
        """How it stands, in a few words."""
        if self.refusal is not None:
            return f"refused: {self.refusal}"
        if self.run is None:
            return "not claimed yet"
        reason = f" ({self.run.reason})" if self.run.reason else ""
        return f"{self.run.status.value}{reason}"

    @property
    def failures(self) -> str:
        """The failures of its units, in one line."""
        found = [
            f"{unit.unit_id}: {unit.failure.stage}: {unit.failure.error_type}:"
            f" {unit.failure.message}"
            for unit in self.units
            if unit.failure
        ]
        return "; ".join(found)


@dataclass
class Session:
    """What the checks look at.

    Attributes:
        began_at: seconds since the epoch.
        patience: seconds that one check waits for what it looks for.
        left: what stays behind, a sentence each.
    """

    deployment: Deployment
    probe_id: str
    runs: Mapping[str, ProbeRun]
    report: Progress
    patience: float
    began_at: float = field(default_factory=time.time)
    left: list[str] = field(default_factory=list)

    @property
    def ledger(self) -> LedgerView:
        return LedgerView(self.deployment.client("dynamodb"), self.deployment.output("LedgerTable"))

    @property
    def steps_log_group(self) -> str:
        """As template.yaml names it."""
        return f"/aws/lambda/{self.deployment.stack_name}/steps"

    def parameter(self, name: str) -> str:
        return self.deployment.parameters.get(name, "")

    def ended(self, name: str) -> ProbeRun:
        """The run of this probe, which has ended.

        Raises:
            Concluded: it was refused, or did not end in time.
        """
        run = self.runs[name]
        if run.run is None or not run.ended:
            raise Concluded(failed(f"{run.probe.run_id} did not end: {run.state}"))
        return run

    def stopped(self) -> ProbeRun:
        """The run that was to be stopped, and was.

        Raises:
            Concluded: it did not end in time, or was not stopped.
        """
        run = self.ended("stop")
        if run.stopped_at is None:
            why = run.stop_error or f"it ended before: {run.state}"
            raise Concluded(skipped(f"{run.probe.run_id} could not be stopped: {why}"))
        return run

    def history(self, name: str) -> ProbeRun:
        """The run of this probe, which has ended and whose history could be read.

        Raises:
            Concluded: it did not end in time, or there is no history.
        """
        run = self.ended(name)
        if not run.events:
            raise Concluded(skipped(f"the history of {run.probe.run_id} could not be read"))
        return run

    def warehouse(self) -> None:
        """Do nothing where the deployment has a warehouse.

        Raises:
            Concluded: it has none.
        """
        names = ("RedshiftClusterIdentifier", "RedshiftWorkgroupName")
        if not any(self.parameter(name) for name in names):
            raise Concluded(not_configured(" or ".join(names)))

    def wait_for(self, look: Callable[[], Seen | None], what: str, seconds: float) -> Seen | None:
        """What `look` returns first that is not None; None after so many seconds.

        Reports at least every ten seconds what is waited for.
        """
        pause = LOOKS_EVERY[self.deployment.local]
        began = reported = time.monotonic()
        while True:
            found = look()
            now = time.monotonic()
            if found is not None or now - began >= seconds:
                return found
            if now - reported >= REPORTS_EVERY:
                self.report(f"waiting for {what} ({now - began:.0f} of {seconds:.0f} s)")
                reported = now
            time.sleep(min(pause, max(0.0, seconds - (now - began))))

    def log_line(self, *terms: str, seconds: float | None = None) -> str | None:
        """A line of the steps' log since the beginning that has all these terms; waits for it."""
        logs: Any = self.deployment.client("logs")

        def look() -> str | None:
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=self.steps_log_group,
                startTime=int(self.began_at * 1000),
                filterPattern=" ".join(f'"{term}"' for term in terms),
            )
            return next((event["message"] for page in pages for event in page["events"]), None)

        wait = self.patience if seconds is None else seconds
        return self.wait_for(look, f"a log line with {' and '.join(terms)}", wait)
