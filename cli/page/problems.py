"""What a failed request says: one sentence and what to do, never a stack trace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NotConnected

from cli.documents.errors import ErrorDetails, ErrorDocument
from cli.exit_codes import ERROR_CODES, FAILED, NOT_FOUND, REFUSED, CommandFailed

STATUS: Final = {FAILED: 502, REFUSED: 409, NOT_FOUND: 404}
_CREDENTIALS: Final = (
    "check your credentials and region; the policy of the output OperatorPolicyArn allows all that"
    " the page calls"
)
_NO_CLOUD: Final = (
    "start a local cloud (make local), or check the network; the page goes on by itself then"
)


@dataclass(frozen=True)
class PageProblem:
    """A failure as it is sent.

    Attributes:
        status: of the response.
        is_lost_deployment: nobody listens any more where the deployment was found.
    """

    status: int
    document: ErrorDocument
    is_lost_deployment: bool = False


def problem_of(error: Exception) -> PageProblem:
    """What to send for an error."""
    if isinstance(error, CommandFailed):
        return _problem(error.exit_code, error.message, error.hint)
    if isinstance(error, HTTPClientError | NotConnected):
        lost = _problem(FAILED, f"the deployment does not respond: {error}", _NO_CLOUD)
        return replace(lost, is_lost_deployment=True)
    if isinstance(error, ClientError | BotoCoreError):
        return _problem(FAILED, f"AWS refused a call: {error}", _CREDENTIALS)
    what = type(error).__name__
    details = ErrorDetails(
        code="FAILED",
        message=f"the page's server failed ({what})",
        hint="the terminal that it runs in says more; please report it",
    )
    return PageProblem(500, ErrorDocument(error=details))


def _problem(code: int, message: str, hint: str | None) -> PageProblem:
    details = ErrorDetails(code=ERROR_CODES.get(code, "FAILED"), message=message, hint=hint)
    return PageProblem(STATUS.get(code, 502), ErrorDocument(error=details))
