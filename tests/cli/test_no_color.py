"""NO_COLOR (no-color.org): what a terminal shows has no colours, and says as much without them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import boto3
import pytest
from cli_world import World
from typer.testing import CliRunner

from cli.main import app
from contracts.ledger_items import place_in_list

# Select Graphic Rendition with a colour: ECMA-48, 8.3.117; 90 and above are xterm's.
COLOURED: Final = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]")
STYLES: Final = re.compile(r"\x1b\[[0-9;]*m")
COMMANDS: Final = (
    ("ls",),
    ("show", "run-1"),
    ("logs", "run-1"),
    ("units", "run-1"),
    ("dead-letters", "ls"),
    ("pools",),
)


@pytest.fixture
def failed(local: World) -> World:
    """A run that has failed, a line about it, a dead letter."""
    local.deployment.__dict__["_clients"]["logs"] = boto3.client("logs")
    claimed = (datetime.now(UTC) - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    local.put_run(
        status="FAILED",
        reason="1 of 1 units failed",
        claimed_at=claimed,
        **place_in_list(claimed, "run-1"),
    )
    local.put({"run_id": "run-1", "item": "UNIT#00000-000", "status": "FAILED"})
    failed = dict(state="FAILED", ended_at=claimed, error="no memory", engine="emr", job_id="j-1")
    local.put({"run_id": "run-1", "item": "JOB#00000-000#clean#0001", **failed})
    local.put_dead_letter("{}", Reason="startDateTime is required")
    return local


def on_a_terminal(*words: str, **more: str) -> str:
    environment = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "120", **more}
    return CliRunner().invoke(app, list(words), env=environment).output


@pytest.mark.usefixtures("failed")
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_colours_what_it_prints(words: tuple[str, ...]) -> None:
    plain, coloured = on_a_terminal(*words, NO_COLOR="1"), on_a_terminal(*words)

    assert COLOURED.search(plain) is None
    assert words_of(plain) == words_of(coloured)
    assert len(words_of(plain)) > 2


def words_of(output: str) -> list[str]:
    """Without numbers: a second may pass between two outputs."""
    return re.findall(r"[^\W\d_]{2,}", STYLES.sub("", output))


@pytest.mark.usefixtures("failed")
def test_without_it_states_are_coloured() -> None:
    assert COLOURED.search(on_a_terminal("logs", "run-1"))
    assert COLOURED.search(on_a_terminal("ls"))
