"""The benchmark of orchestration: both chains come to their end, and the table has its ratios."""

from __future__ import annotations

import pytest

from benchmarks.orchestration import lambda_way
from benchmarks.orchestration.__main__ import Cost, cost_of, table
from benchmarks.orchestration.lambda_way import Execution


@pytest.mark.slow
@pytest.mark.parametrize("fast", [False, True])
def test_a_chain_suspends_for_each_stage_and_ends(fast: bool) -> None:
    with lambda_way.deployed() as way:
        execution = way.run(3, fast=fast)
    assert 1 <= execution.invocations <= 4
    assert 0 < execution.billed <= execution.seconds


def test_medians_are_of_one_stage_and_ratios_of_the_first_row() -> None:
    executions = [Execution(0.2, 0.1, 4), Execution(0.4, 0.3, 4), Execution(9, 9, 8)]
    plain = cost_of("plain", executions, stages=2)
    assert plain == Cost("plain", 200.0, 150.0, 2)
    assert table([plain, Cost("other", 50.0)]).splitlines()[2:] == [
        "| plain | 200.0 (1.00) | 150.0 (1.00) | 2.00 |",
        "| other | 50.0 (0.25) |  |  |",
    ]
