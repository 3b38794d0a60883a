"""For any rows: what lies in the quarantine can be sent again, and arrives as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from drawn import Drawn, dialects, objects
from hypothesis import assume, given
from hypothesis import strategies as st
from pipeline_run import PipelineRun, contract, fewer

from cli.client.corrected_rows import corrected_object
from cli.client.deployment import Deployment
from cli.client.quarantine import RowValues
from contracts.errors import InvalidData
from sources import frozen


@fewer(4)
@given(data=st.data(), drawn=objects())
def test_rows_that_are_sent_again_uncorrected_are_what_they_were(
    cloud: Any, data: st.DataObject, drawn: Drawn
) -> None:
    dialect = data.draw(dialects(drawn))
    checked = contract(drawn, dialect)
    first = PipelineRun(cloud, checked, dialect, [drawn])
    validate(first)
    rejected = {reject["row"]["n"]: reject["row"] for reject in first.rejects() if "row" in reject}
    assume(rejected)
    snapshot = frozen.read_snapshot(cloud.data_bucket, first.run_id)
    values = RowValues(Deployment(outputs={}), snapshot)
    lines = [json.dumps(values.added_to(reject)) for reject in first.rejects()]
    corrected = corrected_object("\n".join(line for line in lines if '"row"' in line), snapshot)

    # Of the key's ending only the compression matters, which resent objects have by contract only.
    as_sent = replace(dialect, packed="no") if dialect.packed == "by its key" else dialect
    second = PipelineRun(cloud, checked, as_sent, [drawn], body=corrected.body, resent=True)
    accepted = validate(second)

    again = {reject["row"]["n"]: reject["row"] for reject in second.rejects()}
    assert corrected.rows == len(rejected)
    assert again.items() <= rejected.items()
    assert again.keys() | accepted == rejected.keys()


def validate(run: PipelineRun) -> set[str]:
    """The numbers of the rows that are valid; none where the unit fails."""
    try:
        run.validate()
    except InvalidData:
        return set()
    return {str(row["n"]) for row in run.valid()}
