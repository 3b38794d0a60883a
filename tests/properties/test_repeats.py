"""For any rows: a repeat of a stage is a no-op, and nothing is stored twice."""

from __future__ import annotations

from typing import Any

from drawn import Drawn, dialects, objects
from hypothesis import given
from hypothesis import strategies as st
from pipeline_run import BY_LETTER, PipelineRun, contract, fewer


@fewer(6)
@given(data=st.data(), drawn=objects(clean=True))
def test_a_repeated_stage_changes_nothing(cloud: Any, data: st.DataObject, drawn: Drawn) -> None:
    dialect = data.draw(dialects(drawn))
    run = PipelineRun(cloud, contract(drawn, dialect), dialect, [drawn])

    for stage in (run.validate, run.transform, run.store):
        first = stage()
        objects_after, items_after = run.objects(), run.items()
        again = stage()
        assert run.objects() == objects_after
        assert run.items() == items_after
        if isinstance(first, list):
            assert [(each.rows, each.unchanged) for each in again] == [(len(items_after),) * 2]
        else:
            assert again == first


@fewer(6)
@given(data=st.data(), drawn=objects(clean=True), looks=st.integers(1, 4))
def test_every_valid_row_is_stored_once_in_one_slice_or_in_many(
    cloud: Any, data: st.DataObject, drawn: Drawn, looks: int
) -> None:
    dialect = data.draw(dialects(drawn))
    run = PipelineRun(cloud, contract(drawn, dialect), dialect, [drawn])

    run.validate()
    run.transform()
    slices = run.store(slices_of=looks)

    stored = sorted(int(item["n"]["N"]) for item in run.items().values())
    assert stored == sorted(row["n"] for row in run.valid())
    assert sum(each.rows for each in slices) == len(stored)


@fewer(6)
@given(data=st.data(), drawn=objects(clean=True), done=st.lists(st.integers(1, 3), max_size=3))
def test_a_run_that_broke_off_anywhere_ends_as_one_that_did_not(
    cloud: Any, data: st.DataObject, drawn: Drawn, done: list[int]
) -> None:
    dialect = data.draw(dialects(drawn))
    checked = contract(drawn, dialect, **BY_LETTER)
    broken, straight = (PipelineRun(cloud, checked, dialect, [drawn]) for _ in range(2))

    for stages in done:  # as many stages as it came through before it died
        for stage in (broken.validate, broken.transform, broken.store)[:stages]:
            stage()
    broken.through()
    straight.through()

    assert broken.rows() == straight.rows()
