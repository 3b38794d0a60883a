"""EventBridge: the template's rules, the events that fit them, and schedules that come due."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from local.local_cloud.events.patterns import PatternError, compile_pattern
from local.local_cloud.events.schedules import parse_schedule
from local.local_cloud.events.service_events import service_event
from local.local_cloud.http.operations import JsonService
from local.local_cloud.http.paging import page, required
from local.local_cloud.http.services import ServiceError

LOGGER: Final = logging.getLogger(__name__)
_BUS: Final = "default"
_BAD_REQUEST: Final = "ValidationException"
# Takes the ARN of a target and the text it is to get. Raises whatever goes wrong.
Deliver = Callable[[str, str], None]


@dataclass(frozen=True)
class Target:
    """Where a rule's events go.

    Attributes:
        input: text that is sent instead of the event.
        input_path: `$.a.b`: the part of the event that is sent instead of the whole.
        role_arn: with which it is delivered; empty: the target's own policy allows it.
    """

    id: str
    arn: str
    input: str | None = None
    input_path: str | None = None
    role_arn: str = ""

    def text_of(self, event: Mapping[str, Any]) -> str:
        """What the target gets."""
        if self.input is not None:
            return self.input
        part: Any = event
        for name in (self.input_path or "$").split(".")[1:]:
            part = part.get(name) if isinstance(part, Mapping) else None
        return json.dumps(part)


@dataclass(frozen=True)
class Rule:
    """A rule for events (`pattern`) or for times (`schedule`, whose events are of `source`).

    Both have been checked: `compile_pattern` and `parse_schedule` take them.
    """

    name: str
    arn: str
    targets: tuple[Target, ...]
    pattern: Mapping[str, Any] | None = None
    schedule: str | None = None
    enabled: bool = True
    source: str = "aws.events"

    def describe(self) -> dict[str, Any]:
        """As DescribeRule returns it."""
        response: dict[str, Any] = {
            "Name": self.name,
            "Arn": self.arn,
            "State": "ENABLED" if self.enabled else "DISABLED",
            "EventBusName": _BUS,
        }
        if self.pattern is not None:
            response["EventPattern"] = json.dumps(self.pattern)
        if self.schedule is not None:
            response["ScheduleExpression"] = self.schedule
        return response


class EventBus(JsonService):
    """The default bus. Its rules are those of the template and do not change."""

    service: ClassVar = "events"
    target_prefix: ClassVar = "AWSEvents"

    def __init__(
        self,
        rules: Sequence[Rule],
        deliver: Deliver,
        may_deliver: Callable[[Rule, Target], bool] = lambda _rule, _target: True,
    ) -> None:
        """Nothing is delivered on time before `start`; events are from the beginning.

        Args:
            rules: all there will be.
            deliver: hands text to a target; called from the publisher's thread.
            may_deliver: whether a target accepts what a rule sends; if not, it is dropped.
        """
        self._rules = {rule.name: rule for rule in rules}
        self._matchers = [
            (rule, compile_pattern(rule.pattern))
            for rule in rules
            if rule.pattern is not None and rule.enabled
        ]
        self._deliver = deliver
        self._may_deliver = may_deliver
        self._stopping = threading.Event()
        self._clock = threading.Thread(target=self._run_schedules, name="schedules", daemon=True)
        super().__init__(
            {
                "PutEvents": self._put_events,
                "ListRules": self._list_rules,
                "DescribeRule": lambda request: self._rule(request, "Name").describe(),
                "ListTargetsByRule": self._list_targets,
                "TestEventPattern": self._test_pattern,
            }
        )

    def start(self) -> None:
        self._clock.start()

    def stop(self) -> None:
        self._stopping.set()

    def publish(self, event: Mapping[str, Any]) -> None:
        """Deliver an event, envelope included, to the targets of the rules it fits.

        A target that cannot be reached is logged and does not keep the others from theirs.
        """
        for rule, fits in self._matchers:
            if fits(event):
                self._fire(rule, event)

    def listens_to(self, source: str) -> bool:
        """Whether events of this source can fit any rule that is enabled."""
        patterns = (rule.pattern or {} for rule, _ in self._matchers)
        return any(
            "source" not in pattern
            or compile_pattern({"source": pattern["source"]})({"source": source})
            for pattern in patterns
        )

    def _fire(self, rule: Rule, event: Mapping[str, Any]) -> None:
        for target in rule.targets:
            try:
                if self._may_deliver(rule, target):
                    self._deliver(target.arn, target.text_of(event))
            except Exception:
                if not self._stopping.is_set():
                    LOGGER.exception("rule %s could not reach %s", rule.name, target.arn)

    def _run_schedules(self) -> None:
        scheduled = [
            (rule, parse_schedule(rule.schedule))
            for rule in self._rules.values()
            if rule.schedule is not None and rule.enabled
        ]
        now = datetime.now(UTC)
        due = [next_time(now) for _, next_time in scheduled]
        while times := [time for time in due if time is not None]:
            rest = (min(times) - datetime.now(UTC)).total_seconds()
            if self._stopping.wait(max(rest, 0)):
                return
            now = datetime.now(UTC)
            for index, (rule, next_time) in enumerate(scheduled):
                time = due[index]
                if time is not None and time <= now:
                    due[index] = next_time(now)
                    self._fire(rule, service_event(rule.source, "Scheduled Event", {}, [rule.arn]))

    def _put_events(self, request: dict[str, Any]) -> dict[str, Any]:
        responses = [self._put_event(entry) for entry in required(request, "Entries", _BAD_REQUEST)]
        failed = sum("ErrorCode" in response for response in responses)
        return {"FailedEntryCount": failed, "Entries": responses}

    def _put_event(self, entry: dict[str, Any]) -> dict[str, Any]:
        try:
            detail = json.loads(entry.get("Detail") or "")
        except ValueError:
            return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
        source = entry.get("Source", "")
        if not source or not entry.get("DetailType") or not isinstance(detail, dict):
            message = "Source, DetailType and Detail (an object) are required."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": message}
        if source.startswith("aws."):
            message = "Not authorized for the source."
            return {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": message}
        if entry.get("EventBusName", _BUS).rpartition("/")[2] != _BUS:
            message = "The local cloud has the default bus only."
            return {"ErrorCode": "ResourceNotFoundException", "ErrorMessage": message}
        event = service_event(source, entry["DetailType"], detail, entry.get("Resources", []))
        self.publish(event)
        return {"EventId": event["id"]}

    def _rule(self, request: dict[str, Any], member: str) -> Rule:
        name = required(request, member, _BAD_REQUEST)
        if name not in self._rules:
            raise ServiceError("ResourceNotFoundException", f"Rule {name} does not exist.")
        return self._rules[name]

    def _list_rules(self, request: dict[str, Any]) -> dict[str, Any]:
        prefix = request.get("NamePrefix") or ""
        rules = [rule for rule in self._rules.values() if rule.name.startswith(prefix)]
        request["MaxResults"] = request.get("Limit")
        found, following = page(rules, [rule.name for rule in rules], request, _BAD_REQUEST)
        return {"Rules": [rule.describe() for rule in found], **following}

    def _list_targets(self, request: dict[str, Any]) -> dict[str, Any]:
        responses = []
        for target in self._rule(request, "Rule").targets:
            response = {"Id": target.id, "Arn": target.arn}
            if target.input is not None:
                response["Input"] = target.input
            if target.input_path is not None:
                response["InputPath"] = target.input_path
            responses.append(response)
        return {"Targets": responses}

    def _test_pattern(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            fits = compile_pattern(json.loads(request["EventPattern"]))
            return {"Result": fits(json.loads(request["Event"]))}
        except PatternError as error:
            raise ServiceError("InvalidEventPatternException", str(error)) from error
        except (KeyError, ValueError) as error:
            raise ServiceError(_BAD_REQUEST, f"not JSON or missing: {error}") from error
