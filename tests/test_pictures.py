"""The pictures of docs/pictures are those of their sources, and the sources show what there is."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

import pytest
from test_layers import LAYERS

from contracts.steps import declared

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from draw_pictures import PICTURES, stamp  # noqa: E402

SOURCES: Final = sorted(PICTURES.glob("*.d2"))
# Steps of the orchestrator that the picture leaves out: what goes wrong, and long runs.
NOT_DRAWN: Final = {
    "begin-round",
    "cancel-job",
    "check-job",
    "explain-load",
    "freeze-plan",
    "read-shard",
    "reject-message",
    "start-run",
}


def test_there_are_pictures() -> None:
    assert [source.stem for source in SOURCES] == ["rooms", "run"]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_picture_is_drawn_from_its_source(source: Path) -> None:
    picture = source.with_suffix(".svg").read_text(encoding="utf-8")
    assert picture.endswith(stamp(source)), "draw it again: make pictures"


def test_the_picture_of_the_rooms_has_the_layers_of_the_code() -> None:
    source = (PICTURES / "rooms.d2").read_text(encoding="utf-8")
    drawn = re.findall(r'^  layer\d+: "(.+)"$', source, re.MULTILINE)
    assert [set(layer.split(" · ")) for layer in drawn] == [set(layer) for layer in LAYERS]


def test_the_picture_of_a_run_has_the_steps_of_the_code() -> None:
    source = (PICTURES / "run.d2").read_text(encoding="utf-8")
    missing = {step.name for step in declared()} - NOT_DRAWN - set(re.findall(r"[\w-]+", source))
    assert not missing, f"draw {', '.join(sorted(missing))} in docs/pictures/run.d2"
