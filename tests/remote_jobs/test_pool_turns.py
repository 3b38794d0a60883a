"""Whose turn it is in a pool, by the pure functions over its record."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from contracts.job import JobKey, Priority
from contracts.ledger_items import PoolItem
from remote_jobs.pools import turns

NOW = 1000.0


def key(run_id: str, number: int = 1) -> JobKey:
    return JobKey(run_id=run_id, unit_id=f"0000-{number:05d}", stage="clean", attempt=1)


def pool_of(limit: int | None = 1) -> PoolItem:
    return PoolItem(name="glue/clean", limit=limit)


def waiting(
    pool: PoolItem, run_id: str, jobs: int = 1, priority: Priority = Priority.NORMAL
) -> PoolItem:
    for number in range(jobs):
        pool = turns.drawn(pool, f"{run_id}-{number}", key(run_id, number), priority, NOW)
    return pool


def served(pool: PoolItem, most: int = 1000) -> list[str]:
    """The jobs one after another, each ending before the next gets its place."""
    jobs: list[str] = []
    while len(jobs) < most:
        pool, given = turns.granted(pool, most, NOW)
        if not given:
            break
        jobs += given
        pool = turns.left(pool, given)
    return jobs


class TestEntering:
    def test_an_idle_pool_gives_a_place_at_once(self) -> None:
        pool, has_place = turns.entered(pool_of(), "job", key("run"), Priority.NORMAL, NOW)
        assert has_place
        assert (list(pool.held), list(pool.waiting)) == (["job"], [])

    def test_a_full_pool_gives_a_ticket_with_which_a_repeat_changes_nothing(self) -> None:
        pool, _ = turns.entered(pool_of(), "first", key("run"), Priority.NORMAL, NOW)
        pool, has_place = turns.entered(pool, "second", key("run", 2), Priority.NORMAL, NOW)
        assert not has_place
        assert turns.entered(pool, "second", key("run", 2), Priority.NORMAL, NOW) == (pool, False)
        assert turns.entered(pool, "first", key("run"), Priority.NORMAL, NOW) == (pool, True)

    def test_nobody_overtakes_who_waits_for_a_free_place(self) -> None:
        pool = waiting(pool_of(1), "early")
        pool, has_place = turns.entered(pool, "late", key("late"), Priority.NORMAL, NOW)
        assert not has_place
        assert served(pool) == ["early-0", "late"]

    def test_with_places_for_those_in_front_too_it_need_not_wait_for_them(self) -> None:
        pool = waiting(pool_of(2), "early")
        pool, has_place = turns.entered(pool, "late", key("late"), Priority.NORMAL, NOW)
        assert has_place
        assert turns.granted(pool, 9, NOW)[1] == ["early-0"]

    def test_a_pool_whose_limit_is_not_known_gives_none(self) -> None:
        assert not turns.entered(pool_of(None), "job", key("run"), Priority.NORMAL, NOW)[1]

    def test_a_full_record_takes_no_more_tickets(self) -> None:
        pool = waiting(pool_of(1), "run", turns.MOST_TICKETS)
        assert turns.entered(pool, "more", key("more"), Priority.NORMAL, NOW) == (pool, False)


class TestTurns:
    def test_a_run_of_a_thousand_does_not_block_a_run_of_one(self) -> None:
        pool, _ = turns.granted(waiting(pool_of(3), "large", 900), 3, NOW)
        pool = waiting(pool, "small")
        pool = turns.left(pool, ["large-0"])
        assert turns.granted(pool, 1, NOW)[1] == ["small-0"]

    def test_runs_take_turns_each_in_the_order_of_its_tickets(self) -> None:
        pool = waiting(waiting(pool_of(1), "a", 3), "b", 3)
        assert served(pool) == ["a-0", "b-0", "a-1", "b-1", "a-2", "b-2"]

    def test_who_comes_late_gets_its_share_and_not_more(self) -> None:
        pool = waiting(pool_of(1), "old", 20)
        for _ in range(10):
            pool, given = turns.granted(pool, 1, NOW)
            pool = turns.left(pool, given)
        pool = waiting(pool, "new", 10)
        runs = [job.rpartition("-")[0] for job in served(pool)]
        assert Counter(runs[:6]) == {"old": 3, "new": 3}

    @pytest.mark.parametrize(
        ("priority", "turns_of_ten"), [(Priority.HIGH, 10), (Priority.LOW, 1 / 10)]
    )
    def test_a_priority_is_a_share_so_nobody_starves(
        self, priority: Priority, turns_of_ten: float
    ) -> None:
        pool = waiting(pool_of(1), "normal", 200)
        pool = waiting(pool, "other", 200, priority)
        runs = Counter(job.rpartition("-")[0] for job in served(pool, 110))
        assert runs["other"] / runs["normal"] == pytest.approx(turns_of_ten, rel=0.15)

    def test_new_runs_however_many_do_not_keep_a_waiting_one_from_its_turn(self) -> None:
        pool = waiting(pool_of(1), "old", 10)
        pool, given = turns.granted(pool, 1, NOW)
        runs = []
        for number in range(60):  # one comes as fast as a place is free
            pool = turns.left(waiting(pool, f"new{number}"), given)
            pool, given = turns.granted(pool, 1, NOW)
            runs.append(given[0].rpartition("-")[0])
        assert runs.count("old") >= 5
        assert len(pool.next_turns) <= 20, "what decides nothing any more is forgotten"


class TestGivingBack:
    def test_a_refused_job_stays_in_front_and_its_run_loses_no_turn(self) -> None:
        pool = waiting(waiting(pool_of(1), "a", 2), "b", 2)
        pool, _ = turns.granted(pool, 1, NOW)
        pool = turns.returned(pool, "a-0", NOW, NOW, refused=True)
        assert turns.granted(pool, 1, NOW) == (pool, []), "its engine is left alone for a while"
        free = replace(pool, refused_until=0)
        assert served(free) == ["a-0", "b-0", "a-1", "b-1"]

    def test_refusals_in_a_row_hold_longer_and_the_next_job_that_is_taken_ends_that(self) -> None:
        pool, held_for = waiting(pool_of(1), "a"), []
        for _ in range(6):
            pool, _ = turns.granted(replace(pool, refused_until=0), 1, NOW)
            pool = turns.returned(pool, "a-0", NOW, NOW, refused=True)
            held_for.append(pool.refused_until - NOW)
        assert held_for == [15, 30, 60, 120, 120, 120]
        assert turns.accepted(pool).refused_until == turns.accepted(pool).refusals == 0

    def test_what_was_under_way_at_the_first_refusal_is_one_with_it(self) -> None:
        pool, _ = turns.granted(waiting(pool_of(8), "a", 8), 8, NOW)
        for number in range(8):
            pool = turns.returned(pool, f"a-{number}", NOW, NOW + number, refused=True)
        assert (pool.refusals, pool.refused_until) == (1, NOW + 15)

    def test_a_place_that_another_call_was_given_since_is_not_given_back(self) -> None:
        pool, _ = turns.granted(waiting(pool_of(1), "a"), 1, NOW)
        again = turns.given_again(pool, ["a-0"], NOW + 60)
        assert turns.returned(again, "a-0", NOW, NOW + 61, refused=True) == again

    def test_an_end_of_ours_shows_that_there_may_be_a_place_again(self) -> None:
        pool, _ = turns.granted(waiting(pool_of(2), "a", 3), 2, NOW)
        pool = turns.returned(pool, "a-1", NOW, NOW, refused=True)
        assert turns.granted(turns.left(pool, ["a-0"]), 2, NOW)[1] == ["a-1", "a-2"]

    def test_without_a_place_nothing_changes(self) -> None:
        pool = waiting(pool_of(1), "a")
        assert turns.returned(pool, "a-0", NOW, NOW, refused=True) == pool
        assert turns.left(pool, ["other"]) == pool
        assert turns.given_again(pool, ["a-0"], NOW) == pool


class TestPlaces:
    def test_a_lower_limit_takes_no_place_away(self) -> None:
        pool, given = turns.granted(waiting(pool_of(3), "a", 4), 3, NOW)
        lowered = replace(pool, limit=1)
        assert turns.granted(lowered, 3, NOW)[1] == []
        assert turns.granted(turns.left(lowered, given[:2]), 3, NOW)[1] == []
        assert turns.granted(turns.left(lowered, given), 3, NOW)[1] == ["a-3"]

    def test_jobs_that_are_found_running_hold_places_beyond_the_limit(self) -> None:
        pool = waiting(pool_of(1), "a", 2)
        running = {"a-1": (key("a", 1), Priority.NORMAL), "x": (key("x"), Priority.LOW)}
        pool = turns.found_running(pool, running, NOW)
        assert set(pool.held) == {"a-1", "x"}
        assert list(pool.waiting) == ["a-0"]
        assert pool.held["a-1"].number == 2, "its ticket"
        assert turns.found_running(pool, running, NOW + 1) == pool

    def test_a_place_that_is_given_again_counts_as_new(self) -> None:
        pool, _ = turns.granted(waiting(pool_of(1), "a"), 1, NOW)
        assert turns.given_again(pool, ["a-0"], NOW + 60).held["a-0"].taken == NOW + 60

    def test_what_decides_nothing_any_more_is_forgotten(self) -> None:
        pool = waiting(waiting(pool_of(1), "a", 50), "b", 3)
        while pool.waiting:
            pool, given = turns.granted(pool, 1, NOW)
            pool = turns.left(pool, given)
        assert pool.next_turns == {}
        assert (pool.held, pool.waiting) == ({}, {})


@pytest.mark.slow
def test_a_record_with_all_it_may_hold_fits_into_an_item() -> None:
    """400 KB, names of attributes included (Amazon DynamoDB Developer Guide)."""
    pool = pool_of(turns.MOST_PLACES)
    for number in range(turns.MOST_TICKETS + turns.MOST_PLACES):
        run_id = f"{number:040d}"
        longest = JobKey(run_id=run_id, unit_id="0" * 10, stage="s" * 31, attempt=99_999)
        if len(pool.waiting) == turns.MOST_TICKETS:
            pool, _ = turns.granted(pool, turns.MOST_PLACES, NOW)
        pool = turns.drawn(pool, f"20261120T081500Z-{number:08x}", longest, Priority.LOW, NOW)
    assert (len(pool.held), len(pool.waiting)) == (500, 1000)
    assert len(str(pool.to_item())) < 400 * 1024
