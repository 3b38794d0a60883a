"""What contracts expect by a time, judged as the reaper does (`runs.expectations`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from cli.client.contracts import dataset_names, find_contract
from cli.client.deployment import Deployment
from cli.client.ledger import LedgerView
from cli.client.run_list import NoIndex, RunList, Wanted
from cli.health.diagnosis import Diagnosis, Health, with_stack
from contracts import layout
from contracts.dataset import Dataset
from contracts.errors import InvalidDataset
from contracts.ledger_items import UnitItem
from dataset_loading.file import contract_text, parse_dataset
from runs.expectations.judging import ExpectedDay, judge
from runs.expectations.overdue import next_commands, overdue_sentence

_LOOKED_BACK: Final = timedelta(days=8)  # with weekdays the last day may be a week ago


def expectations(deployment: Deployment) -> list[Diagnosis]:
    """The last day of each dataset that expects one, if it is not stored by now."""
    now = datetime.now(UTC)
    datasets = list(_expecting(deployment))
    try:
        found = [one for dataset in datasets if (one := _overdue(deployment, dataset, now))]
    except NoIndex as error:
        return [Diagnosis("expected days", Health.UNKNOWN, error.message, error.hint)]
    if found or not datasets:
        return found or [Diagnosis("expected days", Health.OK, "no contract expects any")]
    stored = f"{len(datasets)} {'dataset' if len(datasets) == 1 else 'datasets'}, all stored"
    return [Diagnosis("expected days", Health.OK, stored)]


def _expecting(deployment: Deployment) -> Iterator[Dataset]:
    """Broken contracts are reported as such by another check."""
    for name in dataset_names(deployment):
        text = find_contract(deployment, name) or b""
        if b"expect" in text:
            try:
                file = layout.dataset_source_key(name)
                dataset, _ = parse_dataset(contract_text(text, file), file)
            except InvalidDataset:
                continue
            if dataset.expect is not None:
                yield dataset


def _overdue(deployment: Deployment, dataset: Dataset, now: datetime) -> Diagnosis | None:
    expectation = dataset.expect
    day = None if expectation is None else expectation.last_due(now, _LOOKED_BACK)
    if expectation is None or day is None:
        return None
    dynamodb, table = deployment.client("dynamodb"), deployment.output("LedgerTable")
    ledger = LedgerView(dynamodb, table)

    def units(run_id: str) -> Iterator[UnitItem]:
        return (unit.item for unit in ledger.units(run_id))

    expected = ExpectedDay.of(dataset, expectation, day)
    wanted = Wanted(dataset=dataset.name)
    runs = RunList(dynamodb, table).runs(expected.first_claim, now, wanted)
    judgement = judge(expected, (run.item for run in runs), units)
    if judgement.stored_by is not None:
        return None
    sentence = overdue_sentence(dataset.name, day.isoformat(), expectation.words)
    return Diagnosis(
        f"dataset {dataset.name}",
        Health.PROBLEM,
        f"{sentence}: {judgement.why}",
        with_stack(next_commands(dataset.name, *expected.asked_for)[1], deployment),
    )
