"""The orchestrator's settings: which function implements each step."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.base import whole_number
from contracts.messages import REDELIVER
from contracts.run_request import MAX_CONCURRENCY
from contracts.steps import (
    BackfillSteps,
    Steps,
    function_resource,
    function_variable,
    step_functions,
)


@dataclass(frozen=True)
class Settings:
    """Read once at cold start; an execution stays on the version whose settings it began with.

    Attributes:
        functions: by the name of the step function, its name or ARN in this deployment.
        heartbeat_seconds: a job is checked when its callback had no heartbeat for so long.
        short_run_seconds: how much expected work the SQS-triggered function accepts per batch.
        redeliver_permanent: a run that would fail again in the same way is delivered again all the
            same, instead of being rejected at once.
        megabytes: of memory, by the name of the step function, as far as it is known.
        units_side_by_side: of one run at most (`MaxUnitsSideBySide`).
        fast_suspend: invocations end without the SDK's idle tenth of a second (`sdk`).
        rounds: how often the units of a long run are tried in all, if they fail for what may pass.
    """

    functions: Mapping[str, str]
    heartbeat_seconds: int = 180
    short_run_seconds: int = 600
    redeliver_permanent: bool = False
    megabytes: Mapping[str, int] = field(default_factory=dict)
    rounds: int = 3
    fast_suspend: bool = False
    units_side_by_side: int = MAX_CONCURRENCY

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the environment.

        `start-run` may be absent: the long-running function has no use for it, and its template
        cannot name the function that starts it.

        Raises:
            RuntimeError: functions are not named; lists all of them.
        """
        variables = {name: function_variable(name) for name in step_functions()}
        missing = [
            f"{variable}: !Ref {function_resource(name)}"
            for name, variable in variables.items()
            if name != Steps.start_run.function and not os.environ.get(variable)
        ]
        if missing:
            raise RuntimeError(
                f"missing environment variables, to be added to the orchestrators in template.yaml:"
                f" {'; '.join(missing)}"
            )
        return cls(
            functions={name: os.environ.get(variable, "") for name, variable in variables.items()},
            heartbeat_seconds=whole_number(os.environ.get("HEARTBEAT_SECONDS", "180")),
            short_run_seconds=whole_number(os.environ.get("SHORT_RUN_SECONDS", "600")),
            redeliver_permanent=os.environ.get("PERMANENT_FAILURES") == REDELIVER,
            megabytes=_megabytes(),
            rounds=whole_number(os.environ.get("MAX_RECEIVE_COUNT", "3")),
            units_side_by_side=whole_number(os.environ.get("MAX_UNITS_SIDE_BY_SIDE", "1000")),
            fast_suspend=os.environ.get("FAST_SUSPEND") == "true",
        )


@dataclass(frozen=True)
class BackfillSettings:
    """Those of the function of backfills.

    Attributes:
        steps: with the one step function that backfills need.
        long_run_function: ARN or name, with its alias: a window's run stays on the version that is
            live when it begins.
    """

    steps: Settings
    long_run_function: str

    @classmethod
    def from_environment(cls) -> BackfillSettings:
        """Read the environment.

        Raises:
            KeyError: a function is not named.
        """
        function = BackfillSteps.next_window.function
        return cls(
            steps=Settings(functions={function: os.environ[function_variable(function)]}),
            long_run_function=os.environ["LONG_RUN_FUNCTION"],
        )


def _megabytes() -> dict[str, int]:
    """Memory of the step functions, from text such as `*=256,validate=2048`."""
    pairs = (pair.split("=") for pair in os.environ.get("MEGABYTES", "").split(",") if pair)
    given = {name: int(megabytes) for name, megabytes in pairs}
    known = {name: given.get(name, given.get("*")) for name in step_functions()}
    return {name: megabytes for name, megabytes in known.items() if megabytes is not None}
