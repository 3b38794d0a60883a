"""One word per thing, in the field's terms: the words that the glossary replaced stay out.

CONTRIBUTING.md has the glossary. Identifiers, comments, docstrings, messages and pages are searched
alike; `set_aside` is split into its words like any other name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDERS: Final = ("src", "cli", "local", "jobs", "benchmarks", "scripts", "tests")
PAGES: Final = (
    *("README.md", "CONTRIBUTING.md", "Makefile", "template.yaml"),
    *("docs/*.md", "datasets/*.yaml", ".ci/run"),
)
# What to say instead of it.
REPLACED: Final = {
    **dict.fromkeys(
        ("tell", "tells", "telling", "told"), "report, notify, say; told apart: distinguish"
    ),
    **dict.fromkeys(("answer", "answers", "answered", "answering"), "return, response, status"),
    **dict.fromkeys(("mend", "mends", "mended", "mending"), "fix, correct; corrected rows"),
    **dict.fromkeys(("kept",), "store, retain, hold; valid"),
    **dict.fromkeys(
        ("aside", "asides", "unfit", "suspect", "suspects", "unread"),
        "rejected, unstorable, flagged",
    ),
    **dict.fromkeys(("piece", "pieces"), "chunk, part"),
    **dict.fromkeys(("height", "tall"), "line count, multiline"),
    **dict.fromkeys(("hopeless",), "non-retryable"),
    **dict.fromkeys(("condemn", "condemned"), "mark for cancellation"),
    **dict.fromkeys(("sieve",), "UnstorableRows"),
}
PHRASES: Final = {
    "looked after": "checked, polled",
    "asked about": "checked, polled",
    "leave behind": "write",
}
CLASSES: Final = {
    "Split": "RowClassifier",
    "UnitRows": "SplitResult",
    "Asides": "FlaggedRows",
    "Reach": "RowScope",
    "Places": "OutputLocations",
    "Turns": "RequestBudget",
    "Work": "JobSpec",
    "Why": "Reason",
}
# Names that users and stored records have: they do not change. Fields of messages and results;
# metrics, whose alarms and dashboards would go blank; the description of a managed policy, as
# CloudFormation replaces the policy when it changes (AWS::IAM::ManagedPolicy, Description).
PUBLIC: Final = re.compile(
    r"\bset_aside(_url)?\b|\bsetAside(Url)?\b"
    r"|\bJobsAnswered\b|\bRowsSetAside\b"
    r"|Description: Put rejected rows aside$",
    re.MULTILINE,
)
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def _files() -> list[Path]:
    sources = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    pages = [path for pattern in PAGES for path in ROOT.glob(pattern)]
    return sorted({*sources, *pages} - {Path(__file__).resolve()})


FILES: Final = _files()
# In the id of a run of corrected rows, by which the same rows sent again find the same run.
RUN_ID: Final = re.compile(r"-mend-")


def replaced_words(text: str) -> list[str]:
    """`line: word, say …` for every word of the text that the glossary replaced."""
    text = RUN_ID.sub("", PUBLIC.sub("", text))
    words = [word.lower() for word in _WORD.findall(text)]
    spaced = " ".join(words)
    if (
        REPLACED.keys().isdisjoint(words)
        and CLASSES.keys().isdisjoint(re.findall(r"\w+", text))
        and not any(phrase in spaced for phrase in PHRASES)
    ):
        return []  # most files: no line has to be looked at
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        found += [
            f"{number}: {word}, say {REPLACED[word]}"
            for word in {word.lower() for word in _WORD.findall(line)} & REPLACED.keys()
        ]
        spaced = " ".join(word.lower() for word in _WORD.findall(line))
        found += [
            f"{number}: {phrase}, say {PHRASES[phrase]}" for phrase in PHRASES if phrase in spaced
        ]
        names = set(re.findall(r"\w+", line))
        found += [
            f"{number}: {name}, say {CLASSES[name]}"
            for name in names & CLASSES.keys()
            if re.search(rf"\b(class {name}\b|{name}\(|: {name}\b|{name}\.)", line)
        ]
    return found


def test_no_word_stands_that_the_glossary_replaced() -> None:
    found = {
        str(path.relative_to(ROOT)): lines
        for path in FILES
        if (lines := replaced_words(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_a_replaced_word_is_found_in_names_and_prose() -> None:
    text = "def tell_it() -> None:\n    '''Kept for later.'''\nset_aside_url = 1\n"
    assert [line.split(",")[0] for line in replaced_words(text)] == ["1: tell", "2: kept"]
