"""The table of docs/limits.md says what the code holds to, and what happens at each limit."""

from __future__ import annotations

from typing import Any

import pytest
from deployed_code import ROOT
from deployed_template import functions, template

from contracts.dataset import LOOKUP_MEGABYTES_AT_MOST, Limits
from contracts.job_step import JobStep
from contracts.manifest import UNITS_PER_EXECUTION, UNITS_PER_SHARD_AT_MOST
from contracts.messages.operations import (
    EXTRA,
    EXTRA_OF_A_UNIT,
    JOBS_OF_PARTS,
    OPERATIONS,
    PLANNED,
    for_retries,
    planned_operations,
)
from contracts.output.files import KEY_BYTES_AT_MOST, PARTITIONS_PER_UNIT
from contracts.run_request import MAX_CONCURRENCY, MAX_QUERY_CHARACTERS
from contracts.source.group import OBJECTS_PER_UNIT_AT_MOST
from contracts.targets import FilesTarget
from contracts.times.backfill import AT_ONCE_AT_MOST
from contracts.times.windows import WINDOWS_AT_MOST
from dataset_loading import constants
from dataset_loading.check import RULES_AT_MOST
from dataset_loading.sql import COLUMNS_AT_MOST
from durable_pipeline.intake import MAX_MESSAGE_BYTES
from durable_pipeline.policies import LONGEST_RETRY_DELAY_SECONDS
from durable_pipeline.sharding.lanes import SHARDS_PER_EXECUTION
from ledger.retention import RESERVE_MILLISECONDS
from reading_rules.json.values import ITEM_CHARACTERS
from remote_jobs.pools.turns import MOST_PLACES, MOST_TICKETS
from runtime.contract_file import VALUES_AT_MOST
from sources.limits import DISK
from stores.dynamodb.items import ITEM_BYTES, KEY_BYTES
from stores.redshift.sql import LONGEST_TEXT, STATEMENT_BYTES

DAY = 24 * 3600
SWEEP_SECONDS = functions()["ReaperFunction"]["Timeout"] - RESERVE_MILLISECONDS // 1000
PAGE = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")


def rows() -> dict[str, list[str]]:
    lines = PAGE.split("| what | value | what happens at it | why |\n|---|---|---|---|\n")[1]
    cells = [line.strip("|").split("|") for line in lines.split("\n\n")[0].splitlines()]
    return {first.strip(): [one.strip() for one in others] for first, *others in cells}


def bound(model: Any, field: str, name: str = "le") -> int:
    """Of a field of a contract: `le`, or `max_length`."""
    (found,) = (
        getattr(limit, name) for limit in model.model_fields[field].metadata if hasattr(limit, name)
    )
    return int(found)


def parameter(name: str, what: str) -> int:
    return int(template()["Parameters"][name][what])


def amount(number: float) -> str:
    return f"{number:,.0f}"


# What the row has to say, of those whose limit is a constant.
SAID = {
    "message": [f"{MAX_MESSAGE_BYTES // 1024} KB"],
    "query": [f"{amount(MAX_QUERY_CHARACTERS)} characters"],
    "values of a contract file": [amount(VALUES_AT_MOST)],
    "rules of a contract": [amount(RULES_AT_MOST)],
    "columns of a transform's result": [amount(COLUMNS_AT_MOST)],
    "constants in the SQL of a contract or a query": [
        f"{constants.CPU_SECONDS} seconds",
        f"{constants.MEGABYTES} MB",
    ],
    "units of a run": [
        f"{amount(bound(Limits, 'objects'))} objects",
        f"default is {amount(Limits().objects)}",
        f"up to {UNITS_PER_SHARD_AT_MOST} units",
    ],
    "objects of one unit": [
        f"{amount(OBJECTS_PER_UNIT_AT_MOST)} at most",
        f"about {10 * 1024 / DISK['none'] / 1000:.1f} GB of plain text",
        f"{10 * 1024 / DISK['gzip'] // 10 * 10:.0f} MB of gzip",
    ],
    "items of an array": [
        f"{amount(bound(Limits, 'objects'))} batches",
        f"{amount(ITEM_CHARACTERS)} characters",
    ],
    "windows of a backfill": [amount(WINDOWS_AT_MOST), f"{AT_ONCE_AT_MOST} side by side"],
    "units in parallel": [
        amount(MAX_CONCURRENCY),
        f"allows ({template()['Parameters']['MaxUnitsSideBySide']['Default']})",
        f"{UNITS_PER_EXECUTION} in one execution",
    ],
    "shards that one execution starts": [str(SHARDS_PER_EXECUTION)],
    "operations of one execution": [
        amount(OPERATIONS),
        amount(PLANNED),
        f"{EXTRA} for",
        f"({amount(planned_operations(UNITS_PER_EXECUTION))} and"
        f" {amount(for_retries(UNITS_PER_EXECUTION))} with",
    ],
    "operations of one unit": [f"{EXTRA} divided", f"{EXTRA_OF_A_UNIT} at least"],
    "SQS-triggered execution": [f"{parameter('PipelineTimeoutSeconds', 'MaxValue') // 60} minutes"],
    "long run": [f"{parameter('LongRunTimeoutSeconds', 'MaxValue') // DAY} days"],
    "one object": [f"({amount(Limits().object_megabytes)})", "10 GB of disk"],
    "files of a unit": [
        f"{amount(PARTITIONS_PER_UNIT)} partitions",
        f"{amount(KEY_BYTES_AT_MOST)} bytes",
        f"prefix of {bound(FilesTarget, 'prefix', 'max_length')}",
    ],
    "item": [f"{ITEM_BYTES // 1024} KB", f"{amount(KEY_BYTES)} bytes"],
    "lookup": [f"{LOOKUP_MEGABYTES_AT_MOST} MB"],
    "one statement of a load": [f"{amount(STATEMENT_BYTES)} bytes"],
    "text in the warehouse": [f"{amount(LONGEST_TEXT)} bytes"],
    "job": [f"{bound(JobStep, 'timeout_seconds') // DAY} days at most"],
    "jobs side by side": [f"{MOST_PLACES} at most", f"{amount(MOST_TICKETS)} wait with a ticket"],
    "jobs of halves of a unit, where its job failed": [f"{JOBS_OF_PARTS}, tries included"],
    "attempts of a job": [str(bound(JobStep, "attempts"))],
    "records of expired runs, with `LedgerRetentionDays`": [
        f"up to {SWEEP_SECONDS} seconds",
        f"{70 * SWEEP_SECONDS * 96 / 1e6:.1f} million a day: an assumed 70 a second",
    ],
    "history": [f"{parameter('HistoryRetentionDays', 'MaxValue')} at most"],
}
# Measured, or of a service's own.
NOT_CONSTANTS = {
    "a transform that is not computed row by row",
    "one validate, transform or slice of a store",
    "manifest of a run's files",
    "stored objects of a dataset, for `onlyNew`",
}


def test_every_limit_is_held_to_the_code_or_measured() -> None:
    assert set(rows()) == SAID.keys() | NOT_CONSTANTS


@pytest.mark.parametrize("what", SAID)
def test_the_page_says_what_the_code_holds_to(what: str) -> None:
    row = " ".join(rows()[what])
    for said in SAID[what]:
        assert said in row, what


@pytest.mark.parametrize("what", rows())
def test_every_limit_says_what_happens_at_it(what: str) -> None:
    _, happens, _ = rows()[what]
    assert happens


def test_what_the_template_gives_is_what_the_page_says() -> None:
    disk = {one.get("EphemeralStorage", {}).get("Size") for one in functions().values()}
    assert max(size for size in disk if size) == 10_240
    assert LONGEST_RETRY_DELAY_SECONDS == 3600, "an hour apart at most"
