"""A link of the job chain: each engine with its own fields, and no other's."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from contracts.dataset import JobStep

EMR = {"stage": "enrich", "engine": "emr", "script": "jobs/spark/enrich.py"}
GLUE = {"stage": "clean", "glueJob": "clean-csv"}
ARN = "arn:aws:lambda:eu-central-1:123456789012:function:enrich"
FUNCTION = {"stage": "enrich", "engine": "lambda", "function": "enrich"}


@pytest.mark.parametrize("engine", ["emr", "emr-ssm", "emr-serverless"])
def test_a_spark_job_names_its_script_and_options(engine: str) -> None:
    step = JobStep.model_validate({**EMR, "engine": engine, "sparkArguments": ["--conf", "a=b"]})

    assert JobStep.from_json(step.to_json()) == step
    assert (step.engine, step.spark_arguments) == (engine, ("--conf", "a=b"))


def test_glue_is_the_engine_that_need_not_be_named() -> None:
    assert JobStep.model_validate(GLUE).engine == "glue"


@pytest.mark.parametrize("function", ["enrich", "enrich:live", ARN, f"{ARN}:7", f"{ARN}:$LATEST"])
def test_a_function_is_named_by_name_or_arn(function: str) -> None:
    step = JobStep.model_validate({**FUNCTION, "function": function, "timeoutSeconds": 900})

    assert JobStep.from_json(step.to_json()) == step
    assert step.function == function


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ({**GLUE, "glueJob": None}, "glueJob is required with engine: glue"),
        ({**EMR, "script": None}, "script is required with engine: emr"),
        ({**EMR, "glueJob": "clean"}, "glueJob does not go with engine: emr"),
        ({**GLUE, "script": "jobs/a.py"}, "script does not go with engine: glue"),
        ({**GLUE, "sparkArguments": ["-v"]}, "sparkArguments go with the EMR engines"),
        ({**EMR, "engine": "redshift"}, "loads come from targets.redshift"),
        ({**EMR, "script": "jobs/../secret.py"}, "must be a plain key"),
        ({**EMR, "script": "jobs//a.py"}, "must be a plain key"),
        ({**EMR, "script": "s3://code/jobs/a.py"}, "pattern"),
        ({**EMR, "script": "jobs/a.jar"}, "pattern"),
        ({**EMR, "engine": "hadoop"}, "engine"),
        ({**FUNCTION, "function": None}, "function is required with engine: lambda"),
        ({**FUNCTION, "script": "jobs/a.py"}, "script does not go with engine: lambda"),
        ({**FUNCTION, "glueJob": "a"}, "glueJob does not go with engine: lambda"),
        ({**GLUE, "function": "enrich"}, "function does not go with engine: glue"),
        ({**EMR, "function": "enrich"}, "function does not go with engine: emr"),
        ({**FUNCTION, "sparkArguments": ["-v"]}, "sparkArguments go with the EMR engines"),
        ({**FUNCTION, "timeoutSeconds": 901}, "900 s .15 minutes. at most, not 901"),
        ({**FUNCTION, "function": "enrich*"}, "pattern"),
        ({**FUNCTION, "function": "arn:aws:lambda:x:1:function:enrich"}, "pattern"),
        ({**FUNCTION, "function": "my enrich"}, "pattern"),
    ],
)
def test_what_does_not_fit_is_refused(step: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        JobStep.model_validate(step)


@pytest.mark.parametrize("engine", ["emr", "emr-ssm"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["--deploy-mode", "cluster"],
        ["--deploy-mode=cluster"],
        ["--conf", "spark.submit.deployMode=cluster"],
        ["--conf=spark.submit.deployMode=cluster"],
    ],
)
def test_what_could_not_be_cancelled_is_refused(engine: str, arguments: list[str]) -> None:
    with pytest.raises(ValidationError, match="cannot be cancelled"):
        JobStep.model_validate({**EMR, "engine": engine, "sparkArguments": arguments})
    serverless = {**EMR, "engine": "emr-serverless", "sparkArguments": arguments}
    assert JobStep.model_validate(serverless)
    client = [word.replace("cluster", "client") for word in arguments]
    assert JobStep.model_validate({**EMR, "engine": engine, "sparkArguments": client})
