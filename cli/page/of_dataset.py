"""A dataset as the page shows it: its days, what was processed, its contract's versions."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from botocore.exceptions import ClientError

from cli.client.contracts import checked_contract, contract_text, dataset_names, read_contract
from cli.client.dataset_days import (
    DAYS_AT_MOST,
    Day,
    Objects,
    RunDays,
    calendar,
    count_objects,
    day_of_url,
    days_of_run,
)
from cli.client.dataset_history import (
    DEPLOYED,
    DatasetRuns,
    Processed,
    contract_of,
    difference,
    processed_by_day,
    runs_of,
    versions_of,
)
from cli.client.ledger import Run
from cli.client.origin import find_origin, key_values
from cli.documents.where import where_document
from cli.exit_codes import NOT_FOUND, REFUSED, CommandFailed
from cli.page.dataset_documents import (
    DatasetsView,
    DatasetView,
    DaysView,
    DayView,
    DifferenceLineView,
    DifferenceView,
    LookupView,
    ProcessedView,
    VersionsView,
    VersionView,
)
from cli.page.source import FAILED_LOOKED_AT, Source
from contracts.dataset import Source as DatasetSource
from contracts.run import RunStatus, UnitState

VERSIONS_OF_DAYS: Final = 366
_OBJECTS_SECONDS: Final = 60.0  # a listing takes a request per partition
_RUNS_SECONDS: Final = {True: 2.0, False: 30.0}  # here; on AWS: a request per day of claims
_NOT_LISTED: Final = frozenset({"AccessDenied", "NoSuchBucket"})
Names = tuple[str, ...]
Query = Mapping[str, str]


def datasets(source: Source, _names: Names, _query: Query) -> DatasetsView:
    """The datasets that there are contracts of."""
    return DatasetsView(names=tuple(dataset_names(source.deployment)))


def dataset(source: Source, names: Names, _query: Query) -> DatasetView:
    """A contract as it is deployed, broken ones too.

    Raises:
        CommandFailed: there is none of this name.
    """
    name = names[0]
    text = contract_text(source.deployment, name)
    try:
        contract = checked_contract(source.deployment, name).dataset
    except CommandFailed as error:
        return DatasetView(name=name, text=text, problem=error.message)
    target = contract.targets.dynamodb
    return DatasetView(
        name=name,
        text=text,
        description=contract.description,
        key=tuple(target.key) if target else (),
    )


def days(source: Source, names: Names, query: Query) -> DaysView:
    """The calendar.

    Raises:
        CommandFailed: there is no such dataset, it is broken, or the days are none.
    """
    first, last = _range(query)
    name = names[0]
    where = read_contract(source.deployment, name).source
    found = _runs(source, name, first)
    about = [_with_failed(source, days_of_run(run, where, first, last)) for run in found.runs]
    objects, unlisted = source.memory.recently(
        ("objects", name, str(first), str(last)),
        _OBJECTS_SECONDS,
        lambda: _objects(source, where, first, last),
    )
    return DaysView(
        days=tuple(map(_day_view, calendar(first, last, about, objects))),
        processed=tuple(map(_processed_view, processed_by_day(found.runs))),
        complete=found.complete,
        unlisted=unlisted,
    )


def versions(source: Source, names: Names, _query: Query) -> VersionsView:
    """The versions of a contract, those of runs of the last year."""
    name, today = names[0], datetime.now(UTC).date()
    text = contract_text(source.deployment, name)
    found = _runs(source, name, today - timedelta(days=VERSIONS_OF_DAYS))
    return VersionsView(
        versions=tuple(
            VersionView(
                version=version.version,
                runs=version.runs,
                run_id=version.run_id,
                first_at=version.first_at,
                last_at=version.last_at,
                deployed=version.deployed,
            )
            for version in versions_of(found.runs, text)
        ),
        complete=found.complete,
    )


def difference_of(source: Source, names: Names, query: Query) -> DifferenceView:
    """What differs between the contracts of two runs, or of one and the deployed one."""
    name = names[0]
    before, after = query.get("before") or "", query.get("after") or DEPLOYED
    texts = []
    for run_id in (before, after):
        if run_id != DEPLOYED and source.find_run(run_id).dataset_name != name:
            raise CommandFailed(f"run {run_id} is not of the dataset {name}", REFUSED)
        wanted = None if run_id == DEPLOYED else run_id
        texts.append(contract_of(source.deployment, name, wanted))
    lines = tuple(
        DifferenceLineView(change=line.change, text=line.text) for line in difference(*texts)
    )
    return DifferenceView(before=before, after=after, lines=lines)


def lookup(source: Source, _names: Names, query: Query) -> LookupView:
    """`pipeline where`: the run, the object and the line of a stored row.

    Raises:
        CommandFailed: there is no such dataset or row, or the key is none of it.
    """
    name, key = query.get("dataset") or "", _key(query.get("key") or "[]")
    deployment = source.deployment
    checked = checked_contract(deployment, name)
    index = query.get("index") or name
    origin = find_origin(deployment, index, key_values(checked, key), with_line=True)
    if origin is None:
        raise CommandFailed(
            f"no row of {name} with the key {', '.join(key)} is stored under the index {index}",
            NOT_FOUND,
            "if its run rejected it, the tab Rejected rows of that run shows it with the reason",
        )
    on = [] if deployment.stack is None else ["--stack", deployment.stack]
    other = [] if index == name else ["--index", index]
    words = ["pipeline", "where", *key, "--dataset", name, *other, *on]
    return LookupView(
        where=where_document(origin), state_text=origin.state.said, command=shlex.join(words)
    )


def _key(text: str) -> list[str]:
    try:
        key = json.loads(text)
    except ValueError:
        key = None
    if not isinstance(key, list) or not all(isinstance(part, str) for part in key):
        raise CommandFailed("`key` is a JSON array of texts, a value for each column", REFUSED)
    return key


def _range(query: Query) -> tuple[date, date]:
    try:
        first, last = (date.fromisoformat(query.get(name) or "") for name in ("from", "to"))
    except ValueError:
        raise CommandFailed("`from` and `to` are days, such as 2026-11-01", REFUSED) from None
    if not 0 <= (last - first).days < DAYS_AT_MOST:
        raise CommandFailed(f"1 to {DAYS_AT_MOST} days can be shown at once", REFUSED)
    return first, last


def _runs(source: Source, name: str, since: date) -> DatasetRuns:
    """The runs that were claimed since a day; none about it can have been claimed before it."""
    begin = datetime(since.year, since.month, since.day, tzinfo=UTC)
    until = datetime.now(UTC) + timedelta(minutes=1)  # clocks differ
    deployment = source.deployment
    return source.memory.recently(
        ("runs", name, str(since)),
        _RUNS_SECONDS[deployment.local],
        lambda: runs_of(deployment, name, begin, until),
    )


def _objects(
    source: Source, where: DatasetSource, first: date, last: date
) -> tuple[dict[date, Objects], str | None]:
    """None of the days to come are looked for; why there are none, if they may not be listed."""
    until = min(last, datetime.now(UTC).date())
    try:
        return count_objects(source.deployment, where, first, until), None
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NOT_LISTED:
            raise
        bucket = where.bucket or source.deployment.output("DataBucketName")
        return {}, f"s3://{bucket}/{where.prefix} cannot be listed: {error}"


def _with_failed(source: Source, found: RunDays) -> RunDays:
    """The same with the days of its failed units, of a run that has failed for some of them."""
    run = found.run
    if run.status is not RunStatus.FAILED or len(found.days) < 2 or run.units.not_started:
        return found
    failed = source.memory.once(("failed-days",), run, lambda: _failed_days(source, run))
    return replace(found, failed=failed)


def _failed_days(source: Source, run: Run) -> frozenset[date] | None:
    """The days of a run's failed units; None: they cannot be known."""
    page = source.unit_pages.page(run.run_id, state=UnitState.FAILED, limit=FAILED_LOOKED_AT)
    where = read_contract(source.deployment, run.dataset_name).source
    failed = [day_of_url(where, unit.source_url) for unit in page.units]
    known = frozenset(day for day in failed if day is not None)
    return known if len(failed) and None not in failed and not page.more else None


def _day_view(day: Day) -> DayView:
    return DayView(
        day=day.day.isoformat(),
        state=day.state,
        objects=None if day.objects is None else day.objects.count,
        more_objects=day.objects is not None and day.objects.more,
        run_ids=tuple(day.run_ids[:10]),
    )


def _processed_view(day: Processed) -> ProcessedView:
    return ProcessedView(day=day.day.isoformat(), runs=day.runs, rows=day.rows)
