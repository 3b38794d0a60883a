"""Holds a template against the declared steps: what was forgotten fails before a run is sent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from contracts import steps
from contracts.steps import function_handler, function_resource, function_variable, step_functions
from local.local_cloud.lambdas.functions import FunctionSpec
from local.local_cloud.template.intrinsics import TemplateError

ORCHESTRATORS: Final = ("durable_pipeline.app.handle_messages", "durable_pipeline.app.handle_run")
_SUFFIX: Final = "_FUNCTION"
_SOURCE: Final = Path(steps.__file__).resolve().parents[1]


def check_steps(functions: Mapping[str, FunctionSpec]) -> None:
    """Refuse a deployment in which a declared step has no function, or no code.

    Other templates than the pipeline's, and those of another checkout, declare other steps: they
    are not looked at.

    Args:
        functions: the deployed ones by name.

    Raises:
        TemplateError: lists everything that is missing, and where it is to be added.
    """
    handlers = {name: spec.handler for name, spec in functions.items()}
    problems = [
        problem
        for name, spec in functions.items()
        if spec.handler in ORCHESTRATORS and _SOURCE in [path.resolve() for path in spec.code_dirs]
        for problem in (
            *variable_problems(name, spec.handler, spec.environment, handlers),
            *code_problems(_SOURCE),
        )
    ]
    if problems:
        raise TemplateError("\n".join(dict.fromkeys(problems)))


def variable_problems(
    orchestrator: str, handler: str, variables: Mapping[str, str], handlers: Mapping[str, str]
) -> list[str]:
    """What an orchestrator's environment lacks, or has too much.

    Args:
        orchestrator: its name, for the messages.
        handler: its handler; a long run is not handed over, so `handle_run` needs no start-run.
        variables: its environment; the values of `…_FUNCTION` are names of functions.
        handlers: of all functions, by those names.
    """
    problems = []
    needed = {function_variable(name): name for name in step_functions()}
    if handler == ORCHESTRATORS[1]:
        del needed[function_variable(steps.Steps.start_run.function)]
    for variable, step in needed.items():
        resource, wanted = function_resource(step), function_handler(step)
        if not variables.get(variable):
            problems.append(
                f"{orchestrator}: no function for the step {step}: add {variable}: !Ref {resource}"
                " to its Environment in template.yaml, and to InvokeStepsPolicy"
            )
        elif (found := handlers.get(variables[variable])) != wanted:
            problems.append(
                f"{orchestrator}: {variable} must name a function whose Handler is {wanted}"
                f" (found {found or variables[variable]}): change {resource} in template.yaml"
            )
    for variable in variables:
        if variable.endswith(_SUFFIX) and variable not in needed:
            attribute = variable.removesuffix(_SUFFIX).lower()
            problems.append(
                f"{orchestrator}: {variable} belongs to no declared step: add {attribute} = … to"
                " Steps in src/contracts/steps.py, or take the variable out of template.yaml"
            )
    return problems


def code_problems(source: Path) -> list[str]:
    """Declared steps without a module.

    Args:
        source: the directory that a function's handler is found in.
    """
    problems = []
    for step in steps.declared():
        module = function_handler(step.function).removesuffix(".handler")
        file = source.joinpath(*module.split(".")).with_suffix(".py")
        if not file.is_file():
            message = getattr(step.message, "__name__", step.message)
            problems.append(
                f"the step {step.name} has no code: add src/{module.replace('.', '/')}.py with"
                f" @step_handler({message}) def handler(message: {message}) ->"
                f" {step.response.__name__}"
            )
    return problems
