from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice

import pytest

from contracts.ledger_items import UnitItem
from contracts.manifest import ManifestSummary
from contracts.run import Finding, RowCounts, UnitOutcome, UnitState, UnitStatus, seconds_between
from runs.recording import document_chunks
from runs.units import OutputLocations, UnitRecords, unit_outcomes

PLACES = OutputLocations("data-bucket", "r1", "orders")


def manifest(*shard_sizes: int) -> ManifestSummary:
    return ManifestSummary(
        manifest_url="s3://data-bucket/manifest",
        objects=sum(shard_sizes),
        total_bytes=0,
        shard_sizes=shard_sizes,
        pending=(),
    )


def recorded(unit_id: str) -> UnitItem:
    rows = RowCounts(rows_in=2, stored=2)
    return UnitItem(unit_id=unit_id, status=UnitStatus.STORED, rows=rows)


def outcomes(count: int) -> list[UnitOutcome]:
    return [
        UnitOutcome(unit_id=f"00000-{number:03d}", status=UnitState.STORED)
        for number in range(count)
    ]


def test_items_and_manifest_are_merged_in_one_pass() -> None:
    units = [recorded("00000-001"), recorded("00001-000"), recorded("00007-000")]

    merged = list(unit_outcomes(manifest(3, 2), units, PLACES))

    assert [(one.unit_id, one.status.value) for one in merged] == [
        ("00000-000", "FAILED"),
        ("00000-001", "STORED"),
        ("00000-002", "FAILED"),
        ("00001-000", "STORED"),
        ("00001-001", "FAILED"),
    ]


def test_units_are_read_as_they_are_needed() -> None:
    taken = 0

    def ledger() -> Iterator[UnitItem]:
        nonlocal taken
        for shard in range(500):
            for index in range(300):
                taken += 1
                yield recorded(f"{shard:05d}-{index:03d}")

    first = list(islice(unit_outcomes(manifest(*[300] * 500), ledger(), PLACES), 10))

    assert len(first) == 10
    assert taken <= 11


@pytest.mark.parametrize("in_memory_bytes", [1, 1_000_000])
def test_outcomes_can_be_gone_through_again_from_memory_or_a_file(in_memory_bytes: int) -> None:
    with UnitRecords(iter(outcomes(5)), in_memory_bytes) as records:
        assert records.count == 5
        assert list(records) == list(records) == outcomes(5)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_streamed_document_is_one_json_object(count: int) -> None:
    head = {"runId": "r1", "units": {"total": count}}
    with UnitRecords(outcomes(count)) as records:
        document = json.loads(b"".join(document_chunks(head, records)))

    assert document == {**head, "outcomes": [one.to_json() for one in outcomes(count)]}


def test_seconds_need_both_ends() -> None:
    assert seconds_between("2026-11-20T08:00:00Z", "2026-11-20T08:01:00.250Z") == 60.25
    assert seconds_between("2026-11-20T08:00:00Z", None) is None
    assert seconds_between(None, "2026-11-20T08:00:00Z") is None


@pytest.mark.parametrize(
    ("stage", "rejected", "rules", "set_aside", "reported"),
    [
        pytest.param(None, 2, ["type"], 0, (True, False), id="rejected"),
        pytest.param(None, 2, ["type", "item-size"], 1, (True, True), id="both"),
        pytest.param(None, 1, ["item-size"], 1, (False, True), id="unstorable"),
        pytest.param("store-dynamodb", 0, ["item-size"], 1, (False, True), id="then failed"),
        pytest.param("transform", 0, ["item-size", "type"], 0, (True, True), id="too many"),
        pytest.param("validate", 0, ["type"], 0, (True, False), id="invalid"),
    ],
)
def test_both_quarantine_objects_of_a_unit_are_reported(
    stage: str | None, rejected: int, rules: list[str], set_aside: int, reported: tuple[bool, bool]
) -> None:
    places = OutputLocations("data", "run-1", "sales")
    findings = tuple(Finding(rule=rule, severity="quarantine", rows=1) for rule in rules)
    rows = RowCounts(rejected=rejected)

    found = places.outputs("00000-000", stage, rows, findings, set_aside)

    assert (found.quarantine_url is not None, found.set_aside_url is not None) == reported
    if found.set_aside_url:
        assert found.set_aside_url.endswith("/sales/run-1/00000-000-transform.jsonl")


@pytest.mark.parametrize(
    ("failed_stage", "tables"),
    [
        (None, ("files:results/sales/", "dynamodb", "redshift:sales")),
        ("store-redshift", ("files:results/sales/", "dynamodb")),
        ("explain-load", ("files:results/sales/", "dynamodb")),
        ("store-dynamodb", ("files:results/sales/",)),
        ("store-files", ()),
        ("transform", ()),
    ],
)
def test_what_failed_in_a_store_is_in_those_before_it_already(
    failed_stage: str | None, tables: tuple[str, ...]
) -> None:
    everywhere = ("files:results/sales/", "dynamodb", "redshift:sales")
    places = OutputLocations("data", "run-1", "sales", everywhere)

    assert places.outputs("00000-000", failed_stage, RowCounts(), ()).tables == tables
