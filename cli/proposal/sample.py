"""Detect a sample object's compression, format and encoding; make it readable for DuckDB."""

from __future__ import annotations

import gzip
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from cli.exit_codes import REFUSED, CommandFailed
from cli.proposal.other_formats import no_table, not_read
from cli.proposal.text_encoding import decoded
from reading_rules.encodings import effective_compression
from sources import zstd

SAMPLE_BYTES: Final = 64 * 1024 * 1024  # of the decompressed text are examined
_FIRST_BYTES: Final = 512
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
        notes: what a person should look at.
    """

    kind: str
    compression: str
    encoding: str
    path: Path
    whole: bool = True
    notes: tuple[str, ...] = ()


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
    packed = next((name for magic, name in _MAGIC.items() if begins.startswith(magic)), "none")
    if packed == "parquet":
        copy = scratch / "sample.parquet"
        shutil.copyfile(file, copy)
        return SampleObject("parquet", "auto", "utf-8", copy)
    _refuse(file, not_read(begins, file))
    by_name = effective_compression("auto", file.name)
    data, whole = _decompressed(file, packed)
    if packed != "none" and any(data.startswith(magic) for magic in _MAGIC):
        _refuse(file, ("compressed twice", "compress it once"))
    _refuse(file, not_read(data[:_FIRST_BYTES]))
    found = decoded(data)
    text = found.text if whole else found.text[: found.text.rfind("\n") + 1]
    if not text.strip():
        raise CommandFailed(f"{file} is empty", REFUSED, "give an object with rows")
    _refuse(file, no_table(text))
    kind = {"[": "json", "{": "jsonl"}.get(text.lstrip()[:1], "csv")
    if kind == "json" and not whole:
        raise CommandFailed(f"{file} is too large for a sample", REFUSED, "give some of its items")
    if kind != "csv" and found.encoding != "utf-8":
        advice = "write it in UTF-8, here and in the program that writes these objects"
        raise CommandFailed(
            f"{file} is JSON in {found.encoding.upper()}, which is not read", REFUSED, advice
        )
    path = scratch / "sample.txt"
    path.write_text(text, encoding="utf-8", newline="")
    compression = "auto" if packed == by_name else packed
    return SampleObject(kind, compression, found.encoding, path, whole, found.notes)


def _refuse(file: Path, found: tuple[str, str] | None) -> None:
    if found:
        what, advice = found
        raise CommandFailed(f"{file} is {what}, which is not read", REFUSED, advice)


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
