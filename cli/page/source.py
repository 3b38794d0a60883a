"""What the page shows, read from the deployment by the client code of the commands."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from cli.client.dead_letters import DeadLetterQueue
from cli.client.deployment import Deployment
from cli.client.executions import fetch_events, fetch_execution
from cli.client.history import Execution
from cli.client.ledger import LedgerView, Run
from cli.client.quarantine import RowValues, read_snapshot, rejected_rows
from cli.client.run_list import RunList, Wanted, is_waiting, shown_status
from cli.client.run_reasons import with_run_reasons
from cli.client.unit_pages import UnitPages
from cli.documents.ledger import job_document, run_document, unit_document
from cli.documents.pools import PoolsDocument, pools_document
from cli.documents.rejected import BrokenRule, RejectedRow
from cli.documents.runs import DeadLettersDocument, dead_letter_document
from cli.exit_codes import NOT_FOUND, CommandFailed
from cli.options import no_such_run
from cli.page import lanes, of_run
from cli.page.documents import (
    DeploymentView,
    FailureGroup,
    ListedRun,
    OperationView,
    ProgressView,
    RejectedRowView,
    RejectedView,
    RunsView,
    RunView,
    TimelineView,
    UnitsView,
    UnitView,
)
from cli.page.memory import Memory
from contracts.run import UnitState

RUNS: Final = 50  # a page of the list
COUNTED: Final = 2000  # runs at most, for the counts above the list
UNITS: Final = 100
FAILED_LOOKED_AT: Final = 500
REJECTED_READ: Final = 5000
REJECTED_SHOWN: Final = 100
_SERVICES: Final = ("dynamodb", "s3", "sqs", "lambda", "logs", "cloudwatch", "scheduler")


class Source:
    """One deployment, as the page asks for it; threads may share it.

    Args:
        find: the deployment; called again after it was lost.
    """

    def __init__(self, find: Callable[[], Deployment]) -> None:
        self._find = find
        self._lock = threading.Lock()
        self._deployment: Deployment | None = None
        self.memory = Memory()

    @property
    def deployment(self) -> Deployment:
        """The deployment.

        Raises:
            CommandFailed: there is none; says how to start one.
        """
        with self._lock:
            if self._deployment is None:
                found = self._find()
                for service in _SERVICES:  # boto3 makes no clients in several threads
                    found.client(service)
                self._deployment = found
            return self._deployment

    def lose(self) -> None:
        """Look for the deployment again: a local cloud that is started anew is another."""
        with self._lock:
            self._deployment = None
        self.memory.clear()

    @property
    def pause(self) -> float:
        """Seconds between two looks at something that is followed."""
        return 1.0 if self._deployment is None or self._deployment.local else 3.0

    @property
    def ledger(self) -> LedgerView:
        deployment = self.deployment
        return LedgerView(deployment.client("dynamodb"), deployment.output("LedgerTable"))

    @property
    def unit_pages(self) -> UnitPages:
        deployment = self.deployment
        return UnitPages(deployment.client("dynamodb"), deployment.output("LedgerTable"))

    def find_run(self, run_id: str) -> Run:
        """The run.

        Raises:
            CommandFailed: the ledger does not know it.
        """
        run = self.ledger.run(run_id)
        if run is None:
            raise no_such_run(self.deployment, run_id)
        return run

    def about(self) -> DeploymentView:
        """Where all this is."""
        deployment = self.deployment
        return DeploymentView(
            name=deployment.stack or "local cloud",
            endpoint=deployment.endpoint_url,
            region=deployment.region,
        )

    def runs(self, hours: float, wanted: Wanted, cursor: str | None = None) -> RunsView:
        """The next runs that were claimed in the last hours, newest first, and counts of all."""
        deployment = self.deployment
        listed = RunList(deployment.client("dynamodb"), deployment.output("LedgerTable"))
        until = datetime.now(UTC) + timedelta(minutes=1)  # clocks differ
        since = until - timedelta(hours=hours)
        page = listed.page(since, until, wanted, limit=RUNS, cursor=cursor)
        runs = tuple(self._listed(run) for run in page.runs)
        # The counts say what each chip would show, so they are of all states.
        of_all = Wanted(dataset=wanted.dataset, text=wanted.text)
        counted = list(islice(listed.runs(since, until, of_all), COUNTED + 1))
        counts = Counter(shown_status(run) for run in counted[:COUNTED])
        counts["WAITING"] = sum(is_waiting(run) for run in counted[:COUNTED])
        return RunsView(
            runs=runs,
            cursor=page.cursor,
            counts=dict(counts),
            counted=min(len(counted), COUNTED),
            counted_all=len(counted) <= COUNTED,
        )

    def _listed(self, run: Run) -> ListedRun:
        return ListedRun(
            run=run_document(run),
            shown=shown_status(run),
            waiting=is_waiting(run),
            states=None if run.status.ended else self.progress_of(run).states,
        )

    def run(self, run_id: str) -> RunView:
        """A run as its record has it."""
        return of_run.run_view(self.find_run(run_id), self.deployment)

    def progress(self, run_id: str) -> ProgressView:
        """How far a run has come, and why units failed."""
        return self.progress_of(self.find_run(run_id))

    def progress_of(self, run: Run) -> ProgressView:
        """The same of a run that was read; of one that has ended it is read once."""
        return self.memory.once(("progress",), run, lambda: self._progress(run))

    def _progress(self, run: Run) -> ProgressView:
        pages = self.unit_pages
        counted = None if run.status.ended else pages.progress(run.run_id)
        states = of_run.states(run, counted)
        rows = run.rows if counted is None else counted.rows
        groups: tuple[FailureGroup, ...] = ()
        looked_at_all = True
        if states.get(UnitState.FAILED):
            failed = pages.page(run.run_id, state=UnitState.FAILED, limit=FAILED_LOOKED_AT)
            looked_at_all = not failed.more
            groups = of_run.failure_groups(
                failed.units, lambda unit_id: pages.jobs(run.run_id, unit_id)
            )
        return of_run.progress_view(run, states, rows, groups, failures_all=looked_at_all)

    def units(self, run_id: str, after: str | None, state: UnitState | None) -> UnitsView:
        """The next units of a run."""
        page = self.unit_pages.page(run_id, after=after, state=state, limit=UNITS)
        return UnitsView(units=tuple(unit_document(unit) for unit in page.units), more=page.more)

    def unit(self, run_id: str, unit_id: str) -> UnitView:
        """One unit and its jobs.

        Raises:
            CommandFailed: the run has no such unit (yet).
        """
        unit = self.unit_pages.unit(run_id, unit_id)
        if unit is None:
            raise CommandFailed(f"run {run_id} has no unit {unit_id} in the ledger", NOT_FOUND)
        jobs = self.unit_pages.jobs(run_id, unit_id)
        return UnitView(unit=unit_document(unit), jobs=tuple(job_document(job) for job in jobs))

    def timeline(self, run_id: str, offset: int = 0) -> TimelineView:
        """What the execution that holds the run has done so far."""
        run = self.find_run(run_id)
        return lanes.timeline(run.holder, self._execution(run), offset)

    def operation(self, run_id: str, operation_id: str) -> OperationView:
        """One operation of that execution, with its input and result.

        Raises:
            CommandFailed: there is none of that id.
        """
        execution = self._execution(self.find_run(run_id))
        return lanes.operation_view(execution, operation_id)

    def history(self, run_id: str) -> dict[str, Any]:
        """The history as the service has it."""
        holder = self.find_run(run_id).holder
        events = fetch_events(self.deployment.client("lambda"), holder)
        return {
            "durableExecutionArn": holder,
            "events": json.loads(json.dumps(events, default=str)),
        }

    def _execution(self, run: Run) -> Execution:
        def fetch() -> Execution:
            execution = fetch_execution(self.deployment.client("lambda"), run.holder)
            if execution is None:
                raise CommandFailed(
                    f"there is no history of {run.holder}: Lambda stores it for the retention"
                    " period only",
                    NOT_FOUND,
                )
            return execution

        return self.memory.once(("execution",), run, fetch)

    def rejected(self, run_id: str, rule: str | None) -> RejectedView:
        """Rejected rows of a run, the first of those that a rule rejected."""
        deployment = self.deployment
        self.find_run(run_id)
        snapshot = read_snapshot(deployment, run_id)
        values = RowValues(deployment, snapshot)
        counts: Counter[tuple[str, str | None]] = Counter()
        rows: list[RejectedRowView] = []
        read, read_all = 0, True
        for read, (unit_id, reject) in enumerate(rejected_rows(deployment, snapshot), start=1):
            if read > REJECTED_READ:
                read, read_all = REJECTED_READ, False
                break
            counts[str(reject["rule"]), reject.get("column")] += 1
            if rule in (None, reject["rule"]) and len(rows) < REJECTED_SHOWN:
                row = RejectedRow.of({"unit": unit_id, **reject})
                rows.append(of_run.rejected_row(row, values.added_to(reject)))
        rules = tuple(
            BrokenRule(rule=name, column=column, rows=number)
            for (name, column), number in counts.most_common()
        )
        return RejectedView(rules=rules, rows=tuple(rows), read=read, read_all=read_all)

    def dead_letters(self) -> DeadLettersDocument:
        """The messages on the dead-letter queue, as `pipeline dead-letters` lists them."""
        queue = DeadLetterQueue(self.deployment)
        letters = queue.peek()
        return DeadLettersDocument(
            queue_url=queue.url,
            approximate_count=max(queue.count(), len(letters)),
            messages=tuple(map(dead_letter_document, with_run_reasons(letters, self.ledger))),
        )

    def pools(self) -> PoolsDocument:
        """Where jobs wait for places."""
        ledger = self.ledger
        return pools_document(ledger.pools(), ledger.pools_file(), datetime.now(UTC))
