"""EventBridge: events, schedules and the API of the default bus."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from local.local_cloud.events.bus import EventBus, Rule, Target
from local.local_cloud.http.services import ServiceError


class Mailbox:
    """Remembers what was delivered where; some addresses cannot be reached."""

    def __init__(self, unreachable: str = "") -> None:
        self.letters: list[tuple[str, Any]] = []
        self.arrived = threading.Event()
        self._unreachable = unreachable

    def __call__(self, arn: str, text: str) -> None:
        if arn == self._unreachable:
            raise ConnectionError(arn)
        self.letters.append((arn, json.loads(text)))
        self.arrived.set()


def rule(name: str, *targets: Target, **details: Any) -> Rule:
    return Rule(name, f"arn:rule/{name}", targets or (Target("1", f"arn:{name}"),), **details)


MINE = {"source": ["mine"]}


def put(bus: EventBus, **changes: Any) -> dict[str, Any]:
    entry = {"Source": "mine", "DetailType": "Thing", "Detail": '{"a": {"b": 1}}', **changes}
    return bus.call("PutEvents", {"Entries": [entry]})


def test_what_a_target_does_not_accept_is_not_delivered() -> None:
    mailbox = Mailbox()
    both = rule("one", Target("1", "arn:open"), Target("2", "arn:closed"), pattern=MINE)
    bus = EventBus([both], mailbox, lambda _, target: target.arn == "arn:open")

    assert put(bus)["FailedEntryCount"] == 0

    assert [arn for arn, _ in mailbox.letters] == ["arn:open"]


def test_an_event_goes_to_the_targets_of_every_rule_it_fits() -> None:
    mailbox = Mailbox()
    bus = EventBus(
        [
            rule("one", pattern=MINE),
            rule("two", pattern={"detail": {"a": {"b": [1]}}}),
            rule("other", pattern={"source": ["other"]}),
            rule("off", pattern=MINE, enabled=False),
        ],
        mailbox,
    )

    response = put(bus, Resources=["arn:thing"])

    assert response["FailedEntryCount"] == 0
    assert [arn for arn, _ in mailbox.letters] == ["arn:one", "arn:two"]
    event = mailbox.letters[0][1]
    assert event["id"] == response["Entries"][0]["EventId"]
    assert event["detail-type"] == "Thing"
    assert event["detail"] == {"a": {"b": 1}}
    assert event["resources"] == ["arn:thing"]
    assert event["region"] == "us-east-1"


def test_a_target_may_get_a_part_of_the_event_or_a_text_of_its_own() -> None:
    mailbox = Mailbox()
    targets = (
        Target("1", "arn:part", input_path="$.detail.a"),
        Target("2", "arn:own", input='{"x": 1}'),
        Target("3", "arn:none", input_path="$.detail.z"),
    )
    put(EventBus([rule("one", *targets, pattern=MINE)], mailbox))

    assert mailbox.letters == [("arn:part", {"b": 1}), ("arn:own", {"x": 1}), ("arn:none", None)]


def test_a_target_out_of_reach_does_not_keep_the_others_from_theirs() -> None:
    mailbox = Mailbox(unreachable="arn:gone")
    bus = EventBus(
        [rule("one", Target("1", "arn:gone"), Target("2", "arn:there"), pattern=MINE)], mailbox
    )

    assert put(bus)["FailedEntryCount"] == 0
    assert [arn for arn, _ in mailbox.letters] == ["arn:there"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Detail": "not json"}, "MalformedDetail"),
        ({"Detail": "[1]"}, "InvalidArgument"),
        ({"Source": ""}, "InvalidArgument"),
        ({"Source": "aws.glue"}, "NotAuthorizedForSourceException"),
        ({"EventBusName": "other"}, "ResourceNotFoundException"),
    ],
)
def test_a_bad_entry_is_refused_with_its_error(changes: dict[str, Any], code: str) -> None:
    response = put(EventBus([], Mailbox()), **changes)

    assert response["FailedEntryCount"] == 1
    assert response["Entries"][0]["ErrorCode"] == code


def test_a_schedule_fires_again_and_again_until_the_bus_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "local.local_cloud.events.bus.parse_schedule", lambda _: lambda after: after
    )
    mailbox = Mailbox()
    bus = EventBus([rule("often", schedule="rate(1 minute)")], mailbox)

    bus.start()
    assert mailbox.arrived.wait(5)
    bus.stop()

    arn, event = mailbox.letters[0]
    assert arn == "arn:often"
    assert (event["source"], event["detail-type"]) == ("aws.events", "Scheduled Event")
    assert event["resources"] == ["arn:rule/often"]


@pytest.mark.parametrize(
    ("pattern", "enabled", "listens"),
    [
        ({"source": ["aws.s3"]}, True, True),
        ({"source": [{"prefix": "aws."}], "detail-type": ["x"]}, True, True),
        ({"detail-type": ["Object Created"]}, True, True),
        ({"source": ["aws.glue"]}, True, False),
        ({"source": ["aws.s3"]}, False, False),
    ],
)
def test_it_is_known_whether_anybody_listens_to_a_source(
    pattern: dict[str, Any], enabled: bool, listens: bool
) -> None:
    bus = EventBus([rule("one", pattern=pattern, enabled=enabled)], Mailbox())

    assert bus.listens_to("aws.s3") is listens


def test_rules_can_be_read() -> None:
    bus = EventBus(
        [
            rule("a-one", pattern=MINE),
            rule("a-two", Target("t", "arn:x", input='"hi"'), schedule="rate(1 hour)"),
            rule("b-three", pattern=MINE, enabled=False),
        ],
        Mailbox(),
    )

    first = bus.call("ListRules", {"NamePrefix": "a-", "Limit": 1})
    second = bus.call("ListRules", {"NamePrefix": "a-", "NextToken": first["NextToken"]})
    assert [found["Name"] for found in first["Rules"] + second["Rules"]] == ["a-one", "a-two"]
    assert "NextToken" not in second
    assert bus.call("DescribeRule", {"Name": "b-three"})["State"] == "DISABLED"
    assert bus.call("ListTargetsByRule", {"Rule": "a-two"}) == {
        "Targets": [{"Id": "t", "Arn": "arn:x", "Input": '"hi"'}]
    }
    with pytest.raises(ServiceError, match="nobody"):
        bus.call("DescribeRule", {"Name": "nobody"})


def test_a_pattern_can_be_tried() -> None:
    bus = EventBus([], Mailbox())

    def fits(pattern: str) -> Any:
        request = {"EventPattern": pattern, "Event": '{"source": "mine"}'}
        return bus.call("TestEventPattern", request)["Result"]

    assert fits('{"source": ["mine"]}')
    assert not fits('{"source": ["other"]}')
    with pytest.raises(ServiceError, match="InvalidEventPattern"):
        fits('{"source": "mine"}')
