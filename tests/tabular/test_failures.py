"""An error of DuckDB is the object's fault, unless the function's memory or disk is used up."""

from __future__ import annotations

import duckdb
import pytest

from contracts.errors import REFUSED, InvalidData, OutOfMemory
from contracts.run import StageFailure
from tabular.failures import failed
from tabular.workspace import workspace


def error_of(sql: str) -> duckdb.Error:
    with workspace(128) as space, pytest.raises(duckdb.Error) as caught:
        space.connection.execute(sql).fetchall()
    return caught.value


def test_memory_that_is_used_up_is_not_the_objects_fault() -> None:
    error = error_of("SELECT list(i) FROM range(100000000) AS t(i)")
    found = failed(error, "part-0.csv cannot be read")
    assert isinstance(found, OutOfMemory)
    assert str(found).startswith("part-0.csv cannot be read; the function has too little memory")
    assert OutOfMemory.__name__ not in REFUSED
    failure = StageFailure(stage="validate", error_type="OutOfMemory", message=str(found))
    assert not failure.is_permanent
    assert not failure.is_of_the_object


@pytest.mark.parametrize(
    "message",
    [
        'IO Error: Could not write to file "spill/1.tmp": No space left on device',
        "Out of Memory Error: failed to offload data block: raise max_temp_directory_size",
    ],
)
def test_nor_is_a_disk_that_is_full(message: str) -> None:
    assert isinstance(failed(duckdb.IOException(message), "x"), OutOfMemory)


@pytest.mark.parametrize("sql", ["SELECT CAST('x' AS INTEGER)", "FROM read_csv('nothing.csv')"])
def test_any_other_error_is_its_own(sql: str) -> None:
    assert str(failed(error_of(sql), "why")) == "why"
    assert isinstance(failed(error_of(sql), "why"), InvalidData)
