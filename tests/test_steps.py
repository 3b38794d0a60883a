"""The declared steps, and what they need elsewhere: a failure says what to add, and where."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, get_type_hints

import deployed_code
import pytest
from deployed_template import as_list, functions, referred, role_of, statements, variables
from world import World

from contracts import messages, steps
from contracts.base import Contract
from contracts.messages import LoadedDataset
from contracts.run_request import RunRequest
from contracts.steps import (
    Nothing,
    Step,
    Steps,
    UnitRef,
    UnitStep,
    after_a_failure,
    declared,
    function_handler,
    function_resource,
    function_variable,
    once,
    step_functions,
)
from durable_pipeline.settings import Settings
from local.local_cloud.deploy.declared_steps import check_steps, code_problems, variable_problems
from local.local_cloud.lambdas.functions import FunctionSpec
from local.local_cloud.template.intrinsics import TemplateError

ORCHESTRATORS = ("PipelineFunction", "LongRunFunction")
SOURCE = deployed_code.ROOT / "src"


class Polish(Contract):
    run_id: str
    unit_id: str
    strict: bool = False


class Polished(Contract):
    parts: int


class Recorded(Steps):
    """Steps whose functions only note what they were sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Contract]] = []

    def call(self, step: Step[Any, Any], message: Contract) -> Any:
        self.sent.append((step.name, message))
        return step.response.model_construct()


# -- a bound step


def test_a_step_of_a_unit_gets_of_the_reference_what_its_message_holds() -> None:
    recorded = Recorded()
    unit = UnitRef("r-1", "00000-000", run_attempt=2)
    recorded.validate(unit, input_url="s3://b/k/")
    recorded.start_unit(unit)
    assert recorded.sent == [
        (
            "validate",
            messages.Validate(run_id="r-1", unit_id="00000-000", input_url="s3://b/k/"),
        ),
        ("start-unit", messages.StartUnit(run_id="r-1", unit_id="00000-000", run_attempt=2)),
    ]


def test_a_step_of_a_run_gets_the_fields_of_its_message() -> None:
    recorded = Recorded()
    request = RunRequest.from_json(
        {"datasetName": "orders", "runId": "r-1", "inputUrl": "s3://data/k"}
    )
    recorded.load_dataset(request=request)
    assert recorded.sent == [("load-dataset", messages.LoadDataset(request=request))]


# -- a declaration that lacks something


def declare(name: str, step: Step[Any, Any]) -> None:
    type("Others", (), {name: step})


def test_an_operation_and_its_attribute_have_one_name() -> None:
    with pytest.raises(TypeError, match="name the attribute polish"):
        declare("polished", UnitStep("polish", Polish, Polished, per_unit=once))


def test_a_step_without_a_message_is_no_step() -> None:
    with pytest.raises(TypeError, match="message"):
        UnitStep("polish", response=Polished, per_unit=once)  # type: ignore[call-arg]


def test_a_step_of_a_unit_says_what_it_costs() -> None:
    with pytest.raises(TypeError, match=r"step polish: .* per_unit=once"):
        declare("polish", UnitStep("polish", Polish, Polished))


def test_a_message_of_a_unit_names_it() -> None:
    with pytest.raises(TypeError, match=r"step polish: .* add to LoadDataset: .*unit_id: str"):
        declare("polish", UnitStep("polish", messages.LoadDataset, Polished, per_unit=once))


def test_no_operation_is_declared_twice() -> None:
    names = [step.name for step in declared()]
    assert len(set(names)) == len(names)


def test_what_a_unit_costs_is_planned_by_its_targets() -> None:
    dataset = LoadedDataset(name="a", version="b", unit_seconds=1, jobs=(), targets=("files",))
    planned = {step.name for step in declared() if step.per_unit and step.per_unit(dataset)}
    assert planned >= {"start-unit", "validate", "transform", "store-files"}
    assert not planned & {"submit-job", "store-dynamodb", "record-items", "explain-load"}
    assert "end-unit" not in planned
    assert after_a_failure(dataset) == 0


# -- what a declared step needs elsewhere


@pytest.mark.parametrize("step", declared(), ids=lambda step: step.name)
def test_every_step_has_a_handler_of_its_message_and_response(step: Step[Any, Any]) -> None:
    assert code_problems(SOURCE) == []
    module, _, name = function_handler(step.function).rpartition(".")
    handler = getattr(importlib.import_module(module), name)
    taken = handler.message_class
    members = getattr(taken.model_fields.get("message"), "annotation", None)
    assert step.message is taken or step.message in getattr(members, "__args__", ()), (
        f"{module}: decorate handler with @step_handler({step.message.__name__}), as declared"
    )
    returned = get_type_hints(handler.__wrapped__)["return"]
    expected = type(None) if step.response is Nothing else step.response
    returned = getattr(returned, "__args__", (returned,))  # of functions of several steps
    assert expected in returned, f"{module}: handler must return {step.response.__name__}"


@pytest.mark.parametrize("name", ORCHESTRATORS)
def test_the_template_and_the_declared_steps_agree(name: str) -> None:
    handlers = {function: str(spec["Handler"]) for function, spec in functions().items()}
    named = {
        variable: referred(value)
        for variable, value in variables(name).items()
        if variable.endswith("_FUNCTION")
    }
    assert variable_problems(name, handlers[name], named, handlers) == []


@pytest.mark.parametrize("name", ORCHESTRATORS)
def test_each_orchestrator_may_invoke_every_step(name: str) -> None:
    allowed = {
        str(target)
        for statement in statements(role_of(name))
        if "lambda:InvokeFunction" in as_list(statement["Action"])
        for target in as_list(statement["Resource"])
    }
    needed = [f for f in step_functions() if (name, f) != ("LongRunFunction", "start-run")]
    missing = [
        line
        for resource in map(function_resource, needed)
        for line, target in (
            (f"!GetAtt {resource}.Arn", {"Fn::GetAtt": [resource, "Arn"]}),
            (f"!Sub ${{{resource}.Arn}}:*", {"Fn::Sub": f"${{{resource}.Arn}}:*"}),
        )
        if str(target) not in allowed
    ]
    assert not missing, f"add to the list of InvokeStepsPolicy in template.yaml: {missing}"


def test_the_test_world_stands_for_every_step() -> None:
    world = World()
    for function in step_functions():
        assert callable(world.handler(function))


def test_a_step_that_the_test_world_cannot_response_for_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = UnitStep("polish", Polish, Polished, "polish", per_unit=once)
    monkeypatch.setattr(Steps, "polish", step, raising=False)
    with pytest.raises(LookupError, match=r"responses\['polish'\].* defaults to parts of Pol"):
        World().handler("polish")


# -- what is forgotten in a deployment


HANDLERS = {function_resource(name): function_handler(name) for name in step_functions()}
VARIABLES = {function_variable(name): function_resource(name) for name in step_functions()}
PIPELINE = "durable_pipeline.app.handle_messages"


def test_a_complete_template_has_no_problem() -> None:
    assert variable_problems("Pipeline", PIPELINE, VARIABLES, HANDLERS) == []


def test_a_variable_that_is_missing_is_named_with_its_function() -> None:
    given = {name: value for name, value in VARIABLES.items() if name != "VALIDATE_FUNCTION"}
    (problem,) = variable_problems("Pipeline", PIPELINE, given, HANDLERS)
    assert "add VALIDATE_FUNCTION: !Ref ValidateFunction" in problem


def test_a_variable_of_another_function_is_named() -> None:
    given = {**VARIABLES, "VALIDATE_FUNCTION": "TransformFunction"}
    (problem,) = variable_problems("Pipeline", PIPELINE, given, HANDLERS)
    assert "steps.validate.handler (found steps.transform.handler)" in problem


def test_a_function_of_no_declared_step_is_named() -> None:
    given = {**VARIABLES, "POLISH_FUNCTION": "PolishFunction"}
    (problem,) = variable_problems("Pipeline", PIPELINE, given, HANDLERS)
    assert "add polish = … to Steps in src/contracts/steps.py" in problem


def test_a_step_without_code_is_named(tmp_path: Path) -> None:
    problems = code_problems(tmp_path)
    assert any("add src/steps/validate.py with @step_handler(Validate)" in p for p in problems)


def test_the_local_cloud_refuses_a_deployment_that_lacks_a_step() -> None:
    """At its start, with every problem: not by a run that never ends."""
    given = {**VARIABLES, "VALIDATE_FUNCTION": "", "NOTIFY_FUNCTION": ""}
    pipeline = _spec("pipeline", PIPELINE, given)
    functions = {name: _spec(name, handler, {}) for name, handler in HANDLERS.items()}
    with pytest.raises(TemplateError, match=r"(?s)VALIDATE_FUNCTION.*NOTIFY_FUNCTION"):
        check_steps({**functions, "pipeline": pipeline})
    check_steps({**functions, "pipeline": _spec("pipeline", PIPELINE, VARIABLES)})


def _spec(name: str, handler: str, environment: dict[str, str]) -> FunctionSpec:
    return FunctionSpec(
        name=name,
        handler=handler,
        code_dirs=(Path(steps.__file__).parents[1],),
        environment=environment,
        timeout_seconds=3,
        memory_mb=128,
    )


def test_an_orchestrator_without_a_variable_says_what_to_add(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "x")
    monkeypatch.delenv("VALIDATE_FUNCTION")
    with pytest.raises(RuntimeError, match="VALIDATE_FUNCTION: !Ref ValidateFunction"):
        Settings.from_environment()
