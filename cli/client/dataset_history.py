"""The runs of a dataset over some time: what they processed day by day, and by which contract."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final

import yaml

from cli.client.contracts import contract_text, refuse_broken
from cli.client.deployment import Deployment
from cli.client.ledger import Run
from cli.client.quarantine import read_snapshot
from cli.client.run_list import RunList, Wanted
from contracts import layout
from contracts.dataset import Dataset
from contracts.errors import InvalidDataset
from contracts.run import RowCounts
from contracts.run_request import parse_timestamp
from dataset_loading.file import parse_dataset

EXAMINED_AT_MOST: Final = 20_000  # runs of all datasets
RUNS_AT_MOST: Final = 2_000
DEPLOYED: Final = "deployed"
_VERSION_DIGITS: Final = 12  # as a run notes it
_CONTEXT: Final = 3  # lines before and after what differs


@dataclass(frozen=True)
class DatasetRuns:
    """The runs of a dataset that were claimed in some time, newest first.

    Attributes:
        complete: false: there are others, earlier ones.
    """

    runs: tuple[Run, ...]
    complete: bool


@dataclass
class Processed:
    """What the runs that began on a day did."""

    day: date
    runs: int = 0
    rows: RowCounts = field(default_factory=RowCounts)


@dataclass(frozen=True)
class Version:
    """A version of a contract, by the runs that read it.

    Attributes:
        version: None of the runs knows another name: first digits of the file's SHA-256.
        run_id: the newest run that read it; None: none has.
        deployed: it is what the next run reads.
    """

    version: str
    runs: int = 0
    run_id: str | None = None
    first_at: str | None = None
    last_at: str | None = None
    deployed: bool = False


@dataclass(frozen=True)
class DifferenceLine:
    """A line of a comparison; `change` is `+`, `-`, a space, or `@` where lines are left out."""

    change: str
    text: str


def runs_of(deployment: Deployment, dataset: str, since: datetime, until: datetime) -> DatasetRuns:
    """The runs that were claimed in `[since, until)`, as many as can be read in good time."""
    listed = RunList(deployment.client("dynamodb"), deployment.output("LedgerTable"))
    found: list[Run] = []
    examined, cursor = 0, None
    while True:
        wanted = Wanted(dataset=dataset)
        page = listed.page(since, until, wanted, limit=RUNS_AT_MOST - len(found), cursor=cursor)
        found += page.runs
        examined, cursor = examined + page.examined, page.cursor
        if cursor is None:
            return DatasetRuns(tuple(found), complete=True)
        if examined >= EXAMINED_AT_MOST or len(found) >= RUNS_AT_MOST:
            return DatasetRuns(tuple(found), complete=False)


def processed_by_day(runs: Iterable[Run]) -> list[Processed]:
    """Rows by the day on which their run was first claimed (UTC), in order; of ended runs."""
    days: dict[date, Processed] = {}
    for run in runs:
        if run.status.ended and run.item.claimed_at:
            day = parse_timestamp(run.item.claimed_at).date()
            entry = days.setdefault(day, Processed(day))
            entry.runs += 1
            entry.rows += run.rows
    return [days[day] for day in sorted(days)]


def versions_of(runs: Sequence[Run], text: str) -> list[Version]:
    """The contract's versions, newest first: that of today's file, and those that runs read.

    Args:
        runs: newest first.
        text: of the contract's file.
    """
    deployed = hashlib.sha256(text.encode()).hexdigest()[:_VERSION_DIGITS]
    found = {deployed: Version(deployed, deployed=True)}
    for run in runs:
        version, at = run.item.dataset_version, run.item.claimed_at
        if version is None:
            continue
        so_far = found.get(version, Version(version))
        found[version] = replace(
            so_far,
            runs=so_far.runs + 1,
            run_id=so_far.run_id or run.run_id,
            first_at=at,
            last_at=so_far.last_at or at,
        )
    return list(found.values())


def contract_of(deployment: Deployment, dataset: str, run_id: str | None) -> str:
    """A contract as YAML, its fields in one order and without defaults: made to be compared.

    Args:
        run_id: as this run read it; None: as it is deployed.

    Raises:
        CommandFailed: the run has none any more, or the deployed one is broken.
    """
    if run_id is not None:
        return _as_yaml(read_snapshot(deployment, run_id).dataset)
    file = layout.dataset_source_key(dataset)
    try:
        return _as_yaml(parse_dataset(contract_text(deployment, dataset), file)[0])
    except InvalidDataset as error:
        raise refuse_broken(file, error) from None


def difference(before: str, after: str) -> list[DifferenceLine]:
    """What differs between two texts, with some lines around it; nothing where they are equal."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=_CONTEXT)
    return [
        DifferenceLine("@", "…") if line.startswith("@@") else DifferenceLine(line[:1], line[1:])
        for number, line in enumerate(lines)
        if number > 1  # the names of the two
    ]


def _as_yaml(dataset: Dataset) -> str:
    value = dataset.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
