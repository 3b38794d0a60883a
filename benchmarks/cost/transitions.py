"""Counts the state transitions of a Standard workflow, from its definition in Amazon States
Language. The definitions are data for counting: nothing runs them, and nothing is deployed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

MACHINES: Final = Path(__file__).with_name("machines")


def machine(name: str) -> dict[str, Any]:
    """The definition of this name."""
    found: dict[str, Any] = json.loads((MACHINES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def transitions(
    definition: Mapping[str, Any], *, polls: int = 1, objects: int = 1, batch: int | None = None
) -> int:
    """How many states one execution enters, each of which is billed as a transition.

    A Map counts as one, and the states of its children as often as it has children (AWS Step
    Functions pricing: each step that is executed). The start of an execution is not counted.

    Args:
        polls: a Choice takes its `Default` until it has been entered so often, then its first
            choice.
        objects: of a Map.
        batch: objects to a child of a Map; absent: as its ItemBatcher says.

    Raises:
        ValueError: there is a kind of state that is not counted here.
    """
    states = definition["States"]
    name: str | None = definition["StartAt"]
    entered, asked = 0, 0
    while name is not None:
        state = states[name]
        entered += 1
        if state["Type"] == "Choice":
            asked += 1
            name = state["Choices"][0]["Next"] if asked >= polls else state["Default"]
            continue
        if state["Type"] == "Map":
            size = batch or state.get("ItemBatcher", {}).get("MaxItemsPerBatch", 1)
            children = math.ceil(objects / size)
            entered += children * transitions(state["ItemProcessor"], polls=polls)
        elif state["Type"] not in ("Task", "Wait"):
            raise ValueError(f"{name}: states of type {state['Type']} are not counted here")
        name = state.get("Next")
    return entered
