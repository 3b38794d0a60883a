"""Money, for people."""

from __future__ import annotations

import pytest

from contracts.costs.figures import RunCost
from contracts.run import RunResult, RunStatus
from costs.texts import ESTIMATED, cost_text, enough, estimate_in, money
from runs.outcome_text import end_text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0, "$0.00"),
        (1234.5, "$1,234.50"),
        (12.3, "$12.30"),
        (0.0042, "$0.0042"),
        (0.123456, "$0.12"),
        (0.00000086, "$0.00000086"),
        (0.00001, "$0.00001"),
    ],
)
def test_money_has_as_many_digits_as_say_something(usd: float, text: str) -> None:
    assert money(usd) == text


def test_a_notification_says_what_the_run_cost() -> None:
    cost = RunCost(usd=1.23, estimated_usd=1.1, not_priced=("60000 emr-ms",))
    said = "Cost: $1.23 at list prices, estimated $1.10; not priced: 60000 emr-ms"
    assert cost_text(cost) == said
    result = RunResult(run_id="r1", dataset_name="orders", status=RunStatus.SUCCEEDED, cost=cost)
    assert end_text(result).splitlines()[-1] == said
    assert "Cost" not in end_text(result.model_copy(update={"cost": None}))


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0.00033418, "0.00034"),
        (0.000001, "0.000001"),
        (12.341, "12.35"),
        (1234.5, "1234.50"),
        (0.999, "1.0"),
    ],
)
def test_what_is_enough_is_rounded_up_only(usd: float, text: str) -> None:
    assert enough(usd) == text
    assert float(text) >= usd
    assert estimate_in(f"maxCost: {ESTIMATED}{text} for 2 units") == float(text)
    assert estimate_in("of another reason") is None
