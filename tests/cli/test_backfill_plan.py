"""A backfill as it is asked for: what it would do, and what is refused before anything starts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cli_world import World

from cli.client.backfill_request import Asked, instant_of
from cli.client.backfills import Plan, plan
from cli.exit_codes import REFUSED, CommandFailed
from contracts.ledger_items import place_in_list
from contracts.times.backfill import Only, WindowState
from contracts.times.relative import zone_named

NOW = datetime(2026, 11, 30, 14, 20, 10, 123, tzinfo=UTC)
CONTRACT = """
name: orders
source: {{prefix: landing/orders/, {source}}}
columns: [{{name: id, type: string}}]
targets: {{dynamodb: {{key: [id]}}}}
"""
BY_DAY = "partition: dt=%Y-%m-%d/"


@pytest.fixture
def orders(local: World) -> World:
    local.deployment.client("s3").create_bucket(Bucket="code")
    put_contract(local, BY_DAY)
    return local


def put_contract(world: World, source: str) -> None:
    body = CONTRACT.format(source=source).encode()
    world.deployment.client("s3").put_object(Bucket="code", Key="datasets/orders.yaml", Body=body)


def put_object(world: World, key: str, size: int = 1) -> None:
    world.deployment.client("s3").put_object(
        Bucket="data", Key=f"landing/orders/{key}", Body=b"x" * size
    )


def put_run(world: World, run_id: str, start: str, end: str, status: str, **more: Any) -> None:
    claimed = more.pop("claimed_at", "2026-11-29T01:00:00Z")
    request = {"datasetName": "orders", "startDateTime": start, "runId": run_id, **more}
    world.put_run(
        run_id,
        status=status,
        request=json.dumps(request),
        end_date_time=end,
        claimed_at=claimed,
        **place_in_list(claimed, run_id),
    )


def asked(**more: Any) -> Asked:
    known = {"dataset": "orders", "start": "2026-11-01", "end": "2026-11-05", "window": "1d"}
    return Asked(**{**known, **more})


def states(found: Plan) -> str:
    return "".join(each.state.value for each in found.windows)


def refusal(world: World, **more: Any) -> str:
    with pytest.raises(CommandFailed) as error:
        plan(world.deployment, asked(**more), NOW)
    assert error.value.exit_code == REFUSED
    return error.value.message


def test_windows_with_their_objects_and_their_runs(orders: World) -> None:
    put_object(orders, "dt=2026-11-01/a.csv", 10)
    put_object(orders, "dt=2026-11-01/b.csv", 5)
    put_object(orders, "dt=2026-11-01/_SUCCESS", 7)
    put_object(orders, "dt=2026-11-04/a.csv", 2)
    put_object(orders, "dt=2026-11-05/a.csv", 3)

    found = plan(orders.deployment, asked(), NOW)

    counts = [(each.objects.objects, each.objects.bytes) for each in found.windows if each.objects]
    assert counts == [(2, 15), (0, 0), (0, 0), (1, 2)]
    assert states(found) == "...."
    assert len({each.run_id for each in found.windows}) == 4
    assert found.windows[1].run_id.endswith("-20261102T000000Z")
    assert found.existing is None


def test_objects_are_placed_as_a_run_places_them(orders: World) -> None:
    put_contract(orders, f"{BY_DAY}, timeFrom: key, keyTime: 'x_%Y%m%d_%H.csv'")
    put_object(orders, "dt=2026-11-01/x_20261101_05.csv")
    put_object(orders, "dt=2026-11-01/x_20261101_06.csv")
    put_object(orders, "dt=2026-11-01/no-time.csv")
    found = plan(orders.deployment, asked(end="2026-11-02", window="6h"), NOW)
    assert [each.objects and each.objects.objects for each in found.windows] == [1, 1, 0, 0]

    put_contract(orders, "timeFrom: last-modified")
    found = plan(orders.deployment, asked(start="2000-01-01", end="2100-01-01", window="9999d"))
    assert sum(each.objects.objects for each in found.windows if each.objects) == 3


def test_many_partitions_are_found_by_one_walk(orders: World) -> None:
    put_object(orders, "dt=2026-11-01/a.csv")
    put_object(orders, "dt=2029-07-27/a.csv")
    put_object(orders, "dt=2029-07-28/a.csv")
    found = plan(orders.deployment, asked(end="2029-07-28", window="1mo"), NOW)
    counts = [each.objects.objects for each in found.windows if each.objects]
    assert (counts[0], counts[-1], sum(counts)) == (1, 1, 2)


def test_what_runs_have_stored_is_passed_over(orders: World) -> None:
    put_run(orders, "a", "2026-11-01T00:00:00Z", "2026-11-02T12:00:00Z", "SUCCEEDED")
    put_run(orders, "b", "2026-11-02T12:00:00Z", "2026-11-03T00:00:00Z", "SUCCEEDED")
    put_run(orders, "c", "2026-11-03T06:00:00Z", "2026-11-03T07:00:00Z", "FAILED")
    put_run(orders, "d", "2026-11-03T00:00:00Z", "2026-11-05T00:00:00Z", "SKIPPED")

    assert states(plan(orders.deployment, asked(), NOW)) == "bb.."
    assert states(plan(orders.deployment, asked(only=Only.FAILED), NOW)) == "bb.-"
    assert states(plan(orders.deployment, asked(only=Only.ALL), NOW)) == "...."
    assert len(plan(orders.deployment, asked(), NOW).chosen) == 2


def test_runs_that_store_other_rows_do_not_count(orders: World) -> None:
    whole = ("2026-11-01T00:00:00Z", "2026-11-05T00:00:00Z", "SUCCEEDED")
    put_run(orders, "a", *whole, query="id = 'x'")
    put_run(orders, "b", *whole, index="other")
    put_run(orders, "c", *whole, inputUrl="landing/orders/x.csv")
    assert states(plan(orders.deployment, asked(), NOW)) == "...."
    assert states(plan(orders.deployment, asked(query="id = 'x'"), NOW)) == "bbbb"
    assert states(plan(orders.deployment, asked(index="other"), NOW)) == "bbbb"


def test_the_same_words_are_the_same_backfill_while_they_mean_the_same(orders: World) -> None:
    first = plan(orders.deployment, asked(start="today-3d", end="today"), NOW).request
    later = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    again = plan(orders.deployment, asked(start="2026-11-27", end="today"), later).request
    next_day = datetime(2026, 12, 1, tzinfo=UTC)
    another = plan(orders.deployment, asked(start="today-3d", end="today"), next_day).request
    assert first == again
    assert first.backfill_id != another.backfill_id
    named = plan(orders.deployment, asked(name="november"), NOW).request
    assert named.backfill_id == "november"


def test_dates_are_of_the_zone(orders: World) -> None:
    berlin = zone_named("Europe/Berlin")
    assert instant_of("2026-11-01", berlin, NOW) == datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert instant_of("2026-11-01T06:00", berlin, NOW) == datetime(2026, 11, 1, 5, tzinfo=UTC)
    assert instant_of("2026-11-01T06:00Z", berlin, NOW) == datetime(2026, 11, 1, 6, tzinfo=UTC)
    assert instant_of("today", berlin, NOW) == datetime(2026, 11, 29, 23, tzinfo=UTC)
    put_contract(orders, "timeFrom: last-modified")
    found = plan(orders.deployment, asked(zone="Europe/Berlin", start="2026-10-24"), NOW)
    lengths = [(each.window.end - each.window.start).total_seconds() for each in found.windows]
    assert {length / 3600 for length in lengths[:2]} == {24, 25}


def test_every_problem_at_once(orders: World) -> None:
    text = refusal(
        orders, start="soon", zone="Mars/Olympus", window="0d", at_once=11, query="nope = 1"
    )
    for part in ("--from", "'soon'", "--zone: Mars/Olympus is no time zone", "--window", "'0d'"):
        assert part in text
    assert "--at-once" in text
    assert "--query" in text
    assert "nothing was started" in text


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"start": "2026-11-05"}, "holds no time"),
        ({"start": "2026-11-06"}, "its end must be after its start"),
        ({"start": "2024-01-01", "window": "1h"}, "more than 10,000 windows of 1h"),
        ({"zone": "Nowhere"}, "Nowhere is no time zone"),
        ({"window": "day"}, "must be a length such as 1h, 6h, 1d"),
        ({"name": "No Name"}, "--name"),
        ({"only": "some"}, "--only"),
        ({"window": "6h"}, "read the partition dt=2026-11-01/"),
        ({"zone": "Europe/Berlin"}, "must begin where partitions"),
        ({"start": "2026-11-01T00:00:00.5Z"}, "whole second"),
    ],
)
def test_what_cannot_be_done_is_refused(orders: World, more: dict[str, Any], why: str) -> None:
    assert why in refusal(orders, **more)


def test_an_unknown_dataset_is_named_beside_the_rest(orders: World) -> None:
    assert "there is no dataset order in" in refusal(orders, dataset="order", window="0d")
    with pytest.raises(CommandFailed, match="did you mean orders"):
        plan(orders.deployment, asked(dataset="order"), NOW)


def test_a_source_that_may_not_be_listed_is_said(orders: World) -> None:
    put_contract(orders, f"{BY_DAY}, bucket: elsewhere")
    found = plan(orders.deployment, asked(), NOW)
    assert found.unlisted is not None
    assert "elsewhere" in found.unlisted
    assert [each.objects for each in found.windows] == [None] * 4
    assert {each.state for each in found.windows} == {WindowState.LEFT}


class TestCost:
    def test_what_windows_are_expected_to_cost_by_past_runs(self, orders: World) -> None:
        put_object(orders, "dt=2026-11-01/a.csv")
        put_object(orders, "dt=2026-11-01/b.csv")
        put_object(orders, "dt=2026-11-04/a.csv")
        past = [
            {"run_id": "r1", "units": 10, "units_usd": 5, "own_usd": 2},
            {"run_id": "r2", "units": 10, "units_usd": 7, "own_usd": 0},
        ]
        orders.put({"run_id": "#costs", "item": "orders", "revision": 1, "runs": past})
        found = plan(orders.deployment, asked(), NOW).estimate
        assert found is not None
        # Two windows have objects; their runs use one dollar beside their units.
        assert (found.usd, found.units, found.runs) == (2 * 1 + 3 * 0.6, 3, 2)

    def test_it_is_not_known_without_a_past_or_without_the_objects(self, orders: World) -> None:
        put_object(orders, "dt=2026-11-01/a.csv")
        assert plan(orders.deployment, asked(), NOW).estimate is None
        past = [{"run_id": "r1", "units": 10, "units_usd": 5, "own_usd": 2}]
        orders.put({"run_id": "#costs", "item": "orders", "revision": 1, "runs": past})
        assert plan(orders.deployment, asked(), NOW, objects=False).estimate is None
