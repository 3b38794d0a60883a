"""A test that leaves the log off is found at once, and those after it have their log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from logging_on import turn_on

from runtime.handler import logger

LOG = logging.getLogger(logger.name)


def lose_level() -> None:
    logger.setLevel(logging.CRITICAL)  # as Powertools' own method does it


@pytest.mark.parametrize(
    ("lose", "what"),
    [
        (lose_level, "its logger's level"),
        (lambda: logging.disable(logging.CRITICAL), "logging.disable()"),
        (lambda: setattr(LOG, "disabled", True), "its logger is disabled"),
        (lambda: setattr(LOG, "propagate", False), "its logger does not propagate"),
    ],
)
def test_what_turns_the_log_off_is_named_and_undone(
    lose: Callable[[], Any], what: str, caplog: pytest.LogCaptureFixture
) -> None:
    lose()
    logger.info("not seen")
    assert caplog.messages == []

    assert turn_on() == what

    logger.info("seen")
    assert caplog.messages == ["seen"]
    assert turn_on() == ""
