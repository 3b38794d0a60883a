"""For any objects: grouped into units, their rows are what they are one unit an object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from drawn import Dialect, Drawn, dialects, objects, rows_of
from hypothesis import event, given
from hypothesis import strategies as st
from pipeline_run import BY_LETTER, PipelineRun, contract, fewer

from contracts.dataset import Group
from contracts.errors import InvalidData
from contracts.source.object_outcomes import totals_of
from stores.versions import PLACE, place_in

# Rows that look at all rows of an object: each group of objects would have other sums.
SUMS: Final = "SELECT k, max(n) AS n, count(*) AS many FROM valid GROUP BY k"
Row = dict[str, Any]


@st.composite
def several(draw: st.DrawFn) -> list[Drawn]:
    """Objects of one contract; values of `k` come again in others."""
    first = draw(objects())
    more = draw(st.integers(1, 4))
    return [first] + [
        replace(first, rows=draw(rows_of(first.columns, 100 * n, first.of_key)), blanks=())
        for n in range(1, more + 1)
    ]


@fewer(5)
@given(
    data=st.data(),
    drawn=several(),
    size=st.integers(2, 4),
    transform=st.sampled_from([BY_LETTER["transform"], SUMS]),
)
def test_grouped_rows_are_those_of_objects_that_are_units(
    cloud: Any, data: st.DataObject, drawn: list[Drawn], size: int, transform: str
) -> None:
    dialect: Dialect = data.draw(dialects(drawn[0]))
    checked = contract(drawn[0], dialect, **{**BY_LETTER, "transform": transform})
    single = PipelineRun(cloud, checked, dialect, drawn)
    grouped = PipelineRun(cloud, checked, dialect, drawn, group=Group(objects=size))

    ends = [_end_of(single, unit) for unit in range(single.units)]
    stored: list[Row] = []
    for unit in range(grouped.units):
        members = ends[unit * size : (unit + 1) * size]
        if all(end is None for end in members):
            assert _end_of(grouped, unit) is None
            event("a whole unit fails")
            continue
        stored += _counted(grouped, unit, members)

    assert [_plain(row) for row in stored] == [row for end in ends for row in end or ()]
    assert grouped.rows() == single.rows()
    assert [sorted(_without_source(grouped))] == [sorted(_without_source(single))]
    _check_versions(grouped, size)


def _end_of(run: PipelineRun, unit: int) -> list[Row] | None:
    """The rows that the unit has stored; None: it failed."""
    try:
        run.through(unit)
    except InvalidData:
        return None
    return run.output(unit)


def _counted(run: PipelineRun, unit: int, members: list[list[Row] | None]) -> list[Row]:
    """The unit's rows, each with the place of its object; counts add up."""
    run.validate(unit)
    transformed = run.transform(unit)
    (slice_,) = run.store(unit)
    outcomes, rows = run.outcomes(unit), run.output(unit)
    assert [end is None for end in members] == [one.failure is not None for one in outcomes]
    assert [row[PLACE] for row in rows] == [
        place for place, end in enumerate(members) for _ in end or ()
    ]
    assert [one.rows.stored for one in outcomes] == [len(end or ()) for end in members]
    assert all(one.rows.balanced for one in outcomes)
    assert transformed.counts
    assert transformed.counts.balanced
    assert transformed.rows == transformed.counts.stored == slice_.rows == len(rows)
    assert transformed.objects == totals_of(outcomes)
    return rows


def _plain(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != PLACE}


def _without_source(run: PipelineRun) -> Iterator[str]:
    for unit in range(run.units):
        yield from (repr({**each, "source": ""}) for each in run.rejects(unit))


def _check_versions(run: PipelineRun, size: int) -> None:
    """Of each key the row of the last object in the listing's order is stored."""
    last: dict[str, tuple[int, int]] = {}
    for unit in range(run.units):
        if _end_of(run, unit) is not None:
            for row in run.output(unit):
                last[row["k"]] = (unit, row[PLACE])
    found = {
        key: (int(item["unit_id"]["S"].split("-")[1]), place_in(item["version"]["S"]))
        for key, item in run.items().items()
    }
    assert found == last
    assert all(place is not None and place < size for _, place in last.values())
