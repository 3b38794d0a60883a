"""Asking the deployment to stop or to resume a run: its reaper changes the ledger."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli.client.deployment import Deployment
from cli.exit_codes import FAILED, NOT_FOUND, CommandFailed


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
