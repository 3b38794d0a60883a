"""How the values of a sample's columns are written: recognised where it is certain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.proposal.contract import Origin
from cli.proposal.propose import propose
from dataset_loading.check import check_dataset


def column(folder: Path, texts: list[str], name: str = "it") -> tuple[dict[str, Any], str]:
    """What is proposed for a column of these texts, and the line in which it stands."""
    file = folder / "a.csv"
    file.write_text(f"id;{name}\n" + "".join(f"r{at};{text}\n" for at, text in enumerate(texts)))
    text = propose("sales", Origin("a.csv"), file, folder, files=False)
    found = check_dataset(text, "sales").dataset.columns[1].to_json()
    line = next(line for line in text.splitlines() if f"name: {name}," in line)
    silent = ("name", "required", "severity")
    return {key: value for key, value in found.items() if value and key not in silent}, line


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["05.01.2026", "17.1.2026"], {"type": "date", "format": ["%d.%m.%Y"]}),
        (["17/01/2026", "05/02/2026"], {"type": "date", "format": ["%d/%m/%Y"]}),
        (["01/17/2026", "02/05/2026"], {"type": "date", "format": ["%m/%d/%Y"]}),
        (["2026/01/17"], {"type": "date", "format": ["%Y/%m/%d"]}),
        (["17-Jan-2026", "5-Feb-2026"], {"type": "date", "format": ["%d-%b-%Y"]}),
        (["Jan 1 2000", "Feb 12 2000"], {"type": "date", "format": ["%b %d %Y"]}),
        (["17.01.2026 10:30"], {"type": "timestamp", "format": ["%d.%m.%Y %H:%M"]}),
        (["1/17/2026 9:05 PM"], {"type": "timestamp", "format": ["%m/%d/%Y %I:%M %p"]}),
        (["NA", "5", "-"], {"type": "integer", "nulls": ["-", "NA"]}),
        (["\\N", "2026-01-05"], {"type": "date", "nulls": ["\\N"]}),
        (["n/a", "17.01.2026"], {"type": "date", "format": ["%d.%m.%Y"], "nulls": ["n/a"]}),
        (["1,5", "12"], {"type": "decimal(18,1)", "decimal": ","}),
        (["1.299,99", "0,5"], {"type": "decimal(18,2)", "decimal": ",", "thousands": "."}),
        (["1,299.99", "5"], {"type": "decimal(18,2)", "thousands": ","}),
        (["1,234,567", "12"], {"type": "integer", "thousands": ","}),
        (["1 234,5", "12"], {"type": "decimal(18,1)", "decimal": ",", "thousands": " "}),
        (["1\u00a0234,5", "12"], {"type": "decimal(18,1)", "decimal": ",", "thousands": " "}),
        (["1\u202f234", "1\u2009234"], {"type": "integer", "thousands": " "}),
        (["1\u2019234.5", "1'234.5"], {"type": "decimal(18,1)", "thousands": "'"}),
        (["12345678901234567.8912345", "1.5"], {"type": "decimal(38,7)"}),
        (["1234567890123456.7", "0.1234567"], {"type": "decimal(38,7)"}),
        (["0.1234567890123456", "1234567890123456.5"], {"type": "double"}),
        (["-73.985130310058594", "1e-07", "0.30000000000000004"], {"type": "double"}),
        (["1.000000000000000056e-01", "2.000000000000000000e+00"], {"type": "double"}),
        (["12%", "3.5%"], {"type": "decimal(18,3)", "percent": True}),
        (["12,5%", "3%"], {"type": "decimal(18,3)", "decimal": ",", "percent": True}),
        (["12%", "3 %"], {"type": "decimal(18,2)", "percent": True}),
        (["2026-01-05", "17.1.2026"], {"type": "date", "format": ["%d.%m.%Y", "%Y-%m-%d"]}),
        (["17/01/2026", "17 Jan 2026"], {"type": "date", "format": ["%d/%m/%Y", "%d %b %Y"]}),
        (
            ["2026-01-05 10:30", "17.01.2026 10:30:15", "17.01.2026 10:30"],
            {
                "type": "timestamp",
                "format": ["%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M"],
            },
        ),
        (["\t7", "8\u00a0", "9"], {"type": "integer", "trim": True}),
        (["\t2026-01-05", "-"], {"type": "date", "trim": True, "nulls": ["-"]}),
        (["J", "N", "J"], {"type": "boolean", "trueValues": ["J"], "falseValues": ["N"]}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_it_is_recognised(tmp_path: Path, texts: list[str], said: dict[str, Any]) -> None:
    found, _ = column(tmp_path, texts)
    assert found == said


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["01/02/2026", "03/04/2026"], 'format: "%d/%m/%Y" or format: "%m/%d/%Y"'),
        (["1,234", "5,678"], 'decimal: "," or thousands: ","'),
        (["NA", "x", "y"], ""),
        (["2026-01-05", "01/02/2026"], ""),
        (["2026-01-05", "17/01/2026", "01/02/2026"], ""),
        (["2026-01-05", "31.02.2026"], ""),
        (["2026-01-05", "17.01.2026", "soon"], ""),
        (["\t7", "x "], ""),
        (["\t007", "\t008"], ""),
        (["31.02.2026", "30.02.2026"], ""),
        (["20260105", "1"], ""),
        (["J", "J"], ""),
        (["1.23456789012345678e+16", "1.5"], "a double would change digits"),
        (["0.1234567890123456789", "12345678901234567890123456789"], "a double would change"),
        (["4006381333931", "4.00638E+12", "100000"], "4.00638E+12 have lost digits in a spread"),
        (["4.00638E+12", "4.5E+12"], "have lost digits in a spreadsheet"),
    ],
)
def test_what_is_not_certain_stays_text(tmp_path: Path, texts: list[str], reason: str) -> None:
    found, line = column(tmp_path, texts)
    assert found["type"] in ("string", "integer")
    assert reason in line


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("created_at", "1767225600", {"type": "timestamp", "format": ["epoch-seconds"]}),
        ("event_time", "1767225600123", {"type": "timestamp", "format": ["epoch-millis"]}),
        ("day", "20260105", {"type": "date", "format": ["%Y%m%d"]}),
        ("customer", "1767225600", {"type": "integer"}),
        ("number", "20260105", {"type": "integer"}),
    ],
)
def test_digits_are_times_only_by_the_columns_name(
    tmp_path: Path, name: str, text: str, said: dict[str, Any]
) -> None:
    found, _ = column(tmp_path, [text, text[:-1] + "6"], name)
    assert found == said
