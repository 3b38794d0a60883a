"""EventBridge Scheduler: schedules that are made by API calls, and what they send when due.

User Guide, "Schedule types": a time that a clock change skips is not due, one that comes twice is
due once. "Context attributes": `<aws.scheduler.scheduled-time>` and others within an input.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from local.local_cloud.events.bus import Deliver, Rule, Target
from local.local_cloud.events.schedules import NextTime, ScheduleError, parse_schedule
from local.local_cloud.http.operations import served_by
from local.local_cloud.http.paging import page
from local.local_cloud.http.rest_routes import Request, decode
from local.local_cloud.http.services import ACCOUNT_ID, REGION, HttpRequest, Response, ServiceError

LOGGER: Final = logging.getLogger(__name__)
_SERVICE: Final = "scheduler"
_BAD: Final = "ValidationException"
_MISSING: Final = "ResourceNotFoundException"
_NAME: Final = re.compile(r"[0-9a-zA-Z_.-]{1,64}")
_PAGE: Final = 100
_GAPS_AT_MOST: Final = 60  # times in a row that clock changes skip


@dataclass
class _Schedule:
    name: str
    group: str
    asked: dict[str, Any]
    next_local: NextTime
    zone: ZoneInfo
    created_at: float
    changed_at: float
    due: datetime | None = field(default=None)

    @property
    def arn(self) -> str:
        return f"arn:aws:scheduler:{REGION}:{ACCOUNT_ID}:schedule/{self.group}/{self.name}"

    @property
    def enabled(self) -> bool:
        return bool(self.asked["State"] == "ENABLED")

    def plan(self, after: datetime) -> None:
        """Find the next time that it is due; never, while it is disabled."""
        self.due = next_due(self.next_local, self.zone, after) if self.enabled else None

    def described(self) -> dict[str, Any]:
        return {
            **self.asked,
            "Arn": self.arn,
            "Name": self.name,
            "GroupName": self.group,
            "CreationDate": self.created_at,
            "LastModificationDate": self.changed_at,
        }


def next_due(next_local: NextTime, zone: ZoneInfo, after: datetime) -> datetime | None:
    """The next instant that a schedule is due in its zone.

    Args:
        next_local: finds the next time of a clock that is never changed.
    """
    local = after.astimezone(zone).replace(tzinfo=UTC)
    for _ in range(_GAPS_AT_MOST):
        found = next_local(local)
        if found is None:
            return None
        instant = found.replace(tzinfo=zone).astimezone(UTC)
        is_there = instant.astimezone(zone).replace(tzinfo=UTC) == found
        if is_there and instant > after:  # of a time that comes twice, the first
            return instant
        local = found
    return None


class SchedulerService:
    """The schedules of one cloud (a `RestService`, signed for `scheduler`)."""

    def __init__(
        self,
        deliver: Deliver,
        may_deliver: Callable[[Rule, Target], bool],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Nothing is sent before `start`; arguments as of `EventBus`."""
        self._calls: dict[str, Callable[[Request], dict[str, Any]]] = {
            "CreateSchedule": self._create,
            "UpdateSchedule": self._update,
            "GetSchedule": lambda request: self._found(request).described(),
            "DeleteSchedule": self._delete,
            "ListSchedules": self._list,
        }
        self._deliver, self._may_deliver, self._now = deliver, may_deliver, clock
        self._groups: frozenset[str] = frozenset({"default"})
        self._schedules: dict[tuple[str, str], _Schedule] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)

    def use(self, deliver: Deliver, groups: Collection[str]) -> None:
        """Deliver so from now on, and have these groups; schedules of others are gone."""
        with self._changed:
            self._deliver, self._groups = deliver, frozenset({"default", *groups})
            for key in [key for key in self._schedules if key[0] not in self._groups]:
                del self._schedules[key]

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def handle(self, request: HttpRequest) -> Response:
        """The response to a request of the REST API.

        Raises:
            ServiceError: for the client.
        """
        asked = decode(_SERVICE, request)
        call = served_by(self._calls, _SERVICE, asked.operation)
        with self._changed:
            document = call(asked)
            self._changed.notify()
        return Response(200, {"Content-Type": "application/json"}, json.dumps(document).encode())

    def send_due(self) -> None:
        """Send what is due; of times that have passed meanwhile, only the first."""
        now = self._now()
        with self._changed:
            due = [(one, one.due, one.asked) for one in self._schedules.values() if one.due]
            due = [each for each in due if each[1] <= now]
            for schedule, _, _ in due:
                schedule.plan(now)
        for schedule, moment, asked in due:
            self._send(schedule, moment, asked)

    def _rest(self) -> float | None:
        """Seconds until something is due; None: nothing will be."""
        coming = [one.due for one in self._schedules.values() if one.due]
        return max((min(coming) - self._now()).total_seconds(), 0.0) if coming else None

    def _run(self) -> None:
        while not self._stopping:
            self.send_due()
            with self._changed:
                if not self._stopping:
                    self._changed.wait(self._rest())

    def _send(self, schedule: _Schedule, moment: datetime, asked: dict[str, Any]) -> None:
        target = asked["Target"]
        to = Target(schedule.name, target["Arn"], role_arn=target["RoleArn"])
        rule = Rule(schedule.name, schedule.arn, (to,), source="aws.scheduler")
        attributes = {
            "scheduled-time": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "schedule-arn": schedule.arn,
            "execution-id": uuid.uuid4().hex,
            "attempt-number": "1",
        }
        text = target.get("Input", "{}")
        for name, value in attributes.items():
            text = text.replace(f"<aws.scheduler.{name}>", value)
        try:
            if self._may_deliver(rule, to):
                self._deliver(to.arn, text)
        except Exception:
            LOGGER.exception("schedule %s could not reach %s", schedule.name, to.arn)

    # Operations

    def _create(self, request: Request) -> dict[str, Any]:
        schedule = self._parsed(request, self._now().timestamp())
        key = (schedule.group, schedule.name)
        if key in self._schedules:
            raise ServiceError("ConflictException", f"Schedule {schedule.name} exists already", 409)
        self._schedules[key] = schedule
        return {"ScheduleArn": schedule.arn}

    def _update(self, request: Request) -> dict[str, Any]:
        """All of it is replaced, with defaults for what is not said."""
        group = str(_body(request).get("GroupName") or "default")
        before = self._of(group, request.uri["Name"])
        schedule = self._parsed(request, before.created_at)
        self._schedules[schedule.group, schedule.name] = schedule
        return {"ScheduleArn": schedule.arn}

    def _delete(self, request: Request) -> dict[str, Any]:
        found = self._found(request)
        del self._schedules[found.group, found.name]
        return {}

    def _list(self, request: Request) -> dict[str, Any]:
        group, prefix = request.query_value("ScheduleGroup"), request.query_value("NamePrefix")
        found = [
            one
            for _, one in sorted(self._schedules.items())
            if group in (None, one.group) and one.name.startswith(prefix or "")
        ]
        asked = {"NextToken": request.query_value("NextToken")}
        if size := request.query_value("MaxResults"):
            asked["MaxResults"] = int(size)  # type: ignore[assignment]
        shown, token = page(found, [one.arn for one in found], asked, _BAD, _PAGE)
        summaries = [
            {
                **{
                    name: value
                    for name, value in one.described().items()
                    if name in ("Arn", "Name", "GroupName", "State", "CreationDate")
                },
                "LastModificationDate": one.changed_at,
                "Target": {"Arn": one.asked["Target"]["Arn"]},
            }
            for one in shown
        ]
        return {"Schedules": summaries, **token}

    # What is stored

    def _found(self, request: Request) -> _Schedule:
        return self._of(request.query_value("groupName") or "default", request.uri["Name"])

    def _of(self, group: str, name: str) -> _Schedule:
        found = self._schedules.get((group, name))
        if found is None:
            raise ServiceError(_MISSING, f"Schedule {name} does not exist.", 404)
        return found

    def _parsed(self, request: Request, created_at: float) -> _Schedule:
        body, name = _body(request), request.uri["Name"]
        group = str(body.get("GroupName") or "default")
        if not _NAME.fullmatch(name):
            raise ServiceError(_BAD, f"the name {name!r} has other characters, or is too long")
        if group not in self._groups:
            raise ServiceError(_MISSING, f"Schedule group {group} does not exist.", 404)
        asked = {
            "State": "ENABLED",
            "ScheduleExpressionTimezone": "UTC",
            **{key: value for key, value in body.items() if key not in ("ClientToken",)},
            "GroupName": group,
        }
        _refuse_other(asked)
        try:
            next_local = parse_schedule(asked["ScheduleExpression"])
            zone = ZoneInfo(asked["ScheduleExpressionTimezone"])
        except (ScheduleError, KeyError, ValueError, OSError) as error:
            raise ServiceError(_BAD, f"Invalid schedule expression: {error}") from error
        now = self._now()
        made = _Schedule(name, group, asked, next_local, zone, created_at, now.timestamp())
        made.plan(now - timedelta(microseconds=1))
        return made


def _refuse_other(asked: Mapping[str, Any]) -> None:
    """What is missing, or is not emulated."""
    target = asked.get("Target")
    if not isinstance(target, dict) or not {"Arn", "RoleArn"} <= target.keys():
        raise ServiceError(_BAD, "Target needs Arn and RoleArn")
    if "ScheduleExpression" not in asked:
        raise ServiceError(_BAD, "ScheduleExpression is required")
    if asked.get("FlexibleTimeWindow", {}).get("Mode") != "OFF":
        raise ServiceError(_BAD, "FlexibleTimeWindow: the local cloud has the mode OFF only")
    if asked["State"] not in ("ENABLED", "DISABLED"):
        raise ServiceError(_BAD, f"State {asked['State']} is neither ENABLED nor DISABLED")
    unknown = {"StartDate", "EndDate", "ActionAfterCompletion"} & asked.keys()
    if unknown:
        raise ServiceError(_BAD, f"the local cloud does not emulate {', '.join(sorted(unknown))}")


def _body(request: Request) -> dict[str, Any]:
    try:
        decoded = json.loads(request.body or b"{}")
    except ValueError as error:
        raise ServiceError(_BAD, f"not JSON: {error}") from error
    if not isinstance(decoded, dict):
        raise ServiceError(_BAD, "the body is not an object")
    return decoded
