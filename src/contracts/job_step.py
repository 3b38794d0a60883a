"""One job of a dataset's chain: a part of its contract."""

from __future__ import annotations

from typing import Final, Self

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from contracts.job import FUNCTION_SECONDS_AT_MOST, Engine
from contracts.source import Integer, StrictContract
from contracts.steps import Steps

STAGE_PATTERN: Final = r"^[a-z][a-z0-9-]{0,30}$"
SCRIPT_PATTERN: Final = r"^jobs/[A-Za-z0-9_./-]+\.py$"
RESERVED_STAGES: Final = frozenset({Steps.store_redshift.name, Steps.record_run.name})

# FunctionName of Lambda's Invoke: a name or ARN, perhaps with a version or an alias.
FUNCTION_PATTERN: Final = (
    r"^(arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:)?"
    r"[A-Za-z0-9_-]{1,64}(:(\$LATEST|[A-Za-z0-9_-]{1,128}))?$"
)
# The field that names the work, by engine; all others name a script.
_NAMES_ITS_WORK: Final = {Engine.GLUE: "glueJob", Engine.LAMBDA: "function"}
_NO_SPARK: Final[JsonDict] = {"script": False, "sparkArguments": {"maxItems": 0}}
_BY_ENGINE: Final[JsonDict] = {
    "if": {"properties": {"engine": {"const": "glue"}}},
    "then": {"required": ["glueJob"], "properties": {**_NO_SPARK, "function": False}},
    "else": {
        "if": {"properties": {"engine": {"const": "lambda"}}},
        "then": {
            "required": ["function"],
            "properties": {
                **_NO_SPARK,
                "glueJob": False,
                "timeoutSeconds": {"maximum": FUNCTION_SECONDS_AT_MOST},
            },
        },
        "else": {"required": ["script"], "properties": {"glueJob": False, "function": False}},
    },
}
_PLAIN_KEY: Final[JsonDict] = {"not": {"pattern": r"(^|/)\.{0,2}(/|$)"}}


class JobStep(StrictContract):
    """One step of the job chain.

    Attributes:
        stage: its name in the trace, unique in the chain.
        engine: `glue`, `emr`, `emr-ssm`, `emr-serverless` or `lambda`.
        glue_job: for `glue`: the Glue job's name without the stack's prefix, e.g. `clean-csv`; its
            definition says whether it is a Python shell or a Spark job.
        script: for the EMR engines: the Spark script's key in the code bucket.
        spark_arguments: for the EMR engines: options of spark-submit, before the script.
        function: for `lambda`: name or ARN of a function that the deployment allows.
        timeout_seconds: its deadline, also given to the service; a function has 900 at most.
        attempts: how many times a FAILED job is tried in all.
        arguments: further `--NAME value` arguments.
    """

    model_config = ConfigDict(json_schema_extra=_BY_ENGINE)

    stage: str = Field(
        pattern=STAGE_PATTERN, json_schema_extra={"not": {"enum": [*sorted(RESERVED_STAGES)]}}
    )
    engine: Engine = Field(default=Engine.GLUE, json_schema_extra={"not": {"const": "redshift"}})
    glue_job: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,100}$")
    script: str | None = Field(
        default=None, pattern=SCRIPT_PATTERN, max_length=512, json_schema_extra=_PLAIN_KEY
    )
    spark_arguments: tuple[str, ...] = Field(default=(), max_length=50)
    function: str | None = Field(default=None, pattern=FUNCTION_PATTERN)
    timeout_seconds: Integer = Field(default=900, ge=60, le=7 * 24 * 3600)
    attempts: Integer = Field(default=1, ge=1, le=10)
    arguments: dict[str, str] = Field(default_factory=dict)

    @field_validator("script")
    @classmethod
    def _script_is_a_plain_key(cls, value: str | None) -> str | None:
        if value is not None and {"", ".", ".."} & set(value.split("/")):
            raise PydanticCustomError("script", "must be a plain key, such as jobs/enrich.py")
        return value

    @field_validator("stage")
    @classmethod
    def _stage_is_free(cls, value: str) -> str:
        if value in RESERVED_STAGES:
            raise PydanticCustomError("stage", "is a stage of the pipeline itself; take another")
        return value

    @model_validator(mode="after")
    def _engine_has_its_fields(self) -> Self:
        if self.engine is Engine.REDSHIFT:
            raise PydanticCustomError(
                "engine",
                "loads come from targets.redshift; a job runs on glue, an EMR engine or lambda",
            )
        needed = _NAMES_ITS_WORK.get(self.engine, "script")
        given = {"glueJob": self.glue_job, "script": self.script, "function": self.function}
        if given[needed] is None:
            about = {"needed": needed, "engine": self.engine.value}
            raise PydanticCustomError("engine", "{needed} is required with engine: {engine}", about)
        foreign = [name for name, value in given.items() if name != needed and value is not None]
        if foreign:
            about = {"foreign": ", ".join(foreign), "engine": self.engine.value}
            raise PydanticCustomError(
                "engine", "{foreign} does not go with engine: {engine}", about
            )
        if needed != "script" and self.spark_arguments:
            raise PydanticCustomError(
                "engine", "sparkArguments go with the EMR engines; no other takes them here"
            )
        return self

    @model_validator(mode="after")
    def _function_can_run_so_long(self) -> Self:
        if self.engine.invoked and self.timeout_seconds > FUNCTION_SECONDS_AT_MOST:
            raise PydanticCustomError(
                "function_timeout",
                "timeoutSeconds: a Lambda function runs for {most} s (15 minutes) at most, not"
                " {given}; for longer work take another engine",
                {"most": FUNCTION_SECONDS_AT_MOST, "given": self.timeout_seconds},
            )
        return self

    @model_validator(mode="after")
    def _can_be_cancelled(self) -> Self:
        on_cluster = self.engine in (Engine.EMR, Engine.EMR_SSM)
        for number, word in enumerate(self.spark_arguments):
            value = word.partition("=")[2] or " ".join(self.spark_arguments[number + 1 :][:1])
            mode = word.partition("=")[0] == "--deploy-mode" or "spark.submit.deployMode" in word
            if on_cluster and mode and value.rpartition("=")[2] == "cluster":
                raise PydanticCustomError(
                    "deploy_mode",
                    "sparkArguments: deploy mode cluster cannot be cancelled at the deadline, as a"
                    " step is only its client; leave it out (client mode), or take emr-serverless",
                )
        return self
