"""From usage to money, and the table of prices."""

from __future__ import annotations

import pytest

from contracts.costs.usage import Meter, added
from contracts.errors import InvalidInput
from costs.model import cost_of, lines_of
from costs.prices import SHIPPED, parse_prices, shipped_prices

TABLE = """
region: here
date: "2026-01-02"
assumed: {months: 0.5}
prices:
  - {service: Operations, meter: operations, usd: 8, per: 1000000, source: a page}
  - {service: Operations, meter: written-bytes, usd: 2, per: 1000, source: a page}
  - {service: Operations, meter: written-bytes, usd: 4, per: 1000, times: [months], source: a page}
  - {service: Lambda, meter: lambda-requests, usd: 1, per: 10, source: a page}
  - {service: Lambda, meter: lambda-mb-ms, usd: 1, per: 1000, source: a page}
"""
PRICES = parse_prices(TABLE, "table")


def test_every_amount_is_priced_and_added_up_by_service() -> None:
    usage = {"operations": 500_000, "written-bytes": 250, "lambda-requests:validate": 20}
    cost = cost_of(usage, PRICES)

    assert [(each.service, each.usd) for each in cost.by_service] == [
        ("Operations", 4 + 250 * (2 + 4 * 0.5) / 1000),
        ("Lambda", 2),
    ]
    assert cost.usd == 7.0
    assert cost.prices_of == "here, 2026-01-02"


def test_the_bill_has_a_line_per_meter_the_dearest_service_first() -> None:
    usage = {"lambda-requests:a": 1, "lambda-requests:b": 2, "operations": 1_000_000}
    lines = lines_of(usage, PRICES)
    assert [(line.meter, line.usd) for line in lines] == [
        ("operations", 8),
        ("lambda-requests:b", 0.2),
        ("lambda-requests:a", 0.1),
    ]


def test_what_has_no_price_is_named_and_not_taken_for_nothing() -> None:
    cost = cost_of({"operations": 125_000, "emr-ms": 60_000, "of-a-later-release": 3}, PRICES)
    assert cost.usd == 1
    assert cost.not_priced == ("60000 emr-ms", "3 of-a-later-release")


def test_calls_that_failed_cost_the_time_that_the_others_took_on_average() -> None:
    usage = {
        "lambda-requests:validate": 4,
        "lambda-failed:validate": 1,
        "lambda-mb-ms:validate": 3000,
    }
    assert cost_of(usage, PRICES).usd == 0.4 + 4.0
    only_failures = {"lambda-requests:validate": 2, "lambda-failed:validate": 2}
    assert cost_of(only_failures, PRICES).usd == 0.2, "nothing says how long they took"


def test_throttled_calls_are_on_the_bill_and_cost_nothing() -> None:
    usage = {"lambda-requests:validate": 4, "lambda-throttled:validate": 3}
    assert [(line.meter, line.amount, line.usd) for line in lines_of(usage, PRICES)] == [
        ("lambda-requests:validate", 4, 0.4),
        ("lambda-throttled:validate", 3, 0),
    ]
    assert cost_of(usage, PRICES).not_priced == ()


def test_amounts_are_added_meter_by_meter() -> None:
    assert added(({"a": 1, "b": 2}, None, {"b": 3, "new": 4})) == {"a": 1, "b": 5, "new": 4}


def test_every_meter_but_those_without_a_price_of_its_own_is_in_the_table() -> None:
    known = {price.meter for price in shipped_prices().prices}
    unpriced = {
        *(Meter.FAILED, Meter.THROTTLED, Meter.JOB_REQUESTS),
        *(Meter.EMR_MS, Meter.REDSHIFT_CLUSTER_MS),
    }
    assert known >= set(Meter) - unpriced
    assert not known & unpriced


def test_every_price_says_where_it_is_from() -> None:
    assert all(len(price.source) > 10 for price in shipped_prices().prices)
    assert shipped_prices().region == "us-east-1"


def test_a_million_operations_cost_what_aws_says() -> None:
    """AWS's own example: a million executions of four operations are 32 dollars."""
    assert cost_of({"operations": 4_000_000}).usd == 32


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("usd: 8,", "usd: -8,"), "prices.0.usd"),
        (("per: 1000000", "per: 0"), "prices.0.per"),
        (("usd: 8,", "usd: cheap,"), "prices.0.usd"),
        (("times: [months]", "times: [weeks]"), "`assumed` lacks: weeks"),
        (("region: here", "regoin: here"), "regoin"),
        (("assumed:", "assumed: ["), "is not YAML"),
    ],
)
def test_a_wrong_table_is_refused_with_the_field(change: tuple[str, str], said: str) -> None:
    text = TABLE.replace(*change, 1)
    with pytest.raises(InvalidInput, match="table") as refused:
        parse_prices(text, "table")
    assert said in str(refused.value)


def test_all_problems_of_a_table_are_reported_at_once() -> None:
    text = TABLE.replace("usd: 8,", "usd: -8,").replace("usd: 2,", "usd: x,")
    with pytest.raises(InvalidInput) as refused:
        parse_prices(text, "table")
    assert "prices.0.usd" in str(refused.value)
    assert "prices.1.usd" in str(refused.value)


def test_the_shipped_table_is_of_the_form_that_users_may_give() -> None:
    assert parse_prices(SHIPPED.read_text("utf-8"), "prices") == shipped_prices()
