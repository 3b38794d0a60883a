"""Detect a sample object's compression, format and encoding; make it readable for DuckDB."""

from __future__ import annotations

import gzip
import shutil
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from cli.exit_codes import REFUSED, CommandFailed
from cli.proposal.json_layout import layout_of
from cli.proposal.other_formats import no_table, not_read
from cli.proposal.text_encoding import decoded
from reading_rules.encodings import effective_compression
from reading_rules.packed import bunzipped, unzipped
from reading_rules.plain_text import plain_text
from reading_rules.signatures import packed_as
from reading_rules.source_lines import SourceLines
from reading_rules.text_error import TextError
from sources import zstd

SAMPLE_BYTES: Final = 64 * 1024 * 1024  # of the decompressed text are examined
_FIRST_BYTES: Final = 512
_BLOCK: Final = 1024 * 1024
_PARQUET: Final = b"PAR1"


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
        notes: what a person should look at.
        layout: of JSON: further fields of the contract's `format`.
    """

    kind: str
    compression: str
    encoding: str
    path: Path
    whole: bool = True
    notes: tuple[str, ...] = ()
    layout: Mapping[str, Any] = field(default_factory=dict)


def look_at(file: Path, scratch: Path) -> SampleObject:
    """Detect what a file is.

    Args:
        scratch: a directory for the readable copy.

    Raises:
        CommandFailed: it cannot be read, or is nothing that a contract can describe.
    """
    try:
        with file.open("rb") as opened:
            begins = opened.read(_FIRST_BYTES)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error}", REFUSED) from None
    if not begins:
        raise CommandFailed(f"{file} is empty", REFUSED, "give an object with rows")
    if begins.startswith(_PARQUET):
        copy = scratch / "sample.parquet"
        shutil.copyfile(file, copy)
        return SampleObject("parquet", "auto", "utf-8", copy)
    _refuse(file, not_read(begins, file))
    packed = packed_as(begins)
    by_name = effective_compression("auto", file.name)
    data, whole = _decompressed(file, packed)
    if packed != "none" and (packed_as(data) != "none" or data.startswith(_PARQUET)):
        _refuse(file, ("compressed twice", "compress it once"))
    _refuse(file, not_read(data[:_FIRST_BYTES]))
    found = decoded(data)
    text = found.text if whole else found.text[: found.text.rfind("\n") + 1]
    if not text.strip():
        raise CommandFailed(f"{file} is empty", REFUSED, "give an object with rows")
    _refuse(file, no_table(text))
    form: dict[str, Any] = {"type": "csv"}
    if text.lstrip().startswith(("[", "{")):
        form = layout_of(text)
        text = _one_a_line(file, text, form, found.encoding, whole=whole)
    path = scratch / "sample.txt"
    path.write_text(text, encoding="utf-8", newline="")
    compression = "auto" if packed == by_name else packed
    kind = form.pop("type")
    return SampleObject(kind, compression, found.encoding, path, whole, found.notes, form)


def _one_a_line(file: Path, text: str, form: dict[str, Any], encoding: str, *, whole: bool) -> str:
    """The records of JSON, each on a line."""
    if encoding != "utf-8":
        advice = "write it in UTF-8, here and in the program that writes these objects"
        raise CommandFailed(
            f"{file} is JSON in {encoding.upper()}, which is not read", REFUSED, advice
        )
    if form["type"] == "jsonl" and not form.get("concatenated"):
        return text.replace("\r\n", "\n").replace("\r", "\n")  # neither is in a text of JSON
    if not whole:
        raise CommandFailed(f"{file} is too large for a sample", REFUSED, "give some of its items")
    try:
        lines = plain_text([text.encode("utf-8")], form, SourceLines())
        return b"".join(lines).decode("utf-8")
    except TextError as error:
        raise CommandFailed(f"{file}, {error}", REFUSED) from None


def _refuse(file: Path, found: tuple[str, str] | None) -> None:
    if found:
        what, advice = found
        raise CommandFailed(f"{file} is {what}, which is not read", REFUSED, advice)


def _decompressed(file: Path, packed: str) -> tuple[bytes, bool]:
    """The first bytes of the text, and whether they are all."""
    data = bytearray()
    try:
        with file.open("rb") as opened:
            for block in _unpacked(opened, packed):
                data += block
                if len(data) > SAMPLE_BYTES:
                    return bytes(data[:SAMPLE_BYTES]), False
    except TextError as error:
        raise CommandFailed(f"{file} {error}", REFUSED) from None
    except (OSError, EOFError, zlib.error, zstd.ZstdError) as error:
        raise CommandFailed(f"{file} cannot be decompressed: {error}", REFUSED) from None
    return bytes(data), True


def _unpacked(opened: BinaryIO, packed: str) -> Iterator[bytes]:
    if packed == "bzip2":
        return bunzipped(opened)
    if packed == "zip":
        return unzipped(opened)
    stream = opened
    if packed == "gzip":
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=opened))
    elif packed == "zstd":
        stream = cast(BinaryIO, zstd.ZstdFile(opened))
    return iter(lambda: stream.read(_BLOCK), b"")
