"""Asking the deployment to stop or to resume a run: its reaper changes the ledger."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from cli.client.deployment import Deployment
from cli.client.ledger import LedgerView, Run
from cli.client.messages import send_message
from cli.exit_codes import FAILED, NOT_FOUND, CommandFailed
from contracts.messages import ResumedRun, ResumeOutcome, ResumeRun, StoppedRun, StopRun

# What steps.reaper takes for a request to stop a run, and to resume one.
_STOP: Final = "Stop Run"
_RESUME: Final = "Resume Run"


class Resumed(NamedTuple):
    """What became of a request to resume a run.

    Attributes:
        message_id: of the run's message, which was sent; None where nothing was sent.
        before: the run as it was before that.
    """

    run: ResumedRun
    message_id: str | None = None
    before: Run | None = None


def request_stop(deployment: Deployment, message: StopRun) -> StoppedRun:
    """Have the deployment stop the run.

    Raises:
        CommandFailed: it could not, or is of a release that has no way to.
    """
    payload = ask_reaper(
        deployment,
        _STOP,
        message.to_json(),
        doing=f"run {message.run_id} is being stopped",
        instead="stop the run's execution (docs/operations.md, Stop)",
    )
    return StoppedRun.from_json(payload)


def resume_run(deployment: Deployment, run_id: str) -> Resumed:
    """Have the deployment take back the decision to stop the run, and send its message.

    Raises:
        CommandFailed: it could not, or is of a release that has no way to.
    """
    payload = ask_reaper(
        deployment,
        _RESUME,
        ResumeRun(run_id=run_id).to_json(),
        doing=f"run {run_id} is being resumed",
        instead=f"process the rest in a new run: pipeline run --retry-of {run_id}",
    )
    resumed = ResumedRun.from_json(payload)
    if resumed.outcome is not ResumeOutcome.RESUMED or resumed.request is None:
        return Resumed(resumed)
    ledger = LedgerView(deployment.client("dynamodb"), deployment.output("LedgerTable"))
    before = ledger.run(run_id)
    queue_url = deployment.output("DataProcessingQueueUrl")
    return Resumed(
        resumed, send_message(deployment.client("sqs"), queue_url, resumed.request), before
    )


def ask_reaper(
    deployment: Deployment, request: str, detail: dict[str, Any], *, doing: str, instead: str
) -> Any:
    """Have the reaper take a request about one run; its response.

    Args:
        request: what `steps.reaper` knows it by.
        doing: for the error: "run r1 is being stopped".
        instead: what to do where the deployment's release does not know the request.

    Raises:
        CommandFailed: it could not, or is of a release that has no way to.
    """
    event = {"detail-type": request, "detail": detail}
    function = deployment.output("ReaperFunctionArn")
    try:
        response = deployment.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps(event).encode()
        )
        payload: Any = json.loads(response["Payload"].read() or b"null")
    except (ClientError, BotoCoreError) as error:
        raise _unknown_whether(doing, error) from None
    if "FunctionError" in response:
        what = payload.get("errorMessage", payload) if isinstance(payload, dict) else payload
        raise _unknown_whether(doing, what)
    if payload is None:
        verb = request.split()[0].lower()
        raise CommandFailed(
            f"this deployment is of a release that cannot {verb} a single run",
            NOT_FOUND,
            f"deploy this version's template.yaml, or {instead}",
        )
    return payload


def _unknown_whether(doing: str, why: object) -> CommandFailed:
    return CommandFailed(
        f"it is not known whether {doing}: {why}",
        FAILED,
        "repeat the command; that does no harm",
    )
