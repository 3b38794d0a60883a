"""What an operation of the pipeline had to say, in a few words: job ids, counts, outcomes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cli.client.history import Operation
from contracts.run import RunResult

Answer = Mapping[str, Any]


def describe(operation: Operation, all_operations: Sequence[Operation] = ()) -> str:
    """A few words on one operation; empty where there is nothing to say.

    Args:
        all_operations: the execution's, so that a callback can tell the job it waited for.
    """
    if operation.error:
        return operation.error
    if operation.kind == "Callback":
        return _of_callback(operation, all_operations)
    if operation.name == "invoke-function":
        return _of_invoked(operation)
    words = _WORDS.get(operation.name)
    if words is None or not isinstance(operation.answered, Mapping):
        return ""
    return words(operation.answered)


def _of_callback(callback: Operation, all_operations: Sequence[Operation]) -> str:
    if isinstance(callback.answered, Mapping) and "jobId" in callback.answered:
        return _of_job(callback.answered)
    for operation in all_operations:
        sent = operation.sent if isinstance(operation.sent, Mapping) else {}
        if callback.callback_id and sent.get("callbackId") == callback.callback_id:
            return f"{sent.get('key', {}).get('stage', '')} under way".strip()
    return ""


def _of_invoked(invoke: Operation) -> str:
    """A function's job; what the function returned is its own affair."""
    event = invoke.sent if isinstance(invoke.sent, Mapping) else {}
    state = invoke.status if invoke.ended else "under way"
    return f"job {event['JOB_ID']} {state}" if "JOB_ID" in event else ""


def _of_job(status: Answer) -> str:
    return f"{status.get('stage')} {status.get('state')}, job {status.get('jobId')}"


def _of_validate(answer: Answer) -> str:
    counts = [f"{answer['rowsIn']} rows in", f"{answer['valid']} valid"]
    taken = ("filtered", "rejected", "removed", "warned")
    counts += [f"{answer[name]} {name}" for name in taken if answer.get(name)]
    return ", ".join(counts)


def _of_transform(answer: Answer) -> str:
    taken = ("removed", "rejected")
    removed = "".join(f", {answer[name]} {name}" for name in taken if answer.get(name))
    files = f", {answer['files']} files" if answer.get("files", 1) > 1 else ""
    return f"{answer['rows']} rows{removed}{files}"


def _of_stored(answer: Answer) -> str:
    there = f", {answer['unchanged']} were there before" if answer.get("unchanged") else ""
    newer = f", {answer['superseded']} superseded" if answer.get("superseded") else ""
    return f"{answer['rows']} rows{there}{newer}"


def _of_files(answer: Answer) -> str:
    return f"{answer['rows']} rows in {answer['files']} files, {answer['bytes']:,} bytes"


def _of_manifest(answer: Answer) -> str:
    stored = f", {answer['stored']} stored before" if answer.get("stored") else ""
    items = f" of {answer['items']} items" if "items" in answer else ""
    return f"{answer['objects']} objects{items}, {answer['totalBytes']:,} bytes{stored}"


def _of_tables(answer: Answer) -> str:
    count = len(answer.get("statements", ()))
    return f"{count} statements run" if count else "all tables are there"


def _of_items(answer: Answer) -> str:
    counts = [f"{answer['stored']} items stored"]
    counts += [f"{answer[name]} {name}" for name in ("rejected", "failed") if answer.get(name)]
    return ", ".join(counts)


_WORDS: Final[dict[str, Callable[[Answer], str]]] = {
    "claim-run": lambda answer: f"{answer['outcome']}, attempt {answer['runAttempt']}",
    "load-dataset": lambda answer: f"{answer['name']}, version {answer['version']}",
    "list-urls": _of_manifest,
    "prepare-warehouse": _of_tables,
    "start-run": lambda answer: f"goes on in {answer['executionName']}",
    "submit-job": _of_job,
    "check-job": _of_job,
    "cancel-job": _of_job,
    "validate": _of_validate,
    "transform": _of_transform,
    "store-files": _of_files,
    "store-dynamodb": _of_stored,
    "store-redshift": lambda answer: f"load of {answer['rows']} rows prepared",
    "record-items": _of_items,
    "explain-load": lambda answer: str(answer["message"]),
    "record-run": lambda answer: RunResult.from_json(answer["result"]).outcome.value,
}
