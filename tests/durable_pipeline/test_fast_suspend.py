"""FastSuspend changes one constant of the SDK where it is known, and only if it is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from aws_durable_execution_sdk_python import state

from contracts.steps import function_variable, step_functions
from durable_pipeline import app, sdk
from durable_pipeline.sdk import POLL_SECONDS, suspend_fast


def names_of_sdk() -> dict[str, Any]:
    return {"_STOP_SIGNAL_POLL_SECONDS": 0.1}


def test_the_installed_sdk_is_one_that_was_seen_to_look_ten_times_a_second() -> None:
    assert sdk.is_known()
    source = state.__spec__.loader.get_source(state.__name__)  # type: ignore[union-attr]
    assert "_STOP_SIGNAL_POLL_SECONDS = 0.1\n" in source
    assert source.count("_STOP_SIGNAL_POLL_SECONDS") == 3  # defined, and two timeouts of waits


@pytest.mark.parametrize(("value", "seconds"), [(None, 0.1), ("false", 0.1), ("true", 0.005)])
def test_it_is_changed_if_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, value: str | None, seconds: float
) -> None:
    for name in step_functions():
        monkeypatch.setenv(function_variable(name), name)
    monkeypatch.setattr(state, "_STOP_SIGNAL_POLL_SECONDS", 0.1)
    monkeypatch.setattr(app, "_settings", None)
    if value is not None:
        monkeypatch.setenv("FAST_SUSPEND", value)
    app.settings()
    assert seconds == state._STOP_SIGNAL_POLL_SECONDS


def test_the_constant_is_changed() -> None:
    names = names_of_sdk()
    assert suspend_fast(names) == ""
    assert names == {"_STOP_SIGNAL_POLL_SECONDS": POLL_SECONDS}


@pytest.mark.parametrize(
    ("installed", "names"),
    [("3.1.0", names_of_sdk()), ("3.0.0", {}), ("3.0.0", {"_STOP_SIGNAL_POLL_SECONDS": None})],
)
def test_another_sdk_is_left_as_it_is_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, installed: str, names: dict[str, Any]
) -> None:
    monkeypatch.setattr(sdk, "installed", lambda: installed)
    before = dict(names)
    why = suspend_fast(names)
    assert "FastSuspend has no effect" in why
    assert f"and {installed} is installed" in why
    assert names == before
