"""bzip2 and zip: what they hold, in bounded memory; or why not."""

from __future__ import annotations

import bz2
import io
import tracemalloc
import zipfile

import pytest

from reading_rules.packed import bunzipped, unzipped
from reading_rules.text_error import TextError

TEXT = b"id,note\n1,a\n2,b\n"


def archive(*members: tuple[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as made:
        for name, body in members:
            made.writestr(name, body)
    return file.getvalue()


def unpacked(body: bytes) -> bytes:
    return b"".join(unzipped(io.BytesIO(body)))


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_one_member_of_an_archive_is_read(how: int) -> None:
    assert unpacked(archive(("in a folder/a.csv", TEXT), how=how)) == TEXT
    assert unpacked(archive(("empty.csv", b""), how=how)) == b""


def test_an_archive_may_have_sizes_of_64_bits() -> None:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made,
        made.open("a.csv", "w", force_zip64=True) as member,
    ):
        member.write(TEXT)
    assert unpacked(file.getvalue()) == TEXT


def encrypted() -> bytes:
    body = bytearray(archive(("a.csv", TEXT)))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(signature) + at] |= 1
    return bytes(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (archive(("a.csv", TEXT), ("b.csv", TEXT)), "has 2 members"),
        (archive(), "has no member"),
        (encrypted(), "has an encrypted member"),
        (archive(("../a.csv", TEXT)), "an odd name"),
        (archive(("/etc/a.csv", TEXT)), "an odd name"),
        (archive(("a\\b.csv", TEXT)), "an odd name"),
        (archive(("C:a.csv", TEXT)), "an odd name"),
        (archive(("a\n.csv", TEXT)), "an odd name"),
        (archive(("folder/", b"")), "an odd name"),
        (archive(("a.csv", TEXT), how=zipfile.ZIP_LZMA), "method 14; deflate is read"),
        (archive(("a.csv", TEXT))[:-30], "its end is missing"),
        (TEXT, "it is not a zip archive"),
        (b"", "it is not a zip archive"),
        (archive(("a.csv", TEXT), how=zipfile.ZIP_STORED).replace(b"1,a", b"9,a"), "Bad CRC-32"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_any_other_archive_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(TextError, match=reason):
        unpacked(body)


def test_a_directory_of_any_number_of_members_is_not_read() -> None:
    body = archive(*((f"{n:05d}.csv", b"") for n in range(20_000)))
    tracemalloc.start()
    with pytest.raises(TextError, match="has 20,000 members"):
        unpacked(body)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_bzip2_may_have_several_streams() -> None:
    body = bz2.compress(TEXT[:5]) + bz2.compress(TEXT[5:])
    assert b"".join(bunzipped(io.BytesIO(body))) == TEXT
    assert list(bunzipped(io.BytesIO(b""))) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (bz2.compress(TEXT)[:-9], "cut off"),
        (TEXT, "it is not bzip2"),
        (bz2.compress(TEXT) + b"garbage", "it is not bzip2"),
    ],
)
def test_what_is_no_bzip2_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(TextError, match=reason):
        list(bunzipped(io.BytesIO(body)))


@pytest.mark.parametrize("kind", ["bzip2", "zip"])
def test_a_bomb_comes_out_block_by_block(kind: str) -> None:
    size = 32 * 1024 * 1024
    zeros = bytes(size)
    body = bz2.compress(zeros) if kind == "bzip2" else archive(("a.csv", zeros))
    del zeros
    read = bunzipped if kind == "bzip2" else unzipped
    tracemalloc.start()
    assert sum(len(block) for block in read(io.BytesIO(body))) == size
    assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    tracemalloc.stop()
