"""Engines of the local cloud keep the newest ended jobs, and every one that has not ended."""

from __future__ import annotations

from local.local_cloud.jobs.retained_jobs import forget_oldest


def test_the_oldest_ended_ones_are_dropped() -> None:
    jobs = {f"job-{number}": number != 1 for number in range(6)}  # job-1 goes on

    forget_oldest(jobs, bool, retained=3)

    assert list(jobs) == ["job-1", "job-4", "job-5"]


def test_what_has_not_ended_is_stored_beyond_the_bound() -> None:
    jobs = dict.fromkeys(("a", "b", "c"), False)

    forget_oldest(jobs, bool, retained=1)

    assert list(jobs) == ["a", "b", "c"]
