"""What to do about a run's outcome: sentences, and commands that can be pasted. Pure."""

from __future__ import annotations

import shlex
from typing import Final

from contracts import layout
from contracts.errors import InvalidData
from contracts.run import NextStep, RunOutcome, RunResult, StageFailure
from contracts.run_request import RunRequest
from costs.texts import enough, estimate_in
from runs.units import OUTCOME_MISSING
from sources.private_errors import withheld_url
from sources.stored_objects.choosing import TAKEN_ELSEWHERE


def advise(request: RunRequest, result: RunResult) -> tuple[NextStep, ...]:
    """The next steps, in the order in which they are taken."""
    steps: dict[RunOutcome, tuple[NextStep, ...]] = {
        RunOutcome.SUCCEEDED: (
            NextStep(
                why="Nothing is left to do; every unit with its counts and outputs:",
                command=_pipeline("results", result.run_id),
            ),
        ),
        RunOutcome.SKIPPED: (NextStep(why=_why_skipped(result), command=run_command(request)),),
        RunOutcome.STOPPED: (
            NextStep(
                why="Look at what was under way when it was stopped:",
                command=_pipeline("jobs", result.run_id),
            ),
            NextStep(
                why="It stays stopped, also when its message comes again. To go on with it:",
                command=_pipeline("resume", result.run_id),
            ),
            NextStep(
                why="Or, to process what it did not store by today's contract and from the objects"
                " as they are now, in a new run:",
                command=run_command(request, retry_of=result.run_id),
            ),
        ),
    }
    return (*_warehouse(result), *(steps.get(result.outcome) or _correct(request, result)))


def _why_skipped(result: RunResult) -> str:
    if result.already_stored:
        return "Every object of the range is stored already. Once there are new ones, ask again:"
    if result.reason and TAKEN_ELSEWHERE in result.reason:
        return "Once that run has ended, ask again:"
    return (
        "There was nothing to process. Have the objects arrived, and where the contract looks for"
        " them? Once they have, ask again:"
    )


def _warehouse(result: RunResult) -> tuple[NextStep, ...]:
    """Of a run that the warehouse has no rows about: its data is stored all the same."""
    if result.warehouse_error is None:
        return ()
    why = (
        "The run's data is stored, but the warehouse lacks the rows about the run; the results"
        " document has what they would hold. See why their load failed:"
    )
    return (NextStep(why=why, command=_pipeline("jobs", result.run_id)),)


def _correct(request: RunRequest, result: RunResult) -> tuple[NextStep, ...]:
    """Of a run that failed, or succeeded with losses: what was lost, each kind with its way."""
    steps: list[NextStep] = []
    if not result.units.total:
        return (*_before_units(result), NextStep(why=_ONCE_CORRECTED, command=run_command(request)))
    allowed = _allowed_cost(request, result)
    if allowed is not None and estimate_in(result.reason) is not None:
        why = (
            "It was estimated to cost more than its maxCost. Ask for a shorter range, or allow"
            " more, such as twice the estimate:"
        )
        command = run_command(request, retry_of=result.run_id, max_cost=allowed)
        return (NextStep(why=why, command=command),)
    for failure in {unit.failure.stage: unit.failure for unit in result.failures[::-1]}.values():
        steps.append(_look_into(result.run_id, failure))
    if result.failed_objects:
        why = "Fix the objects that were left out, or the contract; a retry runs those alone:"
        steps.append(NextStep(why=why, command=_pipeline("results", result.run_id)))
    if result.rows.rejected:
        steps += _rejected(result)
    elif any(finding.severity != "warn" for finding in result.findings):
        why = f"See the rows of failed {_lost(result)} that broke rules, each with its reason:"
        steps.append(NextStep(why=why, command=_pipeline("rejected", result.run_id)))
    if result.rows.warned:
        steps.append(
            NextStep(
                why="Rows that break a rule of severity warn are stored; how many of which rule:",
                command=_pipeline("results", result.run_id),
            )
        )
    if result.units.failed or result.units.not_started or result.failed_objects:
        steps.append(_retry(request, result))
    elif result.files_error is not None:
        steps.append(_publish(request, result))
    return tuple(dict.fromkeys(steps))


def _before_units(result: RunResult) -> list[NextStep]:
    file = layout.dataset_source_key(result.dataset_name)
    if result.reason and result.reason.startswith(file):
        check = _pipeline("dataset", "check", file)
        return [
            NextStep(why="Fix the contract, then check it:", command=check, of_stack=False),
            NextStep(why="Upload it:", command=_pipeline("upload")),
        ]
    return [NextStep(why="See which stage failed:", command=_pipeline("history", result.run_id))]


def _look_into(run_id: str, failure: StageFailure) -> NextStep:
    if failure.job_id is not None:
        link = failure.log_url or failure.console_url
        more = f" Its log: {link}" if link else ""
        why = f"Job {failure.job_id} failed; fix its script or its input.{more}"
        return NextStep(why=why, command=_pipeline("jobs", run_id))
    if written := withheld_url(failure.message):
        why = (
            "Read why the first one failed, which may quote rows; then correct object or contract:"
        )
        command = shlex.join(["aws", "s3", "cp", written, "-"])
        return NextStep(why=why, command=command, of_stack=False)
    if failure.error_type == OUTCOME_MISSING:
        why = "Units never came to an end: look where their execution broke off:"
        return NextStep(why=why, command=_pipeline("history", run_id))
    if failure.error_type == InvalidData.__name__:
        why = (
            "Fix the objects that the failed units name, or the contract's rules and limits; leave"
            " out what is no data by source.exclude:"
        )
        return NextStep(why=why, command=_pipeline("units", run_id))
    why = f"See what failed in {failure.stage}:"
    return NextStep(why=why, command=_pipeline("history", run_id))


def _lost(result: RunResult) -> str:
    """What failed: units, or only objects that stored units have left out."""
    return "objects" if result.failed_objects and not result.units.failed else "units"


def _rejected(result: RunResult) -> list[NextStep]:
    run_id = result.run_id
    file = f"rejected-{run_id}.jsonl"
    fails = result.units.failed or result.failed_objects
    but = f" (without those of failed {_lost(result)}, which are processed again)" if fails else ""
    return [
        NextStep(
            why="Fetch the rejected rows, each with its reason:",
            command=_pipeline("rejected", run_id, "--out", file),
        ),
        NextStep(
            why=f"Fix them in that file{but}, and send them again:",
            command=_pipeline("resend", file, "--run", run_id),
        ),
    ]


_ONCE_CORRECTED: Final = "Once that is fixed, run it again:"


def _allowed_cost(request: RunRequest, result: RunResult) -> float | None:
    """US dollars for a retry to allow, where `maxCost` ended the run: a retry that names none has
    that of the run, and would end in the same way."""
    if request.max_cost is None:
        return None
    estimate = estimate_in(result.reason)
    if estimate is not None:
        return 2 * estimate
    units, cost = result.units, result.cost
    if cost is None or cost.usd < request.max_cost or not units.not_started:
        return None
    of_the_rest = cost.usd / max(units.total - units.not_started, 1) * units.not_started
    return 2 * max(request.max_cost, of_the_rest)


def _retry(request: RunRequest, result: RunResult) -> NextStep:
    allowed = _allowed_cost(request, result)
    if allowed is not None:
        why = (
            "No more units began once they had cost maxCost. Process the rest, for at most twice"
            " what it would cost by those that began:"
        )
        command = run_command(request, retry_of=result.run_id, max_cost=allowed)
        return NextStep(why=why, command=command)
    by_itself = " (a message that the queue still holds does so by itself)"
    return NextStep(
        why=f"Then process again what is not stored{'' if result.permanent else by_itself}:",
        command=run_command(request, retry_of=result.run_id),
    )


def _publish(request: RunRequest, result: RunResult) -> NextStep:
    return NextStep(
        why="Every unit is stored, but no manifest names the files. Once the output bucket can be"
        " written, publish them (a message that the queue still holds does so by itself):",
        command=run_command(request, retry_of=result.run_id),
    )


def run_command(
    request: RunRequest, retry_of: str | None = None, max_cost: float | None = None
) -> str:
    """The command that asks for the same again, as a run of its own."""
    asked = request.to_json()
    limit = request.max_cost if max_cost is None else max_cost
    options = {
        "dataset": request.dataset_name,
        "start": asked.get("startDateTime"),
        "end": asked.get("endDateTime"),
        "zone": request.zone,
        "as-of": asked.get("asOf"),
        "input-url": request.input_url,
        "query": request.query,
        "index": request.index,
        "max-concurrency": request.max_concurrency,
        "tolerated-failure-percentage": request.tolerated_failure_percentage,
        "items-per-batch": request.items_per_batch,
        "objects-per-unit": request.objects_per_unit,
        "priority": request.priority,
        "retry-of": retry_of or request.retry_of,
        "max-cost": enough(limit) if limit is not None else None,
    }
    words = [
        word
        for name, value in options.items()
        if value is not None
        for word in (f"--{name}", str(value))
    ]
    if request.fail_fast is not None:
        words.append("--fail-fast" if request.fail_fast else "--no-fail-fast")
    if request.only_new is not None:
        words.append("--only-new-per-version" if request.only_new.per_version else "--only-new")
    return _pipeline("run", *words)


def _pipeline(*words: str) -> str:
    return shlex.join(["pipeline", *words])
