"""What a sample is when it is none of the formats that contracts describe, by its first bytes.

Each gets a sentence that says what it is and what to do, as "cannot be read" helps nobody.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Final

_AS_TABLE: Final = "write it as CSV, JSON lines or Parquet"
_UNPACK: Final = "decompress it, or compress it by gzip or zstd"
_BY_FIRST_BYTES: Final = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", "save its sheet as CSV UTF-8"),
    (b"%PDF", "a PDF document", "it holds no rows; ask for the data as CSV"),
    (b"Obj\x01", "an Avro file", _AS_TABLE),
    (b"ORC", "an ORC file", _AS_TABLE),
    (b"ARROW1", "an Arrow (Feather) file", _AS_TABLE),
    (b"SQLite format 3\0", "an SQLite database", "export its table as CSV"),
    (b"\xfd7zXZ\0", "compressed by xz", _UNPACK),
    (b"\x04\x22\x4d\x18", "compressed by lz4", _UNPACK),
    (b"\xff\x06\0\0sNaPpY", "compressed by Snappy", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\x89PNG", "a picture", "it holds no rows"),
    (b"\xff\xd8\xff", "a picture", "it holds no rows"),
)
_OFFICE: Final = {
    "xl/": ("an Excel workbook", "save its sheet as CSV UTF-8"),
    "word/": ("a Word document", "it holds no rows; ask for the data as CSV"),
    "content.xml": ("an OpenDocument file", "save its sheet as CSV, in UTF-8"),
}
_HTML: Final = re.compile(r"\s*(<!doctype html|<html|<head|<body|<table)", re.IGNORECASE)
_XML: Final = re.compile(r"\s*<(\?xml|[A-Za-z][\w:.-]*[\s/>])")
_TAR_AT: Final = 257
_CONTROL: Final = re.compile("[\0\x02-\x08\x0e-\x1a\x1c\x1d\ufffd]")  # not separators
_CONTROLS_IN_TEXT: Final = 0.05  # more of its characters, and it is no text


def not_read(begins: bytes, path: Path | None = None) -> tuple[str, str] | None:
    """What a file is, and what to do, if it begins like something that is not read.

    Args:
        begins: its first bytes, at least 300 where it has so many.
        path: the whole file, for what an archive holds.
    """
    for magic, what, advice in _BY_FIRST_BYTES:
        if begins.startswith(magic):
            return what, advice
    if begins[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return "a tar archive", "give the files in it one by one"
    if begins.startswith(b"PK\x03\x04"):
        return _office(path) if path else None
    return None


def no_table(text: str) -> tuple[str, str] | None:
    """What a text is, and what to do, if it holds no rows."""
    head = text[: 64 * 1024]
    if _HTML.match(head):
        return (
            "an HTML page, as servers send instead of a file where a login or an address is wrong",
            "look at it in a browser, and fetch the data itself",
        )
    if _XML.match(head):
        return "XML", _AS_TABLE
    if len(_CONTROL.findall(head)) > max(2, _CONTROLS_IN_TEXT * len(head)):
        return "binary data, not text", f"if a program wrote it, have it {_AS_TABLE}"
    return None


def _office(path: Path) -> tuple[str, str] | None:
    """What an archive is by its members; None for a plain one."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return None
    for beginning, what in _OFFICE.items():
        if any(name.startswith(beginning) for name in names):
            return what
    return None
