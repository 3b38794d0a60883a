"""Detect a sample object's compression, format and encoding; make it readable for DuckDB."""

from __future__ import annotations

import codecs
import gzip
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from cli.exit_codes import REFUSED, CommandFailed
from reading_rules.encodings import effective_compression
from sources import zstd

SAMPLE_BYTES: Final = 64 * 1024 * 1024  # of the decompressed text are examined
_MAGIC: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PAR1": "parquet"}


@dataclass(frozen=True)
class SampleObject:
    """What an object is, and the path of its text as UTF-8.

    Attributes:
        kind: `csv`, `jsonl`, `json` or `parquet`.
        compression: for the contract: `auto` where the name's ending shows it.
        encoding: of the original, as contracts name it.
        path: the text, decompressed, in UTF-8 and cut after a line where it is long; a copy of a
            Parquet file.
        whole: nothing was cut.
    """

    kind: str
    compression: str
    encoding: str
    path: Path
    whole: bool = True


def look_at(file: Path, scratch: Path) -> SampleObject:
    """Detect what a file is.

    Args:
        scratch: a directory for the readable copy.

    Raises:
        CommandFailed: it cannot be read, or is nothing that a contract can describe.
    """
    try:
        with file.open("rb") as opened:
            begins = opened.read(4)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error}", REFUSED) from None
    packed = next((name for magic, name in _MAGIC.items() if begins.startswith(magic)), "none")
    if not begins:
        raise CommandFailed(f"{file} is empty", REFUSED, "give an object with rows")
    if packed == "parquet":
        copy = scratch / "sample.parquet"
        shutil.copyfile(file, copy)
        return SampleObject("parquet", "auto", "utf-8", copy)
    by_name = effective_compression("auto", file.name)
    data, whole = _decompressed(file, packed)
    encoding = _encoding(data)
    text = _decoded(data, encoding, whole, file)
    if not text.strip():
        raise CommandFailed(f"{file} is empty", REFUSED, "give an object with rows")
    kind = {"[": "json", "{": "jsonl"}.get(text.lstrip()[:1], "csv")
    if kind == "json" and not whole:
        raise CommandFailed(f"{file} is too large for a sample", REFUSED, "give some of its items")
    path = scratch / "sample.txt"
    path.write_text(text, encoding="utf-8", newline="")
    compression = "auto" if packed == by_name else packed
    return SampleObject(kind, compression, encoding, path, whole)


def _decompressed(file: Path, packed: str) -> tuple[bytes, bool]:
    """The first bytes of the text, and whether they are all."""
    openers = {"gzip": gzip.open, "zstd": zstd.ZstdFile}
    opener: Any = openers.get(packed, Path.open)
    try:
        with cast(BinaryIO, opener(file, "rb")) as opened:
            data = opened.read(SAMPLE_BYTES + 1)
    except (OSError, EOFError, zlib.error, zstd.ZstdError) as error:
        raise CommandFailed(f"{file} cannot be decompressed: {error}", REFUSED) from None
    return data[:SAMPLE_BYTES], len(data) <= SAMPLE_BYTES


def _encoding(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")()  # the end may be cut within a character
    try:
        decoder.decode(data)
    except UnicodeDecodeError:
        # The bytes of 0x80 to 0x9f are letters and quotes there, and control codes in latin-1.
        return "windows-1252" if any(0x80 <= byte <= 0x9F for byte in data) else "latin-1"
    return "utf-8"


def _decoded(data: bytes, encoding: str, whole: bool, file: Path) -> str:
    try:
        text = data.decode(
            {"windows-1252": "cp1252", "utf-8": "utf-8-sig"}.get(encoding, encoding),
            errors="strict" if whole else "ignore",
        )
    except UnicodeDecodeError as error:
        raise CommandFailed(
            f"{file} is neither UTF-8, UTF-16, windows-1252 nor latin-1 text: {error}", REFUSED
        ) from None
    text = text.removeprefix("\ufeff")  # UTF-16 may have one behind its own
    return text if whole else text[: text.rfind("\n") + 1]
