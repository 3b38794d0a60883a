"""What `pipeline run --retry-of` takes from the run that is retried."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from cli.client.ledger import Run
from cli.exit_codes import REFUSED, CommandFailed
from contracts.run_request import parse_timestamp

# What belongs to one run, not to what it processes.
_ITS_OWN: Final = ("runId", "retryOf", "detached", "asOf", "schedule")
_RANGE: Final = ("startDateTime", "endDateTime")
_OBJECT: Final = ("inputUrl", "itemsPerBatch")


def fields_of_retry(run: Run, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the message: what was given, else what the run had.

    Its range is the one that its claim has frozen. An object that is given takes the
    place of its range, and a start that of its object.

    Args:
        given: by their names in the message; None: not given.
    """
    said = {name: value for name, value in given.items() if value is not None}
    held: dict[str, Any] = json.loads(run.item.request or "{}")
    if run.item.as_of is not None:  # its range was relative
        held = run.item.requested.to_json()
    end = run.item.end_date_time
    if (
        end
        and (start := held.get("startDateTime"))
        and parse_timestamp(end) > parse_timestamp(start)
    ):
        held.setdefault("endDateTime", end)
    left = {*_ITS_OWN, *((*_RANGE, "onlyNew") if "inputUrl" in said else ())}
    left |= {*(_OBJECT if {"startDateTime", "inputUrl"} & said.keys() else ())}
    return {**{name: value for name, value in held.items() if name not in left}, **said}


def refuse_what_the_pipeline_would(run: Run, given: Mapping[str, Any]) -> None:
    """Raise for a run that cannot be retried so.

    Raises:
        CommandFailed: another run has superseded it, or it is of another dataset.
    """
    if (by := run.superseded_by) not in (None, given.get("runId")):
        raise CommandFailed(
            f"not sent: run {by} has superseded run {run.run_id}",
            REFUSED,
            f"to retry what run {by} did not store: pipeline run --retry-of {by}",
        )
    if given.get("datasetName") not in (None, run.dataset_name):
        raise CommandFailed(
            f"not sent: run {run.run_id} is of the dataset {run.dataset_name}",
            REFUSED,
            "leave out --dataset",
        )
