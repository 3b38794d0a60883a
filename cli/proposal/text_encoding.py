"""Which encoding a sample's bytes are in. Pure.

Bytes show what they cannot be, and only make likely what they are: a person has to look at it where
that matters, so each guess that is one comes with a note.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final

from reading_rules.encodings import as_utf8

_BYTE_ORDER_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# The bytes of 0x80 to 0x9f are letters and quotes in windows-1252, and control codes in latin-1;
# these five are nothing in windows-1252.
_CONTROLS: Final = re.compile(rb"[\x80-\x9f]")
_UNDEFINED: Final = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_NO_TEXT: Final = re.compile("[\udc80-\udcff]")
_NOT_PRINTED: Final = re.compile("[\0-\x08\x0e-\x1f\ufffd]")
_UTF16_SHARE: Final = 0.3  # of one of the two bytes, NUL: a text with that many ASCII characters


@dataclass(frozen=True)
class Decoded:
    """A sample's text.

    Attributes:
        encoding: as contracts name it.
        text: with U+FFFD for bytes that are no text of the encoding.
        bad_lines: lines that hold such bytes; the pipeline rejects their rows.
        notes: what a person should look at.
    """

    encoding: str
    text: str
    bad_lines: int = 0
    notes: tuple[str, ...] = ()


def decoded(data: bytes) -> Decoded:
    """The text of a sample, whose end may be cut within a character."""
    encoding, note = _encoding(data)
    converted = b"".join(as_utf8([data], encoding))
    decoder = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
    text = decoder.decode(converted.removeprefix(codecs.BOM_UTF8)).removeprefix("\ufeff")
    notes: tuple[str, ...] = () if note is None else (note,)
    bad_lines = sum(1 for line in text.split("\n") if _NO_TEXT.search(line))
    if bad_lines:
        where = f"{bad_lines} {'line holds' if bad_lines == 1 else 'lines hold'}"
        notes += (f"{where} bytes that are not {encoding.upper()}: their rows are rejected",)
        text = _NO_TEXT.sub("\ufffd", text)
    return Decoded(encoding, text, bad_lines, notes)


def _encoding(data: bytes) -> tuple[str, str | None]:
    """The name, and a note if another one is as likely."""
    if data.startswith(_BYTE_ORDER_MARKS):
        return "utf-16", None
    if wide := _utf16_without_mark(data):
        return wide, None
    decoder = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
    text = decoder.decode(data)
    bad = len(_NO_TEXT.findall(text))
    letters = sum(1 for _ in re.finditer("[\u0080-\U0010ffff]", text)) - bad
    if letters >= bad:  # few texts of one byte per letter happen to be UTF-8 as well
        return "utf-8", None
    if not _CONTROLS.search(data):
        return "latin-1", "it may be another encoding of one byte per letter: look at its letters"
    lines = data.split(b"\n")
    undefined = sum(1 for line in lines if _UNDEFINED.search(line))
    named = sum(1 for line in lines if _CONTROLS.search(line)) - undefined
    if undefined > max(1, named):
        return "latin-1", "it may be another encoding of one byte per letter: look at its letters"
    return "windows-1252", None


def _utf16_without_mark(data: bytes) -> str | None:
    """Texts of mostly ASCII have a NUL in every second byte."""
    head = data[: 64 * 1024]
    pairs = len(head) // 2
    if not pairs or b"\0" not in head:
        return None
    high, low = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    for name, zeros, others in (("utf-16-le", low, high), ("utf-16-be", high, low)):
        if zeros > _UTF16_SHARE * pairs and others < zeros / 8:
            text = head[: 2 * pairs].decode(name, errors="replace")
            return name if len(_NOT_PRINTED.findall(text)) <= len(text) // 20 else None
    return None
