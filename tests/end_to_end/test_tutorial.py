"""docs/tutorial.md: its commands are typed in its order, and print what it shows."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from running_cloud import ROOT, RunningCloud
from tutorial import AWAITED, PAGE, Clone, Typed, blocks, masked

from local.local_cloud.cloud import LocalCloud

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600)]


def typed() -> list[Typed]:
    return [one for block in blocks(PAGE.read_text(encoding="utf-8")) for one in block]


def test_the_commands_print_what_the_page_shows(tmp_path: Path) -> None:
    made, clone_at = tmp_path / "cloud", tmp_path / "clone"
    clone_at.mkdir()
    with (
        LocalCloud(ROOT / "template.yaml", made, port=0, redelivery_seconds=2) as cloud,
        closing(Clone(RunningCloud(cloud, with_sample=False), clone_at)) as clone,
    ):
        for one in typed():
            awaited = one.command in AWAITED
            type_it = clone.type_until if awaited else lambda command, _: clone.type(command)
            printed = type_it(one.command, one.output)
            assert masked(printed) == masked(one.output), one.command


def test_commands_that_are_awaited_are_on_the_page() -> None:
    assert set(AWAITED) <= {one.command for one in typed()}


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("took 3 s", "took 12 s", True),
        ("2026-11-30T15:25:03.365017Z", "2026-12-01T00:00:00.000001Z", True),
        ("5 rows stored", "6 rows stored", False),
        ("v-1,2026-11-01T08:00:00Z", "v-1,2026-11-02T08:00:00Z", False),
        ("first  │ SUCCEEDED", "first │ FAILED", False),
    ],
)
def test_outputs_are_equal_but_for_ids_times_and_durations(
    one: str, other: str, equal: bool
) -> None:
    assert (masked([one]) == masked([other])) is equal
