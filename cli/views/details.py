"""What an operation of the pipeline had to say, in a few words: job ids, counts, outcomes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from cli.client.history import Operation
from contracts.base import Contract
from contracts.job import JobStatus
from contracts.manifest import ManifestSummary
from contracts.messages import (
    Began,
    Claim,
    LoadedDataset,
    LoadExplanation,
    PreparedLoad,
    PreparedWarehouse,
    RecordedRun,
    StartedRun,
    StoredFiles,
    StoredRows,
    Submission,
    Transformed,
    Validated,
)
from contracts.run import ItemTotals
from contracts.steps import step_named


def describe(operation: Operation, all_operations: Sequence[Operation] = ()) -> str:
    """A few words on one operation; empty where there is nothing to say.

    Args:
        all_operations: the execution's, so that a callback can name the job it waited for.
    """
    if operation.error:
        return operation.error
    if operation.kind == "Callback":
        return _of_callback(operation, all_operations)
    if operation.name == "invoke-function":
        return _of_invoked(operation)
    step = step_named(operation.name)
    if step is None or not isinstance(operation.response, Mapping):
        return ""
    try:
        return _in_words(step.response.from_json(operation.response))
    except ValidationError:  # recorded by a release whose response was another one
        return ""


def _of_callback(callback: Operation, all_operations: Sequence[Operation]) -> str:
    if isinstance(callback.response, Mapping) and "jobId" in callback.response:
        return _of_job(JobStatus.from_json(callback.response))
    for operation in all_operations:
        sent = operation.sent if isinstance(operation.sent, Mapping) else {}
        sent = sent.get("submit") or sent  # a load is submitted by its store
        if callback.callback_id and sent.get("callbackId") == callback.callback_id:
            return f"{sent.get('key', {}).get('stage', '')} under way".strip()
    return ""


def _of_invoked(invoke: Operation) -> str:
    """A function's job; what the function returned is its own affair."""
    event = invoke.sent if isinstance(invoke.sent, Mapping) else {}
    state = invoke.status if invoke.ended else "under way"
    return f"job {event['JOB_ID']} {state}" if "JOB_ID" in event else ""


def _in_words(response: Contract) -> str:
    """In the words of its class, else its counts, such as `parts: 3`."""
    words = _WORDS.get(type(response))
    if words is not None:
        return words(response)
    counts = ((name, value) for name, value in response if type(value) is int)
    return ", ".join(f"{name.replace('_', ' ')}: {value:,}" for name, value in counts)


def _of_job(status: JobStatus) -> str:
    return f"{status.stage} {status.state}, job {status.job_id}"


def _of_submission(response: Submission) -> str:
    """Of a unit's first job also whether the unit begins."""
    begins = None if response.began is None else _of_beginning(response.began)
    status = None if response.status is None else _of_job(response.status)
    return "; ".join(filter(None, (begins, status)))


def _of_beginning(began: Began) -> str:
    return "begins" if began.begin else str(began.why)


def _of_load(load: PreparedLoad) -> str:
    job = f"; {_of_job(load.status)}" if load.status else ""
    return f"load of {load.rows} rows prepared{job}"


def _counts(response: Contract, *names: str) -> str:
    """Those that are not 0, each after a comma: `, 2 rejected`."""
    counts = ((name, getattr(response, name)) for name in names)
    return "".join(f", {count} {name}" for name, count in counts if count)


def _of_validated(response: Validated) -> str:
    taken = _counts(response, "filtered", "rejected", "removed", "warned")
    return f"{response.rows_in} rows in, {response.valid} valid{taken}"


def _of_transformed(response: Transformed) -> str:
    files = f", {response.files} files" if response.files > 1 else ""
    return f"{response.rows} rows{_counts(response, 'removed', 'rejected')}{files}"


def _of_stored(response: StoredRows) -> str:
    there = f", {response.unchanged} were there before" if response.unchanged else ""
    return f"{response.rows} rows{there}{_counts(response, 'superseded')}{_ended(response)}"


def _ended(response: StoredRows | StoredFiles) -> str:
    return "; the unit has ended" if response.ended else ""


def _of_manifest(response: ManifestSummary) -> str:
    stored = f", {response.stored} stored before" if response.stored else ""
    found = f"{response.objects} objects"
    if response.items is not None:
        found += f" of {response.items} items"
    elif response.source_objects is not None:
        found = f"{response.source_objects} objects in {response.objects} units"
    return f"{found}, {response.total_bytes:,} bytes{stored}"


def _of_tables(response: PreparedWarehouse) -> str:
    count = len(response.statements)
    return f"{count} statements run" if count else "all tables are there"


# A response without words of its own is shown by its counts.
_WORDS: Final[dict[type[Contract], Callable[[Any], str]]] = {
    Claim: lambda claim: f"{claim.outcome}, attempt {claim.run_attempt}",
    LoadedDataset: lambda dataset: f"{dataset.name}, version {dataset.version}",
    ManifestSummary: _of_manifest,
    PreparedWarehouse: _of_tables,
    Began: _of_beginning,
    StartedRun: lambda started: f"continues in {started.execution_name}",
    JobStatus: _of_job,
    Submission: _of_submission,
    Validated: _of_validated,
    Transformed: _of_transformed,
    StoredFiles: lambda stored: (
        f"{stored.rows} rows in {stored.files} files, {stored.bytes:,} bytes{_ended(stored)}"
    ),
    StoredRows: _of_stored,
    PreparedLoad: _of_load,
    ItemTotals: lambda items: f"{items.stored} items stored{_counts(items, 'rejected', 'failed')}",
    LoadExplanation: lambda explanation: str(explanation.message),
    RecordedRun: lambda recorded: str(recorded.result.outcome.value),
}
