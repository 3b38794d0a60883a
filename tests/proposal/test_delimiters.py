"""The delimiter of a sample, where DuckDB finds none."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.proposal.contract import Origin
from cli.proposal.propose import propose
from contracts.dataset import CsvFormat
from dataset_loading.check import check_dataset

ESCAPED = 'id,note\n1,"a\\"b"\n2,"c\\\\"\n3,"d""e"\n4,f\\,g\n5,\\N\n6,"\\N"\n7,"x\\\ny"\n'
PROSE = "remark\nfirst, of all\nno more\nat last; the end\n"


@pytest.mark.parametrize(
    ("text", "delimiter", "columns"),
    [
        (ESCAPED, ",", ["id", "note"]),
        (ESCAPED.replace(",", ";"), ";", ["id", "note"]),
        ("id~note~n\n1~a~5\n2~c~6\n", "~", ["id", "note", "n"]),
        ("id^note^n\n1^a,b^5\n2^c;d^6\n", "^", ["id", "note", "n"]),
        (PROSE, ",", ["remark"]),
        ("a^b\nx\ny\n", ",", ["a_b"]),
        ("id,note,\n" + "".join(f"{n},x{n}\n" for n in range(20)), ",", ["id", "note"]),
    ],
    ids=["escaped", "semicolons", "tilde", "caret", "prose", "name", "trailing"],
)
def test_it_is_recognised(tmp_path: Path, text: str, delimiter: str, columns: list[str]) -> None:
    file = tmp_path / "a.csv"
    file.write_text(text)
    proposed = propose("sales", Origin("a.csv"), file, tmp_path, files=False)
    found = check_dataset(proposed, "sales").dataset
    assert isinstance(found.format, CsvFormat)
    assert found.format.header
    assert found.format.delimiter == delimiter
    assert [column.name for column in found.columns] == columns


def test_rows_may_lack_the_delimiter_that_the_header_ends_in(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("id,a,b,\n1,x,y,\n2,x,y\n")
    proposed = propose("sales", Origin("a.csv"), file, tmp_path, files=False)
    found = check_dataset(proposed, "sales").dataset
    assert isinstance(found.format, CsvFormat)
    assert found.format.pad_short_rows
    assert found.limits.rejected_percentage == 10
