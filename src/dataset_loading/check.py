"""A dataset's contract checked as far as it can be without AWS: the file, its SQL, its targets.

Pure: text in, a checked contract or every problem out. `load_dataset` and the command line use it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from sqlglot import exp

from contracts import layout
from contracts.columns import source_names
from contracts.dataset import COLUMN_NAME_PATTERN, RESERVED_COLUMNS, Column, Dataset
from contracts.errors import InvalidRequest, Problem
from contracts.job import Engine
from dataset_loading import only_new
from dataset_loading.file import parse_dataset, refusal
from dataset_loading.job_formats import unknown_to_jobs
from dataset_loading.parsing import SqlError, parsed
from dataset_loading.sql import Binder, binder
from dataset_loading.wording import problem as sql_problem
from dataset_loading.wording import unknown
from runtime.contract_file import ContractFile, Place, located
from tabular.sql import contract_type

RULES_AT_MOST: Final = 1_000
OutputColumns = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CheckedDataset:
    """A contract without problems.

    Attributes:
        version: first 12 hex digits of the SHA-256 of the file's UTF-8 bytes.
        output_columns: name and contract type of the transform's result, in order.
    """

    dataset: Dataset
    version: str
    output_columns: OutputColumns


def check_dataset(text: str, name: str) -> CheckedDataset:
    """Check the contract file `datasets/<name>.yaml`.

    Raises:
        InvalidDataset: with every problem, each with its field and line. Those of the SQL and the
            targets are reported once the file's fields are right.
    """
    file = layout.dataset_source_key(name)
    dataset, nodes = parse_dataset(text, file)
    check = _Check(dataset, nodes)
    if dataset.name != name:
        check.add(("name",), f"must be {name}, as the file is named", dataset.name)
    lookups = {lookup.name: lookup.column_types for lookup in dataset.lookups}
    with binder(dataset.column_types, lookups, source_names(dataset.columns)) as bound:
        check.columns(bound)
        check.references()
        check.rules(bound)
        check.freshness()
        output = check.output(bound)
    check.files_prefix()
    check.schedules()
    check.jobs()
    if output is not None:
        check.keys(output)
        check.partitions(output)
    if check.problems:
        raise refusal(file, check.problems)
    version = hashlib.sha256(text.encode()).hexdigest()[:12]
    return CheckedDataset(dataset, version, output or ())


def check_query(query: str, dataset: Dataset) -> None:
    """A request's query: one boolean expression over the contract's columns.

    Raises:
        InvalidRequest: it is not.
    """
    with binder(dataset.column_types, sources=source_names(dataset.columns)) as bound:
        try:
            bound.check_expression(query)
            if dataset.jobs:
                _refuse_columns_of_key(query, dataset)
            if any(job.engine is Engine.GLUE for job in dataset.jobs):
                bound.check_for_job(query)
        except SqlError as error:
            raise InvalidRequest("message", [sql_problem("query", error, query)]) from error


def _refuse_columns_of_key(query: str, dataset: Dataset) -> None:
    """A job applies the query, to what is in the object.

    Raises:
        SqlError: the query names a column that is not there.
    """
    asked = {column.name.lower() for column in parsed(query, comments=False).find_all(exp.Column)}
    for column in dataset.columns:
        if column.from_ and column.name in asked:
            raise SqlError(
                f"column {column.name} is not in the objects, but from their"
                f" {column.from_.replace('-', ' ')}, and the query is applied by job"
                f" {dataset.jobs[0].stage} to what is in them; send the objects that you mean"
            )


class _Check:
    """Collects the problems of one contract."""

    def __init__(self, dataset: Dataset, nodes: ContractFile) -> None:
        self.problems: list[Problem] = []
        self._dataset, self._nodes = dataset, nodes
        self._sources = source_names(dataset.columns)

    def add(self, place: Place, message: str, value: object = None) -> None:
        shown = None if value is None else str(value)[:200]
        self.problems.append(Problem(located(place, self._nodes), message, shown))

    def columns(self, bound: Binder) -> None:
        """Bounds and allowed values are of the column's type, patterns are patterns."""
        for index, column in enumerate(self._dataset.columns):
            place: Place = ("columns", index)
            values = [("minimum", column.minimum), ("maximum", column.maximum)]
            for value in bound.values_not_of(column.allowed or (), column.type):
                self.add((*place, "allowed"), f"is not of type {column.type}", value)
            right = [self._value(bound, place, column, *value) for value in values]
            if None not in (column.minimum, column.maximum) and all(right):
                try:
                    bound.check_range(column.minimum, column.maximum, column.type)
                except SqlError as error:
                    self.add((*place, "minimum"), str(error), column.minimum)
            if column.zone is not None and not bound.knows_zone(column.zone):
                near = bound.zones_like(column.zone)
                hint = f"; did you mean {near}?" if near else ", such as Europe/Berlin"
                message = f"is no zone of the IANA time zone database{hint}"
                self.add((*place, "zone"), message, column.zone)
            if column.pattern is not None:
                try:
                    bound.check_pattern(column.pattern)
                except SqlError as error:
                    self.add((*place, "pattern"), str(error), column.pattern)

    def _value(
        self, bound: Binder, place: Place, column: Column, field: str, value: object
    ) -> bool:
        try:
            if value is not None:
                bound.check_value(value, column.type)
        except SqlError:
            self.add((*place, field), f"is not of type {column.type}", value)
            return False
        return True

    def jobs(self) -> None:
        """What reads the objects knows all that the format says."""
        for name, why, value in unknown_to_jobs(self._dataset):
            self.add(("format", name), why, value)

    def references(self) -> None:
        """A column's values are sought in one that is there and of the same type."""
        types = self._dataset.column_types
        for index, column in enumerate(self._dataset.columns):
            place: Place = ("columns", index, "references")
            if column.references is None:
                continue
            if column.references not in types:
                self.add(place, unknown("column", column.references, types, self._sources))
            elif types[column.references] != column.type:
                message = f"is of type {types[column.references]}, but {column.name} {column.type}"
                self.add(place, message, column.references)

    def freshness(self) -> None:
        """It is measured by a date or timestamp column."""
        fresh, types = self._dataset.freshness, self._dataset.column_types
        place: Place = ("freshness", "column")
        if fresh is None:
            return
        if fresh.column not in types:
            self.add(place, unknown("column", fresh.column, types, self._sources))
        elif types[fresh.column] not in ("date", "timestamp"):
            message = f"is of type {types[fresh.column]}; take a date or timestamp column"
            self.add(place, message, fresh.column)

    def rules(self, bound: Binder) -> None:
        rules = self._dataset.rules
        if len(rules) > RULES_AT_MOST:
            self.add(
                ("rules",), f"has {len(rules):,} rules; a contract has at most {RULES_AT_MOST:,}"
            )
        for index, rule in enumerate(rules[:RULES_AT_MOST]):
            try:
                bound.check_expression(rule.check)
            except SqlError as error:
                self.add(("rules", index, "check"), f"rule {rule.name}: {error}", rule.check)

    def output(self, bound: Binder) -> OutputColumns | None:
        """The result's columns; None when the transform itself is wrong."""
        if self._dataset.on_transform_error == "fail" and not self._dataset.transform:
            message = "has no effect without a transform; leave it out"
            self.add(("onTransformError",), message, self._dataset.on_transform_error)
        place: Place = ("transform",) if self._dataset.transform else ("columns",)
        try:
            described = bound.output_of(self._dataset.transform)
        except SqlError as error:
            self.add(place, str(error), self._dataset.transform)
            return None
        unused = bound.unused_lookups(self._dataset.transform)
        for index, lookup in enumerate(self._dataset.lookups):
            if lookup.name in unused:
                self.add(("lookups", index), "the transform does not read it", lookup.name)
        columns: list[tuple[str, str]] = []
        for name, duckdb_type in described:
            kind = contract_type(duckdb_type)
            if kind is None:
                self.add(place, f"column {name}: values of type {duckdb_type} cannot be stored")
            if not re.fullmatch(COLUMN_NAME_PATTERN, name):
                self.add(place, f'column "{name}": name it by AS, lower case letters, digits and _')
            elif name in RESERVED_COLUMNS:
                self.add(place, f"column {name}: the pipeline adds one of this name; rename it")
            elif name in (earlier for earlier, _ in columns):
                self.add(place, f"column {name}: two columns of the result have this name")
            columns.append((name, kind or "string"))
        return tuple(columns)

    def files_prefix(self) -> None:
        """Files do not go where the dataset's objects come from: a run would read its results.

        The output bucket may be the data bucket; a source in another one is compared when a run
        begins (dataset_loading.deployment).
        """
        target, source = self._dataset.targets.files, self._dataset.source
        why = target.overlap(source.prefix) if target and source.bucket is None else None
        if target and why:
            self.add(("targets", "files", "prefix"), why, target.prefix)

    def schedules(self) -> None:
        """None takes new objects only where its runs would take others' files away."""
        for index, schedule in enumerate(self._dataset.schedules or ()):
            why = only_new.mismatch(schedule.only_new, self._dataset)
            if why and schedule.only_new:
                place: Place = ("schedules", index, only_new.FIELD)
                self.add(place, why, only_new.shown(schedule.only_new))

    def partitions(self, output: OutputColumns) -> None:
        """Folders are made of values that have one short text each, and leave columns to write."""
        target = self._dataset.targets.files
        place: Place = ("targets", "files", "partitionBy")
        for column in dict.fromkeys(target.partition_by if target else ()):
            kind = dict(output).get(column)
            if kind in ("double", "timestamp"):
                advice = "take a date" if kind == "timestamp" else "take a text or a whole number"
                self.add(place, f"is of type {kind}, which makes no folders; {advice}", column)
        if target and {name for name, _ in output} <= set(target.partition_by):
            names = ", ".join(target.partition_by)
            self.add(place, "leaves no column for the files; leave one out", names)

    def keys(self, output: OutputColumns) -> None:
        """Every key column is in the result, once."""
        names = [name for name, _ in output]
        targets = self._dataset.targets
        columns = {
            "files.partitionBy": targets.files and targets.files.partition_by,
            "dynamodb.key": targets.dynamodb and targets.dynamodb.key,
            "redshift.key": targets.redshift and targets.redshift.key,
        }
        for field, key in columns.items():
            place: Place = ("targets", *field.split("."))
            for column in key or ():
                if column not in names:
                    self.add(place, unknown("column", column, names, self._sources))
            if key and len(set(key)) < len(key):
                self.add(place, "names a column twice", ", ".join(key))
