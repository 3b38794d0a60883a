"""What validate holds a job's output against, beside the contract."""

from __future__ import annotations

from typing import Any

import pytest
from data_run import DataRun

from contracts.errors import InvalidData

HEADER = "id,amount,seen_on,country\n"
ROWS = HEADER + "a,1,,AT\nb,2,,DE\n"


def report(**changes: Any) -> dict[str, Any]:
    return {"rowsIn": 2, "rowsOut": 2, "rowsFiltered": 0, "rowsBad": 0, "format": "csv", **changes}


def test_the_query_was_the_jobs_and_filters_its_output_no_more(cloud: Any) -> None:
    run = DataRun(cloud, query="country = 'AT'").lay_out("not read")
    response = run.validate(run.put_job_output(report(), ROWS))
    assert (response.valid, response.filtered) == (2, 0)
    assert [row[0] for row in run.valid_rows()] == ["a", "b"]


def test_the_query_filters_an_object_that_no_job_has_read(cloud: Any) -> None:
    response = DataRun(cloud, query="country = 'AT'").lay_out(ROWS).validate()
    assert (response.valid, response.filtered) == (1, 1)


@pytest.mark.parametrize(
    ("change", "data", "message"),
    [
        ({}, ROWS, "rowsIn should be 3, but it is 2"),
        ({"rowsIn": 3, "rowsFiltered": 1}, ROWS, "rowsFiltered should be 0, but it is 1"),
        ({"rowsIn": 3, "rowsRemoved": 1}, ROWS, "rowsRemoved should be 0, but it is 1"),
    ],
)
def test_a_job_may_not_lose_an_item_of_a_batch(
    cloud: Any, change: dict[str, Any], data: str, message: str
) -> None:
    run = DataRun(cloud).lay_out("not read", items=3)
    url = run.put_job_output(report(**change), data)
    with pytest.raises(InvalidData, match=message):
        run.validate(url)


def test_one_that_reports_each_item_is_taken(cloud: Any) -> None:
    run = DataRun(cloud).lay_out("not read", items=2)
    assert run.validate(run.put_job_output(report(), ROWS)).valid == 2
