"""Every step of the pipeline, declared once: operation, function, message, response, cost.

`Steps` is the list; settings, planned operations, the history's details, the local cloud's check of
a template and the tests derive from it. docs/extending.md shows how a step is added.

The functions' names are conventions, so that nothing else needs a list: the function `claim-run` is
`steps.claim_run.handler`, `ClaimRunFunction` in template.yaml, and reaches the orchestrator in the
variable `CLAIM_RUN_FUNCTION`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from contracts import messages
from contracts.base import Contract
from contracts.job import JobStatus
from contracts.manifest import ManifestSummary
from contracts.messages import LoadedDataset
from contracts.messages.operations import JOBS_OF_PARTS, OF_A_JOB
from contracts.run import ItemTotals

Fields = ParamSpec("Fields")
Response = TypeVar("Response", bound=Contract)
Planned = Callable[[LoadedDataset], int]


class Nothing(Contract):
    """The response of a step that has none."""


@dataclass(frozen=True)
class UnitRef:
    """Which unit of which claim of a run a step is about."""

    run_id: str
    unit_id: str
    run_attempt: int


@dataclass(frozen=True)
class Step(Generic[Fields, Response]):
    """One operation: a `RunStep` or a `UnitStep`.

    Attributes:
        name: of the operation in the history. Static, as every replay compares it: a changed one
            breaks executions in flight. The attribute of `Steps` has the same name.
        message: what the function takes; its class.
        response: what the function returns; its class.
        function: the step function; by default the one that is named like the operation.
        patience: seconds that the call is repeated for while it meets what passes, by the message;
            absent: a failed call is repeated as the error's policy says
            (`durable_pipeline.policies`).
        per_unit: durable operations that it costs a unit without retries, of the 3,000 that an
            execution may have (Lambda Developer Guide, "Durable functions": quotas). They decide
            how many units one execution takes on.
    """

    name: str
    message: Callable[Fields, Contract]
    response: type[Response]
    function: str = ""
    patience: Callable[[Any], int] | None = None
    per_unit: Planned | None = None

    def __set_name__(self, owner: type, attribute: str) -> None:
        if attribute != self.name.replace("-", "_"):
            raise TypeError(
                f"the operation {self.name!r} is declared as {owner.__name__}.{attribute}:"
                f" name the attribute {self.name.replace('-', '_')}"
            )
        if not self.function:
            object.__setattr__(self, "function", self.name)

    @property
    def message_fields(self) -> frozenset[str]:
        return frozenset(getattr(self.message, "model_fields", ()))


@dataclass(frozen=True)
class RunStep(Generic[Fields, Response], Step[Fields, Response]):
    """A step of a run: bound, it takes the fields of its message."""

    @overload
    def __get__(self, steps: None, owner: type) -> Self: ...

    @overload
    def __get__(self, steps: Steps, owner: type) -> Callable[Fields, Response]: ...

    def __get__(self, steps: Steps | None, owner: type) -> Self | Callable[Fields, Response]:
        if steps is None:
            return self

        def call(*args: Fields.args, **fields: Fields.kwargs) -> Response:
            return steps.call(self, self.message(*args, **fields))

        return call


@dataclass(frozen=True)
class UnitStep(Generic[Fields, Response], Step[Fields, Response]):
    """A step of one unit: bound, it takes the `UnitRef` first, then what else its message holds.

    Of the reference, a message gets those fields that it has.
    """

    def __set_name__(self, owner: type, attribute: str) -> None:
        super().__set_name__(owner, attribute)
        if missing := {"run_id", "unit_id"} - self.message_fields:
            message = getattr(self.message, "__name__", self.message)
            raise TypeError(
                f"step {self.name}: a unit's message needs {', '.join(sorted(missing))};"
                f" add to {message}: {'; '.join(f'{name}: str' for name in sorted(missing))}"
            )
        if self.per_unit is None:
            raise TypeError(
                f"step {self.name}: say how many durable operations it costs a unit, such as"
                " per_unit=once (once a unit) or per_unit=after_a_failure (none is planned)"
            )

    @overload
    def __get__(self, steps: None, owner: type) -> Self: ...

    @overload
    def __get__(
        self, steps: Steps, owner: type
    ) -> Callable[Concatenate[UnitRef, Fields], Response]: ...

    def __get__(
        self, steps: Steps | None, owner: type
    ) -> Self | Callable[Concatenate[UnitRef, Fields], Response]:
        if steps is None:
            return self

        def call(unit: UnitRef, /, *args: Fields.args, **fields: Fields.kwargs) -> Response:
            known = self.message_fields
            reference = {name: value for name, value in asdict(unit).items() if name in known}
            return steps.call(self, self.message(*args, **{**reference, **fields}))

        return call


def once(_dataset: LoadedDataset) -> int:
    """One operation of every unit."""
    return 1


def after_a_failure(_dataset: LoadedDataset) -> int:
    """None of a unit that goes well."""
    return 0


def of_items(dataset: LoadedDataset) -> int:
    """One of every unit that is a batch of items."""
    return int(dataset.of_items)


def into(target: str, operations: int = 1) -> Planned:
    """So many of every unit whose dataset has the target."""
    return lambda dataset: operations if target in dataset.targets else 0


def of_jobs(dataset: LoadedDataset) -> int:
    """Submitting each job, and its callback or invoke; those of parts, if one fails, as well."""
    of_parts = JOBS_OF_PARTS * OF_A_JOB if dataset.halves else 0
    return sum(job.operations for job in dataset.jobs) + of_parts


def without_jobs(dataset: LoadedDataset) -> int:
    """One of every unit that has no job, whose submission would say whether the unit begins."""
    return int(not dataset.jobs)


def carries_the_end(dataset: LoadedDataset) -> str | None:
    """The store that records the end of a unit as well, which is its last one; None: none does.

    DynamoDB is always stored in last. A load into Redshift has not ended when its store returns,
    and the items of a batch are recorded after the stores.
    """
    if dataset.of_items:
        return None
    if "dynamodb" in dataset.targets:
        return "dynamodb"
    return "files" if set(dataset.targets) == {"files"} else None


def unless_a_store_does(dataset: LoadedDataset) -> int:
    """One of every unit whose end no store records."""
    return int(carries_the_end(dataset) is None)


class Steps(ABC):
    """The steps, in the order in which a run reaches them.

    An orchestrator binds them to a context (`durable_pipeline.steps.BoundSteps`): there,
    `steps.validate(unit, input_url=url)` is one operation and returns `Validated`.
    """

    reject_message = RunStep("reject-message", messages.RejectMessage, Nothing)
    claim_run = RunStep("claim-run", messages.ClaimRun, messages.Claim)
    load_dataset = RunStep("load-dataset", messages.LoadDataset, messages.LoadedDataset)
    list_urls = RunStep("list-urls", messages.ListUrls, ManifestSummary)
    freeze_plan = RunStep("freeze-plan", messages.FreezePlan, Nothing, function="list-urls")
    read_shard = RunStep("read-shard", messages.ReadShard, messages.ShardPlan, function="list-urls")
    prepare_warehouse = RunStep(
        "prepare-warehouse", messages.PrepareWarehouse, messages.PreparedWarehouse
    )
    start_run = RunStep("start-run", messages.StartRun, messages.StartedRun)
    start_unit = UnitStep(
        "start-unit",
        messages.StartUnit,
        messages.Began,
        function="record-unit",
        per_unit=without_jobs,
    )
    submit_job = RunStep(
        "submit-job",
        messages.SubmitJob,
        messages.Submission,
        patience=lambda message: message.seconds_to_start,
        per_unit=of_jobs,
    )
    check_job = RunStep("check-job", messages.CheckJob, JobStatus)
    cancel_job = RunStep("cancel-job", messages.CancelJob, JobStatus)
    validate = UnitStep("validate", messages.Validate, messages.Validated, per_unit=once)
    transform = UnitStep("transform", messages.Transform, messages.Transformed, per_unit=once)
    store_files = UnitStep(
        "store-files", messages.StoreFiles, messages.StoredFiles, per_unit=into("files")
    )
    store_redshift = UnitStep(  # with the callback of the load
        "store-redshift",
        messages.StoreRedshift,
        messages.PreparedLoad,
        per_unit=into("redshift", operations=2),
    )
    store_dynamodb = UnitStep(
        "store-dynamodb", messages.StoreDynamodb, messages.StoredRows, per_unit=into("dynamodb")
    )
    explain_load = UnitStep(
        "explain-load", messages.ExplainLoad, messages.LoadExplanation, per_unit=after_a_failure
    )
    record_items = UnitStep("record-items", messages.RecordItems, ItemTotals, per_unit=of_items)
    end_unit = UnitStep(
        "end-unit",
        messages.EndUnit,
        messages.EndedUnit,
        function="record-unit",
        per_unit=unless_a_store_does,
    )
    begin_round = RunStep(
        "begin-round", messages.BeginRound, messages.Round, function="record-unit"
    )
    publish_files = RunStep("publish-files", messages.PublishFiles, messages.PublishedFiles)
    record_run = RunStep("record-run", messages.RecordRun, messages.RecordedRun)
    notify = RunStep("notify", messages.Notify, Nothing)

    @abstractmethod
    def call(self, step: Step[Any, Response], message: Contract) -> Response:
        """Have a step's function take this message."""


class BackfillSteps:
    """The steps of a backfill, which the execution of one calls, and no run."""

    begin_backfill = RunStep(
        "begin-backfill",
        messages.BeginBackfill,
        messages.BegunBackfill,
        function="backfill-windows",
    )
    next_window = RunStep(
        "next-window", messages.NextWindow, messages.LaneStep, function="backfill-windows"
    )
    end_backfill = RunStep(
        "end-backfill", messages.EndBackfill, messages.EndedBackfill, function="backfill-windows"
    )


def declared() -> tuple[Step[Any, Any], ...]:
    """The steps, in their order."""
    return tuple(value for value in vars(Steps).values() if isinstance(value, Step))


def step_named(operation: str) -> Step[Any, Any] | None:
    """The step whose operation it is; None for an operation that is no step, such as a callback."""
    return next((step for step in declared() if step.name == operation), None)


def from_to(first: Step[Any, Any], last: Step[Any, Any]) -> tuple[str, ...]:
    """The operations from one step to another, both included, in their order."""
    names = [step.name for step in declared()]
    return tuple(names[names.index(first.name) : names.index(last.name) + 1])


def step_functions() -> tuple[str, ...]:
    """The names of the functions behind the steps, each once."""
    return tuple(dict.fromkeys(step.function for step in declared()))


def function_variable(function: str) -> str:
    """The environment variable that names a step function: `CLAIM_RUN_FUNCTION`."""
    return f"{function.replace('-', '_').upper()}_FUNCTION"


def function_resource(function: str) -> str:
    """Its logical id in template.yaml: `ClaimRunFunction`."""
    return "".join(word.title() for word in function.split("-")) + "Function"


def function_handler(function: str) -> str:
    """Its handler: `steps.claim_run.handler`."""
    return f"steps.{function.replace('-', '_')}.handler"
