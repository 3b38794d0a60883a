"""Every claim with its check, and what an error during a check means."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from cli.exit_codes import CommandFailed
from cli.verify import account_checks, engine_checks, event_checks, run_checks
from cli.verify.claims import CLAIMS, Check, Concluded, Finding, failed, not_shown, skipped
from cli.verify.session import Session

_DENIED: Final = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_MODULES: Final[tuple[ModuleType, ...]] = (run_checks, engine_checks, event_checks, account_checks)


def _check_of(claim: str) -> Check:
    """The function that is named as the claim, with underscores."""
    name = claim.replace("-", "_")
    (check,) = (vars(module)[name] for module in _MODULES if name in vars(module))
    found: Check = check
    return found


CHECKS: Final[Mapping[str, Check]] = MappingProxyType({claim: _check_of(claim) for claim in CLAIMS})


def checked(session: Session, check: Check) -> Finding:
    """The finding of one check; an error of a service is one, too."""
    try:
        return check(session)
    except Concluded as early:
        return early.finding
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _DENIED:
            return skipped(f"you may not look: {error}; attach the policy of OperatorPolicyArn")
        if session.deployment.local and code == "NotEmulated":
            return not_shown(str(error))
        return failed(str(error))
    except (BotoCoreError, CommandFailed) as error:
        return failed(getattr(error, "reason", None) or str(error))
