"""What the pipeline's own orchestration uses: its real code, with steps that only pretend."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from world import Deployment, World

from benchmarks.orchestration import lambda_way
from contracts.costs.usage import Amounts, Meter, added
from durable_pipeline import app

MEGABYTES: Final = 512  # of the orchestrator (template.yaml)
_STAGES: Final = 10
_ROUNDS: Final = 3
# Of what the units report, what orchestrating them takes. Steps are the same in each way, but for
# record-unit, which writes what Step Functions has in its own history.
_ORCHESTRATION: Final = (Meter.OPERATIONS, Meter.WRITTEN_BYTES, Meter.INVOCATIONS)


def orchestrated(units: int) -> Amounts:
    """What a run of so many units, one after another, uses: one job and one store each.

    The orchestrator counts that itself, as in every run: operations, bytes, and one invocation
    after each wait (side by side units share some).

    Raises:
        RuntimeError: the run did not succeed.
    """
    world = World()
    world.objects = units
    request = {"runId": "run-1", "datasetName": "orders", "startDateTime": "2026-11-01"}
    execution = Deployment(world).run(request, app.handle_run)
    if execution.status != "SUCCEEDED" or len(world.units) != units:
        raise RuntimeError(f"the run of {units} units did not succeed: {execution.error}")
    of_units = added(unit["usage"] for unit in world.units.values())
    total = added((of_units, world.payloads("record-run")[0]["usage"]))
    names = (*_ORCHESTRATION, Meter.REQUESTS.of("record-unit"))
    return {str(name): total.get(name, 0) for name in names}


def milliseconds_per_invocation(*, fast: bool) -> float:
    """How long an invocation of an orchestrator lasts on the local cloud, its replay included."""
    with lambda_way.deployed() as ours:
        executions = [ours.run(_STAGES, fast=fast) for _ in range(_ROUNDS + 1)][1:]
    return 1000 * median(each.billed / each.invocations for each in executions)
