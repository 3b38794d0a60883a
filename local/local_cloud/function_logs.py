"""Logs of functions, read from their files: the part of CloudWatch Logs that is ours.

A function's group is the one that the template names, its stream is the function, an event is a
line. Jobs put their logs into the substrate, where calls for other groups go on to.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from botocore.exceptions import ClientError
from botocore.utils import ArnParser

from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.operations import JsonService
from local.local_cloud.http.refusals import not_emulated
from local.local_cloud.http.services import ServiceError
from local.local_cloud.lambdas.functions import FunctionSpec

_MOST_EVENTS: Final = 10_000
_TERM: Final = re.compile(r'([?-]?)(?:"([^"]*)"|([^\s"]+))\s*')
# Of other ways to name a group, streams or times; with these a call of ours is refused.
_CALLS: Final = {
    "DescribeLogStreams": "describe_log_streams",
    "FilterLogEvents": "filter_log_events",
    "GetLogEvents": "get_log_events",
}


@dataclass(frozen=True)
class _Event:
    stream: str
    time: int
    number: int
    message: str

    def listed(self) -> dict[str, Any]:
        return {
            "logStreamName": self.stream,
            "timestamp": self.time,
            "ingestionTime": self.time,
            "message": self.message,
            "eventId": f"{self.time:020d}{self.number:012d}",
        }


class FunctionLogs(JsonService):
    """DescribeLogStreams, FilterLogEvents and GetLogEvents of CloudWatch Logs."""

    service: ClassVar = "logs"
    target_prefix: ClassVar = "Logs_20140328"
    forwards: ClassVar = True

    def __init__(
        self, groups: Mapping[str, Sequence[str]], directory: Path, clients: ServiceClients
    ) -> None:
        """Prepare it.

        Args:
            groups: the functions that log into each group.
            directory: of the functions' logs, `<function>.log`.
            clients: of the substrate.
        """
        super().__init__({name: functools.partial(self._serve, name) for name in _CALLS})
        self._groups = dict(groups)
        self._directory = directory
        self._clients = clients

    def groups_are(self, groups: Mapping[str, Sequence[str]]) -> None:
        """Know the groups of an updated template; those of functions created by call stay."""
        self._groups = {**self._groups, **groups}

    def know(self, function: FunctionSpec) -> None:
        """A function that is created while the cloud runs logs into a group of its own."""
        self._groups[f"/aws/lambda/{function.name}"] = [function.name]

    def _serve(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        group = _group_of(request)
        if group not in self._groups:
            return self._forwarded(operation, request)
        functions = [name for name in self._groups[group] if self._file(name).exists()]
        if operation == "DescribeLogStreams":
            return self._streams(group, functions, request)
        if operation == "FilterLogEvents":
            return self._filtered(functions, request)
        return self._events_of_stream(functions, request)

    def _forwarded(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            found: dict[str, Any] = getattr(self._clients.get("logs"), _CALLS[operation])(**request)
        except ClientError as error:
            about, status = error.response["Error"], error.response["ResponseMetadata"]
            raise ServiceError(
                about["Code"], about["Message"], status.get("HTTPStatusCode", 400)
            ) from error
        found.pop("ResponseMetadata", None)
        return found

    def _file(self, function: str) -> Path:
        return self._directory / f"{function}.log"

    def _streams(
        self, group: str, functions: Sequence[str], request: dict[str, Any]
    ) -> dict[str, Any]:
        prefix = request.get("logStreamNamePrefix", "")
        streams: list[dict[str, Any]] = []
        for function in sorted(functions):
            times = [event.time for event in self._events(function)]
            if function.startswith(prefix) and times:
                streams.append(
                    {
                        "logStreamName": function,
                        "firstEventTimestamp": times[0],
                        "lastEventTimestamp": times[-1],
                        "arn": f"{group}:log-stream:{function}",
                    }
                )
        if request.get("orderBy") == "LastEventTime":
            streams.sort(key=lambda stream: int(stream["lastEventTimestamp"]))
        if request.get("descending"):
            streams.reverse()
        first = int(request.get("nextToken", 0))
        last = first + int(request.get("limit", 50))
        more = {"nextToken": str(last)} if last < len(streams) else {}
        return {"logStreams": streams[first:last], **more}

    def _filtered(self, functions: Sequence[str], request: dict[str, Any]) -> dict[str, Any]:
        wanted = request.get("logStreamNames")
        prefix = request.get("logStreamNamePrefix", "")
        matches = filter_of(request.get("filterPattern", ""))
        events = [
            event
            for function in functions
            if (wanted is None or function in wanted) and function.startswith(prefix)
            for event in self._events(function)
            if _in_time(event, request) and matches(event.message)
        ]
        events.sort(key=lambda event: (event.time, event.stream, event.number))
        first = int(request.get("nextToken", 0))
        last = first + int(request.get("limit", _MOST_EVENTS))
        more = {"nextToken": str(last)} if last < len(events) else {}
        return {"events": [event.listed() for event in events[first:last]], **more}

    def _events_of_stream(
        self, functions: Sequence[str], request: dict[str, Any]
    ) -> dict[str, Any]:
        stream = request["logStreamName"]
        if stream not in functions:
            raise ServiceError(
                "ResourceNotFoundException", "The specified log stream does not exist."
            )
        events = [event for event in self._events(stream) if _in_time(event, request)]
        limit = int(request.get("limit", _MOST_EVENTS))
        # f/N: from N on; b/N: what comes before N
        way, _, position = str(request.get("nextToken", "")).partition("/")
        if way == "f" or (not way and request.get("startFromHead")):
            first = int(position or 0)
            last = min(first + limit, len(events))
        else:
            last = int(position) if way else len(events)
            first = max(0, last - limit)
        names = ("timestamp", "message", "ingestionTime")
        return {
            "events": [
                {name: event.listed()[name] for name in names} for event in events[first:last]
            ],
            "nextForwardToken": f"f/{last}",
            "nextBackwardToken": f"b/{first}",
        }

    def _events(self, function: str) -> Iterator[_Event]:
        """A line without a time of its own has that of the line before."""
        file = self._file(function)
        last = int(file.stat().st_ctime * 1000)
        with file.open(encoding="utf-8", errors="replace") as lines:
            untimed: list[tuple[int, str]] = []
            known = False
            for number, line in enumerate(lines):
                text = line.rstrip("\n")
                moment = _time_of(text)
                if moment is None and not known:
                    untimed.append((number, text))
                    continue
                last = moment if moment is not None else last
                for earlier, message in untimed:
                    yield _Event(function, last, earlier, message)
                untimed.clear()
                known = True
                yield _Event(function, last, number, text)
            for earlier, message in untimed:
                yield _Event(function, last, earlier, message)


def filter_of(pattern: str) -> Callable[[str], bool]:
    """What a filter pattern of terms matches (CloudWatch Logs User Guide, "Filter pattern syntax").

    `a b`: both; `?a ?b`: any of them; `-a`: not; `"a b"`: the phrase.

    Raises:
        ServiceError: it is a pattern of another kind.
    """
    text = pattern.strip()
    if text[:1] in ("{", "[", "%"):
        raise not_emulated("logs filter patterns other than terms (JSON, columns, expressions)")
    terms = [(match[1], match[2] or match[3] or "") for match in _TERM.finditer(text)]
    needed = [term for sign, term in terms if sign == ""]
    optional = [term for sign, term in terms if sign == "?"]
    excluded = [term for sign, term in terms if sign == "-"]

    def matches(message: str) -> bool:
        return (
            all(term in message for term in needed)
            and not any(term in message for term in excluded)
            # beside others, optional terms change nothing
            and (bool(needed) or not optional or any(term in message for term in optional))
        )

    return matches


def _group_of(request: Mapping[str, Any]) -> str:
    name = str(request.get("logGroupName") or "")
    identifier = str(request.get("logGroupIdentifier") or "")
    if ArnParser.is_arn(identifier):
        return identifier.split(":log-group:")[-1].removesuffix(":*")
    return name or identifier


def _in_time(event: _Event, request: Mapping[str, Any]) -> bool:
    start, end = request.get("startTime"), request.get("endTime")
    return (start is None or event.time >= start) and (end is None or event.time <= end)


def _time_of(line: str) -> int | None:
    """Epoch milliseconds that a line of JSON says, as Powertools writes them."""
    if not line.startswith("{"):
        return None
    try:
        document = json.loads(line)
    except ValueError:
        return None
    embedded = document.get("_aws")
    if isinstance(embedded, dict) and isinstance(embedded.get("Timestamp"), int):
        return int(embedded["Timestamp"])
    said = document.get("timestamp")
    if not isinstance(said, str):
        return None
    try:
        return int(datetime.fromisoformat(said.replace(",", ".")).timestamp() * 1000)
    except ValueError:
        return None
