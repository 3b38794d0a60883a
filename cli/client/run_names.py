"""Short names of runs: a unique beginning of an id, and `@last`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from cli.client.deployment import Deployment
from cli.client.ledger import LedgerView
from cli.client.run_list import NoIndex, RunList
from cli.exit_codes import NOT_FOUND, REFUSED, CommandFailed
from contracts.run_request import RUN_ID_PATTERN

LAST: Final = "@last"
DAYS: Final = 30
_ID: Final = re.compile(RUN_ID_PATTERN)


def full_run_id(deployment: Deployment, name: str) -> str:
    """The run id that is meant: the name itself if a run has it, whatever its age.

    Else it is looked for among the runs of the last DAYS days. A name that nothing begins with
    comes back as it is.

    Raises:
        CommandFailed: it is the beginning of several ids, or `@last` and there is no run.
    """
    ledger = LedgerView(deployment.client("dynamodb"), deployment.output("LedgerTable"))
    if name == LAST:
        return _last(deployment)
    if not _ID.fullmatch(name) or ledger.run(name) is not None:
        return name
    found: list[str] = []
    try:
        for run_id in _ids(deployment):
            if run_id.startswith(name):
                found.append(run_id)
            if len(found) > 1:
                raise CommandFailed(
                    f"several runs have an id that begins with {name}: {' and '.join(found)},"
                    f" among those of the last {DAYS} days",
                    REFUSED,
                    "add letters until it fits one; pipeline ls lists them",
                )
    except NoIndex:  # a stack of an earlier release has full names only
        return name
    return found[0] if found else name


def _last(deployment: Deployment) -> str:
    for run_id in _ids(deployment):
        return run_id
    raise CommandFailed(
        f"there is no {LAST}: no run of the last {DAYS} days is in the ledger"
        f" {deployment.output('LedgerTable')}",
        NOT_FOUND,
        "pipeline run starts one; pipeline ls --since 365d lists older ones",
    )


def _ids(deployment: Deployment) -> Iterator[str]:
    runs = RunList(deployment.client("dynamodb"), deployment.output("LedgerTable"))
    now = datetime.now(UTC)
    return runs.run_ids(now - timedelta(days=DAYS), now + timedelta(days=1))
