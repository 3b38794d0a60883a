"""What the code relies on, as docs/local-cloud.md lists it: documented, or checked by `verify`."""

from __future__ import annotations

import re

import pytest
from deployed_code import ROOT

from cli.verify.checks import CHECKS
from cli.verify.claims import CLAIMS

PAGE = (ROOT / "docs" / "local-cloud.md").read_text(encoding="utf-8")


def rows() -> list[list[str]]:
    table = PAGE.split("## What the code relies on\n")[1]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


DOCUMENTED = [row for row in rows() if row[1].startswith("documented: ")]
INFERRED = [row for row in rows() if row[1] == "inferred"]


def test_every_behaviour_is_documented_or_inferred() -> None:
    assert len(DOCUMENTED) + len(INFERRED) == len(rows())
    assert len(DOCUMENTED) > 5


def test_what_is_inferred_is_what_verify_claims() -> None:
    said = {row[2].removeprefix("`verify`: `").removesuffix("`"): row[0] for row in INFERRED}
    assert said == dict(CLAIMS)
    assert len(INFERRED) == len(CLAIMS)
    assert list(CHECKS) == list(CLAIMS)


@pytest.mark.parametrize("row", DOCUMENTED, ids=lambda row: row[0][:40])
def test_what_is_documented_names_its_page_and_a_test_of_ours(row: list[str]) -> None:
    assert re.search(r"https://docs\.aws\.amazon\.com/|the same page", row[1])
    path, _, name = row[2].strip("`").partition("::")
    assert re.search(rf"def {name}\(", (ROOT / path).read_text(encoding="utf-8")), row[2]
