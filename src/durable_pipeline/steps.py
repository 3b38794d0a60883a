"""The operations of the pipeline and how a step function is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from aws_durable_execution_sdk_python import (
    DurableContext,
    InvokeError,
    WithRetryConfig,
    with_retry,
)
from aws_durable_execution_sdk_python.exceptions import NonDeterministicExecutionError
from aws_durable_execution_sdk_python.retries import RetryDecision

from contracts import messages
from contracts.base import Contract
from contracts.job import JobStatus
from contracts.manifest import ManifestSummary
from contracts.run import ItemTotals, StageFailure
from durable_pipeline.policies import error_name, retry_step
from durable_pipeline.settings import Settings

LOG_TAIL_CHARACTERS: Final = 1000
Answer = TypeVar("Answer", bound=Contract)
RetryStrategy = Callable[[Exception, int], RetryDecision]


class Nothing(Contract):
    """The answer of a step that has none."""


@dataclass(frozen=True)
class Step(Generic[Answer]):
    """One operation: its name in the history, its function, and what the function answers.

    The names are static and compared at every replay: changing one breaks executions in flight.
    """

    name: str
    function: str
    answer: type[Answer]


REJECT_MESSAGE = Step("reject-message", "reject-message", Nothing)
CLAIM_RUN = Step("claim-run", "claim-run", messages.Claim)
LOAD_DATASET = Step("load-dataset", "load-dataset", messages.LoadedDataset)
LIST_URLS = Step("list-urls", "list-urls", ManifestSummary)
PREPARE_WAREHOUSE = Step("prepare-warehouse", "prepare-warehouse", messages.PreparedWarehouse)
START_RUN = Step("start-run", "start-run", messages.StartedRun)
START_UNIT = Step("start-unit", "record-unit", Nothing)
SUBMIT_JOB = Step("submit-job", "submit-job", JobStatus)
CHECK_JOB = Step("check-job", "check-job", JobStatus)
CANCEL_JOB = Step("cancel-job", "cancel-job", JobStatus)
VALIDATE = Step("validate", "validate", messages.Validated)
TRANSFORM = Step("transform", "transform", messages.Transformed)
STORE_FILES = Step("store-files", "store-files", messages.StoredFiles)
STORE_DYNAMODB = Step("store-dynamodb", "store-dynamodb", messages.StoredRows)
STORE_REDSHIFT = Step("store-redshift", "store-redshift", messages.PreparedLoad)
EXPLAIN_LOAD = Step("explain-load", "explain-load", messages.LoadExplanation)
RECORD_ITEMS = Step("record-items", "record-items", ItemTotals)
END_UNIT = Step("end-unit", "record-unit", Nothing)
PUBLISH_FILES = Step("publish-files", "publish-files", messages.PublishedFiles)
RECORD_RUN = Step("record-run", "record-run", messages.RecordedRun)
NOTIFY = Step("notify", "notify", Nothing)


class StageFailed(Exception):
    """A stage failed for good; where, with what error, and why; in which job, if it was one."""

    def __init__(
        self, stage: str, error_type: str, message: str, job: JobStatus | None = None
    ) -> None:
        super().__init__(f"{stage}: {error_type}: {message}")
        self.stage = stage
        self.error_type = error_type
        self.message = message
        self.job = job

    @property
    def failure(self) -> StageFailure:
        """What is recorded of it; of a job's log, so much as a checkpoint can well carry."""
        job = self.job
        return StageFailure(
            stage=self.stage,
            error_type=self.error_type,
            message=self.message[:2000],
            job_id=job and job.job_id,
            log_url=job and job.log_url,
            console_url=job and job.console_url,
            log_tail=job.log_tail[-LOG_TAIL_CHARACTERS:] if job and job.log_tail else None,
        )


def call(
    context: DurableContext,
    settings: Settings,
    step: Step[Answer],
    message: Contract,
    retry: RetryStrategy = retry_step,
) -> Answer:
    """Invoke a step's function, again where the policies say so.

    Raises:
        StageFailed: the function failed and another call would not help, or did not.
    """

    def invoke(retry_context: Any, _attempt: int) -> Any:
        return retry_context.invoke(
            settings.functions[step.function], message.to_json(), name=step.name
        )

    config: WithRetryConfig[Any] = WithRetryConfig(
        retry_strategy=retry, wrap_with_run_in_child_context=False
    )
    try:
        answer = with_retry(context, invoke, config, name=step.name)
    except InvokeError as error:
        name = error_name(error.error_type)
        raise StageFailed(step.name, name, error.message or "no message") from error
    return step.answer.from_json(answer or {})


def in_child_context(
    context: DurableContext,
    name: str,
    answer: type[Answer],
    function: Callable[[DurableContext], Answer],
) -> Answer:
    """Run part of the sequence as one child context; once complete, its insides are not replayed.

    Raises:
        ChildContextError: what `function` raised, whatever it was.
    """

    def encoded(child: DurableContext) -> dict[str, Any]:
        return function(child).to_json()

    return answer.from_json(context.run_in_child_context(encoded, name=name))


def is_broken_replay(error_type: str | None) -> bool:
    """The code no longer fits the history; nothing may go on as if a stage had failed."""
    return (error_type or "").endswith(NonDeterministicExecutionError.__name__)
