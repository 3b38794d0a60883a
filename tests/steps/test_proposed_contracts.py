"""A proposed contract against the real validation: what fits the sample passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from data_run import DataRun

from cli.proposal import Origin, proposed_contract
from cli.sample_object import look_at
from cli.sample_profile import profile
from local import sample_data
from steps.dataset_check import check_dataset

ORDERS = sample_data.make().files[0].body
READINGS = "id;at;value\n" + "".join(f"{n};2026-11-01 10:00:{n:02};{n},5\n" for n in range(30))


@pytest.mark.parametrize(
    ("name", "body", "rejected"),
    [
        ("orders.csv", ORDERS, 22),  # unreadable rows, broken dates, no order id
        ("readings.csv", READINGS.encode("latin-1"), 0),
        ("items.jsonl", b'{"id": 1, "w": 0.5}\n{"id": 2, "w": -1e-3}\n{"id": 3}\n', 0),
    ],
)
def test_all_rows_but_the_dirt_are_valid(
    cloud: Any, tmp_path: Path, name: str, body: bytes, rejected: int
) -> None:
    file = tmp_path / name
    file.write_bytes(body)
    sample = look_at(file, tmp_path)
    found = profile(sample)
    text = proposed_contract("sales", Origin(name), sample, found)
    contract = check_dataset(text, "sales").dataset

    counts = DataRun(cloud, contract).lay_out(body, name=name).validate()

    assert counts.rows_in == found.rows + found.unreadable
    assert counts.rejected == rejected
