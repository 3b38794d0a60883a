"""What the page is given: the documents of the commands, put together view by view."""

from __future__ import annotations

from typing import Any

from cli.documents.base import Document
from cli.documents.history import OperationDocument
from cli.documents.ledger import JobDocument, RunDocument, UnitDocument
from cli.documents.rejected import BrokenRule, RejectedRow
from contracts.run import RowCounts
from contracts.source.object_totals import ObjectTotals


class DeploymentView(Document):
    """What the page looks at.

    Attributes:
        name: `local cloud`, or the name of the stack.
        endpoint: of the local cloud; null on AWS.
    """

    name: str
    endpoint: str | None = None
    region: str | None = None


class ListedRun(Document):
    """A run in the list.

    Attributes:
        shown: its outcome, or its status as long as it has none.
        waiting: it waits for its data, or until units run again.
        states: of a run that has not ended, its units by state; null: it has ended.
    """

    run: RunDocument
    shown: str
    waiting: bool
    states: dict[str, int] | None = None


class RunsView(Document):
    """A page of the list of runs.

    Attributes:
        cursor: of the next page; null: there is none.
        counts: runs of the same time, dataset and text, by how they stand.
        counted: how many runs those are.
        counted_all: false: there are more than were counted.
    """

    runs: tuple[ListedRun, ...]
    cursor: str | None = None
    counts: dict[str, int]
    counted: int
    counted_all: bool


class Action(Document):
    """What a person can do about a run.

    Attributes:
        does: what will happen, for the question before it.
        command: of `pipeline`, that does the same.
    """

    name: str
    label: str
    does: str
    command: str


class Step(Document):
    """What to do about the outcome."""

    why: str
    command: str | None = None


class RunView(Document):
    """A run as its record has it.

    Attributes:
        headline: how it stands, in one sentence.
        facts: reason, counts and time, a line each.
    """

    run: RunDocument
    shown: str
    headline: str
    facts: tuple[str, ...]
    steps: tuple[Step, ...]
    actions: tuple[Action, ...]
    commands: tuple[str, ...]


class FailureGroup(Document):
    """Units that failed for the same reason, but for ids and numbers in its text.

    Attributes:
        units: how many there are.
        unit_ids: the first of them.
        first: the first of them.
        jobs: of that one.
    """

    error: str
    units: int
    unit_ids: tuple[str, ...]
    first: UnitDocument
    jobs: tuple[JobDocument, ...]


class ProgressView(Document):
    """How far a run has come.

    Attributes:
        total: of units; null: they are not listed yet.
        states: units by state.
        rows: of the stored units together.
        rows_text: the sum that they have to add up to.
        objects: of a run that has ended and whose units hold several, by outcome.
        failures: those of most units first.
        failures_all: false: more units failed than were looked at.
    """

    total: int | None = None
    states: dict[str, int]
    rows: RowCounts
    rows_text: str
    adds_up: bool
    objects: ObjectTotals | None = None
    failures: tuple[FailureGroup, ...] = ()
    failures_all: bool = True


class UnitsView(Document):
    """Some units of a run, by id."""

    units: tuple[UnitDocument, ...]
    more: bool


class UnitView(Document):
    """One unit and its jobs."""

    unit: UnitDocument
    jobs: tuple[JobDocument, ...]


class Lane(Document):
    """The operations of one unit, or of what a run does besides its units (`run`)."""

    name: str
    failed: bool
    bars: tuple[OperationDocument, ...]


class TimelineView(Document):
    """The durable execution that holds a run.

    Attributes:
        lanes: some of them, in the order they began; that of the run itself is always the first.
        total: how many lanes of units there are.
    """

    execution_arn: str
    status: str
    started_at: str | None = None
    ended_at: str | None = None
    invocations: int
    error: str | None = None
    lanes: tuple[Lane, ...]
    total: int


class OperationView(Document):
    """One operation, and what went in and came out."""

    operation: OperationDocument
    sent: Any = None
    response: Any = None


class RejectedRowView(Document):
    """A rejected row, and its values to be corrected.

    Attributes:
        raw_text: the row as it was written, as text.
    """

    row: RejectedRow
    raw_text: str
    values: dict[str, str | None]


class RejectedView(Document):
    """Rejected rows of a run.

    Attributes:
        rules: how many rows each rule rejected, of all that were read.
        rows: the first of those that were asked for.
        read_all: false: there are more than were read.
    """

    rules: tuple[BrokenRule, ...]
    rows: tuple[RejectedRowView, ...]
    read: int
    read_all: bool


class Done(Document):
    """What became of an action.

    Attributes:
        run_id: to look at next; null: none.
        refused: nothing was changed.
    """

    text: str
    run_id: str | None = None
    refused: bool = False
