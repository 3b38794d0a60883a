"""Rows of a sample that lack columns: filled up where nothing comes into a wrong column."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.exit_codes import CommandFailed
from cli.proposal.contract import Origin
from cli.proposal.propose import propose
from contracts.dataset import CsvFormat, Dataset
from dataset_loading.check import check_dataset


def proposal(folder: Path, text: str) -> Dataset:
    file = folder / "sales.csv"
    file.write_text(text)
    said = propose("sales", Origin("sales.csv"), file, folder, files=False)
    return check_dataset(said, "sales").dataset


def pads(dataset: Dataset) -> bool:
    assert isinstance(dataset.format, CsvFormat)
    return dataset.format.pad_short_rows


def test_several_are_filled_up_and_their_columns_not_required(tmp_path: Path) -> None:
    found = proposal(tmp_path, "id,a,b\n1,x,y\n2,x\n3\n4,x,z\n5,x,y\n")
    assert pads(found)
    assert {column.name: column.required for column in found.columns} == {
        **{"id": True, "a": False, "b": False}
    }
    assert found.limits.rejected_percentage == 10


def test_values_may_span_lines_beside_them(tmp_path: Path) -> None:
    found = proposal(tmp_path, 'id,a,b\n1,"x\ny",y\n2,x\n3\n4,x,z\n5,x,y\n')
    assert pads(found)


def test_a_row_that_is_too_long_is_still_rejected(tmp_path: Path) -> None:
    found = proposal(tmp_path, "id,a,b\n1,x,y\n2,x\n3\n4,x,y,z\n\n5,x,y\n")
    assert pads(found)
    assert found.limits.rejected_percentage == 20


def test_a_single_one_is_rather_a_line_that_is_no_row(tmp_path: Path) -> None:
    rows = "".join(f"r{n},x,y\n" for n in range(20))
    assert not pads(proposal(tmp_path, f"id,a,b\n{rows}End of export\n"))


def test_values_of_another_type_would_be_in_a_wrong_column(tmp_path: Path) -> None:
    rows = "".join(f"{n},x{n},y\n" for n in range(40))
    assert not pads(proposal(tmp_path, f"id,a,b\n{rows}x,y\nz,y\n"))


def test_where_no_row_is_whole_nothing_is_proposed(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="none of the sample's rows has as many fields"):
        proposal(tmp_path, "id,a,b\n1,x\n2,y\n3,z\n")
