"""Texts of errors that may quote rows, where the contract says `examples: false`."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from control_fakes import DATASET, freeze_dataset

from contracts.errors import InvalidData, OwnershipLost, PipelineError, Throttled
from sources.private_errors import withheld

CELL = "DE 4711"
SHUT = f"examples: false\n{DATASET}"


def failing(cloud: Any, error: Exception, *, write: bool = True) -> Exception:
    """What a step raises whose work raises this."""
    with (
        pytest.raises(Exception) as raised,  # noqa: PT011 - which one is looked at
        withheld(cloud.data_bucket, "r1", "00000-001", "validate", write=write),
    ):
        raise error
    return raised.value


@pytest.mark.parametrize("kind", [InvalidData, Throttled])
def test_the_text_is_withheld_and_the_class_stays(cloud: Any, kind: type[PipelineError]) -> None:
    freeze_dataset(cloud.data_bucket, text=SHUT)

    error = failing(cloud, kind(f"could not convert {CELL}"))

    assert type(error) is kind
    assert CELL not in "".join(traceback.format_exception(error))
    place = f"s3://{cloud.data_bucket}/runs/r1/units/00000-001/error-validate.json"
    assert f"is in {place}" in str(error)
    written = cloud.read_json("runs/r1/units/00000-001/error-validate.json")
    assert written == {"errorType": kind.__name__, "message": f"could not convert {CELL}"}


def test_what_nobody_has_foreseen_is_withheld_too(cloud: Any) -> None:
    freeze_dataset(cloud.data_bucket, text=SHUT)
    error = failing(cloud, ValueError(CELL))
    assert type(error) is PipelineError
    assert "(ValueError)" in str(error)
    assert CELL not in "".join(traceback.format_exception(error))


def test_a_step_that_may_not_write_says_that_the_reason_is_not_recorded(cloud: Any) -> None:
    freeze_dataset(cloud.data_bucket, text=SHUT)
    error = failing(cloud, InvalidData(CELL), write=False)
    assert str(error).endswith("is not recorded")
    assert cloud.keys("runs/r1/units/") == []


def test_an_error_stays_withheld_where_its_text_cannot_be_written(cloud: Any, clients: Any) -> None:
    freeze_dataset(cloud.data_bucket, text=SHUT)
    clients.break_once("s3", "put_object", Throttled("slow down"), after=False)
    error = failing(cloud, InvalidData(CELL))
    assert type(error) is InvalidData
    assert str(error).endswith("is not recorded")


@pytest.mark.parametrize(
    "error", [OwnershipLost("attempt 2 holds it"), InvalidData("3 of 4 rows").without_values()]
)
def test_what_quotes_no_row_is_said(cloud: Any, error: Exception) -> None:
    freeze_dataset(cloud.data_bucket, text=SHUT)
    assert failing(cloud, error) is error


def test_a_contract_that_allows_examples_changes_nothing(cloud: Any) -> None:
    freeze_dataset(cloud.data_bucket)
    error = InvalidData(CELL)
    assert failing(cloud, error) is error


def test_before_the_contract_was_frozen_no_row_was_read(cloud: Any) -> None:
    error = InvalidData("the contract is broken")
    assert failing(cloud, error) is error
