"""Whatever text comes from elsewhere, a terminal shows it and obeys none of it."""

from __future__ import annotations

import io
import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from cli.views.printing import SafeConsole, escaped_json, printable
from cli.views.records import Column, Records, prose

OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
HOSTILE = st.sampled_from(
    [
        "\x1b]8;;http://x\x07",
        "\x1b[2J",
        "\x9b31m",
        "\u202e",
        "\u2066",
        "\ud800",
        "\r",
        "[red]",
        "\\[",
    ]
)
TEXTS = st.lists(HOSTILE | st.text(max_size=5) | st.characters()).map("".join)


def harmless(text: str) -> bool:
    return all(unicodedata.category(each) not in OBEYED for each in text if each not in "\n\t")


def printed(*renderables: object, width: int = 80) -> str:
    file = io.StringIO()
    console = SafeConsole(file=file, width=width, markup=False, highlight=False, emoji=False)
    console.print(*renderables)
    return file.getvalue()


@given(TEXTS)
def test_a_printable_text_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    shown = printable(text)
    assert harmless(shown)
    assert printable(shown) == shown
    if harmless(text):
        assert shown == text


@given(TEXTS, st.integers(10, 100))
def test_nothing_gets_past_a_console(text: str, width: int) -> None:
    table = Table(text, title=text)
    table.add_row(text, style=None)
    records = Records.of([Column(text), prose("b")], [[text, Text(text, "red")]])
    for shown in (text, Text(text), Text("a", "red").append(text, "bold"), table, records):
        assert harmless(printed(shown, width=width))


@given(TEXTS)
def test_a_document_says_the_same_when_it_is_escaped(text: str) -> None:
    document = json.dumps({"key": text, text: [1, None]}, ensure_ascii=False, indent=2)
    escaped = escaped_json(document)
    assert harmless(escaped)
    assert json.loads(escaped) == json.loads(document)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**15).map("{:,}".format),
            st.text("abcdef-0123456789", min_size=1, max_size=40),
            st.text(max_size=200),
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(60, 200),
)
def test_numbers_and_ids_are_whole_at_any_width(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    shown = printed(Records.of([Column("rows"), Column("id"), prose("why")], rows), width=width)
    for count, name, _why in rows:
        assert count in shown
        assert name in shown
    assert all(Text(line).cell_len <= width for line in shown.splitlines())
