"""For any rows: neither the order of units nor that of runs changes what is stored in the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from drawn import Dialect, Drawn, dialects, objects, rows_of
from hypothesis import given
from hypothesis import strategies as st
from pipeline_run import BY_LETTER, PipelineRun, contract, fewer

EARLY, LATE = "2026-11-20T08:00:00Z", "2026-11-20T08:00:00.5Z"


@st.composite
def siblings(draw: st.DrawFn) -> tuple[Dialect, list[Drawn]]:
    """Three objects of one contract; their rows share keys."""
    first = draw(objects(clean=True))
    found = [draw(rows_of(first.columns, 10 * n, first.of_key)) for n in (1, 2)]
    others = [replace(first, rows=rows, blanks=()) for rows in found]
    return draw(dialects(first)), [first, *others]


@fewer(8)
@given(drawn=siblings(), order=st.permutations([0, 1, 2]))
def test_the_order_of_units_does_not_change_the_result(
    cloud: Any, drawn: tuple[Dialect, list[Drawn]], order: list[int]
) -> None:
    dialect, units = drawn
    checked = contract(units[0], dialect, **BY_LETTER)
    listed, shuffled = (PipelineRun(cloud, checked, dialect, units) for _ in range(2))

    for unit in range(3):
        listed.through(unit)
    for stage in (shuffled.validate, shuffled.transform, shuffled.store):
        for unit in order:
            stage(unit)

    assert shuffled.rows() == listed.rows()


@fewer(8)
@given(drawn=siblings(), order=st.permutations([0, 1]), repeated=st.booleans())
def test_an_older_run_never_overwrites_a_newer_one(
    cloud: Any, drawn: tuple[Dialect, list[Drawn]], order: list[int], repeated: bool
) -> None:
    dialect, (first, second, _) = drawn
    checked = contract(first, dialect, **BY_LETTER)
    old = PipelineRun(cloud, checked, dialect, [first], started_at=EARLY)
    new = PipelineRun(cloud, checked, dialect, [second], started_at=LATE, index=old.index)

    for which in [*order, *order[:repeated]]:
        (old, new)[which].through()

    newest = {row["k"]: row["n"] for run in (old, new) for row in run.output()}
    assert {item["k"]["S"]: int(item["n"]["N"]) for item in new.items().values()} == newest
