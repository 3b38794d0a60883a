"""The one place where the command line prints for people.

What comes from elsewhere (cells, keys, messages of engines) may hold characters that a terminal
obeys: escape sequences, C1 controls, marks that turn the direction of text. Everything that a
console of this module prints is made printable first; nothing in it is taken for markup.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

_WIDTH_WITHOUT_TERMINAL: Final = 160
# Controls, formats (bidi marks, what has no width), lone surrogates, separators of lines.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_LAYOUT: Final = frozenset("\n\t")
_SHORT: Final = {"\r": "\\r", "\x1b": "\\x1b"}


def printable(text: str) -> str:
    """The text with what a terminal might obey, or nobody can see, written as an escape.

    Line feeds and tabs stay. What is printable already comes back unchanged.
    """
    if text.isprintable():
        return text
    return "".join(letter if _harmless(letter) else _escaped(letter) for letter in text)


def escaped_json(document: str) -> str:
    """A JSON text with the same letters as JSON's own escapes: its values stay what they are."""
    if document.isprintable():
        return document
    return "".join(letter if _harmless(letter) else _in_json(letter) for letter in document)


def make_console(*, stderr: bool = False) -> Console:
    """A console whose lines are not cut to 80 columns where the output is a file or a pipe."""
    console = SafeConsole(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_WITHOUT_TERMINAL
    return console


class SafeConsole(Console):
    """A console that prints nothing that is not printable, whatever is in tables and texts."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Segments, of which only rich's own control codes are no text."""
        # Before the text is wrapped, as escapes are longer than what they stand for ...
        for segment in super().render(_safe(renderable), options):
            # ... and afterwards, whatever it was part of.
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield segment._replace(text=printable(segment.text))


def safe_text(value: str | Text) -> Text:
    """A cell of a table, measured as it is printed."""
    text = value if isinstance(value, Text) else Text(printable(value))
    return text if text.plain.isprintable() else _safe(text)


def _safe(renderable: Any) -> Any:
    if isinstance(renderable, str):
        return printable(renderable)
    if not isinstance(renderable, Text) or renderable.plain.isprintable():
        return renderable
    made = Text(
        style=renderable.style,
        justify=renderable.justify,
        overflow=renderable.overflow,
        no_wrap=renderable.no_wrap,
        end=renderable.end,
        tab_size=renderable.tab_size,
    )
    ends = {end for span in renderable.spans for end in (span.start, span.end)}
    for part in renderable.divide(sorted(ends - {0, len(renderable)})):
        style = part.spans[0].style if part.spans else ""
        made.append(printable(part.plain), style)
    return made


def _harmless(letter: str) -> bool:
    return letter in _LAYOUT or unicodedata.category(letter) not in _UNSEEN


def _escaped(letter: str) -> str:
    code = ord(letter)
    if letter in _SHORT:
        return _SHORT[letter]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _in_json(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
