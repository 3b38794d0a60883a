"""One job of a dataset's chain: a part of its contract."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, Strict, field_validator, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from contracts.job import FUNCTION_SECONDS_AT_MOST, Engine
from contracts.source import Integer, StrictContract, Whole
from contracts.steps import Steps

STAGE_PATTERN: Final = r"^[a-z][a-z0-9-]{0,30}$"
SCRIPT_PATTERN: Final = r"^jobs/[A-Za-z0-9_./-]+\.py$"
POOL_PATTERN: Final = "^[a-z][a-z0-9_-]{0,62}$"
NO_POOLS: Final = frozenset(engine.value for engine in Engine)  # they have pools of their own
QUEUE_SECONDS: Final = 24 * 3600  # where a contract says nothing else
RETRY_DELAY_SECONDS: Final = 30
QueueSeconds = Annotated[int, Strict(), Field(ge=60, le=7 * 24 * 3600), Whole]
_DelaySeconds = Annotated[int, Strict(), Field(ge=0, le=3600), Whole]
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
                "pool": False,
                "queueSeconds": False,
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
        timeout_seconds: how long it may run, also given to the service; a function has 900 at most.
        queue_seconds: how long it may wait for a place, also at its service, before it runs; of
            engines other than `lambda`. Absent: 86400, a day.
        pool: a pool of `pools.yaml`, whose places the job takes instead of those of its engine; of
            engines other than `lambda`.
        attempts: how many times a FAILED job is tried in all.
        retry_delay_seconds: how long its second try waits, each later one twice as long as the one
            before; 0: none waits. Absent: 30.
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
    queue_seconds: QueueSeconds | None = None
    pool: str | None = Field(
        default=None,
        pattern=POOL_PATTERN,
        json_schema_extra={"not": {"enum": [*sorted(NO_POOLS)]}},
    )
    attempts: Integer = Field(default=1, ge=1, le=10)
    retry_delay_seconds: _DelaySeconds | None = None
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

    @field_validator("pool")
    @classmethod
    def _pool_is_a_named_one(cls, value: str | None) -> str | None:
        if value in NO_POOLS:
            raise PydanticCustomError(
                "pool", "is an engine's name, whose pools its jobs take without it; take another"
            )
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
    def _function_waits_for_no_place(self) -> Self:
        given = {"pool": self.pool, "queueSeconds": self.queue_seconds}
        foreign = [name for name, value in given.items() if value is not None]
        if self.engine.invoked and foreign:
            raise PydanticCustomError(
                "function_pool",
                "{foreign}: functions wait for no place; Lambda's concurrency limits them (set the"
                " function's reserved concurrency)",
                {"foreign": ", ".join(foreign)},
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

    @property
    def effective_queue_seconds(self) -> int | None:
        """None: it waits for no place."""
        if self.engine.invoked:
            return None
        return QUEUE_SECONDS if self.queue_seconds is None else self.queue_seconds

    @property
    def effective_retry_delay_seconds(self) -> int:
        given = self.retry_delay_seconds
        return RETRY_DELAY_SECONDS if given is None else given

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
