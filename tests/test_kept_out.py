"""What `examples: false` cannot leave out is said where somebody writes such a function."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.mark.parametrize("page", ["data-protection.md", "jobs.md"])
def test_what_a_function_of_a_job_returns_is_said_to_stay_in_the_history(page: str) -> None:
    text = " ".join((DOCS / page).read_text(encoding="utf-8").split())
    said = re.search(r"[^.]*(what it returns|return value)[^.]*[.][^.]*history[^.]*[.]?[^.]*", text)
    said = said or re.search(r"what it returns or raises is in that execution's history", text)
    assert said is not None
    assert "quote no" in text[said.start() : said.end() + 200]
