"""Run the benchmark and print its table."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

from benchmarks.jobs.deployment import Deployment, deployed  # puts tests/support on the path
from benchmarks.jobs.meter import Meter
from benchmarks.jobs.ways import (
    Way,
    by_callback,
    by_invoke_and_wait,
    by_wait_for_condition,
    submission,
)
from contracts import layout
from runtime.handler import metrics
from steps import submit_job

MINUTES: Final = (1, 10, 60, 480)
AT_ONCE: Final = 20
WAYS: Final = ("callback", "callback, 20 at once", "invoke and wait", "wait_for_condition")
STEP_CONTEXT: Final = SimpleNamespace(function_name="step", aws_request_id="request-1")


@dataclass(frozen=True)
class Cost:
    """What one job cost; of what several jobs share, a job's part."""

    minutes: int
    way: str
    operations: int
    orchestrator: int
    functions: float
    engine: float
    storage: float
    callbacks: float
    written: int
    read: int

    COUNTED = (
        *("operations", "orchestrator", "functions", "engine", "storage", "callbacks"),
        *("written", "read"),
    )


def measure(way: str, minutes: int) -> Cost:
    meter = Meter()
    jobs = AT_ONCE if way.endswith("at once") else 1
    with deployed(minutes, jobs, meter) as deployment:
        if way.startswith("callback"):
            _submit_others(deployment, jobs, minutes)
            _run(deployment, by_callback, minutes)
        elif way == "invoke and wait":
            _run(deployment, by_invoke_and_wait, minutes)
        else:
            _run(deployment, by_wait_for_condition(deployment.poll), minutes)
    requests = meter.requests
    return Cost(
        minutes=minutes,
        way=way,
        operations=meter.operations,
        orchestrator=meter.invocations,
        functions=sum(meter.functions.values()) / jobs,
        engine=requests["engine"] / jobs,
        storage=requests["storage"] / jobs,
        callbacks=(requests["callbacks"] + requests["heartbeats"]) / jobs,
        written=meter.written,
        read=meter.read,
    )


def _timeout(minutes: int) -> int:
    return 60 * minutes + 3600


def _submit(deployment: Deployment) -> Way:
    def step(payload: dict[str, Any], _context: Any) -> Any:
        response = submit_job.handler(payload, STEP_CONTEXT)
        metrics.clear_metrics()  # or they would be printed
        deployment.durable.await_invocations(1)
        return response

    return deployment.meter.function("submit-job", step)


def _submit_others(deployment: Deployment, jobs: int, minutes: int) -> None:
    """The jobs of other units, whose callbacks nobody waits for here."""
    submit = _submit(deployment)
    for unit in range(1, jobs):
        message = submission(layout.unit_id(0, unit), _timeout(minutes), f"other-{unit}")
        submit(message.to_json(), None)


def _run(deployment: Deployment, way: Way, minutes: int) -> None:
    from world import closing_runner

    meter = deployment.meter
    event = {"unit": layout.unit_id(0, 0), "timeout": _timeout(minutes)}
    waiting_before = len(deployment.glue.runs)
    with closing_runner(meter.orchestrator(way)) as runner:
        meter.checkpoints_of(runner)
        deployment.durable.runner = runner
        runner.register_function("submit-job", _submit(deployment))
        poll = meter.function("poll-job", lambda _event, _context: deployment.poll())
        runner.register_function("poll-job", poll)
        failures: list[BaseException] = []
        schedule = threading.Thread(
            target=_play_schedule, args=(deployment, waiting_before, failures), daemon=True
        )
        if way is by_callback:
            schedule.start()
        result = runner.run(input=json.dumps(event), execution_timeout=900)
        if way is by_callback:
            schedule.join(timeout=60)
    if failures or result.status.value != "SUCCEEDED" or json.loads(result.result) != "SUCCEEDED":
        raise RuntimeError(f"{way}, {minutes} minutes: {failures or result.error or result.result}")


def _play_schedule(deployment: Deployment, runs_before: int, failures: list[BaseException]) -> None:
    try:
        while len(deployment.glue.runs) == runs_before:
            time.sleep(0.01)
        deployment.durable.await_invocations(2)
        while not deployment.durable.callback_completed:
            deployment.watch()
    except BaseException as error:
        failures.append(error)


def table(costs: list[Cost]) -> str:
    """Markdown; in brackets how many times the callback's figure (one job alone) it is."""
    lines = [
        "| job | awaited by | durable operations | orchestrator invocations | other invocations"
        " | requests to the engine | to ledger and S3 | callbacks, heartbeats"
        " | KB written | KB replayed |",
        f"|{'---|' * (2 + len(Cost.COUNTED))}",
    ]
    alone = {cost.minutes: cost for cost in costs if cost.way == WAYS[0]}
    for cost in costs:
        cells = [_length(cost.minutes), cost.way]
        for name in Cost.COUNTED:
            value, base = getattr(cost, name), getattr(alone[cost.minutes], name)
            cells.append(_cell(name, value, base, compared=not cost.way.startswith("callback")))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _length(minutes: int) -> str:
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h"


def _cell(name: str, value: float, base: float, *, compared: bool) -> str:
    shown = value / 1024 if name in ("written", "read") else value
    text = f"{shown:,.0f}" if shown >= 10 or shown == int(shown) else f"{shown:.1f}"
    if not compared or not base or not value or value == base:
        return text
    ratio = value / base
    digits = 0 if ratio >= 10 else 1 if ratio >= 0.1 else 3
    return f"{text} ({ratio:,.{digits}f}×)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.jobs")
    parser.add_argument(
        "--minutes", type=int, nargs="+", default=list(MINUTES), help="lengths of the job"
    )
    parser.add_argument("--json", action="store_true", help="numbers instead of the table")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    costs = []
    for minutes in options.minutes:
        for way in WAYS:
            began = time.monotonic()
            costs.append(measure(way, minutes))
            seconds = time.monotonic() - began
            print(f"{_length(minutes)}, {way}: {seconds:.1f} s", file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps([vars(cost) for cost in costs], indent=1))
    else:
        print(table(costs))


if __name__ == "__main__":
    main()
