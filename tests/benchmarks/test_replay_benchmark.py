"""The benchmark of replays: it runs, and shows that completed units are not loaded again."""

from __future__ import annotations

import pytest

from benchmarks.replay.__main__ import Loaded, Replay, measure, table

pytestmark = pytest.mark.slow


def test_units_that_are_done_are_not_loaded_again() -> None:
    small, large = measure(10), measure(60)
    assert small.pruned.operations < small.whole.operations
    assert large.pruned.operations < large.whole.operations / 2
    assert large.pruned.largest < large.whole.largest / 2


def test_the_table_has_a_line_per_run_and_the_unpruned_figures_in_brackets() -> None:
    replay = Replay(10, 13, Loaded(390, 174_080, 36_864), Loaded(550, 235_520, 39_936))
    assert table([replay]).splitlines()[2] == "| 10 | 1.3 | 39 (55) | 17 (23) | 36 (39) |"
