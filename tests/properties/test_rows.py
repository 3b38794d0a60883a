"""For any rows, dirt and rules: every row is somewhere, and where it belongs."""

from __future__ import annotations

from typing import Any

import pytest
from drawn import SERIAL_AND_LETTER, Dialect, Drawn, Values, dialects, objects
from hypothesis import event, given
from hypothesis import strategies as st
from oracle import expected
from pipeline_run import PipelineRun, contract

from contracts.errors import InvalidData

COMMON = Dialect("csv", ["n", "k", "c0"])


@given(data=st.data(), drawn=objects())
def test_no_row_is_lost_and_each_is_where_it_belongs(
    cloud: Any, data: st.DataObject, drawn: Drawn
) -> None:
    dialect = data.draw(dialects(drawn))
    run = PipelineRun(cloud, contract(drawn, dialect), dialect, [drawn])
    awaited = expected(drawn)
    malformed = 0 if dialect.kind == "parquet" else len(drawn.malformed)

    if awaited.fatal:
        event("the unit fails")
        with pytest.raises(InvalidData, match="severity fail"):
            run.validate()
        assert not [key for key in run.objects() if "/valid/" in key]
    else:
        event(f"read as {dialect.kind}")
        counts = run.validate()
        assert [row["n"] for row in run.valid()] == awaited.valid
        assert counts.rows_in == len(drawn.rows) + malformed
        assert counts.filtered == len(awaited.filtered)
        assert counts.warned == len(awaited.warned)
        assert counts.valid == len(awaited.valid)
        assert counts.rejected == len(awaited.rejected) + malformed
        assert counts.rows_in == counts.filtered + counts.rejected + counts.valid
    rejected = [int(reject["row"]["n"]) for reject in run.rejects() if "row" in reject]
    assert sorted(rejected) == sorted(awaited.rejected)
    assert len(run.rejects()) == len(rejected) + malformed


@pytest.mark.parametrize("severity", ["warn", "quarantine"])
def test_a_row_that_repeats_a_value_and_breaks_another_check(cloud: Any, severity: str) -> None:
    """Found by chance: both codes in one state."""
    column = {"name": "c0", "type": "integer", "severity": severity, "unique": True, "maximum": 7}
    rows: list[Values] = [{"n": str(n), "k": "a", "c0": text} for n, text in enumerate(["9"] * 3)]
    drawn = Drawn([*SERIAL_AND_LETTER, column], [], rows, [], None)
    run = PipelineRun(cloud, contract(drawn, COMMON), COMMON, [drawn])

    counts = run.validate()

    assert counts.warned == (3 if severity == "warn" else 0)
    assert counts.rejected == (0 if severity == "warn" else 3)


@given(data=st.data(), drawn=objects())
def test_a_rejected_row_is_stored_as_it_was_with_its_place(
    cloud: Any, data: st.DataObject, drawn: Drawn
) -> None:
    dialect = data.draw(dialects(drawn))
    run = PipelineRun(cloud, contract(drawn, dialect), dialect, [drawn])

    try:
        run.validate()
    except InvalidData:
        event("the unit fails")

    rows = {row["n"]: row for row in drawn.rows}
    for reject in run.rejects():
        assert reject["reason"]
        assert reject["source"].endswith(dialect.ending)
        if "row" in reject:
            assert reject["line"] == dialect.lines(drawn)[reject["row"]["n"]]
            sent = rows[reject["row"]["n"]]
            names = [column["name"] for column in drawn.columns]
            assert reject["row"] == {name: sent.get(name) for name in names}
