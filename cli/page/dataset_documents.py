"""What the page is given of datasets and of single rows."""

from __future__ import annotations

from cli.client.dataset_days import DayState
from cli.documents.base import Document
from cli.documents.where import WhereDocument
from contracts.run import RowCounts


class DatasetsView(Document):
    """The datasets that there are contracts of."""

    names: tuple[str, ...]


class DatasetView(Document):
    """A contract as it is deployed.

    Attributes:
        problem: why no run can read it; null: none.
        key: columns of the key in DynamoDB, by which a row is looked up; empty: it stores none.
    """

    name: str
    text: str
    description: str | None = None
    problem: str | None = None
    key: tuple[str, ...] = ()


class DayView(Document):
    """One day of the calendar.

    Attributes:
        objects: null: they cannot be counted by the day.
        more_objects: there are more than were counted.
        run_ids: of the runs that were about it, newest first.
    """

    day: str
    state: DayState
    objects: int | None = None
    more_objects: bool = False
    run_ids: tuple[str, ...]


class ProcessedView(Document):
    """What the runs that began on a day did."""

    day: str
    runs: int
    rows: RowCounts


class DaysView(Document):
    """Some days of a dataset.

    Attributes:
        processed: by the day on which runs began, of those that have ended.
        complete: false: there are earlier runs than could be read.
        unlisted: why nothing is known of objects; null: they were counted, where they can be.
    """

    days: tuple[DayView, ...]
    processed: tuple[ProcessedView, ...]
    complete: bool
    unlisted: str | None = None


class VersionView(Document):
    """A version of the contract, by the runs that read it.

    Attributes:
        run_id: the newest of them; null: no run has read it.
        deployed: it is what the next run reads.
    """

    version: str
    runs: int
    run_id: str | None = None
    first_at: str | None = None
    last_at: str | None = None
    deployed: bool


class VersionsView(Document):
    """The versions of a contract that runs have read, newest first."""

    versions: tuple[VersionView, ...]
    complete: bool


class DifferenceLineView(Document):
    """A line; `change` is `+`, `-`, a space, or `@` where lines are left out."""

    change: str
    text: str


class DifferenceView(Document):
    """What differs between two versions; nothing where they say the same."""

    before: str
    after: str
    lines: tuple[DifferenceLineView, ...]


class LookupView(Document):
    """Where a stored row comes from.

    Attributes:
        state_text: whether its object is still what the run read, in words.
        command: of `pipeline`, that shows the same.
    """

    where: WhereDocument
    state_text: str
    command: str
