"""Schedules of contracts, as EventBridge Scheduler has them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from cli.client.contracts import dataset_names, read_contract
from cli.client.deployment import Deployment
from cli.client.next_firing import next_firing
from cli.exit_codes import NOT_FOUND, CommandFailed
from contracts.base import canonical_json
from contracts.times.schedule import Schedule, aws_cron, schedule_name

_DUE: Final = "<aws.scheduler.scheduled-time>"  # a context attribute of EventBridge Scheduler
_DESCRIPTION: Final = "Made by pipeline schedules apply"


# An update replaces all of a schedule, with defaults for what it does not say.
_SAID: Final = (
    *("GroupName", "ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow"),
    *("Target", "Description"),
)


class Change(StrEnum):
    """What applying does to a schedule: CREATED, UPDATED, REMOVED, or it is as it should be."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    REMOVED = "REMOVED"
    UNCHANGED = "UNCHANGED"


@dataclass(frozen=True)
class Planned:
    """A schedule, and what becomes of it.

    Attributes:
        name: `<dataset>.<schedule>`, as EventBridge Scheduler has it.
        wanted: by the contract; None: no contract has it any more.
        there: as EventBridge Scheduler has it; None: it does not.
    """

    name: str
    dataset: str
    schedule: Schedule | None
    wanted: Mapping[str, Any] | None
    there: Mapping[str, Any] | None

    @property
    def change(self) -> Change:
        if self.wanted is None:
            return Change.REMOVED
        if self.there is None:
            return Change.CREATED
        same = all(self.there.get(field) == value for field, value in self.wanted.items())
        return Change.UNCHANGED if same else Change.UPDATED

    def next_firing(self, now: datetime) -> datetime | None:
        """When it is due next, as it is applied; None: it is not applied, or is paused."""
        if self.there is None or self.paused:
            return None
        zone = self.there.get("ScheduleExpressionTimezone") or "UTC"
        return next_firing(self.there["ScheduleExpression"], zone, now)

    @property
    def paused(self) -> bool:
        return bool(self.there and self.there.get("State") == "DISABLED")


class Scheduling:
    """The schedules of a deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self._client: Any = deployment.client("scheduler")
        self._deployment = deployment
        self._group = deployment.output("ScheduleGroupName")

    def plan(self) -> list[Planned]:
        """Every schedule of the contracts in the code bucket, and every one that there is.

        Raises:
            CommandFailed: a contract is broken.
        """
        there = {found["Name"]: found for found in self._there()}
        planned = []
        for dataset in dataset_names(self._deployment):
            for schedule in read_contract(self._deployment, dataset).schedules or ():
                name = schedule_name(dataset, schedule.name)
                wanted = self._wanted(dataset, schedule)
                planned.append(Planned(name, dataset, schedule, wanted, there.pop(name, None)))
        for name, found in there.items():
            planned.append(Planned(name, name.rpartition(".")[0], None, None, found))
        return sorted(planned, key=lambda each: each.name)

    def apply(self, planned: Planned) -> None:
        """Make it what its contract says; one that is paused stays so."""
        if planned.change is Change.REMOVED:
            self._client.delete_schedule(GroupName=self._group, Name=planned.name)
        elif planned.change is Change.CREATED:
            self._client.create_schedule(Name=planned.name, **planned.wanted or {}, State="ENABLED")
        elif planned.change is Change.UPDATED:
            state = "DISABLED" if planned.paused else "ENABLED"
            self._client.update_schedule(Name=planned.name, **planned.wanted or {}, State=state)

    def set_paused(self, planned: Planned, *, paused: bool) -> bool:
        """Pause or resume a schedule that there is; whether that changed anything."""
        there = planned.there
        if there is None or planned.paused == paused:
            return False
        same = {name: there[name] for name in _SAID if name in there}
        self._client.update_schedule(
            Name=planned.name, **same, State="DISABLED" if paused else "ENABLED"
        )
        return True

    def named(self, names: Iterable[str]) -> list[Planned]:
        """The schedules that there are of these names, or of datasets of these names.

        Raises:
            CommandFailed: one of the names is of none.
        """
        there = [each for each in self.plan() if each.there is not None]
        asked = set(names)
        known = {name for each in there for name in (each.name, each.dataset)}
        if missing := sorted(asked - known):
            raise CommandFailed(
                f"there is no schedule {', '.join(missing)}; there are"
                f" {', '.join(each.name for each in there) or 'none'}",
                NOT_FOUND,
                "pipeline schedules apply makes those of the contracts",
            )
        return [each for each in there if {each.name, each.dataset} & asked]

    def _wanted(self, dataset: str, schedule: Schedule) -> dict[str, Any]:
        return {
            "GroupName": self._group,
            "ScheduleExpression": aws_cron(schedule.cron),
            "ScheduleExpressionTimezone": schedule.zone or "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Description": _DESCRIPTION,
            "Target": {
                "Arn": self._deployment.output("DataProcessingQueueArn"),
                "RoleArn": self._deployment.output("ScheduleRoleArn"),
                "Input": canonical_json(schedule.message(dataset, _DUE)),
            },
        }

    def _there(self) -> Iterator[Mapping[str, Any]]:
        pages = self._client.get_paginator("list_schedules").paginate(GroupName=self._group)
        for page in pages:
            for found in page["Schedules"]:
                whole = self._client.get_schedule(GroupName=self._group, Name=found["Name"])
                yield _comparable(whole)


def _comparable(found: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule without what AWS adds to its target (a retry policy)."""
    target = {name: found["Target"][name] for name in ("Arn", "RoleArn", "Input")}
    target["Input"] = canonical_json(json.loads(target["Input"]))
    return {**found, "Target": target}
