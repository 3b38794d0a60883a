"""Data files that well-known packages ship: a proposal runs, and says of each row that it loses."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Final

import pytest
from data_run import DataRun

from cli.proposal.contract import Origin
from cli.proposal.propose import propose
from dataset_loading.check import CheckedDataset, check_dataset

FOLDERS: Final = {"sklearn": "datasets/data", "vega_datasets": "_data"}
# Rows that are rejected: the first line of a file without a header, which counts its rows.
FIRST_LINE: Final = {"iris.csv": 1}
# Identical rows, stored once by a key of all that a row holds.
IDENTICAL: Final = {"iris.csv": 1, "diabetes_target.csv.gz": 228, "iris.json": 1}
NO_TABLE: Final = {"driving.json", "earthquakes.json"}


def folder(package: str) -> Path:
    found = importlib.util.find_spec(package)  # without its import: what it needs is not installed
    assert found, package
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / FOLDERS[package]


def files() -> list[Path]:
    return sorted(
        file
        for package in FOLDERS
        for file in folder(package).iterdir()
        if file.name.endswith((".csv", ".csv.gz", ".json"))
    )


def by_its_contract(cloud: Any, file: Path, scratch: Path) -> tuple[DataRun, CheckedDataset, str]:
    text = propose("sales", Origin(file.name), file, scratch, files=False)
    checked = check_dataset(text, "sales")
    run = DataRun(cloud, checked.dataset, output_columns=checked.output_columns)
    return run.lay_out(file.read_bytes(), name=file.name), checked, text


@pytest.mark.slow
@pytest.mark.parametrize("file", files(), ids=lambda file: file.name)
def test_every_row_comes_through_or_is_named(cloud: Any, tmp_path: Path, file: Path) -> None:
    run, checked, text = by_its_contract(cloud, file, tmp_path)

    counts = run.validate()
    rows = run.transform().rows

    assert counts.rejected == FIRST_LINE.get(file.name, 0)
    assert counts.valid - rows == IDENTICAL.get(file.name, 0), text
    assert (counts.rejected == 0) == ("of another type" not in text)
    if IDENTICAL.get(file.name):
        assert "identical rows are stored once" in text
    assert len(checked.dataset.columns) > 1 or file.name == "diabetes_target.csv.gz"


def test_the_packages_are_there() -> None:
    assert len(files()) > 20
