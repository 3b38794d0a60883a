"""The benchmark of the queue: it runs, every job once, and its references are right."""

from __future__ import annotations

import pytest

from benchmarks.queue.__main__ import (
    PLACES,
    Job,
    Ran,
    idle,
    load_of,
    measure,
    perfect,
    perfect_in_turn,
    polling,
    table,
)


@pytest.mark.slow
def test_every_job_runs_and_the_table_has_a_line_per_scheduler() -> None:
    found = measure(sizes=(6, 1, 4))
    assert [waits.never for waits in found[:4]] == [0, 0, 0, 0]
    assert [waits.calls for waits in found[:4]] == [1, 1, 1, 1], "the queue is not polled"
    assert found[0].mean <= found[2].mean <= found[3].mean, "events save waiting"
    assert len(table(found).splitlines()) == 2 + len(found)


def test_the_references_leave_no_place_free_while_a_job_waits() -> None:
    load = load_of((9, 1, 5), seed=2)
    for ran in (perfect(load, PLACES), perfect_in_turn(load, PLACES)):
        assert sorted(each.job.key.unit_id for each in ran) == sorted(
            job.key.unit_id for job in load
        )
        assert idle(ran) == pytest.approx(0)


def test_polling_leaves_places_free_and_counts_its_calls() -> None:
    load = load_of((9, 1, 5), seed=2)
    ran, calls = polling(load, 1, seed=2)
    assert len(ran) == len(load)
    assert calls > 2 * len(load)
    assert idle(ran, 1) > 0


def test_idle_is_what_is_free_while_somebody_waits() -> None:
    first, second = Job("a", 0, asked=0, seconds=10), Job("a", 1, asked=5, seconds=10)
    assert idle([Ran(first, 0), Ran(second, 12)], 1) == 2
    assert idle([Ran(first, 0), Ran(second, 12)], 2) == 7
