"""Lines of a chunk are found from the nearest place, and are the same as without places."""

from __future__ import annotations

import random
from pathlib import Path

from contracts.dataset import CsvFormat
from reading.chunks import Chunk, Cutter
from reading.line_index import STEP_BYTES, LineIndex
from reading.line_texts import LineTexts


def chunks_of(text: bytes, directory: Path, block_bytes: int) -> list[Chunk]:
    blocks = (text[at : at + block_bytes] for at in range(0, len(text), block_bytes))
    return list(Cutter(directory, CsvFormat(), "chunk", 40_000).cut(blocks))


def test_lines_are_those_of_a_walk_from_the_beginning(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 -- no secret
    lines = [b"x" * chance.choice([0, 1, 30, 900, 5 * STEP_BYTES]) for _ in range(400)]
    for chunk in chunks_of(b"\n".join(lines), tmp_path, 9_999):
        wanted = [n for n in range(chunk.lines) if chance.random() < 0.2]
        with LineTexts(chunk) as texts:
            for n in wanted:
                line = chunk.first_line + n
                assert texts.take(line, 1) == lines[line - 1]


def test_a_line_is_looked_for_within_a_step(tmp_path: Path) -> None:
    text = b"".join(b"%019d\n" % n for n in range(1900))
    (chunk,) = chunks_of(text, tmp_path, 5_000)
    for line in (2, 700, 1900):
        place, ended = chunk.index.before_line(line)
        begins = 20 * (line - 1)
        assert begins - STEP_BYTES - 20 <= place < begins
        assert ended == text.count(b"\n", 0, place)
        assert chunk.index.before_byte(begins)[0] > begins - STEP_BYTES


def test_the_first_line_and_a_chunk_without_places_begin_at_the_beginning() -> None:
    index = LineIndex()
    assert index.before_line(5) == index.before_byte(5) == (0, 0)
    index.add(b"a\nb\n" * STEP_BYTES, 0, 0)
    assert index.before_line(1) == (0, 0)
    index.forget()
    assert index.before_line(5_000) == (0, 0)
