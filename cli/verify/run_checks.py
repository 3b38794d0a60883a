"""Claims about runs: invokes, errors, rows, acknowledgement, notifications, callbacks, stopping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cli.client.history import Event
from cli.verify.claims import Finding, failed, not_shown, passed, skipped
from cli.verify.probes import GOOD_ROWS, STOPPED_BY
from cli.verify.session import ProbeRun, Session

_COUNTS: Final = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
_ANNOUNCED: Final = ("run-started", "run-ended")
_DENIED: Final = "AccessDenied"
_VALUES: Final[Mapping[str, Any]] = {"one": 1.5, "two": -2, "three": 0.25}


def invoke_right(session: Session) -> Finding:
    run = session.history("plain")
    invoked = _of_type(run, "ChainedInvokeSucceeded")
    denied = [
        text for event in _of_type(run, "ChainedInvokeFailed") if _DENIED in (text := str(event))
    ]
    if denied:
        return failed(f"{run.probe.run_id}: {denied[0][:400]}")
    if not invoked:
        return failed(f"{run.probe.run_id} has no chained invoke that succeeded: {run.state}")
    return passed(f"{len(invoked)} chained invokes succeeded in {_holder(run)}")


def invoke_arn(session: Session) -> Finding:
    """Invoke is a data event, and LookupEvents returns management and Insights events only.

    Source: AWS CloudTrail API Reference, LookupEvents; AWS Lambda Developer Guide, "Logging AWS
    Lambda API calls using AWS CloudTrail" (Invoke is a data event).
    """
    run = session.ended("plain")
    return not_shown(
        "CloudTrail logs Invoke as a data event, which LookupEvents does not return. A trail with"
        f" Lambda data events shows it: eventName Invoke, its resources, by {_holder(run)}"
    )


def error_types(session: Session) -> Finding:
    run = session.history("plain")
    types = sorted({_error_type(event) for event in _of_type(run, "ChainedInvokeFailed")})
    seen = f"{run.probe.run_id}: the failed chained invoke reports {', '.join(types) or 'nothing'}"
    return passed(seen) if types == ["InvalidData"] else failed(f"{seen}, not InvalidData")


def known_rows(session: Session) -> Finding:
    """Rows of every probe that ran to its end, as DynamoDB holds them."""
    wrong, seen = [], []
    for name in session.runs:
        if name == "stop":
            continue
        run = session.ended(name)
        seen.append(f"{len(run.items)} of {run.probe.run_id}")
        if len(run.items) != GOOD_ROWS:
            wrong.append(f"{run.probe.run_id} stored {len(run.items)} of {GOOD_ROWS} rows")
            wrong += [run.failures] if run.failures else []
    plain = session.ended("plain")
    for key, item in plain.items.items():
        value = _VALUES[key.rpartition("#")[2]]
        if item.get("value") != value:
            wrong.append(f"{key} has the value {item.get('value')}, not {value}")
    if not plain.failures:
        wrong.append(f"{plain.probe.run_id} did not reject its second object")
    return failed("; ".join(wrong)) if wrong else passed(f"rows: {', '.join(seen)}")


def batch_acknowledged(session: Session) -> Finding:
    """Both counts of the queue are 0 once all runs have ended; they are approximate."""
    sqs, url = session.deployment.client("sqs"), session.deployment.output("DataProcessingQueueUrl")
    latest: dict[str, str] = {}

    def empty() -> bool | None:
        response = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTS))
        latest.update(response["Attributes"])
        return True if not any(int(latest[name]) for name in _COUNTS) else None

    found = session.wait_for(empty, "the queue to be empty", session.patience)
    seen = ", ".join(f"{name} {latest[name]}" for name in _COUNTS)
    return passed(seen) if found else failed(f"{seen} (messages of other runs count, too)")


def notifications(session: Session) -> Finding:
    run_id = session.ended("plain").probe.run_id

    def noted() -> list[str] | None:
        found = session.ledger.noted_events(run_id)
        return found if all(any(kind in event for event in found) for kind in _ANNOUNCED) else None

    events = session.wait_for(noted, f"notifications of {run_id}", session.patience)
    if events is None:
        found = ", ".join(session.ledger.noted_events(run_id)) or "none"
        return failed(
            f"the consumer noted of {run_id}: {found}; not both {' and '.join(_ANNOUNCED)}"
        )
    twice = [kind for kind in _ANNOUNCED if sum(kind in event for event in events) != 1]
    seen = f"the consumer noted of {run_id}: {', '.join(events)}"
    return failed(f"{seen}; {', '.join(twice)} not once") if twice else passed(seen)


def callback_right(session: Session) -> Finding:
    run = session.history("glue")
    found = _of_type(run, "CallbackSucceeded")
    if found:
        return passed(f"{len(found)} CallbackSucceeded in {_holder(run)}")
    return failed(f"no CallbackSucceeded in {_holder(run)}: {run.state} {run.failures}".strip())


def execution_read_right(session: Session) -> Finding:
    """The reaper learns the reason only by GetDurableExecution."""
    run = session.stopped()
    reason = run.run.reason if run.run else None
    seen = f"{run.probe.run_id} has the reason: {reason}"
    return passed(seen) if STOPPED_BY in (reason or "") else failed(seen)


def stop_cancels_job(session: Session) -> Finding:
    run_id = session.stopped().probe.run_id

    def ended() -> list[str] | None:
        states = [job.state for job in session.ledger.jobs(run_id)]
        going = any(state in ("SUBMITTED", "RUNNING") for state in states)
        return states if states and not going else None

    found = session.wait_for(ended, f"the job of {run_id} to be cancelled", session.patience)
    jobs = session.ledger.jobs(run_id)
    seen = ", ".join(f"{job.service_id or job.job_id} {job.state}" for job in jobs) or "no job"
    if found is None:
        return failed(f"{run_id}: {seen}, not ended")
    if "CANCELLED" in found:
        return passed(seen)
    return skipped(f"{run_id}: {seen}; it ended before it could be cancelled: verify again")


def _holder(run: ProbeRun) -> str:
    return run.run.holder if run.run else run.probe.run_id


def _of_type(run: ProbeRun, event_type: str) -> list[Event]:
    return [event for event in run.events if event["EventType"] == event_type]


def _error_type(event: Event) -> str:
    details = event.get("ChainedInvokeFailedDetails") or {}
    payload = (details.get("Error") or {}).get("Payload") or {}
    return str(payload.get("ErrorType"))
