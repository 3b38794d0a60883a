"""Durable operations of one execution: how many it may have, and what they are for.

The service allows 3,000 to an execution, and fails it at the next one, whatever it was doing. So
every unit asks in its first step whether it begins, and gets an allowance that it never exceeds.
What it may not begin, another execution does. Of the 3,000:

    2,000  planned for units that go well; they decide the size of a shard
      750  retries of the units under way: `EXTRA`, shared by as many as run side by side; of more
           than 25 at once each has 30, which the planned ones are fewer (1,550 of 40 at once)
      150  the end of the run: files, record, notification, handing over, and their retries
      100  its beginning: claim, contract, listing, notification

A unit begins while this holds, each number as of then:

    used by ended units + allowances of running ones + its own allowance
    + used outside of units + the end + ASKING for every other unit that has not begun  <=  3,000

A unit does not know which others have begun. So it says what all others need to ask, those of runs
of the same batch too that were executed before, and each that begins gives back what was for it.

What a unit uses for repeating its end counts as well, also after its allowance was given back: the
repeat adds it. Only tries that do not reach their function, after one whose response was lost, are
not counted if no later one does: at most 14 operations of a unit, taken from those for the end of
the run.

A shard has as many units as are planned, each with ASKING operations at least, and ended units give
back what they did not use. So in the normal case every unit of a shard begins: 2,000 + 750 + 150 +
100.
"""

from __future__ import annotations

from typing import Final

OPERATIONS: Final = 3000  # Lambda Developer Guide, "Durable functions": quotas
PLANNED: Final = 2000
EXTRA: Final = 750
EXTRA_OF_A_UNIT: Final = 30  # at least: those for its end, and five retries
ENDING: Final = 150
ENDING_OF_A_FURTHER_RUN: Final = 30  # of the same batch
# Of a unit until it begins: its context, the callback of its job, submit-job and two retries of it,
# a wait before each.
UNTIL_BEGUN: Final = 7
# And if it never does: cancelling its job, recording its items, its end.
ASKING: Final = UNTIL_BEGUN + 3
# The last operations of a unit's allowance are for its end: by operation, how many must be left.
RESERVED: Final = {"cancel-job": 12, "record-items": 8, "end-unit": 0}
RESERVED_FROM_STAGES: Final = 20


# Of a unit of several objects whose job has failed: jobs of parts of it, tries included, and what
# each takes: its callback or invoke, and submit-job. They are planned, so that each unit has them.
JOBS_OF_PARTS: Final = 64
OF_A_JOB: Final = 2


def for_retries(concurrency: int) -> int:
    """Operations for retries of the units under way, of so many side by side."""
    return max(EXTRA, EXTRA_OF_A_UNIT * concurrency)


def planned_operations(concurrency: int) -> int:
    """Operations of one execution that are planned for units, of so many side by side."""
    return PLANNED + EXTRA - for_retries(concurrency)


def planned_for(operations_per_unit: int) -> int:
    """What a unit takes of those planned for units: never less than it may use to ask."""
    return max(operations_per_unit, ASKING)


def allowance(planned: int, concurrency: int) -> int:
    """Durable operations that one unit may use in all.

    Args:
        planned: of a unit that goes well.
        concurrency: units side by side.
    """
    return planned + for_retries(concurrency) // concurrency


def reserved(used_outside: int, others: int, further_runs: int) -> int:
    """Operations that must be free for other things than units that have begun.

    Args:
        used_outside: used by the execution, but not within units.
        others: units that ask in the same execution, before or after; each gives back ASKING as
            it begins.
        further_runs: of the same batch, to be executed after this one.
    """
    return used_outside + ENDING + ENDING_OF_A_FURTHER_RUN * further_runs + ASKING * others
